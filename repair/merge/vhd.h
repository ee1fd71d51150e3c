/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A VHD that is merged into: what the files of the format share. Private to repair/merge/vhd*.c. */
#ifndef CV_REPAIR_MERGE_VHD_H
#define CV_REPAIR_MERGE_VHD_H

#include "repair/merge/merge.h"
#include "repair/vhd/encode.h"

enum { CV_MERGE_VHD_LAYER = 1 };             /* bitmaps, BAT, batmap, headers: none of them has to go before another */

/* The block that pieces come for. Its bitmap is held until the next one's turn. */
struct cv_merge_block {
	bool held, fresh, changed;           /* fresh: the BAT does not know it yet */
	uint64_t number, place;              /* place: of its bitmap in the file */
	uint64_t filled;                     /* fresh: bytes of it that are written, from its beginning */
	uint8_t *bitmap;
};

struct cv_merge_vhd {
	struct vhd_footer_disk footer;       /* that the file ends with, and its copy */
	struct vhd_footer_disk copy;
	struct vhd_header_disk header;
	bool fixed;
	uint32_t block_size, bitmap_len;
	uint64_t bat, entries;               /* place of the BAT; entries in it */
	uint64_t tables;                     /* the end of everything that is no block */
	uint64_t end;                        /* of the last block, or of the tables */
	uint64_t next;                       /* where the next new block may begin */
	uint64_t fresh, counted;             /* blocks that will be new; the last one that was counted, plus one */
	struct cv_merge_block block;
	/* The batmap, if there is a sound one of reasonable size. */
	struct vhd_batmap_disk batmap;
	uint64_t batmap_off, map_off, map_len;
	uint8_t *map;
	bool map_changed;
};

/* The BAT entry of a block; VHD_UNUSED behind the end of the BAT. */
bool cv_merge_vhd_entry(struct cv_merge *m, uint64_t block, uint32_t *sector, struct cv_err *err);
bool cv_merge_vhd_set_entry(struct cv_merge *m, uint64_t block, uint64_t place, struct cv_err *err);
/* A place for one block more, with its data on a page. */
bool cv_merge_vhd_place(struct cv_merge *m, uint64_t *place, struct cv_err *err);
/* Blocks that the disk has. */
uint64_t cv_merge_vhd_blocks(const struct cv_merge_vhd *v, uint64_t size);

/* vhd_grow.c */
/* Refuses what cannot grow. */
bool cv_merge_vhd_plan_growth(struct cv_merge *m, struct cv_err *err);
bool cv_merge_vhd_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err);

#endif
