/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking a merge back: the image comes from the trash to its name, and those that stood on it name it again. The parent keeps
 * what was merged into it. As it is what it was when all of that was read back from it, and as the image is what it was, those
 * that change read the same through either of them: every moment in between is a good one. That this is so is read back before the
 * first of them changes, from all that they read of both.
 *
 * If the merge has kept what the parent was, that comes back last, when all of them stand on the image: what of the parent is
 * not what it was lies under it. Until that is done the parent is not an image that can be read, and after a crash recovery comes
 * first.
 *
 * After a crash it goes on, unless nothing of it is seen yet; then it is put back.
 */
#include "repair/operation/coalesce.h"
#include "repair/operation/former.h"
#include "repair/operation/merging.h"
#include "repair/operation/relinking.h"
#include "repair/operation/rereading.h"

enum { IMAGE = 0, PARENT = 1, FIRST_CLAIMED = PARENT, FIRST_CHILD = 2, MOST_CHILDREN = 65536 };
/* Slots of the journal besides those of the children. */
enum { SLOTS_BESIDES = 8, LAYOUT = 1 };

struct back {
	struct cv_work *work;
	struct cv_journal_log merge;         /* of the operation that is taken back */
	struct cv_journal_log log;           /* its own, when it is recovered */
	bool recovered, own_error;
	bool *is_new;                        /* for each child: it names the image already */
	bool full;                           /* the parent gets back what it was */
	enum cv_format_id parent_format;     /* then */
};

static uint32_t slots(size_t items)
{
	size_t children = items > FIRST_CHILD ? items - FIRST_CHILD : 0;

	return SLOTS_BESIDES + (uint32_t)(children > MOST_CHILDREN ? MOST_CHILDREN : children) * CV_RELINKING_SLOTS_EACH;
}

static struct cv_journal_size room(const struct cv_plan *plan)
{
	return (struct cv_journal_size){ slots(plan->item_count), 0 };
}

/* Nothing if the parent keeps what was merged into it. */
static bool prepare(const struct cv_writing *w, const struct cv_plan *plan, struct cv_pack *p)
{
	(void)w;
	if (plan->merge && plan->merge->keeps) {
		cv_pack_number(p, LAYOUT);
		cv_pack_number(p, plan->merge->parent_format);
	}
	return !p->failed;
}

static bool unpack(struct back *b, struct cv_err *err)
{
	struct cv_bytes more = b->work->more;
	struct cv_unpack u = { .at = (const uint8_t *)more.at, .left = more.len };

	if (!more.len)
		return true;
	b->full = cv_unpack_number(&u) == LAYOUT;
	b->parent_format = (enum cv_format_id)cv_unpack_number(&u);
	return (b->full && !u.failed) || cv_fail(err, CV_EFORMAT, "its PREPARE record is not one of a merge that is taken back");
}

static void back_fini(struct back *b)
{
	cv_journal_log_fini(&b->merge);
	cv_journal_log_fini(&b->log);
	free(b->is_new);
}

static bool back_init(struct back *b, struct cv_work *work, struct cv_err *err)
{
	b->work = work;
	if (work->item_count < FIRST_CHILD || work->item_count > FIRST_CHILD + (size_t)MOST_CHILDREN)
		return cv_fail(err, CV_EFORMAT, "it is about %zu images", work->item_count);
	b->is_new = calloc(work->item_count, sizeof *b->is_new);
	if (!b->is_new)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!work->plan)
		return unpack(b, err);
	b->full = work->plan->merge && work->plan->merge->keeps;
	b->parent_format = b->full ? work->plan->merge->parent_format : CV_FORMAT_NONE;
	return true;
}

/* --- the image ------------------------------------------------------------------------------------------- */

static enum cv_whereabouts find(const struct back *b, bool *taken, struct cv_err *err)
{
	const struct cv_plan_item *image = &b->work->items[IMAGE];

	return cv_place_find(b->work->w, image->from, image->from_index, image, taken, err);
}

static bool sync_both(const struct back *b, struct cv_err *err)
{
	const struct cv_work *work = b->work;

	return cv_place_sync_homes(work->w, work->items, 1, err) && cv_place_sync_trash(work->w, work->items[IMAGE].from, err);
}

/* Behind a crash, when its folder in the trash may be gone already: that is removed last. */
static bool sync_again(const struct back *b, struct cv_err *err)
{
	if (sync_both(b, err))
		return true;
	if (err->code != CV_EUSAGE)
		return false;
	cv_err_clear(err);
	return cv_store_sync(b->work->w->io, b->work->w->store.trash, "the trash", err);
}

