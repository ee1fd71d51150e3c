/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A VHDX that is merged into: what the files of the format share. Private to repair/merge/vhdx*.c. */
#ifndef CV_REPAIR_MERGE_VHDX_H
#define CV_REPAIR_MERGE_VHDX_H

#include "inspect/vhdx/vhdx_map.h"
#include "repair/merge/merge.h"
#include "repair/vhdx/encode.h"

/* Sector bitmaps and their entries; then the entries of blocks; behind all, the size of the disk. The header goes with the first. */
enum { CV_MERGE_VHDX_BITS = 1, CV_MERGE_VHDX_BAT = 2, CV_MERGE_VHDX_SIZE = 3 };
enum { CV_MERGE_VHDX_ZERO = 2 };             /* state of a block of zeros that has no place */

/* What a block is for whoever writes to it. */
enum cv_merge_vhdx_kind {
	CV_MERGE_VHDX_HELD,                  /* it has a place, all of it */
	CV_MERGE_VHDX_SHARED,                /* it has a place; the bitmap says which sectors are its own */
	CV_MERGE_VHDX_ABSENT,                /* what the parent stands on is seen */
	CV_MERGE_VHDX_EMPTY,                 /* zeros */
};

/* The block that pieces come for. A new one is not in the BAT before all its pieces have come. */
struct cv_merge_vhdx_block {
	bool held, changed;                  /* changed: SHARED, and bits were set */
	enum cv_merge_vhdx_kind kind;
	uint64_t number, place;              /* place: in the file; 0: none yet */
	uint64_t stale;                      /* EMPTY: a place that it keeps; 0: none */
	uint64_t owned, filled;              /* new: bytes of it that the image has; that are written, from its beginning */
	uint8_t *bits;                       /* new: sectors of it that the image has */
};

struct cv_merge_vhdx {
	struct cv_layer layer;               /* over the source of the merge, for the map */
	struct vhdx_map map;                 /* as it was opened: the size of the disk may grow since */
	uint64_t blocks;                     /* of the parent's disk */
	uint64_t tables, end;                /* the end of all that is no block; of the last block, or of that */
	uint64_t next;                       /* where the next new block may begin */
	uint64_t size_item;                  /* place of the disk's size in the file */
	bool reuse;                          /* places that blocks of zeros keep are nobody else's */
	uint64_t fresh, bitmaps;             /* blocks and bitmaps that will be new */
	uint64_t chunk;                      /* the last one whose new bitmap was counted, plus one */
	struct cv_merge_vhdx_block counting; /* the block whose pieces are counted; changed: there are data */
	struct cv_merge_vhdx_block block;
	uint64_t cleared;                    /* entries of the BAT that growing has looked at */
	bool touched, told;                  /* something in use was written to; and the header says so */
};

uint64_t cv_merge_vhdx_blocks(const struct cv_merge_vhdx *v, uint64_t size);
/* Does this entry lie behind those of the disk's blocks, and of the bitmaps of their chunks? */
bool cv_merge_vhdx_is_beyond(const struct cv_merge_vhdx *v, uint64_t index);
/* An entry of the BAT; 0 for blocks, and chunks, that the disk does not have. */
bool cv_merge_vhdx_entry(struct cv_merge *m, uint64_t index, uint64_t *entry, struct cv_err *err);
bool cv_merge_vhdx_set_entry(struct cv_merge *m, unsigned layer, uint64_t index, uint64_t entry, struct cv_err *err);
/* What the block is like: kind, place or stale. */
bool cv_merge_vhdx_find(struct cv_merge *m, uint64_t number, struct cv_merge_vhdx_block *b, struct cv_err *err);
/* Does the image have all of it, as far as the disk goes? */
bool cv_merge_vhdx_is_whole(const struct cv_merge *m, const struct cv_merge_vhdx_block *b);

/* vhdx_open.c */
bool cv_merge_vhdx_open(struct cv_merge *m, struct cv_err *err);
bool cv_merge_vhdx_count(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err);
bool cv_merge_vhdx_reserve(struct cv_merge *m, struct cv_err *err);

/* vhdx_grow.c */
bool cv_merge_vhdx_may_grow(struct cv_merge *m, struct cv_err *err);
bool cv_merge_vhdx_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err);

#endif
