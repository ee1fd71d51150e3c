/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What lies in .chainview of a repository, read between keys: when a view of it is opened, after every scan and
 * operation, and from time to time while something there is unfinished. And what more than one view says about it.
 */
#include "tui/command/clock.h"
#include "tui/console_model.h"

void cv_records_touch(struct cv_console *c)
{
	if (c->records.state != CV_JOB_NONE)
		c->records.state = CV_JOB_WANTED;
}

static void drop(struct cv_records *r)
{
	cv_trash_free(r->trash);
	r->trash = NULL;
	r->unsettled = false;
	r->why[0] = '\0';
}

void cv_records_end(struct cv_console *c)
{
	drop(&c->records);
	c->records = (struct cv_records){ .marked = c->records.marked };
}

/* Of another repository nothing is kept, not even marks. */
static void change(struct cv_console *c, struct cv_ident repository)
{
	if (c->records.state != CV_JOB_NONE && cv_ident_equal(repository, c->records.repository))
		return;
	drop(&c->records);
	cv_ident_set_clear(&c->records.marked);
	c->records.repository = repository;
	c->view[CV_VIEW_JOURNAL].list = c->view[CV_VIEW_TRASH].list = (struct cv_list){ 0 };
	cv_touch(c, CV_RECORD_VIEWS);
}

void cv_records_want(struct cv_console *c, enum cv_view_id view)
{
	change(c, cv_repository_at_hand(c));
	c->records.state = CV_JOB_WANTED;
	cv_drop_view(c, view);
	cv_push_view(c, view);
}

void cv_records_step(struct cv_console *c, int direction)
{
	struct cv_ident repository = c->records.repository;

	if (!cv_next_repository(c, &repository, direction))
		return;
	change(c, repository);
	c->records.state = CV_JOB_WANTED;
}

static void read_again(struct cv_console *c)
{
	struct cv_records *r = &c->records;
	uint32_t repository = cv_repository_by_ident(c, r->repository);
	struct cv_err err = { .code = CV_OK };

	drop(r);
	r->now = cv_clock_now();
	r->next_ms = cv_clock_ticks() + CV_RECORDS_MS;
	r->state = CV_JOB_FAILED;
	if (repository == UINT32_MAX) {
		cv_copy_text(r->why, sizeof r->why, "The repository is not there (any more, or not yet).");
		return;
	}
	if (c->snap.repositories[repository]->kind == CV_REPOSITORY_IMAGE) {
		cv_copy_text(r->why, sizeof r->why,
			     "A single image has no journal of its own: open the folder that it lies in.");
		return;
	}
	r->trash = cv_trash_read(c->snap.repositories[repository]->path, &err);
	if (!r->trash) {
		cv_copy_text(r->why, sizeof r->why, err.text);
		return;
	}
	r->state = CV_JOB_DONE;
	for (size_t i = 0; i < r->trash->operations->count; i++)
		r->unsettled |= r->trash->operations->entries[i].state == CV_OPERATION_PENDING;
}

static bool is_looked_at(const struct cv_console *c)
{
	for (size_t i = 0; i < c->stack_len; i++)
		if (1u << c->stack[i] & CV_RECORD_VIEWS)
			return true;
	return false;
}

bool cv_records_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_records *r = &c->records;
	bool again = r->unsettled && 1u << cv_top(c) & CV_RECORD_VIEWS && cv_clock_ticks() >= r->next_ms;

	(void)budget_ms;
	if (r->state != CV_JOB_NONE && !is_looked_at(c))
		cv_records_end(c);
	if (r->state == CV_JOB_NONE || !c->shown || (r->state != CV_JOB_WANTED && !again))
		return false;
	/* a scan shows a new graph ten times a second, which says nothing about them */
	if (c->scanning && r->trash && !again)
		return false;
	read_again(c);
	cv_touch(c, CV_RECORD_VIEWS);
	cv_settle(c);
	*fx |= FX_REDRAW;
	return false;
}

const struct cv_operation_entry *cv_records_operation(const struct cv_console *c, size_t row)
{
	const struct cv_operation_list *list = c->records.trash ? c->records.trash->operations : NULL;

	return list && row < list->count ? &list->entries[list->count - 1 - row] : NULL;
}

const struct cv_trash_entry *cv_records_trashed(const struct cv_console *c, size_t row)
{
	const struct cv_trash *trash = c->records.trash;

	return trash && row < trash->count ? &trash->entries[trash->count - 1 - row] : NULL;
}

const struct cv_operation_entry *cv_records_open(const struct cv_console *c)
{
	const struct cv_operation_entry *e;

	for (size_t row = 0; (e = cv_records_operation(c, row)); row++)
		if (!memcmp(e->id, c->records.operation, sizeof e->id))
			return e;
	return NULL;
}

void cv_records_title(const struct cv_console *c, struct cv_text *out, const char *what)
{
	uint32_t repository = cv_repository_by_ident(c, c->records.repository);

	if (repository != UINT32_MAX) {
		cv_text_escape(out, cv_bytes_of(c->snap.repositories[repository]->path));
		cv_text_add(out, ": ");
	}
	cv_text_add(out, what);
}

bool cv_records_draw_none(const struct cv_console *c, struct cv_cells *out, struct cv_area a, const char *none)
{
	const struct cv_records *r = &c->records;

	if (r->state == CV_JOB_FAILED)
		cv_cells_elide(out, 1, a.y + 1, a.w - 1, CV_INK_ERROR, r->why);
	else if (!r->trash)
		cv_cells_put(out, 1, a.y + 1, a.w - 1, CV_INK_TEXT, "reading...");
	else if (!c->view[cv_top(c)].list.count)
		cv_cells_put(out, 1, a.y + 1, a.w - 1, CV_INK_TEXT, none);
	else
		return false;
	return true;
}

const char *cv_entry_state(const struct cv_operation_entry *e)
{
	return e->running ? "running" : cv_operation_state_name(e->state);
}

char cv_entry_mark(const struct cv_operation_entry *e)
{
	return e->running ? '~' : e->state == CV_OPERATION_PENDING ? '!' : e->state == CV_OPERATION_DAMAGED ? 'X' : ' ';
}

void cv_entry_images(struct cv_text *out, const struct cv_operation_entry *e)
{
	if (!e->item_count) {
		cv_text_add(out, "-");
		return;
	}
	cv_text_escape(out, cv_bytes_of(e->items[0].path));
	if (e->item_count > 1)
		cv_text_addf(out, " and %zu more", e->item_count - 1);
}

void cv_entry_who(struct cv_text *out, const struct cv_operation_entry *e)
{
	cv_text_add(out, e->own ? "this host" : "another host (or key)");
	if (e->pid)
		cv_text_addf(out, ", process %u", e->pid);
}
