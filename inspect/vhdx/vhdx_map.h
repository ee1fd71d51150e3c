/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A VHDX at block level: what is known after opening, and what of its tables is held. Private to inspect/vhdx/. */
#ifndef CV_INSPECT_VHDX_MAP_H
#define CV_INSPECT_VHDX_MAP_H

#include <chainview/extent.h>
#include "inspect/vhd/vhd_map_table.h"
#include "inspect/vhdx/vhdx.h"

#define VHDX_MAP_BITS (64u << 10)            /* bytes of a sector bitmap that are held: those of the largest block */
#define VHDX_MAP_PLACES 4u

/* Entries of the BAT: where, and in which state. */
#define VHDX_STATE_BITS 7u
#define VHDX_OFFSET_BITS (~(uint64_t)(CV_VHDX_MIB - 1))
#define VHDX_BITMAP_PRESENT 6u

struct vhdx_map {
	struct cv_source *source;            /* of the layer; shows the log as replayed */
	uint64_t size;                       /* of the disk */
	bool differencing, fixed;            /* fixed: room for all of the disk is to be kept */
	uint32_t block_size, sector;         /* sector: logical, 512 or 4096 */
	uint64_t ratio;                      /* blocks whose sectors one bitmap describes */
	uint64_t bat_off, bat_entries;       /* of the region */
	struct cv_range places[VHDX_MAP_PLACES];     /* of what no block may lie on */
	size_t place_count;

	struct cv_bat_window bat;            /* of cv_le64 */
	uint64_t chunk, chunk_bitmap;        /* the chunk whose bitmap was looked up last, and its place; 0: none */
	uint8_t *bits;                       /* of a bitmap, from file offset bits_off on; 0: none are held */
	uint64_t bits_off;
	unsigned reads;                      /* of tables, in the present call */
};

/* Behind the entries of each chunk's blocks comes that of its sector bitmap. */
static inline uint64_t cv_vhdx_entry_of_block(const struct vhdx_map *m, uint64_t block)
{
	return block + block / m->ratio;
}

static inline uint64_t cv_vhdx_entry_of_bitmap(const struct vhdx_map *m, uint64_t chunk)
{
	return chunk * (m->ratio + 1) + m->ratio;
}

static inline bool cv_vhdx_has_reserved_bits(uint64_t entry)
{
	return entry & ~(VHDX_OFFSET_BITS | VHDX_STATE_BITS);
}

/* vhdx_map_open.c. False if the image cannot be mapped; fini is always fine. */
bool cv_vhdx_map_init(struct vhdx_map *m, struct cv_layer *layer, struct cv_err *err);
void cv_vhdx_map_fini(struct vhdx_map *m);

/* vhdx_map_describe.c: the entries and the bits for a guest offset. */
bool cv_vhdx_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err);

#endif