/* It is what it was when it was merged, and stays so. */
static bool claim_image(const struct back *b, struct cv_err *err)
{
	struct cv_work *work = b->work;

	if (work->claims[IMAGE] < 0)
		work->claims[IMAGE] = cv_claim_item(work->w, &work->items[IMAGE], err);
	return work->claims[IMAGE] >= 0;
}

static bool bring_home(const struct back *b, struct cv_err *err)
{
	const struct cv_plan_item *image = &b->work->items[IMAGE];
	bool taken;
	enum cv_whereabouts where = find(b, &taken, err);

	if (where == CV_UNKNOWN)
		return false;
	if (where != CV_IN_TRASH || taken)
		return cv_fail(err, CV_EREFUSED, where == CV_IN_TRASH ? "something else has the name of the image now"
				       : "the image is not in the trash any more");
	return cv_place_to_home(b->work->w, image->from, image->from_index, image, err) && sync_both(b, err) && claim_image(b, err);
}

/* As if nothing had been begun. */
static bool put_back(const struct back *b, enum cv_whereabouts where, struct cv_err *err)
{
	const struct cv_plan_item *image = &b->work->items[IMAGE];

	if (where == CV_GONE || where == CV_REPLACED)
		return cv_fail(err, CV_EREFUSED, "the image is neither in the trash nor where it was: nothing more is touched");
	if (where == CV_AT_HOME && !cv_place_to_trash(b->work->w, image->from, image->from_index, image, err))
		return false;
	/* Its folder there may be a new one. */
	return cv_store_sync(b->work->w->io, b->work->w->store.trash, "the trash", err) && sync_both(b, err);
}

/* --- those that stood on it ------------------------------------------------------------------------------ */

static bool relink(struct back *b, size_t item, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking r = { .work = NULL };
	struct cv_work *work = b->work;

	if (!cv_relinking_begin(&r, work, item, work->claims[item], err))
		return false;
	r.of_many = true;
	return (cv_relinking_take_back(&r, &b->merge, err) && cv_relinking_note(&r, b->recovered ? &b->log : NULL, err) &&
		cv_relinking_apply(&r, err)) || cv_wrap(err, "%s", work->items[item].path);
}

/* --- what the parent was --------------------------------------------------------------------------------- */

/* A parent that was written to since does not have what the image has, nor what it would get back. */
static bool parent_is_the_same(const struct back *b)
{
	const struct cv_work *work = b->work;
	const struct cv_plan_item *parent = &work->items[PARENT];
	struct stat st;

	return work->w->io->fstat(work->w->io, work->claims[PARENT], &st) == 0 && (uint64_t)st.st_size == parent->size &&
	       cv_stat_mtime(&st) == parent->mtime_ns;
}

static bool note(struct cv_work *work, enum cv_record_type type, const void *payload, size_t len, struct cv_err *err)
{
	return cv_journal_add(&work->journal, type, payload, len, err) && cv_journal_barrier(&work->journal, err);
}

/* It may stop here, and goes on from the beginning. */
static bool tick(void *ctx, uint64_t done, uint64_t total, struct cv_err *err)
{
	struct cv_work *work = ctx;

	if (cv_work_batch(work, "giving back", done, total, err))
		return true;
	work->stays = err->code == CV_ECANCELLED;
	return false;
}

static bool note_given(struct cv_work *work, struct cv_err *err)
{
	struct cv_pack p = { 0 };
	struct stat st;
	bool ok = work->w->io->fstat(work->w->io, work->claims[PARENT], &st) == 0 || cv_io_fail(err, "look at", work->items[PARENT].path);

	cv_pack_number(&p, ok ? (uint64_t)st.st_size : 0);
	cv_pack_number(&p, ok ? (uint64_t)cv_stat_mtime(&st) : 0);
	ok = ok && (!p.failed || cv_fail(err, CV_ENOMEM, "out of memory")) && note(work, CV_RECORD_VERIFIED, p.at, p.len, err);
	cv_pack_fini(&p);
	return ok;
}

/* Written, read back from the disk as far as the system can be made to ask it, and found to be an image without errors. */
static bool give_all(struct back *b, struct cv_keep *k, struct cv_err *err)
{
	struct cv_work *work = b->work;
	const struct cv_io *io = work->w->io;
	const struct cv_file_out parent = { io, work->claims[PARENT], work->items[PARENT].path };
	const struct cv_keep_tick each = { tick, work };
	bool same;

	if (!cv_keep_restore(k, &parent, &each, err))
		return false;
	io->forget(io, parent.fd, 0, 0);
	if (!cv_keep_compare(k, &parent, &each, &same, err))
		return false;
	if (!same || !cv_merging_is_sound(work, PARENT, b->parent_format))
		return cv_fail(err, CV_EIO, "%s: what it was could not be given back: reading it back, it is something else", parent.name);
	return note_given(work, err);
}

