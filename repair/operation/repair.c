/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Mending images, and taking that back. What every image was and will be is in the journal before the first byte of any
 * changes; then one image after the other is written, layer by layer, read back and checked. After a crash each image is
 * settled by itself: one that was written whole and is well stays so, any other becomes what it was.
 *
 * Files that get another place do so behind that, and when it is taken back before that; after a crash all of them have done
 * so, or none.
 */
#include "repair/fix/fix.h"
#include "repair/operation/moves.h"
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

/* What only gets another place has no bytes that change. done: of what is taken back. */
static bool changes(const struct cv_work *work, const struct cv_journal_log *done, size_t i)
{
	return !work->plan->move_count || (done ? cv_relinking_is_noted(done, work->items[i].from_index) : work->plan->mends[i].count != 0);
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
		if (changes(work, done, i) && (!begin_item(&list[i], work, i, work->claims[i], err) || !note_item(&list[i], done, err)))
			return cv_wrap(err, "%s", work->items[i].path);
	return true;
}

static bool apply_all(struct cv_work *work, struct cv_relinking *list, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++) {
		if (!list[i].source)
			continue;
		if (!cv_work_item(work, "repair", i, err))
			return false;
		if (!cv_relinking_apply(&list[i], err))
			return cv_wrap(err, "%s", work->items[i].path);
	}
	return true;
}

/* Who has begun to open one of them finds it where it was. */
static bool move_all(struct cv_work *work, const struct cv_moves *moves, struct cv_err *err)
{
	return !moves->count || (cv_work_look(work, err) && cv_moves_do(work, moves, err));
}

static bool repair_run(struct cv_work *work, struct cv_err *err)
{
	struct cv_relinking *list = calloc(work->item_count, sizeof *list);
	struct cv_journal_log done = { 0 };
	struct cv_moves moves;
	bool ok = list || cv_fail(err, CV_ENOMEM, "out of memory");

	ok = ok && cv_moves_of(work, &moves, err);
	if (ok && is_undo(work))
		ok = cv_done_read(work->w, work->items[0].from, &done, err);
	ok = ok && note_all(work, list, is_undo(work) ? &done : NULL, err) && (!is_undo(work) || move_all(work, &moves, err)) &&
	     apply_all(work, list, err) && (is_undo(work) ? cv_moves_tidy(work, &moves, err) : move_all(work, &moves, err));
	for (size_t i = 0; list && i < work->item_count; i++)
		cv_relinking_fini(&list[i]);
	cv_journal_log_fini(&done);
	free(list);
	return ok;
}

/* --- recovery --------------------------------------------------------------------------------------------- */

static bool settle_item(struct cv_work *work, const struct cv_journal_log *log, const struct cv_moves *moves, size_t i, bool *is_new,
			struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = work };
	struct cv_plan_item there = work->items[i];
	bool ok;
	int fd;

	there.path = cv_moves_path(work, moves, i, err);
	fd = !there.path ? -1 : work->claims ? work->claims[i] : cv_claim_as_it_is(work->w, &there, err);
	ok = fd >= 0 && begin_item(&b, work, i, fd, err) && cv_relinking_settle(&b, log, work->claims != NULL, is_new, err);
	if (fd >= 0 && !work->claims)
		work->w->io->close(work->w->io, fd);
	return ok || cv_wrap(err, "%s", work->items[i].path);
}

/* As long as not all were noted none was written to. Of what only gets another place there is no note. */
static bool all_are_noted(const struct cv_work *work, const struct cv_journal_log *log, const struct cv_moves *moves)
{
	size_t count = 0;

	for (size_t i = 0; i < log->records.len; i++)
		count += log->records.at[i].type == CV_RECORD_UNDO;
	return count && (moves->count || count >= work->item_count);
}

/* *any: one of them is mended. */
static bool settle_all(struct cv_work *work, const struct cv_journal_log *log, const struct cv_moves *moves, bool *any, struct cv_err *err)
{
	bool ok = true, is_new;

	*any = false;
	for (size_t i = 0; ok && all_are_noted(work, log, moves) && i < work->item_count; i++) {
		if (moves->count && !cv_relinking_is_noted(log, i))
			continue;
		ok = settle_item(work, log, moves, i, &is_new, err);
		*any |= ok && is_new;
	}
	return ok;
}

