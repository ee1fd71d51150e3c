/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The console model: life, snapshots, the stack of views, and keys that mean the same everywhere. No
 * drawing, no terminal, no scan.
 */
#include <stdarg.h>

#include "tui/console_model.h"
#include "tui/view/tree.h"

struct cv_console *cv_console_new(const struct cv_console_options *options)
{
	struct cv_console *c = calloc(1, sizeof *c);
	const char *version = cv_version(), *dot = strrchr(version, '.');

	if (!c)
		return NULL;
	c->options = *options;
	c->ascii = options->ascii;
	c->writing = options->writing;
	c->w = 80;
	c->h = 24;
	if (options->program)
		snprintf(c->program, sizeof c->program, "%s", options->program);
	else
		snprintf(c->program, sizeof c->program, "chainview %.*s", dot ? (int)(dot - version) : 8, version);
	c->stack[c->stack_len++] = CV_VIEW_REPOSITORIES;
	if (options->scan.place_count == 1)
		c->stack[c->stack_len++] = CV_VIEW_TREE;
	c->details_image = c->map.image = CV_NO_IMAGE;
	cv_touch(c, ~0u);
	return c;
}

void cv_console_free(struct cv_console *c)
{
	if (!c)
		return;
	for (int i = 0; i < CV_VIEW_COUNT; i++)
		if (cv_views[i]->end)
			cv_views[i]->end(c);
	cv_ident_set_fini(&c->space.marked);
	cv_ident_set_fini(&c->records.marked);
	cv_index_fini(&c->index);
	cv_ident_set_fini(&c->folded);
	cv_ident_set_fini(&c->marked);
	free(c->tree_order.at);
	free(c->tree_rows.at);
	free(c->finding_rows.at);
	cv_paper_fini(&c->paper);
	cv_paper_fini(&c->pane[0].paper);
	cv_paper_fini(&c->pane[1].paper);
	cv_text_fini(&c->current);
	free(c);
}

void cv_touch(struct cv_console *c, unsigned views)
{
	c->dirty |= views;
}

static void sum_marks(struct cv_console *c)
{
	c->marked_bytes = 0;
	for (size_t i = 0; c->marked.len && i < c->snap.graph->image_count; i++) {
		const struct cv_image *image = &c->snap.graph->images[i];

		if (image->file && cv_ident_set_has(&c->marked, cv_image_ident(image)))
			c->marked_bytes += image->file->allocated;
	}
}

bool cv_console_show(struct cv_console *c, const struct cv_snapshot *snapshot)
{
	struct cv_index index;

	for (int i = 0; i < CV_VIEW_COUNT; i++)
		if (cv_views[i]->forget)
			cv_views[i]->forget(c);
	cv_index_fini(&c->index);
	c->shown = cv_index_build(&index, snapshot);
	c->tree_order.len = c->tree_rows.len = c->finding_rows.len = 0;
	c->details_image = CV_NO_IMAGE;
	cv_touch(c, ~0u);
	if (c->shown) {
		c->snap = *snapshot;
		c->index = index;
		if (!c->opened && !snapshot->graph->partial) {
			c->opened = true;
			/* not under the hands of somebody who moves about already */
			if (!c->view[CV_VIEW_TREE].list.keyed)
				cv_tree_fold_large(c);
		}
		sum_marks(c);
		if (c->has_details)
			c->details_image = cv_image_by_ident(c, c->details);
	} else {
		cv_console_say(c, "not enough memory to show %zu images", snapshot->graph->image_count);
	}
	cv_settle(c);
	return c->shown;
}

void cv_console_progress(struct cv_console *c, const struct cv_scan_progress *progress, uint64_t now_ms)
{
	if (!progress) {
		c->scanning = false;
		return;
	}
	if (!c->scanning)
		c->started_ms = now_ms;
	c->scanning = true;
	c->progress = *progress;
	c->progress_ms = now_ms;
	cv_text_clear(&c->current);
	if (progress->current)
		cv_text_escape(&c->current, cv_bytes_of(progress->current));
	c->progress.current = NULL;
}

void cv_console_say(struct cv_console *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->message, sizeof c->message, fmt, ap);
	va_end(ap);
}

