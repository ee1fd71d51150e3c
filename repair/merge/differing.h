/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What an image must get of its own so that it reads the same on another parent, or on none: where it has nothing, what is read
 * through the chain that it stands on now and what would be read through the other, compared. As a layer, so that it can be
 * merged into the image like a child of it (merge.h): data and zeros where both differ, nothing anywhere else.
 */
#ifndef CV_REPAIR_MERGE_DIFFERING_H
#define CV_REPAIR_MERGE_DIFFERING_H

#include "repair/merge/merge.h"

struct cv_differing {
	struct cv_layer *image;
	struct cv_chain now, then;           /* then: no layers if there is to be none; whatever both end with is the same layers */
	struct cv_merge *m;                  /* the image, open to be written to */
};

/* All of it is borrowed. What the image gets meanwhile must have been asked for before. */
struct cv_layer *cv_differing_open(const struct cv_differing *d, struct cv_err *err);

#endif