/* Who stood on the image stands on it again. */
static bool give_back(struct back *b, struct cv_err *err)
{
	CV_AUTO(cv_keep_close) struct cv_keep k = { .out.fd = -1 };
	struct cv_work *work = b->work;

	/* Then it may have been dropped. */
	if (b->recovered && cv_journal_last(&b->log, CV_RECORD_VERIFIED))
		return true;
	if (!(b->recovered && cv_journal_last(&b->log, CV_RECORD_RELINKED))) {
		if (!parent_is_the_same(b))
			return cv_fail(err, CV_EREFUSED, "the parent was written to meanwhile: what it was is not put over that");
		if (!note(work, CV_RECORD_RELINKED, NULL, 0, err))
			return false;
	}
	return cv_former_open(work->w, work->items[IMAGE].from, &k, err) && give_all(b, &k, err);
}

/* Somebody who opens one of them meanwhile is let in: it goes on later. */
static bool relink_all(struct back *b, struct cv_err *err)
{
	struct cv_work *work = b->work;

	for (size_t i = FIRST_CHILD; i < work->item_count; i++) {
		if (b->is_new[i - FIRST_CHILD])
			continue;
		if (!cv_work_look(work, err)) {
			work->stays = err->code == CV_ECANCELLED;
			return false;
		}
		if (!relink(b, i, err))
			return false;
	}
	return (!b->full || give_back(b, err)) && cv_place_tidy(work->w, work->items[IMAGE].from, err);
}

/* Before anybody names the image. */
static bool reads_the_same(struct back *b, struct cv_err *err)
{
	enum cv_format_id image, parent;

	return cv_coalesce_formats(&b->merge, &image, &parent, err) && cv_reread_children(b->work, image, parent, err);
}

static bool undo_run(struct cv_work *work, struct cv_err *err)
{
	CV_AUTO(back_fini) struct back b = { .work = work };

	return back_init(&b, work, err) && cv_done_read(work->w, work->items[IMAGE].from, &b.merge, err) && bring_home(&b, err) &&
	       reads_the_same(&b, err) && relink_all(&b, err);
}

/* --- recovery -------------------------------------------------------------------------------------------- */

/* False only if that cannot be found out. */
static bool still_reads_the_same(struct back *b, bool *same, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };

	if (!claim_image(b, err))
		return false;
	*same = reads_the_same(b, &why);
	return *same || why.code == CV_EREFUSED || cv_fail(err, why.code, "%s", why.text);
}

static bool settle(struct back *b, enum cv_record_type *end, struct cv_err *err)
{
	struct cv_work *work = b->work;
	bool any, all, taken, same = true;
	enum cv_whereabouts where = find(b, &taken, err);

	if (where == CV_UNKNOWN || !cv_relinking_settle_all(work, &b->log, b->own_error, FIRST_CHILD, b->is_new, &any, &all, err))
		return false;
	*end = CV_RECORD_ABORTED;
	/* The parent may be in between. */
	any |= cv_journal_last(&b->log, CV_RECORD_RELINKED) != NULL;
	if (!any && (where != CV_AT_HOME || b->own_error || work->w->give_up || !parent_is_the_same(b)))
		return put_back(b, where, err);
	if (where != CV_AT_HOME)
		return cv_fail(err, CV_EREFUSED, "the image is not where it was: nothing more is touched");
	if (!sync_again(b, err) || !cv_done_read(work->w, work->items[IMAGE].from, &b->merge, err))
		return false;
	if (!any && !still_reads_the_same(b, &same, err))
		return false;
	if (!same)
		return put_back(b, where, err);
	*end = CV_RECORD_DONE;
	return relink_all(b, err);
}

static bool undo_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(back_fini) struct back b = { .recovered = true, .own_error = work->claims != NULL };
	const struct cv_writing *w = work->w;

	*end = CV_RECORD_ABORTED;
	if (!back_init(&b, work, err) ||
	    !cv_journal_read(&b.log, w->io, &w->host, w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	if (!b.own_error && (!cv_journal_grow(&work->journal, slots(work->item_count), err) || !cv_work_claim_from(work, PARENT, err)))
		return false;
	return settle(&b, end, err);
}

const struct cv_operation_row cv_operation_coalesce_undo = {
	CV_PLAN_COALESCE_UNDO, "undo-coalesce", true, undo_run, undo_recover, .prepare = prepare, .room = room, .elsewhere = FIRST_CLAIMED,
};
