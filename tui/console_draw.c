/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The frame around every view: title, status line, key bar, panes, menus. Pure: a const model goes in,
 * cells come out.
 */
#include "tui/console_model.h"

bool cv_is_small(int w, int h)
{
	return w < CV_MIN_W || h < CV_MIN_H;
}

struct cv_area cv_body(int w, int h)
{
	return (struct cv_area){ 0, 1, w, h - 3 };
}

int cv_pane_width(const struct cv_console *c)
{
	/* the frame and a blank on both sides, less what paper keeps free itself */
	return c->w - 2;
}

/* Panes by height of the screen; the tree needs a tall one, or a wide one that is not too low. */
int cv_pane_height(const struct cv_console *c, enum cv_view_id view)
{
	bool tall = c->h >= CV_TALL_H;

	switch (view) {
	case CV_VIEW_REPOSITORIES:
		return tall ? 11 : c->h >= 22 ? 9 : 6;
	case CV_VIEW_FINDINGS:
		return tall ? 14 : c->h >= 22 ? 8 : 5;
	case CV_VIEW_SPACE:
		return tall ? 8 : c->h >= 22 ? 5 : 0;
	case CV_VIEW_JOURNAL:
		return tall ? 10 : c->h >= 22 ? 8 : 5;
	case CV_VIEW_TREE:
		return tall ? 13 : c->w >= CV_WIDE_W && c->h >= 22 ? 7 : 0;
	default:
		return 0;
	}
}

int cv_second_pane_height(const struct cv_console *c, enum cv_view_id view)
{
	return view == CV_VIEW_REPOSITORIES && c->h >= CV_TALL_H ? 9 : 0;
}

/* Says on the lower edge that there is more than fits. */
static void draw_more(const struct cv_pane *pane, struct cv_cells *out, struct cv_area a, size_t rows, bool focus)
{
	char text[64];

	if (pane->paper.lines.len <= rows && !focus)
		return;
	snprintf(text, sizeof text, " %zu-%zu of %zu, %s ", cv_smaller(pane->top + 1, pane->paper.lines.len),
		 cv_smaller(pane->top + rows, pane->paper.lines.len), pane->paper.lines.len,
		 focus ? "Tab leaves" : "Tab scrolls");
	cv_cells_put(out, a.x + a.w - 2 - (int)strlen(text), a.y + a.h - 1, (int)strlen(text), CV_INK_LABEL, text);
}

void cv_draw_pane(const struct cv_console *c, struct cv_cells *out, int which, struct cv_area area)
{
	const struct cv_pane *pane = &c->pane[which];
	bool focus = c->pane_focus && which == 0;
	size_t rows, most;
	struct cv_pane at = *pane;

	if (area.h < 3 || area.w < 6)
		return;
	rows = (size_t)area.h - 2;
	most = pane->paper.lines.len > rows ? pane->paper.lines.len - rows : 0;
	at.top = cv_smaller(pane->top, most);
	cv_cells_box(out, area, pane->title);
	if (focus)
		cv_cells_paint(out, area.x, area.y, area.w, CV_INK_MARK);
	cv_paper_draw(&pane->paper, out, (struct cv_area){ area.x + 1, area.y + 1, area.w - 2, area.h - 2 }, at.top);
	draw_more(&at, out, area, rows, focus);
}

void cv_draw_cursor(const struct cv_console *c, struct cv_cells *out, int y, int w)
{
	cv_cells_put(out, 0, y, 1, CV_INK_TEXT, ">");
	if (!c->pane_focus)
		cv_cells_cursor(out, 0, y, w);
}

static void draw_title(const struct cv_console *c, struct cv_cells *out)
{
	const char *mode = c->run.active ? c->run.badge : c->writing ? "[WRITING]" : "[READ-ONLY]";
	int mode_w = (int)strlen(mode), room = out->w - mode_w - 1;
	struct cv_text t = { 0 };

	cv_cells_fill(out, 0, 0, out->w, CV_INK_TITLE, ' ', ' ');
	cv_text_addf(&t, "%s  ", c->program);
	cv_views[cv_top(c)]->title(c, &t);
	cv_cells_elide(out, 0, 0, room > 0 ? room : 0, CV_INK_TITLE, cv_text_str(&t));
	cv_cells_put(out, out->w - mode_w, 0, mode_w, CV_INK_TITLE, mode);
	cv_text_fini(&t);
}

