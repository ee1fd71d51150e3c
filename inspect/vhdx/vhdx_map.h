/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A VHDX at block level: what is known after opening, and what of its tables is held. Private to inspect/vhdx/. */
#ifndef CV_INSPECT_VHDX_MAP_H
#define CV_INSPECT_VHDX_MAP_H

#include <chainview/extent.h>
#include "inspect/vhd/vhd_map_table.h"
#include "inspect/vhdx/vhdx.h"

#define VHDX_MAP_BITS (64u << 10)            /* bytes of a sector bitmap that are held: those of the largest block */
#define VHDX_MAP_PLACES 4u

struct vhdx_map {
	struct cv_source *source;            /* of the layer; shows the log as replayed */
	uint64_t size;                       /* of the disk */
	bool differencing;
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

/* vhdx_map_open.c. False if the image cannot be mapped; fini is always fine. */
bool cv_vhdx_map_init(struct vhdx_map *m, struct cv_layer *layer, struct cv_err *err);
void cv_vhdx_map_fini(struct vhdx_map *m);

#endif
