/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One operation of the journal: who did what, and every image that it was about, as it was then. */
#include "tui/command/journal.h"
#include "tui/console_model.h"
#include "tui/view/scroll.h"

static void write_operation(const struct cv_operation_entry *e, struct cv_paper *p)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_paper_open(p, "operation");
	cv_paper_field(p, 9, "ID", CV_INK_TEXT, cv_uuid_str(e->id).s);
	cv_paper_field(p, 9, "What", CV_INK_TEXT, cv_journal_what(e));
	cv_paper_field(p, 9, "State", cv_entry_mark(e) == ' ' ? CV_INK_TEXT : CV_INK_WARNING, cv_entry_state(e));
	cv_paper_field(p, 9, "Begun", CV_INK_TEXT, cv_time_utc((int64_t)(e->created_ns / 1000000000)).s);
	cv_entry_who(&t, e);
	cv_paper_field(p, 9, "By", CV_INK_TEXT, cv_text_str(&t));
	cv_paper_field(p, 9, "Command", CV_INK_TEXT, e->command);
	if (e->trouble)
		cv_paper_field(p, 9, "Trouble", CV_INK_ERROR, e->trouble);
	cv_paper_close(p);
}

static void write_item(const struct cv_plan_item *item, struct cv_paper *p)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(item->path));
	if (!cv_uuid_is_null(item->uuid))
		cv_text_addf(&t, "  %s", cv_uuid_str(item->uuid).s);
	if (item->parent) {
		cv_text_add(&t, "  on ");
		cv_text_escape(&t, cv_bytes_of(item->parent));
	}
	cv_paper_field(p, 9, cv_size_short(item->allocated).s, CV_INK_TEXT, cv_text_str(&t));
}

static bool rebuild(struct cv_console *c)
{
	const struct cv_operation_entry *e = cv_records_open(c);
	struct cv_paper *p = &c->paper;

	cv_paper_begin(p, c->w, c->ascii);
	if (e) {
		write_operation(e, p);
		cv_paper_open(p, "images");
		for (size_t i = 0; i < e->item_count; i++)
			write_item(&e->items[i], p);
		cv_paper_close(p);
	} else {
		cv_paper_text(p, CV_INK_TEXT, "The operation is not there (any more).");
	}
	c->view[CV_VIEW_OPERATION].list.count = p->lines.len;
	return !p->failed;
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	cv_text_addf(out, "operation %.8s", cv_uuid_str(c->records.operation).s);
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	cv_scroll_hint(c, out);
	cv_text_add(out, "Sizes, identities and parents are those of that moment.");
}

static void want(struct cv_console *c)
{
	cv_records_want(c, CV_VIEW_JOURNAL);
}

const struct cv_view cv_view_operation = {
	.name = "operation",
	CV_SCROLL_OPS,
	.rebuild = rebuild,
	.title = title,
	.hint = hint,
	.want = want,
};