static void scan_line(const struct cv_console *c, struct cv_text *t)
{
	const struct cv_scan_progress *p = &c->progress;
	uint64_t ms = c->progress_ms - c->started_ms;

	cv_text_addf(t, "%s %zu of %s%zu, %s%s", p->walking ? "Scanning" : "Reading", p->files_read,
		     p->walking ? ">" : "", p->files_found, p->walking ? ">" : "", cv_size_short(p->bytes_found).s);
	if (ms >= 1000)
		cv_text_addf(t, ", %" PRIu64 "/s", (uint64_t)p->files_read * 1000 / ms);
	cv_text_add(t, "  z:Stop  ");
}

static void draw_prompt(const struct cv_console *c, struct cv_cells *out, int y)
{
	const char *label = c->mode == CV_MODE_SEARCH ? "/" : c->mode == CV_MODE_FIELD ? c->question : "Filter: ";
	int used = cv_cells_put(out, 1, y, out->w - 1, CV_INK_PROMPT, label),
	    columns = cv_text_columns(c->input.text, out->ascii);
	int room = out->w - 2 - used;

	if (columns < room)
		cv_cells_put(out, 1 + used, y, room, CV_INK_TEXT, c->input.text);
	else
		cv_cells_elide(out, 1 + used, y, room, CV_INK_TEXT, c->input.text);
	out->cursor_x = 1 + used + (columns < room ? columns : room);
	out->cursor_y = y;
}

static void draw_status(const struct cv_console *c, struct cv_cells *out, int y)
{
	struct cv_text t = { 0 };
	int used;

	if (c->mode == CV_MODE_SEARCH || c->mode == CV_MODE_FILTER || c->mode == CV_MODE_FIELD) {
		draw_prompt(c, out, y);
		return;
	}
	if (c->mode == CV_MODE_ASK) {
		cv_cells_put(out, 1, y, out->w - 1, CV_INK_PROMPT, c->question);
	} else if (c->message[0]) {
		cv_cells_put(out, 1, y, out->w - 1, CV_INK_PROMPT, c->message);
	} else if (c->scanning) {
		scan_line(c, &t);
		used = cv_cells_put(out, 1, y, out->w - 1, CV_INK_INFO, cv_text_str(&t));
		cv_cells_elide(out, 1 + used, y, out->w - 1 - used, CV_INK_QUIET, cv_text_str(&c->current));
	} else {
		if (cv_views[cv_top(c)]->marks)
			cv_views[cv_top(c)]->marks(c, &t);
		else if (c->marked.len && !(1u << cv_top(c) & (CV_RECORD_VIEWS | CV_ASKING_VIEWS | 1u << CV_VIEW_RUN)))
			cv_text_addf(&t, "%zu marked, %s   ", c->marked.len, cv_size_short(c->marked_bytes).s);
		cv_views[cv_top(c)]->hint(c, &t);
		cv_cells_words(out, 1, y, out->w - 1, CV_INK_TEXT, cv_text_str(&t));
	}
	cv_text_fini(&t);
}

/* "?:Help", with the first of the keys shown. */
static int key_text(const struct cv_console *c, const struct cv_action_row *row, char *text, size_t size)
{
	const char *label = row->action == CV_ACT_BACK && c->stack_len == 1 ? "Quit"
			    : row->action == CV_ACT_ALLOW && c->writing     ? "Read-only"
									    : row->label;

	snprintf(text, size, "%.*s:%s", (int)strcspn(row->shown, " "), row->shown, label);
	return (int)strlen(text);
}

/* By rank until the line is full. The way back is always shown: its place is kept free. */
static void draw_keys(const struct cv_console *c, struct cv_cells *out, int y)
{
	unsigned view = 1u << cv_top(c);
	int x = 0, gap = out->w >= CV_WIDE_W ? 2 : 1, back = 6;
	char text[64];

	cv_cells_fill(out, 0, y, out->w, CV_INK_BAR, ' ', ' ');
	for (unsigned rank = 1; rank <= 9; rank++)
		for (size_t i = 0; i < cv_action_count; i++) {
			const struct cv_action_row *row = &cv_actions[i];
			int w;

			if (row->rank != rank || !(row->views & view))
				continue;
			w = key_text(c, row, text, sizeof text);
			if (x + w + (rank < 9 ? gap + back : 0) > out->w)
				continue;
			cv_cells_put(out, x, y, w, CV_INK_BAR, text);
			x += w + gap;
		}
}

