/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The journal of a repository: what was done, newest first, and what is unfinished. From here operations are undone and
 * recovered, by way of a plan.
 */
#include "tui/command/journal.h"
#include "tui/command/recover.h"
#include "tui/console_model.h"
#include "tui/view/list.h"

#define HEAD 2

/* Where the columns begin; 0: not shown. */
struct columns {
	int what, state, count, who, images;
	int when, when_from; /* with the year, or without */
};

/* What was done is as wide as its longest word. */
static struct columns columns_of(const struct cv_console *c, int w)
{
	const struct cv_trash *trash = c->records.trash;
	int more = trash ? (int)cv_journal_what_width(trash->operations) - 8 : 0;

	if (w < 76)
		return (struct columns){ .when = 13, .when_from = 5, .what = 25, .state = 34 + more, .images = 43 + more };
	if (w < CV_WIDE_W)
		return (struct columns){ .when = 13, .what = 30, .state = 39 + more, .count = 48 + more, .images = 56 + more };
	return (struct columns){ .when = 13, .what = 30, .state = 39 + more, .count = 48 + more, .who = 56 + more, .images = 84 + more };
}

static bool rebuild(struct cv_console *c)
{
	const struct cv_trash *trash = c->records.trash;

	c->view[CV_VIEW_JOURNAL].list.count = trash ? trash->operations->count : 0;
	return true;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	struct cv_ident id = { .c = 7 };

	memcpy(&id.a, cv_records_operation(c, row)->id, 8);
	memcpy(&id.b, cv_records_operation(c, row)->id + 8, 8);
	return id;
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_JOURNAL, HEAD);
}

static const struct cv_operation_entry *selected(const struct cv_console *c)
{
	return cv_records_operation(c, c->view[CV_VIEW_JOURNAL].list.cursor);
}

/* What can be done about it. */
static void write_way_on(const struct cv_operation_entry *e, struct cv_paper *p)
{
	struct cv_undo_call undo;
	struct cv_write_call call;
	struct cv_err err = { .code = CV_OK };

	if (e->running)
		cv_paper_field(p, 9, "Now", CV_INK_TEXT, "it is at work");
	else if (cv_recover_concerns(e))
		cv_paper_field(p, 9, "Now", CV_INK_WARNING, "unfinished: v finishes it or puts it back");
	else if (cv_undo_call_of(e, NULL, &undo, &call, &err))
		cv_paper_field(p, 9, "Undo", CV_INK_TEXT,
			       "u makes the plan that takes it back, if that is still possible");
	else
		cv_paper_field(p, 9, "Undo", CV_INK_TEXT, err.text);
}

static void panes(struct cv_console *c)
{
	const struct cv_operation_entry *e = selected(c);
	struct cv_paper *p = &c->pane[0].paper;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!e)
		return;
	cv_text_addf(&t, "operation %s", cv_uuid_str(e->id).s);
	cv_pane_title(&c->pane[0], cv_text_str(&t));
	write_way_on(e, p);
	if (e->trouble)
		cv_paper_field(p, 9, "Trouble", CV_INK_ERROR, e->trouble);
	cv_text_clear(&t);
	cv_entry_images(&t, e);
	cv_paper_field(p, 9, "Images", CV_INK_TEXT, cv_text_str(&t));
	cv_text_clear(&t);
	cv_entry_who(&t, e);
	cv_paper_field(p, 9, "By", CV_INK_TEXT, cv_text_str(&t));
	cv_paper_field(p, 9, "Command", CV_INK_TEXT, e->command);
}

static struct cv_wish *wish_here(const struct cv_console *c)
{
	uint32_t repository = cv_repository_by_ident(c, c->records.repository);

	return repository == UINT32_MAX ? NULL : cv_wish_new(c->snap.repositories[repository]->path);
}

static void put_title(struct cv_wish *wish, const struct cv_operation_entry *e)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "undo %.8s (%s of ", cv_uuid_str(e->id).s, cv_journal_what(e));
	cv_entry_images(&t, e);
	cv_text_add(&t, ")");
	cv_copy_text(wish->title, sizeof wish->title, cv_text_str(&t));
}

static void undo(struct cv_console *c)
{
	const struct cv_operation_entry *e = selected(c);
	struct cv_wish *wish = e ? wish_here(c) : NULL;
	struct cv_err err = { .code = CV_OK };

	if (!e) {
		cv_console_say(c, "no operation is selected");
	} else if (wish && !cv_undo_call_of(e, wish->repository, &wish->undo, &wish->call, &err)) {
		cv_console_say(c, "%s", cv_recover_concerns(e) ? "it is unfinished: v settles it" : err.text);
		cv_wish_free(wish);
	} else {
		if (wish)
			put_title(wish, e);
		cv_plan_view_show(c, wish);
	}
}

