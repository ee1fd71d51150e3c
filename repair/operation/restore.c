/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Putting images back from the trash, and removing them for good. Each image is a step of its own, and a step that a
 * crash cut off needs nothing but to be taken again, or left.
 */
#include "repair/operation/work.h"

/* An item before this one came from the same folder of the trash. */
static bool same_trash_before(const struct cv_work *work, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!memcmp(work->items[k].from, work->items[i].from, sizeof work->items[i].from))
			return true;
	return false;
}

/* What was moved or removed is sure after this, and folders that became empty are gone. */
static bool settle_trash(struct cv_work *work, struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };

	for (size_t i = 0; i < work->item_count; i++) {
		if (same_trash_before(work, i))
			continue;
		if (!cv_place_sync_trash(work->w, work->items[i].from, &none) && none.code != CV_EUSAGE)
			return cv_fail(err, none.code, "%s", none.text);
		cv_err_clear(&none);
		if (!cv_place_tidy(work->w, work->items[i].from, err))
			return false;
	}
	return true;
}

/* In the trash, and nothing is in its place at home; else no, with err set. */
static bool can_go_home(enum cv_whereabouts where, bool taken, const struct cv_plan_item *item, struct cv_err *err)
{
	struct cv_text t = { 0 };

	if (where == CV_IN_TRASH && !taken)
		return true;
	cv_text_escape(&t, cv_bytes_of(item->path));
	if (where != CV_UNKNOWN)
		cv_fail(err, CV_EREFUSED, "%s: %s", cv_text_str(&t), where == CV_IN_TRASH ?
			"something else has its name now" : "it is not in the trash any more");
	cv_text_fini(&t);
	return false;
}

/* strict: all of them or none. Otherwise those whose name is taken stay in the trash, where they are safe. */
static bool restore_items(struct cv_work *work, bool strict, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++) {
		const struct cv_plan_item *item = &work->items[i];
		struct cv_err why = { .code = CV_OK };
		bool taken;
		enum cv_whereabouts where = cv_place_find(work->w, item->from, item->from_index, item, &taken, &why);

		if (can_go_home(where, taken, item, &why)) {
			if (!cv_place_to_home(work->w, item->from, item->from_index, item, err))
				return false;
		} else if (strict || where == CV_UNKNOWN) {
			return cv_fail(err, why.code, "%s", why.text);
		}
	}
	return cv_place_sync_homes(work->w, work->items, work->item_count, err) && settle_trash(work, err);
}

static bool restore_run(struct cv_work *work, struct cv_err *err)
{
	return restore_items(work, true, err);
}

static bool restore_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	*end = CV_RECORD_DONE;
	return restore_items(work, false, err);
}

static bool unlink_item(struct cv_work *work, const struct cv_plan_item *item, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	int dir = cv_place_trash(w, item->from, false, err);
	struct cv_trash_name name = cv_trash_name(item->from_index, item->path);
	bool ok = dir >= 0 && (w->io->unlinkat(w->io, dir, name.s, 0) == 0 || cv_io_fail(err, "remove", name.s));

	if (dir >= 0)
		w->io->close(w->io, dir);
	return ok;
}

static bool purge_run(struct cv_work *work, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++) {
		const struct cv_plan_item *item = &work->items[i];
		bool taken;

		if (!cv_work_item(work, "remove", i, err))
			return false;
		if (cv_place_find(work->w, item->from, item->from_index, item, &taken, err) != CV_IN_TRASH)
			return err->code ? false : cv_fail(err, CV_EREFUSED, "it is not in the trash any more");
		if (!unlink_item(work, item, err))
			return false;
	}
	return settle_trash(work, err);
}

/* What is gone is gone; what is left stays in the trash, and can be purged by who looks again. */
static bool purge_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	*end = CV_RECORD_DONE;
	for (size_t i = 0; i < work->item_count; i++) {
		const struct cv_plan_item *item = &work->items[i];
		bool taken;
		enum cv_whereabouts where = cv_place_find(work->w, item->from, item->from_index, item, &taken, err);

		if (where == CV_UNKNOWN)
			return false;
		if (where == CV_IN_TRASH)
			*end = CV_RECORD_ABORTED;
	}
	return settle_trash(work, err);
}

const struct cv_operation_row cv_operation_restore = { CV_PLAN_RESTORE, "restore", false, restore_run, restore_recover, .slots = 0 };
const struct cv_operation_row cv_operation_purge = { CV_PLAN_PURGE, "purge", false, purge_run, purge_recover, .slots = 0 };