void cv_copy_text(char *to, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size) {
		len = size - 1;
		while (len && (text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(to, text, len);
	to[len] = '\0';
}

void cv_pane_title(struct cv_pane *pane, const char *title)
{
	cv_copy_text(pane->title, sizeof pane->title, title);
}

void cv_console_resize(struct cv_console *c, int w, int h)
{
	if (c->w == w && c->h == h)
		return;
	c->w = w;
	c->h = h;
	cv_touch(c, 1u << CV_VIEW_MAP | CV_PAPER_VIEWS);
	cv_settle(c);
}

void cv_push_view(struct cv_console *c, enum cv_view_id view)
{
	if (cv_top(c) == view)
		return;
	if (c->stack_len == CV_STACK_MAX) {
		/* the first view stays: it is where the last "back" ends */
		memmove(&c->stack[1], &c->stack[2], (CV_STACK_MAX - 2) * sizeof c->stack[0]);
		c->stack_len--;
	}
	c->stack[c->stack_len++] = view;
	c->pane_focus = false;
	c->pane[0].top = c->pane[1].top = 0;
	if (cv_views[view]->scrolls) {
		c->view[view].list = (struct cv_list){ 0 };
		cv_touch(c, 1u << view);
	}
}

bool cv_on_stack(const struct cv_console *c, enum cv_view_id view)
{
	for (size_t i = 0; i < c->stack_len; i++)
		if (c->stack[i] == view)
			return true;
	return false;
}

void cv_drop_view(struct cv_console *c, enum cv_view_id view)
{
	size_t kept = 1;

	for (size_t i = 1; i < c->stack_len; i++)
		if (c->stack[i] != view || i + 1 == c->stack_len)
			c->stack[kept++] = c->stack[i];
	c->stack_len = kept;
}

bool cv_pop_view(struct cv_console *c)
{
	if (c->stack_len == 1)
		return false;
	c->stack_len--;
	c->pane_focus = false;
	c->pane[0].top = c->pane[1].top = 0;
	/* scrolling views share one paper */
	if (cv_views[cv_top(c)]->scrolls)
		cv_touch(c, 1u << cv_top(c));
	return true;
}

size_t cv_list_top(const struct cv_list *l, int page)
{
	size_t rows = page > 0 ? (size_t)page : 1, top = l->top;

	if (l->cursor < top)
		top = l->cursor;
	if (l->cursor >= top + rows)
		top = l->cursor - rows + 1;
	if (top + rows > l->count)
		top = l->count > rows ? l->count - rows : 0;
	return top;
}

/* After new rows: the cursor goes to the row it was on, and that row stays where it was on the screen. */
static void find_cursor(struct cv_console *c, const struct cv_view *v, struct cv_list *l)
{
	size_t offset = l->cursor - cv_smaller(l->top, l->cursor);

	for (size_t i = 0; l->keyed && i < l->count; i++)
		if (cv_ident_equal(v->ident(c, i), l->key)) {
			l->cursor = i;
			l->top = i - cv_smaller(offset, i);
			return;
		}
	l->cursor = l->count ? cv_smaller(l->cursor, l->count - 1) : 0;
	/* what is gone for good is let go; in a scan that still runs it may come back */
	if (l->keyed && l->count && c->shown && !c->snap.graph->partial)
		l->key = v->ident(c, l->cursor);
}

void cv_settle(struct cv_console *c)
{
	enum cv_view_id id = cv_top(c);
	const struct cv_view *v = cv_views[id];
	struct cv_list *l = &c->view[id].list;

	if (c->dirty & 1u << id) {
		c->dirty &= ~(1u << id);
		if (!v->rebuild(c)) {
			l->count = 0;
			cv_console_say(c, "not enough memory for this view");
		}
		if (!v->scrolls)
			find_cursor(c, v, l);
	}
	if (v->scrolls) {
		int page = v->page(c);
		size_t rows = page > 0 ? (size_t)page : 1, most = l->count > rows ? l->count - rows : 0;

		l->top = cv_smaller(l->top, most);
		l->cursor = l->top;
	} else {
		l->top = cv_list_top(l, v->page(c));
	}
	c->pane[0].title[0] = c->pane[1].title[0] = '\0';
	cv_paper_begin(&c->pane[0].paper, cv_pane_width(c), c->ascii);
	cv_paper_begin(&c->pane[1].paper, cv_pane_width(c), c->ascii);
	if (v->panes)
		v->panes(c);
}

void cv_list_go(struct cv_console *c, size_t row)
{
	const struct cv_view *v = cv_views[cv_top(c)];
	struct cv_list *l = &cv_state(c)->list;

	if (!l->count)
		return;
	row = cv_smaller(row, l->count - 1);
	if (v->scrolls) {
		l->top = row;
		return;
	}
	if (row != l->cursor)
		c->pane[0].top = 0;
	l->cursor = row;
	l->keyed = true;
	l->key = v->ident(c, row);
}

uint32_t cv_image_by_ident(const struct cv_console *c, struct cv_ident id)
{
	for (size_t i = 0; c->shown && i < c->snap.graph->image_count; i++)
		if (cv_ident_equal(cv_image_ident(&c->snap.graph->images[i]), id))
			return (uint32_t)i;
	return CV_NO_IMAGE;
}

void cv_open_details(struct cv_console *c, uint32_t image)
{
	const struct cv_image *it = cv_image_at(c, image);

	if (!it) {
		cv_console_say(c, "no image is selected");
		return;
	}
	c->details = cv_image_ident(it);
	c->has_details = true;
	c->details_image = image;
	c->view[CV_VIEW_DETAILS].list = (struct cv_list){ 0 };
	cv_touch(c, 1u << CV_VIEW_DETAILS);
	cv_push_view(c, CV_VIEW_DETAILS);
}

uint32_t cv_current_image(const struct cv_console *c)
{
	const struct cv_list *l = &c->view[cv_top(c)].list;

	switch (cv_top(c)) {
	case CV_VIEW_TREE:
		return l->cursor < c->tree_rows.len ? c->tree_rows.at[l->cursor].image : CV_NO_IMAGE;
	case CV_VIEW_FINDINGS:
		return l->cursor < c->finding_rows.len ? c->snap.graph->findings[c->finding_rows.at[l->cursor]].image
						       : CV_NO_IMAGE;
	case CV_VIEW_DETAILS:
		return c->details_image;
	case CV_VIEW_MAP:
		return c->map.image;
	case CV_VIEW_SPACE:
		return l->cursor < c->space.count ? c->space.rows[l->cursor].image : CV_NO_IMAGE;
	default:
		return CV_NO_IMAGE;
	}
}

uint32_t cv_repository_by_ident(const struct cv_console *c, struct cv_ident id)
{
	for (size_t i = 0; c->shown && i < c->snap.repository_count; i++)
		if (cv_ident_equal(cv_repository_ident(c->snap.repositories[i]), id))
			return (uint32_t)i;
	return UINT32_MAX;
}

struct cv_ident cv_repository_at_hand(const struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));
	size_t row = c->view[CV_VIEW_REPOSITORIES].list.cursor;

	if (1u << cv_top(c) & CV_RECORD_VIEWS)
		return c->records.repository;
	if (cv_top(c) == CV_VIEW_SPACE)
		return c->space.repository;
	if (cv_top(c) == CV_VIEW_TREE && c->scoped)
		return c->scope;
	if (image && image->repository < c->snap.repository_count)
		row = image->repository;
	return c->shown && row < c->snap.repository_count ? cv_repository_ident(c->snap.repositories[row])
							   : (struct cv_ident){ 0 };
}

