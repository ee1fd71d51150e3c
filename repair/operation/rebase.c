/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Giving an image another parent, by the few bytes that name it. That both parents read the same for the image was shown
 * when the plan was made; here they and the image are held, so that it stays so. The bytes as they are and as they will
 * be are in the journal before the first of them changes.
 */
#include "repair/operation/relinking.h"

/* --- the operation --------------------------------------------------------------------------------------- */

/* Nobody writes to what is read through either parent, and nobody has since the plan was made. */
static bool hold_sources(struct cv_work *work, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	bool ok = true;

	for (size_t i = 0; ok && i < work->source_count; i++) {
		int fd = io->openat(io, AT_FDCWD, work->sources[i].path, O_RDONLY | O_NONBLOCK, 0);

		ok = fd >= 0 ? cv_work_claim_reader(work, fd, i, err) : cv_io_fail(err, "open", work->sources[i].path);
		if (fd >= 0)
			io->close(io, fd);
	}
	return ok;
}

static bool take_back(struct cv_relinking *b, struct cv_err *err)
{
	struct cv_journal_log log;
	bool ok = cv_done_read(b->work->w, b->work->items[0].from, &log, err) && cv_relinking_take_back(b, &log, err);

	cv_journal_log_fini(&log);
	return ok;
}

static bool make_change(struct cv_relinking *b, struct cv_err *err)
{
	const struct cv_host *host = &b->work->w->host;

	if (!cv_uuid_is_null(b->work->items[0].from))
		return take_back(b, err);
	if (!host->random(host, b->change.fresh, sizeof b->change.fresh))
		return cv_fail_errno(err, "cannot make an identity");
	return cv_relink_make(&b->change, b->source, b->work->plan->link, err);
}

static bool rebase_run(struct cv_work *work, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b;

	return cv_relinking_begin(&b, work, 0, work->claims[0], err) && hold_sources(work, err) && make_change(&b, err) &&
	       cv_relinking_note(&b, NULL, err) && cv_relinking_apply(&b, err);
}

static bool rebase_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	struct cv_journal_log log;
	bool ok = true;

	*end = CV_RECORD_ABORTED;
	if (work->item_count != 1)
		return cv_fail(err, CV_EFORMAT, "it is about %zu images", work->item_count);
	if (!cv_journal_read(&log, w->io, &w->host, w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	if (cv_journal_last(&log, CV_RECORD_UNDO))
		ok = cv_relinking_settle_one(work, &log, end, err);
	cv_journal_log_fini(&log);
	return ok;
}

const struct cv_operation_row cv_operation_rebase = {
	CV_PLAN_REBASE, "rebase", true, rebase_run, rebase_recover, .slots = CV_RELINKING_SLOTS,
};
