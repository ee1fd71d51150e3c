/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Views that are one scrolled paper: how they page, draw and are searched. What is on it is theirs. */
#include "tui/console_model.h"
#include "tui/view/scroll.h"

int cv_scroll_page(const struct cv_console *c)
{
	return cv_body(c->w, c->h).h;
}

void cv_scroll_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area area)
{
	cv_paper_draw(&c->paper, out, area, c->view[cv_top(c)].list.top);
	out->cursor_x = 0;
	out->cursor_y = area.y;
}

void cv_scroll_hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_list *l = &c->view[cv_top(c)].list;
	size_t rows = (size_t)(cv_scroll_page(c) > 0 ? cv_scroll_page(c) : 1);

	if (l->count > rows)
		cv_text_addf(out, "lines %zu-%zu of %zu   ", l->top + 1, cv_smaller(l->top + rows, l->count), l->count);
}

struct cv_ident cv_scroll_ident(const struct cv_console *c, size_t row)
{
	(void)c;
	return (struct cv_ident){ row, 0, 4 };
}

size_t cv_scroll_places(const struct cv_console *c)
{
	return c->paper.lines.len;
}

void cv_scroll_place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	cv_paper_line_text(&c->paper, place, out);
}

size_t cv_scroll_place_now(const struct cv_console *c)
{
	return c->view[cv_top(c)].list.top;
}
