/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the journals of finished operations say that was changed: for those who take it back. */
#include "repair/operation/work.h"

/* One that was killed right after it had said that it was done has not moved to the others yet. */
static bool read_journal(const struct cv_writing *w, const uint8_t op[16], struct cv_journal_log *log, struct cv_err *err)
{
	struct cv_journal_name name = cv_journal_name(op);

	if (cv_journal_read(log, w->io, &w->host, w->store.done, name.s, err))
		return true;
	if (err->os_errno != ENOENT)
		return false;
	cv_err_clear(err);
	return cv_journal_read(log, w->io, &w->host, w->store.journal, name.s, err);
}

bool cv_done_read(const struct cv_writing *w, const uint8_t op[16], struct cv_journal_log *log, struct cv_err *err)
{
	*log = (struct cv_journal_log){ 0 };
	if (!read_journal(w, op, log, err))
		return false;
	return (!log->damaged && log->own && cv_journal_last(log, CV_RECORD_DONE)) ||
	       cv_fail(err, CV_EREFUSED, "its journal is damaged, is not of this host, or does not say that it was done");
}

bool cv_merged_read(const struct cv_journal_log *log, struct cv_merged *merged, struct cv_err *err)
{
	const struct cv_record *r = cv_journal_last(log, CV_RECORD_VERIFIED);
	struct cv_unpack u = { .at = r ? r->payload : NULL, .left = r ? r->len : 0 };
	bool ok;

	merged->size = cv_unpack_number(&u);
	merged->mtime_ns = (int64_t)cv_unpack_number(&u);
	ok = r && !u.failed;
	merged->image_size = cv_unpack_number(&u);
	merged->image_mtime_ns = (int64_t)cv_unpack_number(&u);
	return ok || cv_fail(err, CV_EREFUSED, "its journal does not say what the parent was like when it was read back");
}
