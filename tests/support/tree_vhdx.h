/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* VHDX files from the model of a tree, with garbage wherever no guest may look. */
#ifndef TESTS_SUPPORT_TREE_VHDX_H
#define TESTS_SUPPORT_TREE_VHDX_H

#include "tests/support/tree.h"

bool tree_make_vhdx(const struct tree *t, int image, const char *folder, struct cv_text *why);
void tree_use_vhdx(struct tree_use *u);

#endif
