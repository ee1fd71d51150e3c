/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What an image could stand on, for those who go over two such chains side by side: what each of them has at a place, and
 * whether both have it from the same place of the same file. Positions only go forward, or back to the beginning.
 */
#ifndef CV_INSPECT_READER2_SIDES_H
#define CV_INSPECT_READER2_SIDES_H

#include <chainview/extent.h>

struct cv_side {
	struct cv_chain chain;       /* no layers: zeros; the layers are borrowed, their list is the side's own */
	struct cv_extents list;
	size_t at;
};

/* count layers of a list from first on, and then the last both of it. Fini also on failure. */
bool cv_side_init(struct cv_side *s, const struct cv_chain *all, size_t first, size_t count, size_t both, struct cv_err *err);
void cv_side_fini(struct cv_side *s);
/* What it has from pos on, as far as it says one thing, at most up to end. Behind the end of its disk are zeros. */
bool cv_side_at(struct cv_side *s, uint64_t pos, uint64_t end, struct cv_extent *e, struct cv_err *err);
/* The same bytes of the same file, or zeros on both sides. */
bool cv_sides_same(const struct cv_side *one, const struct cv_extent *a, const struct cv_side *other, const struct cv_extent *b);

#endif
