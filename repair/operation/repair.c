/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Mending images, and taking that back. What every image was and will be is in the journal before the first byte of any
 * changes; then one image after the other is written, layer by layer, read back and checked. After a crash each image is
 * settled by itself: one that was written whole and is well stays so, any other becomes what it was.
 */
#include "repair/fix/fix.h"
#include "repair/operation/relinking.h"

/* --- what changes ----------------------------------------------------------------------------------------- */

static bool make_change(struct cv_relinking *b, struct cv_err *err)
{
	const struct cv_plan_mend *mend = &b->work->plan->mends[b->item];

	b->change.source = b->source;
	return cv_fix_lay(&b->change, mend->patches, mend->count, mend->size, err) && cv_relink_foresee(&b->change, err);
}

static bool begin_item(struct cv_relinking *b, struct cv_work *work, size_t item, int fd, struct cv_err *err)
{
	if (!cv_relinking_begin(b, work, item, fd, err))
		return false;
	b->of_many = true;
	b->change.say = cv_fix_says;
	return true;
}

static bool is_undo(const struct cv_work *work)
{
	return !cv_uuid_is_null(work->items[0].from);
}

/* done: of what is taken back, whose items had these numbers. */
static bool note_item(struct cv_relinking *b, const struct cv_journal_log *done, struct cv_err *err)
{
	bool ok = done ? cv_relinking_taken(done, true, b->work->items[b->item].from_index, b->source, &b->change, err)
		       : make_change(b, err);

	return ok && cv_relinking_note(b, NULL, err);
}

static bool note_all(struct cv_work *work, struct cv_relinking *list, const struct cv_journal_log *done, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++)
		if (!begin_item(&list[i], work, i, work->claims[i], err) || !note_item(&list[i], done, err))
			return cv_wrap(err, "%s", work->items[i].path);
	return true;
}

static bool apply_all(struct cv_work *work, struct cv_relinking *list, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++) {
		if (!cv_work_item(work, "repair", i, err))
			return false;
		if (!cv_relinking_apply(&list[i], err))
			return cv_wrap(err, "%s", work->items[i].path);
	}
	return true;
}

static bool repair_run(struct cv_work *work, struct cv_err *err)
{
	struct cv_relinking *list = calloc(work->item_count, sizeof *list);
	struct cv_journal_log done = { 0 };
	bool ok = list || cv_fail(err, CV_ENOMEM, "out of memory");

	if (ok && is_undo(work))
		ok = cv_done_read(work->w, work->items[0].from, &done, err);
	ok = ok && note_all(work, list, is_undo(work) ? &done : NULL, err) && apply_all(work, list, err);
	for (size_t i = 0; list && i < work->item_count; i++)
		cv_relinking_fini(&list[i]);
	cv_journal_log_fini(&done);
	free(list);
	return ok;
}

/* --- recovery --------------------------------------------------------------------------------------------- */

static bool settle_item(struct cv_work *work, const struct cv_journal_log *log, size_t i, bool *is_new, struct cv_err *err)
{
	int fd = work->claims ? work->claims[i] : cv_claim_as_it_is(work->w, &work->items[i], err);
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = work };
	bool ok = fd >= 0 && begin_item(&b, work, i, fd, err) && cv_relinking_settle(&b, log, work->claims != NULL, is_new, err);

	if (fd >= 0 && !work->claims)
		work->w->io->close(work->w->io, fd);
	return ok || cv_wrap(err, "%s", work->items[i].path);
}

/* As long as not all were noted none was written to. */
static bool all_are_noted(const struct cv_work *work, const struct cv_journal_log *log)
{
	size_t count = 0;

	for (size_t i = 0; i < log->records.len; i++)
		count += log->records.at[i].type == CV_RECORD_UNDO;
	return work->item_count && count >= work->item_count;
}

/* It is done if any of the images is mended: that can be taken back. */
static bool repair_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	struct cv_journal_log log;
	bool ok = true, is_new;

	*end = CV_RECORD_ABORTED;
	if (!cv_journal_read(&log, w->io, &w->host, w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	for (size_t i = 0; ok && all_are_noted(work, &log) && i < work->item_count; i++) {
		ok = settle_item(work, &log, i, &is_new, err);
		if (ok && is_new)
			*end = CV_RECORD_DONE;
	}
	cv_journal_log_fini(&log);
	return ok;
}

/* Pages that a patch may touch, at most. */
static size_t pages_of(const struct cv_plan_mend *mend)
{
	size_t pages = 0;

	for (size_t i = 0; i < mend->count && pages < CV_RELINK_PAGES_LARGE; i++)
		pages += mend->patches[i].len / CV_RELINK_PAGE + 2;
	return pages < CV_RELINK_PAGES_LARGE ? pages : CV_RELINK_PAGES_LARGE;
}

/* Each image's UNDO record with as many pages as it has, and what later rounds note of it. */
static struct cv_journal_size room(const struct cv_plan *plan)
{
	enum { BESIDE = 12 };
	struct cv_journal_size size = { 0, 0 };

	for (size_t i = 0; i < plan->item_count; i++)
		size.records += plan->mends ? (uint32_t)(pages_of(&plan->mends[i]) * 3 + BESIDE) : CV_RELINKING_SLOTS_LARGE;
	return size;
}

const struct cv_operation_row cv_operation_repair = {
	CV_PLAN_REPAIR, "repair", true, repair_run, repair_recover, .room = room,
};
