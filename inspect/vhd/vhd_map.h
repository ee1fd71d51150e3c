/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A VHD at block level: what is known after opening, and what of its tables is held. Private to inspect/vhd/. */
#ifndef CV_INSPECT_VHD_MAP_H
#define CV_INSPECT_VHD_MAP_H

#include <chainview/extent.h>
#include "inspect/vhd/vhd.h"
#include "inspect/vhd/vhd_map_table.h"

#define VHD_MAP_PLACES 5u

struct vhd_map {
	struct cv_source *source;            /* of the layer */
	uint64_t size;                       /* of the disk */
	uint64_t limit;                      /* no data lie in the file from here on */
	bool fixed, differencing;

	uint32_t block_size, bitmap_len;     /* the bitmap in whole sectors; 64 KiB at most */
	uint64_t bat_off, bat_entries;
	uint64_t bat_lost;                   /* so many more the table should have; the file ends before them (damaged images) */
	struct cv_range places[VHD_MAP_PLACES];      /* of what no block may lie on */
	size_t place_count;

	struct cv_bat_window bat;            /* of cv_be32 */
	uint8_t *bitmap;
	uint64_t bitmap_of;                  /* the block whose bitmap is held; UINT64_MAX: none */
	uint8_t *full;                       /* the batmap, if it can be trusted: blocks without a missing sector */
	uint64_t full_blocks;                /* bits in it */
	unsigned reads;                      /* of tables, in the present call */
};

/* vhd_map_open.c. False if the image cannot be mapped; fini is always fine. */
bool cv_vhd_map_init(struct vhd_map *m, struct cv_layer *layer, struct cv_err *err);
void cv_vhd_map_fini(struct vhd_map *m);
/* vhd_map_damaged.c: a footer to go by where none is good, from what is left of one or from the dynamic header. */
bool cv_vhd_footer_imagine(struct vhd_reader *r, struct cv_err *err);
/* The BAT as far as the file has it; false: nothing of it is there. */
bool cv_vhd_table_cut(struct vhd_map *m, const struct vhd_reader *r);
/* vhd_map_describe.c: the BAT entry and the bits for a guest offset. */
bool cv_vhd_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err);

#endif
