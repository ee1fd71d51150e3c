/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which parts of a disk are doubtful, because what an image says of them leads to bytes of its file that it gives to
 * something else, too: two blocks in one place, data where a table is. One of the two is wrong, and the bytes do not say
 * which. For those who copy what can be read of damaged images.
 */
#ifndef CV_INSPECT_SALVAGE_OVERLAP_H
#define CV_INSPECT_SALVAGE_OVERLAP_H

#include <chainview/extent.h>
#include <chainview/vec.h>

/* Bytes of the file, and which of the disk depend on them: of data the same number; of a table all that it decides. */
struct cv_held_bytes { struct cv_range host, guest; };
CV_VEC(cv_held_vec, struct cv_held_bytes);
CV_VEC(cv_doubt_vec, struct cv_range);

/* More pieces of one image are not compared with one another: then nothing in it is doubtful. */
#define CV_OVERLAP_MOST (UINT32_C(4) << 20)

struct cv_overlap_watch {
	bool (*alive)(void *ctx);    /* now and then; false: nobody listens */
	void *ctx;
};

/* Guest ranges that are doubtful, ascending and apart; freed by the caller. format: of the layer. */
bool cv_overlap_find(struct cv_layer *layer, enum cv_format_id format, const struct cv_overlap_watch *watch,
		     struct cv_doubt_vec *doubts, struct cv_err *err);
/* What of held bytes is held twice; held is sorted. Pure. */
bool cv_overlap_of(struct cv_held_vec *held, struct cv_doubt_vec *doubts, struct cv_err *err);
/* How far from off on (before end) nothing changes, and whether it is doubtful there. */
uint64_t cv_doubt_until(const struct cv_doubt_vec *doubts, uint64_t off, uint64_t end, bool *doubtful);

/* qcow2/qcow2_map_held.c: the header, the tables of the disk, the reference counts. */
bool cv_qcow2_add_held(struct cv_layer *layer, struct cv_held_vec *held, struct cv_err *err);

#endif
