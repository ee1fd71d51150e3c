/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The part of a merge that is about data: both images open over the descriptors that they are claimed by, the image's own
 * data into the parent, and read back. Operations that merge stand on it.
 */
#ifndef CV_REPAIR_OPERATION_MERGING_H
#define CV_REPAIR_OPERATION_MERGING_H

#include "repair/merge/merge.h"
#include "repair/operation/work.h"

struct cv_merging {
	struct cv_work *work;
	const struct cv_plan_merge *plan;
	size_t into;                         /* which item is written to */
	struct cv_layer *child;
	struct cv_merge m;
	struct cv_merge_copy copy;
	struct cv_layer **layers;            /* of what the parent stands on */
	struct cv_chain below;
};

/*
 * Of items 0 (the image) and 1 (its parent). Both are checked strictly first; what a crash left in the parent is put right
 * (again). trusting: what is in the parent's file was read after a power cut, or is known to be on disk. image: also open the
 * image; without it nothing can be copied.
 */
struct cv_merging_how {
	bool again, trusting, image;
	/* Item 0 itself is written to, and there is no other: what is merged into it the caller says (cv_merging_from()), and also
	 * what it stands on. */
	const struct cv_chain *alone;
	struct cv_keep *keep;                /* what the parent was goes there; NULL: nowhere. Borrowed */
};
bool cv_merging_open(struct cv_merging *g, struct cv_work *work, const struct cv_plan_merge *plan, struct cv_merging_how how,
		     struct cv_err *err);
/* What is to be merged: borrowed. No larger than what it is merged into. */
void cv_merging_from(struct cv_merging *g, struct cv_layer *child);
/* Copies, and compares what is on disk then. */
bool cv_merging_do(struct cv_merging *g, struct cv_err *err);
/* Gives back what was set aside in the parent. */
bool cv_merging_drop(struct cv_merging *g, struct cv_err *err);
/* The source of this number as a layer: held so that nobody writes to it, if it is not yet. NULL with err set. */
struct cv_layer *cv_merging_source(struct cv_work *work, size_t i, enum cv_format_id format, struct cv_err *err);
/* The item, as it is now, has no error. */
bool cv_merging_is_sound(struct cv_work *work, size_t item, enum cv_format_id format);
void cv_merging_fini(struct cv_merging *g);

#endif
