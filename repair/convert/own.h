/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What an image holds of its own, of what a guest reads through its chain: for a new image that stands on a new parent,
 * in units of its grain. Extents of the image itself stay; those that the parent answers for become PARENT. A unit of
 * which the image has only a part must be there as a whole: its other parts stay what the guest reads, and come from
 * below.
 */
#ifndef CV_REPAIR_CONVERT_OWN_H
#define CV_REPAIR_CONVERT_OWN_H

#include "repair/convert/feed.h"
#include <chainview/vec.h>

CV_VEC(cv_own_parts, struct cv_extent);

struct cv_own {
	uint64_t size;               /* of the disk */
	uint32_t grain;
	struct cv_own_parts unit;    /* of a unit that is not complete yet */
	struct cv_own_parts out;     /* what has been settled: the caller empties it */
};

/* The next extent of the chain. False: memory ran short. */
bool cv_own_push(struct cv_own *own, const struct cv_extent *e);
void cv_own_fini(struct cv_own *own);
/* Whether the bytes of a compressed extent that comes now may be needed. */
bool cv_own_needs(const struct cv_own *own, const struct cv_extent *e);

/* A feed with only that: in a unit that data lie in, other parts that read as zeros are PARENT, and where nothing but zeros is
 * all of it is ZERO. Takes the inner one, also when it fails; NULL stays NULL. */
struct cv_feed *cv_own_feed(struct cv_feed *inner, uint64_t size, uint32_t grain, struct cv_err *err);

#endif
