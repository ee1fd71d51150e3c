/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What views that are a list with panes below it have in common (list.c): repositories, trees, findings, space,
 * journal, trash. */
#ifndef TUI_VIEW_LIST_H
#define TUI_VIEW_LIST_H

#include "tui/view/view.h"

struct cv_ident_set;

typedef void cv_row_draw(const struct cv_console *c, struct cv_cells *out, size_t row, int y);

/* Rows of the list that fit on the screen below head rows of headings. */
int cv_list_page(const struct cv_console *c, enum cv_view_id view, int head);
/* Draws the rows and the cursor among them, and the panes; what stands above them is the view's own. */
void cv_list_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area area, enum cv_view_id view, int head,
		  cv_row_draw *draw);
/* Marks the row under the cursor, or takes its mark away, and goes to the next one. */
void cv_list_mark(struct cv_console *c, struct cv_ident_set *marks, struct cv_ident id);
/* Searching goes through the rows. */
size_t cv_list_places(const struct cv_console *c);
size_t cv_list_now(const struct cv_console *c);

#define CV_LIST_SEARCH .places = cv_list_places, .place_now = cv_list_now, .place_go = cv_list_go

#endif
