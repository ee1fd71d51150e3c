/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How every operation goes: claims, journal, work, DONE; and how one that was cut short is taken up again. */
#include "repair/operation/work.h"
#include <unistd.h>

enum { RECORDS_TO_COME = 4 };                /* slots besides PREPARE: DONE or ABORTED, twice over */

static const struct cv_operation_row *const rows[] = {
	&cv_operation_trash, &cv_operation_restore, &cv_operation_purge, &cv_operation_convert, &cv_operation_convert_device, &cv_operation_rebase,
	&cv_operation_coalesce, &cv_operation_coalesce_undo, &cv_operation_leaf, &cv_operation_convert_tree,
	&cv_operation_repair, &cv_operation_rebase_copy,
};

const struct cv_operation_row *cv_operation_row(enum cv_plan_kind kind)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i]->kind == kind)
			return rows[i];
	return NULL;
}

const char *cv_plan_kind_name(enum cv_plan_kind kind)
{
	const struct cv_operation_row *row = cv_operation_row(kind);

	return row ? row->name : "unknown";
}

const char *cv_result_state_name(enum cv_result_state state)
{
	static const char *const names[] = { "done", "refused", "failed", "cancelled" };

	return names[state];
}

bool cv_writing_open(struct cv_writing *w, const struct cv_io *io, const struct cv_host *host, int root,
		     struct cv_err *err)
{
	w->io = io;
	w->host = *host;
	w->root = root;
	w->monitor = NULL;
	w->give_up = false;
	if (!cv_store_open(&w->store, io, &w->host, root, CV_STORE_MAKE, err))
		return false;
	if (cv_store_lock(&w->store, err) && cv_store_sweep(&w->store, err))
		return true;
	cv_store_close(&w->store);
	return false;
}

struct cv_journal_size cv_work_room(const struct cv_plan *plan)
{
	const struct cv_operation_row *row = cv_operation_row(plan->kind);
	struct cv_journal_size room = row && row->room ? row->room(plan) : (struct cv_journal_size){ 0, 0 };

	room.records += RECORDS_TO_COME + (row ? row->slots : 0);
	return room;
}

static bool begin(struct cv_work *work, const struct cv_plan *plan, const char *command, struct cv_err *err)
{
	struct cv_pack prepare = { 0 };
	const struct cv_operation_row *row = cv_operation_row(plan->kind);
	struct cv_journal_size room = cv_work_room(plan);
	bool ok = (cv_items_pack(&prepare, command, plan->items, plan->item_count) &&
		   (!row->prepare || row->prepare(work->w, plan, &prepare))) || cv_fail(err, CV_ENOMEM, "out of memory");

	ok = ok && cv_journal_create(&work->journal, work->w->io, &work->w->host, work->w->store.journal, work->w->store.id,
				     plan->kind, prepare.at, prepare.len,
				     room.records, room.board, err);
	cv_pack_fini(&prepare);
	return ok;
}

/* After an error: as if it had been a crash, while everything is still claimed. */
static void take_back(struct cv_work *work, const struct cv_operation_row *row, struct cv_err *err)
{
	struct cv_err second = { .code = CV_OK };
	enum cv_record_type end;

	if (!row->recover(work, &end, &second) ||
	    !cv_journal_finish(&work->journal, end, work->w->store.done, &second))
		cv_wrap(err, "left unfinished, to be settled by chainview recover (%s)", second.text);
}

static enum cv_result_state result_of(bool ok, const struct cv_err *err)
{
	if (ok)
		return CV_RESULT_DONE;
	return err->code == CV_EREFUSED ? CV_RESULT_REFUSED : err->code == CV_ECANCELLED ? CV_RESULT_CANCELLED
											    : CV_RESULT_FAILED;
}

bool cv_work_run(struct cv_writing *w, const struct cv_plan *plan, const char *command, const struct cv_monitor *monitor,
		 struct cv_operation_result *result, struct cv_err *err)
{
	const struct cv_operation_row *row = cv_operation_row(plan->kind);
	struct cv_work work = { .w = w, .plan = plan, .items = plan->items, .item_count = plan->item_count,
				.sources = plan->sources, .source_count = plan->source_count, .command = command,
				.monitor = monitor, .result = result, .journal = { .fd = -1 },
				.elsewhere = row ? row->elsewhere + plan->elsewhere : 0 };
	bool ok = false;

