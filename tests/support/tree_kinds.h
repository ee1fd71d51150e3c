/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kinds of images, families of trees. */
#ifndef TESTS_SUPPORT_TREE_KINDS_H
#define TESTS_SUPPORT_TREE_KINDS_H

#include "tests/support/tree.h"

/* What a tree is made of: kinds for the lowest image and for those above. */
struct tree_family {
	const char *name;
	const struct tree_kind *const *bases, *const *children;      /* NULL-ended */
	bool needs_qemu;
	unsigned seeds;              /* that every run takes: 1 to so many */
};
extern const struct tree_family tree_families[];                     /* ended by a name of NULL */

bool tree_make_qemu(const struct tree *t, int image, const char *folder, struct cv_text *why);
bool tree_make_raw(const struct tree *t, int image, const char *folder, struct cv_text *why);

#endif
