/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* QCOW and QCOW2 files of a tree: what their tables hold, and what qemu's programs cannot do to them. */
#ifndef TESTS_SUPPORT_TREE_QCOW_H
#define TESTS_SUPPORT_TREE_QCOW_H

#include "tests/support/tree_space.h"

void tree_use_qcow(struct tree_use *u);
void tree_use_qcow2(struct tree_use *u);
/* The mark and the lost cluster of the model go into the finished file. */
bool tree_patch_qcow2(const struct tree *t, int image, const char *folder, struct cv_text *why);

#endif
