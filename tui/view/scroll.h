/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What views that are one scrolled paper have in common (scroll.c): details and help. */
#ifndef TUI_VIEW_SCROLL_H
#define TUI_VIEW_SCROLL_H

#include "tui/view/view.h"

int cv_scroll_page(const struct cv_console *c);
void cv_scroll_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area area);
/* "lines 1-20 of 35" when not everything fits. */
void cv_scroll_hint(const struct cv_console *c, struct cv_text *out);
struct cv_ident cv_scroll_ident(const struct cv_console *c, size_t row);
size_t cv_scroll_places(const struct cv_console *c);
void cv_scroll_place_text(const struct cv_console *c, size_t place, struct cv_text *out);
size_t cv_scroll_place_now(const struct cv_console *c);

#define CV_SCROLL_OPS                                                                                                  \
	.scrolls = true, .page = cv_scroll_page, .draw = cv_scroll_draw, .ident = cv_scroll_ident,                     \
	.places = cv_scroll_places, .place_text = cv_scroll_place_text, .place_now = cv_scroll_place_now,              \
	.place_go = cv_list_go

#endif
