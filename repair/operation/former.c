/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See former.h. */
#include "repair/operation/former.h"

bool cv_former_open(const struct cv_writing *w, const uint8_t op[16], struct cv_keep *k, struct cv_err *err)
{
	int dir = cv_place_trash(w, op, false, err);
	bool ok;

	*k = (struct cv_keep){ .out.fd = -1 };
	ok = dir >= 0 && cv_keep_open(k, w->io, dir, op, err);
	if (dir >= 0)
		w->io->close(w->io, dir);
	return ok;
}

static bool make(struct cv_work *work, size_t item, struct cv_keep *k, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	const struct cv_file_out file = { w->io, work->claims[item], work->items[item].path };
	int dir = cv_place_trash(w, work->journal.op, true, err);
	bool ok = dir >= 0 && cv_store_sync(w->io, w->store.trash, "the trash", err) &&
		  cv_keep_make(k, w->io, dir, work->journal.op, &file, work->items[item].size, err);

	if (dir >= 0)
		w->io->close(w->io, dir);
	return ok;
}

bool cv_former_begin(struct cv_work *work, size_t item, const struct cv_journal_log *before, struct cv_keep *k, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };

	*k = (struct cv_keep){ .out.fd = -1 };
	/* Not noted: nothing has been written yet. */
	if (!before || !cv_journal_last(before, CV_RECORD_KEPT))
		return make(work, item, k, err) && cv_journal_add(&work->journal, CV_RECORD_KEPT, NULL, 0, err) &&
		       cv_journal_barrier(&work->journal, err);
	if (cv_former_open(work->w, work->journal.op, k, &why))
		return cv_keep_go_on(k, err);
	cv_keep_close(k);
	return why.code == CV_EUSAGE || why.code == CV_EFORMAT || cv_fail(err, why.code, "%s", why.text);
}

uint64_t cv_former_allocated(const struct cv_writing *w, const uint8_t op[16])
{
	struct cv_err none = { .code = CV_OK };
	int dir = cv_place_trash(w, op, false, &none);
	struct stat st;
	bool there = dir >= 0 && w->io->fstatat(w->io, dir, CV_KEEP_NAME, &st) == 0;

	if (dir >= 0)
		w->io->close(w->io, dir);
	return there ? (uint64_t)st.st_blocks * 512 : 0;
}