bool cv_next_repository(const struct cv_console *c, struct cv_ident *id, int direction)
{
	size_t count = c->shown ? c->snap.repository_count : 0, at = cv_repository_by_ident(c, *id);

	for (size_t tries = 0; tries < count; tries++) {
		at = at >= count ? 0 : (at + (direction < 0 ? count - 1 : 1)) % count;
		if (!c->snap.repositories[at]->other)
			break;
	}
	if (at >= count)
		return false;
	*id = cv_repository_ident(c->snap.repositories[at]);
	return true;
}

bool cv_console_work(struct cv_console *c, int budget_ms, unsigned *fx)
{
	bool busy = false;

	for (int i = 0; i < CV_VIEW_COUNT; i++)
		busy |= cv_views[i]->work && cv_views[i]->work(c, budget_ms, fx);
	return busy;
}

void cv_console_parting(const struct cv_console *c, struct cv_text *out)
{
	if (!c->run.active)
		return;
	cv_text_addf(out, "chainview: the operation goes on (process %d); to see how it ended: chainview journal ",
		     c->run.child.pid);
	cv_text_escape(out, cv_bytes_of(c->run.repository ? c->run.repository : "REPO"));
	cv_text_add(out, "\n");
}

int cv_console_wait(const struct cv_console *c)
{
	bool records = 1u << cv_top(c) & CV_RECORD_VIEWS;

	if (c->run.active)
		return CV_FRAME_MS;
	if (c->plan.state == CV_JOB_RUNNING)
		return cv_plan_view_wait(&c->plan);
	return records && c->records.unsettled ? CV_RECORDS_MS : -1;
}
