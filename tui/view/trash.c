/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The trash of a repository: what was taken away, since when, and how much it holds. From here images go back to where
 * they were or are removed for good, by way of a plan.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

#define HEAD 2

static bool rebuild(struct cv_console *c)
{
	c->view[CV_VIEW_TRASH].list.count = c->records.trash ? c->records.trash->count : 0;
	return true;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	const struct cv_trash_entry *e = cv_records_trashed(c, row);
	struct cv_ident id = { .c = (uint64_t)e->index << 8 ^ 8 };

	memcpy(&id.a, e->operation, 8);
	memcpy(&id.b, e->operation + 8, 8);
	return id;
}

static bool is_marked(const struct cv_console *c, size_t row)
{
	return cv_ident_set_has(&c->records.marked, ident(c, row));
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_TRASH, HEAD);
}

static int64_t age(const struct cv_console *c, const struct cv_trash_entry *e)
{
	return c->records.now > e->since ? c->records.now - e->since : 0;
}

static void mark(struct cv_console *c)
{
	size_t row = c->view[CV_VIEW_TRASH].list.cursor;

	if (cv_records_trashed(c, row))
		cv_list_mark(c, &c->records.marked, ident(c, row));
}

static void marks(const struct cv_console *c, struct cv_text *out)
{
	uint64_t bytes = 0;
	size_t count = 0;

	for (size_t row = 0; c->records.marked.len && cv_records_trashed(c, row); row++) {
		if (!is_marked(c, row))
			continue;
		count++;
		bytes += cv_records_trashed(c, row)->allocated;
	}
	if (count)
		cv_text_addf(out, "%zu marked, %s   ", count, cv_size_short(bytes).s);
}

static bool pick(struct cv_console *c, struct cv_wish *wish)
{
	size_t count = c->view[CV_VIEW_TRASH].list.count, cursor = c->view[CV_VIEW_TRASH].list.cursor;
	bool any = false;
	size_t n = 0;

	for (size_t row = 0; row < count; row++)
		any |= is_marked(c, row);
	wish->picks = calloc(count + 1, sizeof *wish->picks);
	for (size_t row = 0; wish->picks && row < count; row++) {
		const struct cv_trash_entry *e = cv_records_trashed(c, row);

		if (any ? !is_marked(c, row) : row != cursor)
			continue;
		memcpy(wish->picks[n].operation, e->operation, sizeof e->operation);
		wish->picks[n++].index = e->index;
	}
	wish->undo.trash.picks = wish->picks;
	wish->undo.trash.pick_count = n;
	wish->marks = any ? &c->records.marked : NULL;
	return n != 0;
}

static void plan(struct cv_console *c, bool purge)
{
	uint32_t repository = cv_repository_by_ident(c, c->records.repository);
	struct cv_wish *wish = repository == UINT32_MAX ? NULL : cv_wish_new(c->snap.repositories[repository]->path);

	if (wish && !pick(c, wish)) {
		cv_console_say(c, "nothing is selected");
		cv_wish_free(wish);
		return;
	}
	if (wish) {
		wish->undo.trash.path = wish->repository;
		wish->undo.trash.purge = purge;
		wish->call = cv_trash_call_of(&wish->undo.trash);
	}
	cv_plan_view_show(c, wish);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	(void)fx;
	switch (action) {
	case CV_ACT_MARK:
		mark(c);
		return true;
	case CV_ACT_UNMARK:
		cv_ident_set_clear(&c->records.marked);
		return true;
	case CV_ACT_RESTORE:
	case CV_ACT_PURGE:
		plan(c, action == CV_ACT_PURGE);
		return true;
	case CV_ACT_PREVIOUS:
	case CV_ACT_NEXT:
		cv_records_step(c, action == CV_ACT_NEXT ? 1 : -1);
		return true;
	default:
		return false;
	}
}

/* "3 d", "5 h", "12 min" */
static void add_age(struct cv_text *t, int64_t seconds)
{
	if (seconds >= 86400)
		cv_text_addf(t, "%" PRId64 " d", seconds / 86400);
	else if (seconds >= 3600)
		cv_text_addf(t, "%" PRId64 " h", seconds / 3600);
	else
		cv_text_addf(t, "%" PRId64 " min", seconds / 60);
}

/* Where the names begin: on narrow screens there is no column for operations. */
static int image_column(int w)
{
	return w < 76 ? 37 : 47;
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t row, int y)
{
	const struct cv_trash_entry *e = cv_records_trashed(c, row);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	int x = image_column(out->w);

	if (is_marked(c, row))
		cv_cells_put(out, 1, y, 1, CV_INK_MARK, "*");
	cv_cells_right(out, 2, y, 7, CV_INK_TEXT, cv_size_short(e->allocated).s);
	add_age(&t, age(c, e));
	cv_cells_right(out, 10, y, 8, age(c, e) >= CV_TRASH_KEEP_SECONDS ? CV_INK_WARNING : CV_INK_TEXT,
		       cv_text_str(&t));
	cv_cells_put(out, 20, y, 16, CV_INK_TEXT, cv_minute(e->since).s);
	if (x > 37)
		cv_cells_putf(out, 37, y, 8, CV_INK_TEXT, "%.8s", cv_uuid_str(e->operation).s);
	cv_text_clear(&t);
	cv_text_escape(&t, cv_bytes_of(e->item->path));
	cv_cells_elide(out, x, y, out->w - x, CV_INK_TEXT, cv_text_str(&t));
}

static void draw_heading(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_trash_entry *e;
	size_t count = 0, old = 0;
	uint64_t bytes = 0;

	for (; (e = cv_records_trashed(c, count)); count++) {
		bytes += e->allocated;
		old += age(c, e) >= CV_TRASH_KEEP_SECONDS;
	}
	cv_cells_putf(out, 1, a.y, a.w - 1, CV_INK_QUIET, "%zu image%s, %s; %zu of them there for 7 days or longer",
		      count, cv_plural(count), cv_size_short(bytes).s, old);
	cv_cells_put(out, 5, a.y + 1, a.w, CV_INK_COLUMNS, "SIZE      AGE  SINCE (UTC)      OPERATION");
	cv_cells_put(out, image_column(a.w), a.y + 1, a.w, CV_INK_COLUMNS, "IMAGE    ");
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	if (cv_records_draw_none(c, out, a, "The trash is empty."))
		return;
	draw_heading(c, out, a);
	cv_list_draw(c, out, a, CV_VIEW_TRASH, HEAD, draw_row);
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	cv_records_title(c, out, "trash");
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	if (c->records.trash && c->records.trash->count)
		cv_text_add(out, "U puts back, X removes for good; each shows its plan first.");
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_trash_entry *e = cv_records_trashed(c, place);

	cv_text_addf(out, "%s ", cv_uuid_str(e->operation).s);
	cv_text_escape(out, cv_bytes_of(e->item->path));
}

static void want(struct cv_console *c)
{
	cv_records_want(c, CV_VIEW_TRASH);
}

const struct cv_view cv_view_trash = {
	.name = "trash",
	.rebuild = rebuild,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.marks = marks,
	.place_text = place_text,
	.want = want,
	CV_LIST_SEARCH,
};