static void recover(struct cv_console *c)
{
	struct cv_wish *wish = wish_here(c);

	if (wish)
		wish->recover = true;
	cv_plan_view_show(c, wish);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	(void)fx;
	switch (action) {
	case CV_ACT_OPEN_OPERATION:
		if (selected(c)) {
			memcpy(c->records.operation, selected(c)->id, sizeof c->records.operation);
			cv_push_view(c, CV_VIEW_OPERATION);
		}
		return true;
	case CV_ACT_UNDO:
		undo(c);
		return true;
	case CV_ACT_RECOVER:
		recover(c);
		return true;
	case CV_ACT_PREVIOUS:
	case CV_ACT_NEXT:
		cv_records_step(c, action == CV_ACT_NEXT ? 1 : -1);
		return true;
	default:
		return false;
	}
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t row, int y)
{
	const struct cv_operation_entry *e = cv_records_operation(c, row);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct columns x = columns_of(c, out->w);
	char mark = cv_entry_mark(e);

	cv_cells_put(out, 2, y, 1,
		     mark == '~'   ? CV_INK_INFO
		     : mark == 'X' ? CV_INK_ERROR
				   : CV_INK_WARNING,
		     (char[]){ mark, '\0' });
	cv_cells_putf(out, 4, y, 8, CV_INK_TEXT, "%.8s", cv_uuid_str(e->id).s);
	cv_cells_put(out, x.when, y, 16, CV_INK_TEXT, cv_minute((int64_t)(e->created_ns / 1000000000)).s + x.when_from);
	cv_cells_put(out, x.what, y, x.state - x.what - 1, CV_INK_TEXT, cv_journal_what(e));
	cv_cells_put(out, x.state, y, 8, mark == ' ' ? CV_INK_TEXT : CV_INK_WARNING, cv_entry_state(e));
	if (x.count)
		cv_cells_putf(out, x.count, y, 6, CV_INK_TEXT, "%6zu", e->item_count);
	if (x.who) {
		cv_entry_who(&t, e);
		cv_cells_elide(out, x.who, y, x.images - x.who - 1, CV_INK_TEXT, cv_text_str(&t));
		cv_text_clear(&t);
	}
	cv_entry_images(&t, e);
	cv_cells_elide(out, x.images, y, out->w - x.images, CV_INK_TEXT, cv_text_str(&t));
}

static void draw_heading(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	size_t unfinished = 0, count = c->view[CV_VIEW_JOURNAL].list.count;
	struct columns x = columns_of(c, a.w);

	for (size_t row = 0; row < count; row++)
		unfinished += cv_recover_concerns(cv_records_operation(c, row));
	cv_cells_putf(out, 1, a.y, a.w - 1, unfinished ? CV_INK_WARNING : CV_INK_QUIET,
		      "%zu operation%s, %zu unfinished%s", count, cv_plural(count), unfinished,
		      unfinished ? ": v settles what can be settled" : "");
	cv_cells_put(out, 4, a.y + 1, a.w, CV_INK_COLUMNS, "ID       WHEN (UTC)");
	cv_cells_put(out, x.what, a.y + 1, a.w, CV_INK_COLUMNS, "WHAT");
	cv_cells_put(out, x.state, a.y + 1, a.w, CV_INK_COLUMNS, "STATE");
	if (x.count)
		cv_cells_put(out, x.count, a.y + 1, a.w, CV_INK_COLUMNS, "IMAGES");
	if (x.who)
		cv_cells_put(out, x.who, a.y + 1, a.w, CV_INK_COLUMNS, "BY");
	cv_cells_put(out, x.images, a.y + 1, a.w, CV_INK_COLUMNS, "IMAGE");
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	if (cv_records_draw_none(c, out, a, "Nothing was ever done here."))
		return;
	draw_heading(c, out, a);
	cv_list_draw(c, out, a, CV_VIEW_JOURNAL, HEAD, draw_row);
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	cv_records_title(c, out, "journal");
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_operation_entry *e = selected(c);

	cv_text_add(out, e && cv_recover_concerns(e) ? "Unfinished: v shows what is, and settles it."
						     : "u and v show first what they would do.");
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_operation_entry *e = cv_records_operation(c, place);

	cv_text_addf(out, "%s %s %s ", cv_uuid_str(e->id).s, cv_journal_what(e), cv_entry_state(e));
	for (size_t i = 0; i < e->item_count; i++) {
		cv_text_escape(out, cv_bytes_of(e->items[i].path));
		cv_text_add(out, " ");
	}
	cv_text_add(out, e->command);
}

static void want(struct cv_console *c)
{
	cv_records_want(c, CV_VIEW_JOURNAL);
}

const struct cv_view cv_view_journal = {
	.name = "journal",
	.rebuild = rebuild,
	.panes = panes,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.place_text = place_text,
	.want = want,
	.work = cv_records_tick,
	.forget = cv_records_touch,
	.end = cv_records_end,
	CV_LIST_SEARCH,
};
