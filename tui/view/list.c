/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A list with panes below it: how many rows there is room for, drawing them, searching them. What a row or a pane
 * says is the view's.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

static int lower_height(const struct cv_console *c, enum cv_view_id view)
{
	return cv_pane_height(c, view) + cv_second_pane_height(c, view);
}

int cv_list_page(const struct cv_console *c, enum cv_view_id view, int head)
{
	return cv_body(c->w, c->h).h - head - lower_height(c, view);
}

void cv_list_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a, enum cv_view_id view, int head,
		  cv_row_draw *draw)
{
	const struct cv_list *l = &c->view[view].list;
	int first = cv_pane_height(c, view), second = cv_second_pane_height(c, view), bottom = a.y + a.h;
	int rows = a.h - head - first - second;
	size_t top = cv_list_top(l, rows);

	for (int i = 0; i < rows && top + (size_t)i < l->count; i++) {
		int y = a.y + head + i;

		draw(c, out, top + (size_t)i, y);
		if (top + (size_t)i == l->cursor)
			cv_draw_cursor(c, out, y, a.w);
	}
	if (!l->count)
		return;
	cv_draw_pane(c, out, 0, (struct cv_area){ a.x, bottom - first - second, a.w, first });
	cv_draw_pane(c, out, 1, (struct cv_area){ a.x, bottom - second, a.w, second });
}

size_t cv_list_places(const struct cv_console *c)
{
	return c->view[cv_top(c)].list.count;
}

size_t cv_list_now(const struct cv_console *c)
{
	return c->view[cv_top(c)].list.cursor;
}

void cv_list_mark(struct cv_console *c, struct cv_ident_set *marks, struct cv_ident id)
{
	size_t row = cv_state(c)->list.cursor;

	if (cv_ident_set_has(marks, id))
		cv_ident_set_remove(marks, id);
	else if (!cv_ident_set_add(marks, id))
		cv_console_say(c, "not enough memory for marks");
	cv_list_go(c, row + 1);
}
