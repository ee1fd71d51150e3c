/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The drawing half of the tree view (tree_draw.c), for its other half (tree.c). */
#ifndef TUI_VIEW_TREE_H
#define TUI_VIEW_TREE_H

#include "tui/view/view.h"

int cv_tree_page(const struct cv_console *c);
void cv_tree_panes(struct cv_console *c);
void cv_tree_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area area);
void cv_tree_title(const struct cv_console *c, struct cv_text *out);
void cv_tree_hint(const struct cv_console *c, struct cv_text *out);

/* By enum cv_sort. */
extern const char *const cv_tree_sorts[];

/* Folds the trees that would fill a screen on their own, so that the others are seen beside them. */
void cv_tree_fold_large(struct cv_console *c);

#endif
