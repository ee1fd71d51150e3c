/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking images away: each moves to the trash of its repository by a rename, and stays there as it was. After a crash
 * either all are there, and that was it, or all go back: whether nobody needed them is only known to the one who looked.
 */
#include "repair/operation/work.h"

/* Before the last one goes everything can still be put back: who has begun to open one of them finds it at home. */
static bool move_all(struct cv_work *work, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++) {
		bool last = i + 1 == work->item_count;

		if (!cv_work_item(work, "move", i, err) || (last && !cv_work_look(work, err)) ||
		    !cv_place_to_trash(work->w, work->journal.op, (uint32_t)i, &work->items[i], err))
			return false;
	}
	return true;
}

static bool trash_run(struct cv_work *work, struct cv_err *err)
{
	int dir = cv_place_trash(work->w, work->journal.op, true, err);

	if (dir < 0)
		return false;
	work->w->io->close(work->w->io, dir);
	/* An image must not be where only a folder that may vanish leads to. */
	if (!cv_store_sync(work->w->io, work->w->store.trash, "the trash", err))
		return false;
	return move_all(work, err) && cv_place_sync_trash(work->w, work->journal.op, err) &&
	       cv_place_sync_homes(work->w, work->items, work->item_count, err);
}

/* Sure first, then the folder: it must not go while a name in it could come back. */
static bool settle(struct cv_work *work, struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };

	if (!cv_place_sync_trash(work->w, work->journal.op, &none))
		return none.code == CV_EUSAGE || cv_fail(err, none.code, "%s", none.text);
	return cv_place_sync_homes(work->w, work->items, work->item_count, err);
}

static bool put_back(struct cv_work *work, const enum cv_whereabouts *where, const bool *taken, struct cv_err *err)
{
	bool left = false;

	for (size_t i = work->item_count; i-- > 0;) {
		if (where[i] != CV_IN_TRASH)
			continue;
		if (taken[i])
			left = true;
		else if (!cv_place_to_home(work->w, work->journal.op, (uint32_t)i, &work->items[i], err))
			return false;
	}
	return settle(work, err) && (left || cv_place_tidy(work->w, work->journal.op, err));
}

static bool trash_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) enum cv_whereabouts *where = calloc(work->item_count + 1, sizeof *where);
	CV_AUTO(cv_auto_free) bool *taken = calloc(work->item_count + 1, sizeof *taken);
	bool all = true;

	if (!where || !taken)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < work->item_count; i++) {
		where[i] = cv_place_find(work->w, work->journal.op, (uint32_t)i, &work->items[i], &taken[i], err);
		if (where[i] == CV_UNKNOWN)
			return false;
		all &= where[i] == CV_IN_TRASH;
	}
	*end = all ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	return all ? settle(work, err) : put_back(work, where, taken, err);
}

const struct cv_operation_row cv_operation_trash = { CV_PLAN_TRASH, "trash", true, trash_run, trash_recover, .slots = 0 };