	*result = (struct cv_operation_result){ .state = CV_RESULT_REFUSED };
	if (plan->refused || !row)
		return cv_fail(err, CV_EREFUSED, "the plan is refused");
	if (cv_work_claim(&work, row->claims, err) && begin(&work, plan, command, err)) {
		result->has_id = true;
		memcpy(result->id, work.journal.op, sizeof result->id);
		if (plan->source_count)
			cv_work_step_back(&work);
		ok = row->run(&work, err);
		if (ok)
			ok = cv_journal_finish(&work.journal, CV_RECORD_DONE, w->store.done, err);
		else if (work.stays)
			cv_wrap(err, "what is done is kept, and chainview recover goes on");
		else
			take_back(&work, row, err);
	}
	result->state = result_of(ok, err);
	cv_work_release(&work);
	cv_work_step_forward(&work);
	cv_journal_close(&work.journal);
	return ok;
}

/* Between two of them it may stop. */
static bool goes_on(const struct cv_writing *w, struct cv_err *err)
{
	const struct cv_monitor *m = w->monitor;

	return !m || !m->tick || m->tick(m->ctx, "recover", 0, 0) || cv_fail(err, CV_ECANCELLED, "cancelled");
}

static bool is_finished(const struct cv_journal_log *log)
{
	return cv_journal_last(log, CV_RECORD_DONE) || cv_journal_last(log, CV_RECORD_ABORTED);
}

/* It said that it was done, and was cut before it could move away; whether that is on disk is not known. */
static bool archive(struct cv_writing *w, const char *name, struct cv_err *err)
{
	struct cv_file_out file;

	if (!cv_out_open(&file, w->io, w->store.journal, name, err) ||
	    !cv_out_close(&file, w->io->fdatasync(w->io, file.fd) == 0 || cv_io_fail(err, "sync", name), err))
		return false;
	if (w->io->renameat(w->io, w->store.journal, name, w->store.done, name, RENAME_NOREPLACE) != 0)
		return cv_io_fail(err, "archive", name);
	return cv_store_sync(w->io, w->store.done, "the folder of journals", err) &&
	       cv_store_sync(w->io, w->store.journal, "the folder of journals", err);
}

static bool recover_log(struct cv_work *work, const struct cv_journal_log *log, const char *name, bool adopt,
			struct cv_err *err)
{
	const struct cv_operation_row *row = cv_operation_row(log->type);
	struct cv_writing *w = work->w;
	enum cv_record_type end;

	if (memcmp(log->repository, w->store.id, sizeof log->repository) != 0)
		return cv_fail(err, CV_EREFUSED, "it belongs to another repository");
	if (!row)
		return cv_fail(err, CV_EREFUSED, "it is of a kind that this version does not know (%d)", (int)log->type);
	if (log->damaged || !log->records.len)
		return cv_fail(err, CV_EREFUSED, "its journal is damaged: nothing is touched");
	work->more = cv_items_more(&log->records.at[0]);
	return cv_items_unpack(work->arena, &log->records.at[0], &work->command, &work->items, &work->item_count, err) &&
	       cv_journal_take_over(&work->journal, log, w->io, &w->host, w->store.journal, name, adopt, err) &&
	       cv_store_sync(w->io, w->store.journal, "the folder of journals", err) && row->recover(work, &end, err) &&
	       cv_journal_finish(&work->journal, end, w->store.done, err);
}

bool cv_work_recover(struct cv_writing *w, const char *name, bool adopt, struct cv_err *err)
{
	CV_AUTO(cv_auto_arena) struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_work work = { .w = w, .journal = { .fd = -1 }, .monitor = w->monitor, .arena = arena };
	struct cv_journal_log log;
	bool ok;

	if (!arena)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_journal_read(&log, w->io, &w->host, w->store.journal, name, err))
		return cv_wrap(err, "journal %s", name);
	ok = !log.damaged && is_finished(&log) ? archive(w, name, err) : recover_log(&work, &log, name, adopt, err);
	cv_work_release(&work);
	cv_work_step_forward(&work);
	cv_journal_close(&work.journal);
	cv_journal_log_fini(&log);
	return ok || cv_wrap(err, "journal %s", name);
}

bool cv_recover_all(struct cv_writing *w, bool adopt, size_t *settled, struct cv_err *err)
{
	struct cv_store_names names;
	struct cv_err one = { .code = CV_OK };

	*settled = 0;
	if (!cv_store_list(&w->store, w->store.journal, &names, err))
		return false;
	for (size_t i = 0; i < names.len && goes_on(w, err); i++, cv_err_clear(&one)) {
		if (cv_work_recover(w, names.at[i], adopt, &one))
			++*settled;
		else if (!err->code)
			*err = one;
	}
	cv_store_names_fini(&names);
	return !err->code;
}