static void draw_menu(const struct cv_console *c, struct cv_cells *out)
{
	const char *const *sorts = cv_views[cv_top(c)]->sorts;
	int count = (int)cv_sort_count(c);
	struct cv_area a = { (out->w - 24) / 2, (out->h - count - 2) / 2, 24, count + 2 };

	cv_cells_box(out, a, "sort by");
	for (int i = 0; i < count; i++) {
		cv_cells_putf(out, a.x + 3, a.y + 1 + i, a.w - 4, CV_INK_TEXT, "%s", sorts[i]);
		cv_cells_paint(out, a.x + 3, a.y + 1 + i, 1, CV_INK_MARK);
		if ((size_t)i != c->input.choice)
			continue;
		cv_cells_put(out, a.x + 1, a.y + 1 + i, 1, CV_INK_TEXT, ">");
		cv_cells_cursor(out, a.x + 1, a.y + 1 + i, a.w - 2);
	}
}

/* What would be done, the name that is asked for, and what is typed. */
static void draw_consent(const struct cv_console *c, struct cv_cells *out)
{
	struct cv_area a = { 2, 0, out->w - 4, 0 };
	struct cv_paper p = { 0 };
	int typed = cv_text_columns(c->input.text, out->ascii), room;

	cv_paper_begin(&p, a.w - 2, out->ascii);
	cv_paper_text(&p, CV_INK_TEXT, c->plan.heading);
	cv_paper_text(&p, CV_INK_QUIET, "To do this type the name, then Enter. Esc leaves, and nothing is done.");
	cv_paper_blank(&p);
	cv_paper_text(&p, CV_INK_PROMPT, cv_plan_view_confirm(&c->plan));
	a.h = (int)p.lines.len + 4;
	a.y = a.h < out->h - 3 ? (out->h - a.h) / 2 : 1;
	cv_cells_box(out, a, "consent");
	cv_paper_draw(&p, out, (struct cv_area){ a.x + 1, a.y + 1, a.w - 2, a.h - 4 }, 0);
	room = a.w - 6;
	cv_cells_put(out, a.x + 2, a.y + a.h - 2, 2, CV_INK_PROMPT, "> ");
	/* the end of what is typed is what is looked at */
	cv_cells_elide(out, a.x + 4, a.y + a.h - 2, room, CV_INK_TEXT, c->input.text);
	out->cursor_x = a.x + 4 + (typed < room ? typed : room);
	out->cursor_y = a.y + a.h - 2;
	cv_paper_fini(&p);
}

static void draw_question(const struct cv_console *c, struct cv_cells *out)
{
	struct cv_area a = { 2, 0, out->w - 4, 0 };
	struct cv_paper p = { 0 };

	cv_paper_begin(&p, a.w - 2, out->ascii);
	cv_views[cv_top(c)]->question(c, &p);
	a.h = (int)cv_smaller(p.lines.len + 2, (size_t)out->h - 4);
	a.y = (out->h - a.h) / 2;
	cv_cells_box(out, a, "question");
	cv_paper_draw(&p, out, (struct cv_area){ a.x + 1, a.y + 1, a.w - 2, a.h - 2 }, 0);
	cv_paper_fini(&p);
}

static void draw_small(struct cv_cells *out)
{
	char text[64];

	snprintf(text, sizeof text, "%dx%d needed, this is %dx%d; q quits", CV_MIN_W, CV_MIN_H, out->w, out->h);
	cv_cells_put(out, 0, out->h / 2, out->w, CV_INK_TEXT, text);
}

void cv_console_draw(const struct cv_console *c, struct cv_cells *out)
{
	out->ascii = c->ascii;
	cv_cells_clear(out);
	if (cv_is_small(out->w, out->h)) {
		draw_small(out);
		return;
	}
	cv_views[cv_top(c)]->draw(c, out, cv_body(out->w, out->h));
	draw_title(c, out);
	draw_status(c, out, out->h - 2);
	draw_keys(c, out, out->h - 1);
	if (c->mode == CV_MODE_SORT)
		draw_menu(c, out);
	if (c->mode == CV_MODE_CONFIRM)
		draw_consent(c, out);
	if (c->mode == CV_MODE_ANSWER && cv_views[cv_top(c)]->question)
		draw_question(c, out);
}
