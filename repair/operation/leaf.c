/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging a leaf into its parent. Nobody stands on it, but guests know it by its name: when the parent has all that the leaf has, it
 * gets that name, and then the leaf's identity. Its hidden mark goes before, since nobody may find a hidden image under that name;
 * its identity changes behind that, since until then the leaf stands on it.
 *
 * As long as the leaf has its name, a guest may write to it whenever nobody is at work. So after a crash it begins from the
 * parent as it was before its mark went: all data once more, read back once more.
 */
#include "repair/operation/coalesce.h"
#include "repair/operation/swap.h"
#include <chainview/format.h>

enum { IMAGE = CV_COALESCE_IMAGE, PARENT = CV_COALESCE_PARENT, CHANGES = 2 };
enum { SLOTS = CHANGES * CV_RELINKING_SLOTS_EACH };

static struct cv_journal_size room(const struct cv_plan *plan)
{
	struct cv_journal_size size = cv_coalesce_room(plan);

	size.records += SLOTS;
	return size;
}

/* What the parent is changes. item: in whose name that is noted; the parent has the name of the image in the end. */
static bool become(struct cv_coalesce *c, size_t item, const uint8_t *uuid, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = NULL };
	const struct cv_relink_own own = { uuid && !cv_uuid_is_null(uuid) ? uuid : NULL };
	struct cv_work *work = c->work;

	if (!cv_relinking_begin(&b, work, item, work->claims[PARENT], err))
		return false;
	b.of_many = true;
	if (!cv_relink_own(&b.change, b.source, &own, err))
		return false;
	return !b.change.pages.len || (cv_relinking_note(&b, NULL, err) && cv_relinking_apply(&b, err));
}

/* Whoever may open the leaf may open what gets its name. */
static bool dress(struct cv_work *work, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	int parent = work->claims[PARENT];
	struct stat is, was;
	mode_t mode;

	if (io->fstat(io, work->claims[IMAGE], &is) != 0 || io->fstat(io, parent, &was) != 0)
		return cv_io_fail(err, "look at", work->items[IMAGE].path);
	mode = is.st_mode & 07777;
	if (is.st_uid == was.st_uid && is.st_gid == was.st_gid && mode == (was.st_mode & 07777))
		return true;
	return (io->fchown(io, parent, is.st_uid, is.st_gid) == 0 && io->fchmod(io, parent, mode) == 0 && io->fsync(io, parent) == 0) ||
	       cv_io_fail(err, "give the owner and the mode of the image to", work->items[PARENT].path);
}

/* Who has looked the name up before and waits for the claim would get the image, which nobody will look for in the trash: it gets
 * its name back. */
static bool nobody_came(struct cv_coalesce *c, struct cv_err *err)
{
	struct cv_err back = { .code = CV_OK };

	if (cv_coalesce_look(c, err))
		return true;
	return cv_swap_back(c->work, &back) ? false : cv_fail(err, back.code, "%s", back.text);
}

static bool sync_names(const struct cv_work *work, struct cv_err *err)
{
	return cv_place_sync_homes(work->w, work->items, CV_COALESCE_FIRST_CHILD, err);
}

/* Who opens the leaf by now finds what it has. */
static bool take_name(struct cv_coalesce *c, struct cv_err *err)
{
	struct cv_work *work = c->work;

	return become(c, PARENT, NULL, err) && cv_coalesce_look(c, err) && cv_swap_do(work, err) && nobody_came(c, err) &&
	       sync_names(work, err) && nobody_came(c, err) && become(c, IMAGE, work->items[IMAGE].uuid, err);
}

static bool leaf_run(struct cv_work *work, struct cv_err *err)
{
	CV_AUTO(cv_coalesce_fini) struct cv_coalesce c = { .work = work };

	return cv_coalesce_init(&c, work, err) && cv_swap_begin(work, err) && dress(work, err) &&
	       cv_coalesce_merge(&c, (struct cv_merging_how){ .image = true }, err) && take_name(&c, err);
}

/* --- recovery -------------------------------------------------------------------------------------------- */

/* What the parent was before its mark went: nobody but us has written to it since. *any: there was something. */
static bool become_former(struct cv_coalesce *c, bool *any, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = NULL };
	const struct cv_record *undo = cv_journal_last(&c->log, CV_RECORD_UNDO), *boot = cv_journal_last(&c->log, CV_RECORD_BOOT);
	bool is_new;

	*any = undo && (!boot || undo->number > boot->number);
	if (!*any)
		return true;
	if (!cv_relinking_begin(&b, c->work, PARENT, c->work->claims[PARENT], err))
		return false;
	b.of_many = b.change.own = true;
	return cv_relinking_settle(&b, &c->log, c->own_error, &is_new, err) && cv_relinking_revert(&b, err);
}

