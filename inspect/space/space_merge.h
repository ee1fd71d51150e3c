/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the two files of forecasts share: one job is one image that goes into a target. Private to inspect/space/. */
#ifndef CV_INSPECT_SPACE_SPACE_MERGE_H
#define CV_INSPECT_SPACE_SPACE_MERGE_H

#include "inspect/space/space_work.h"

#define CV_MERGE_PAGE UINT64_C(4096)         /* what file systems give at least */

/* Something that is done to a part of the target's disk. */
struct cv_merge_op {
	uint64_t off, len;
	bool zero;
};
CV_VEC(cv_merge_ops, struct cv_merge_op);

struct cv_merge_job {
	struct cv_space_tree *tree;
	struct cv_space_node *child, *target;    /* child NULL: what is copied comes from anywhere */
	struct cv_space_forecast *f;
	const struct cv_space_runs *before;      /* what others have put there before; NULL: nothing */
	uint64_t granule, size;                  /* size: of the disk that is copied */
	struct cv_merge_ops ops;
	size_t extent;                           /* position in the target's extents */
};

static inline uint64_t cv_merge_down(uint64_t n, uint64_t unit)
{
	return n / unit * unit;
}

static inline uint64_t cv_merge_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

void cv_merge_grow(struct cv_merge_job *j, uint64_t bytes);
/* Holes of the target's file that are filled when this is written. last: of those that are filled in ascending order,
 * the end of the page filled last, so that none counts twice. */
void cv_merge_fill(struct cv_merge_job *j, uint64_t *last, uint64_t host, uint64_t len);
/* The same for a part of a unit of the disk that lies at host in one piece: pages to which somebody in the plan has
 * written before are there. */
void cv_merge_fill_part(struct cv_merge_job *j, uint64_t host, struct cv_range part, struct cv_range unit);
/* Has somebody in the plan put data there before? */
bool cv_merge_put_before(const struct cv_merge_job *j, uint64_t off, uint64_t len);
/* The next part at or behind pos, up to end, where nobody has; false if there is none. */
bool cv_merge_new_part(const struct cv_merge_job *j, uint64_t pos, uint64_t end, struct cv_range *part);

/* space_merge_blocks.c: VHD and VHDX. */
bool cv_merge_do_blocks(struct cv_merge_job *j, const struct cv_merge_op *op, struct cv_err *err);
/* planned: after the others that go into the same target. */
void cv_merge_end_blocks(struct cv_space_forecast *f, struct cv_space_node *target, bool planned);

#endif