/*
 * Under the names that they have now guests may have used them since. Then they stay where they are: what one wrote would be under
 * another name, or under the image that it stands on. Who holds one of them open is found by claiming it.
 */
static bool are_unused(struct cv_work *work, const struct cv_journal_log *log, const struct cv_moves *moves, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;

	for (size_t i = 0; i < moves->count; i++) {
		size_t item = moves->at[i].item;
		struct cv_plan_item there = work->items[item];
		struct stat st;
		bool same;
		int fd;

		if (moves->at[i].kind != CV_MOVE_RENAME)
			continue;
		there.path = cv_moves_path(work, moves, item, err);
		fd = there.path ? cv_claim_as_it_is(work->w, &there, err) : -1;
		if (fd < 0)
			return cv_wrap(err, "%s", work->items[item].path);
		same = cv_relinking_is_noted(log, item) ||
		       (io->fstat(io, fd, &st) == 0 && (uint64_t)st.st_size == there.size && cv_stat_mtime(&st) == there.mtime_ns);
		io->close(io, fd);
		if (!same)
			return cv_fail(err, CV_EREFUSED, "%s was written to since: nothing more is touched", work->items[item].path);
	}
	return true;
}

/* Bytes first, places last: what has its place is mended, and if all have but those that stand apart, these follow. Nothing of it
 * is needed where it was not moved. */
static bool settle_done(struct cv_work *work, const struct cv_journal_log *log, const struct cv_moves *moves, enum cv_record_type *end,
			struct cv_err *err)
{
	bool all = false, settled = false, any;

	if (moves->count && !cv_moves_are_done(work, moves, &all, err))
		return false;
	*end = CV_RECORD_DONE;
	if (all)
		return true;
	if (moves->count && !work->claims && !work->w->give_up && !cv_moves_are_settled(work, moves, &settled, err))
		return false;
	if (settled)
		return cv_moves_finish(work, moves, err);
	if (moves->count && !work->claims && !are_unused(work, log, moves, err))
		return false;
	if (!cv_moves_back(work, moves, err) || !settle_all(work, log, moves, &any, err))
		return false;
	*end = any ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	return true;
}

/* Places first, bytes last: as long as none of these is what it was, nothing is taken back. */
static bool settle_undone(struct cv_work *work, const struct cv_journal_log *log, const struct cv_moves *moves, enum cv_record_type *end,
			  struct cv_err *err)
{
	bool all, any;

	if (!cv_moves_are_done(work, moves, &all, err) || !settle_all(work, log, moves, &any, err))
		return false;
	*end = any || (all && moves->count && !all_are_noted(work, log, moves)) ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	return *end == CV_RECORD_DONE || ((!moves->count || work->claims || are_unused(work, log, moves, err)) && cv_moves_back(work, moves, err));
}

/* It is done if any of the images is mended: that can be taken back. */
static bool repair_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	struct cv_journal_log log;
	struct cv_moves moves;
	bool ok;

	*end = CV_RECORD_ABORTED;
	if (!cv_journal_read(&log, w->io, &w->host, w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	ok = cv_moves_of(work, &moves, err) &&
	     (work->item_count && is_undo(work) ? settle_undone : settle_done)(work, &log, &moves, end, err);
	cv_journal_log_fini(&log);
	return ok;
}

/* Each image's UNDO record with as many pages as it has, and what later rounds note of it. */
static struct cv_journal_size room(const struct cv_plan *plan)
{
	enum { BESIDE = 15 };
	struct cv_journal_size size = { 0, 0 };

	for (size_t i = 0; i < plan->item_count; i++)
		size.records += (uint32_t)plan->mends[i].pages * 3 + BESIDE;
	return size;
}

static bool prepare(const struct cv_writing *w, const struct cv_plan *plan, struct cv_pack *p)
{
	(void)w;
	return cv_moves_pack(plan, p);
}

const struct cv_operation_row cv_operation_repair = {
	CV_PLAN_REPAIR, "repair", true, repair_run, repair_recover, .prepare = prepare, .room = room,
};