/* At the names that they have now. */
static bool claim_at(struct cv_work *work, size_t item, const char *path, struct cv_err *err)
{
	struct cv_plan_item there = work->items[item];

	there.path = path;
	if (work->claims[item] < 0)
		work->claims[item] = cv_claim_as_it_is(work->w, &there, err);
	return work->claims[item] >= 0;
}

/* Somebody who had looked it up just before its name changed, and this program was killed, may have written to it: who is right
 * then nobody can tell. */
static bool image_is_the_same(const struct cv_coalesce *c, struct cv_err *err)
{
	struct cv_merged merged;
	struct stat st;

	if (!cv_merged_read(&c->log, &merged, err) || !cv_swap_stat(c->work, &st, err))
		return false;
	return ((uint64_t)st.st_size == merged.image_size && cv_stat_mtime(&st) == merged.image_mtime_ns) ||
	       cv_fail(err, CV_EREFUSED, "somebody has written to the image in the trash, whose name its parent has got: nothing more is "
					 "touched; compare the two");
}

/* The parent has the name, and perhaps not yet the identity; guests may have written to it. */
static bool finish_swap(struct cv_coalesce *c, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = NULL };
	struct cv_work *work = c->work;
	bool is_new;

	if (!claim_at(work, PARENT, work->items[IMAGE].path, err) || !sync_names(work, err) ||
	    !cv_relinking_begin(&b, work, IMAGE, work->claims[PARENT], err))
		return false;
	b.of_many = b.change.own = true;
	return cv_relinking_settle(&b, &c->log, c->own_error, &is_new, err) && become(c, IMAGE, work->items[IMAGE].uuid, err);
}

/* From the beginning: the leaf may be another than it was. */
static bool begin_again(struct cv_coalesce *c, enum cv_record_type *end, struct cv_err *err)
{
	struct cv_work *work = c->work;
	struct cv_merging_how how = { .again = true, .image = true };
	bool verified = cv_journal_last(&c->log, CV_RECORD_VERIFIED), any, stopped;

	how.trusting = !c->own_error && (!cv_coalesce_went_on_here(c, &stopped) || stopped);
	if (!claim_at(work, IMAGE, work->items[IMAGE].path, err) || !claim_at(work, PARENT, work->items[PARENT].path, err) ||
	    !become_former(c, &any, err) || !cv_coalesce_settle_parent(c, false, err) ||
	    (any && !cv_coalesce_note_boot(work, false, err)))
		return false;
	if (work->w->give_up || (c->own_error && !verified)) {
		*end = CV_RECORD_ABORTED;
		return cv_coalesce_give_up(c, err) && cv_place_tidy(work->w, work->journal.op, err);
	}
	*end = CV_RECORD_DONE;
	return ((c->own_error && verified) || (cv_swap_begin(work, err) && dress(work, err) && cv_coalesce_merge(c, how, err))) && take_name(c, err);
}

/* Each has its own name, and before the parent changes that is on disk: a program that was killed may have been about to make it so
 * again. Its folder in the trash may never have been made. */
static bool names_are_sure(struct cv_coalesce *c, struct cv_err *err)
{
	if (!sync_names(c->work, err))
		return false;
	if (cv_place_sync_trash(c->work->w, c->work->journal.op, err))
		return true;
	if (err->code != CV_EUSAGE)
		return false;
	cv_err_clear(err);
	return true;
}

static bool settle(struct cv_coalesce *c, enum cv_record_type *end, struct cv_err *err)
{
	struct cv_work *work = c->work;
	enum cv_swapped swapped = cv_swap_find(work, err);

	if (swapped == CV_SWAP_FOREIGN)
		return cv_fail(err, CV_EREFUSED, "the image and its parent are not where they were: nothing more is touched");
	if (swapped == CV_SWAP_UNKNOWN || (swapped == CV_SWAP_LINKED && !cv_swap_unlink(work, err)))
		return false;
	if (swapped != CV_SWAP_DONE && swapped != CV_SWAP_BACK)
		return names_are_sure(c, err) && begin_again(c, end, err);
	*end = CV_RECORD_DONE;
	return image_is_the_same(c, err) && (swapped == CV_SWAP_DONE || cv_swap_forward(work, err)) && finish_swap(c, err);
}

static bool leaf_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(cv_coalesce_fini) struct cv_coalesce c = { .recovered = true, .own_error = work->claims != NULL };

	*end = CV_RECORD_ABORTED;
	if (!cv_coalesce_init(&c, work, err))
		return false;
	if (!c.own_error && (!cv_journal_grow(&work->journal, CV_COALESCE_SLOTS_BESIDES + SLOTS, err) || !cv_work_claim(work, false, err)))
		return false;
	return settle(&c, end, err);
}

const struct cv_operation_row cv_operation_leaf = {
	CV_PLAN_LEAF, "coalesce-leaf", true, leaf_run, leaf_recover, .prepare = cv_coalesce_prepare, .room = room,
};
