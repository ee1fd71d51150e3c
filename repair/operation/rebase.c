/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Giving an image another parent, by the few bytes that name it. That both parents read the same for the image was shown
 * when the plan was made; here they and the image are held, so that it stays so. The bytes as they are and as they will
 * be are in the journal before the first of them changes.
 *
 * After a crash the image says one or the other, or nothing (a torn header): all new and understood by the parser, that
 * was it; otherwise everything goes back to what it was. A guest may have written meanwhile: sectors that are neither old
 * nor new are left alone as long as the parser understands the image, and put back only when they may be torn, which they
 * cannot be without a power cut in between.
 */
#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/relink/relink.h"

enum { SLOTS = 32 };                         /* an UNDO record with as many pages as there may be */
_Static_assert((SLOTS - 2) * CV_JOURNAL_SLOT > CV_RELINK_PAGES_MOST * (2 * CV_RELINK_PAGE + 64), "room for one UNDO record");

struct rebase {
	struct cv_work *work;
	struct cv_file_out out;              /* the image */
	struct cv_source *source;            /* over it */
	struct cv_relink change;
	uint8_t noted[CV_RELINK_PAGES_MOST]; /* pages that a recovery before this one found spoilt */
};

static void rebase_fini(struct rebase *b)
{
	cv_source_close(b->source);
	cv_relink_fini(&b->change);
}

static bool rebase_begin(struct rebase *b, struct cv_work *work, int fd, struct cv_err *err)
{
	*b = (struct rebase){ .work = work, .out = { work->w->io, fd, work->items[0].path } };
	b->source = cv_io_source(work->w->io, fd, err);
	return b->source != NULL;
}

/* --- writing --------------------------------------------------------------------------------------------- */

static bool barrier(const struct rebase *b, struct cv_err *err)
{
	return b->out.io->fdatasync(b->out.io, b->out.fd) == 0 || cv_io_fail(err, "sync", b->out.name);
}

/* The present state of a page. */
struct look {
	uint8_t now[CV_RELINK_PAGE];
	bool torn[CV_RELINK_SECTORS];        /* a sector that changes, and is neither old nor new */
	bool any_torn, all_new;
	bool kept, changed;                  /* a sector that does not change is as it was; is not */
	bool filled;                         /* all that do not change are of one byte: zeros, or ones */
};

/* Which sectors are written. Without looks all of them. */
struct choice {
	const struct look *looks;
	bool new;                            /* as they will be, or as they were */
	bool leave_torn;                     /* those are somebody else's */
	bool anyway;                         /* also what looks right: after a barrier that failed it may only look so */
};

static bool is_chosen(const struct choice *c, size_t page, size_t sector, const uint8_t *bytes)
{
	const struct look *l = c->looks ? &c->looks[page] : NULL;

	return !l || (l->torn[sector] ? !c->leave_torn
				      : c->anyway || memcmp(l->now + sector * CV_RELINK_SECTOR, bytes, CV_RELINK_SECTOR) != 0);
}

static bool write_layer(const struct rebase *b, unsigned layer, const struct choice *c, struct cv_err *err)
{
	bool any = false;

	for (size_t i = 0; i < b->change.pages.len; i++) {
		const struct cv_page *page = &b->change.pages.at[i];

		for (size_t k = 0; k < CV_RELINK_SECTORS; k++) {
			const uint8_t *bytes = (c->new ? page->new : page->old) + k * CV_RELINK_SECTOR;

			if (page->layer[k] != layer)
				continue;
			any = true;
			if (is_chosen(c, i, k, bytes) &&
			    !cv_out_write(&b->out, bytes, CV_RELINK_SECTOR, page->off + k * CV_RELINK_SECTOR, err))
				return false;
		}
	}
	return !any || barrier(b, err);
}

/* The way back is the other way round. */
static bool write_layers(const struct rebase *b, const struct choice *c, struct cv_err *err)
{
	for (unsigned i = 1; i <= CV_RELINK_LAYERS; i++)
		if (!write_layer(b, c->new ? i : CV_RELINK_LAYERS + 1 - i, c, err))
			return false;
	return true;
}

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

/* What the journal of another operation says that it changed. */
static bool read_taken(const struct rebase *b, const uint8_t op[16], struct cv_relink *taken, struct cv_err *err)
{
	struct cv_journal_log log;
	const struct cv_record *undo;
	uint8_t boot[16];
	bool ok;

	if (!read_journal(b->work->w, op, &log, err))
		return false;
	undo = cv_journal_last(&log, CV_RECORD_UNDO);
	if (log.damaged || !log.own || !undo || !cv_journal_last(&log, CV_RECORD_DONE))
		ok = cv_fail(err, CV_EREFUSED, "its journal is damaged, is not of this host, or does not say that it was done");
	else
		ok = cv_relink_unpack(taken, undo->payload, undo->len, boot, err);
	cv_journal_log_fini(&log);
	return ok;
}

static bool take_back(struct rebase *b, struct cv_err *err)
{
	struct cv_relink taken = { 0 };
	bool ok = read_taken(b, b->work->items[0].from, &taken, err) &&
		  cv_relink_take_back(&b->change, b->source, &taken, err);

	cv_relink_fini(&taken);
	return ok;
}

static bool make_change(struct rebase *b, struct cv_err *err)
{
	const struct cv_host *host = &b->work->w->host;

	if (!cv_uuid_is_null(b->work->items[0].from))
		return take_back(b, err);
	if (!host->random(host, b->change.fresh, sizeof b->change.fresh))
		return cv_fail_errno(err, "cannot make an identity");
	return cv_relink_make(&b->change, b->source, b->work->plan->link, err);
}

static bool note(struct rebase *b, struct cv_err *err)
{
	struct cv_pack p = { 0 };
	bool ok = cv_relink_pack(&p, &b->change, b->work->w->host.boot) || cv_fail(err, CV_ENOMEM, "out of memory");

	ok = ok && cv_journal_add(&b->work->journal, CV_RECORD_UNDO, p.at, p.len, err) &&
	     cv_journal_barrier(&b->work->journal, err);
	cv_pack_fini(&p);
	return ok;
}

/* 1: the parser finds the new parent; -1: the former one; 0: neither. */
static int says(const struct rebase *b)
{
	CV_AUTO(cv_text_fini) struct cv_text now = { 0 };
	struct cv_err err = { .code = CV_OK };

	if (!cv_relink_says(b->source, &now, &err))
		return 0;
	return !strcmp(cv_text_str(&now), cv_text_str(&b->change.says_new))   ? 1
	       : !strcmp(cv_text_str(&now), cv_text_str(&b->change.says_old)) ? -1 : 0;
}

static bool check_again(const struct rebase *b, struct cv_err *err)
{
	uint8_t now[CV_RELINK_PAGE];

	for (size_t i = 0; i < b->change.pages.len; i++) {
		const struct cv_page *page = &b->change.pages.at[i];

		if (!cv_out_read(&b->out, now, page->len, page->off, err))
			return false;
		if (memcmp(now, page->new, page->len) != 0)
			return cv_fail(err, CV_EIO, "offset %" PRIu64 " does not hold what was written there", page->off);
	}
	return says(b) == 1 || cv_fail(err, CV_EIO, "the image does not name its new parent after all");
}

static bool rebase_run(struct cv_work *work, struct cv_err *err)
{
	const struct choice all = { .new = true };
	CV_AUTO(rebase_fini) struct rebase b;

	return rebase_begin(&b, work, work->claims[0], err) && hold_sources(work, err) && make_change(&b, err) &&
	       note(&b, err) && write_layers(&b, &all, err) && check_again(&b, err);
}

/* --- recovery -------------------------------------------------------------------------------------------- */

static void look_at_sector(const struct cv_page *page, size_t k, struct look *l, int *fill)
{
	const uint8_t *now = l->now + k * CV_RELINK_SECTOR, *old = page->old + k * CV_RELINK_SECTOR;
	bool is_old = !memcmp(now, old, CV_RELINK_SECTOR);
	bool is_new = !memcmp(now, page->new + k * CV_RELINK_SECTOR, CV_RELINK_SECTOR);

	if (!page->layer[k]) {
		l->kept |= is_old;
		l->changed |= !is_old;
		*fill = *fill < 0 ? now[0] : *fill;
		l->filled &= now[0] == *fill && !memcmp(now, now + 1, CV_RELINK_SECTOR - 1);
		return;
	}
	l->torn[k] = !is_old && !is_new;
	l->any_torn |= l->torn[k];
	l->all_new &= is_new;
}

static bool look_at(const struct rebase *b, const struct cv_page *page, struct look *l, struct cv_err *err)
{
	int fill = -1;

	*l = (struct look){ .all_new = true, .filled = true };
	if (!cv_out_read(&b->out, l->now, page->len, page->off, err))
		return false;
	for (size_t k = 0; k < page->len / CV_RELINK_SECTOR; k++)
		look_at_sector(page, k, l, &fill);
	return true;
}

/*
 * A power cut can take the sectors beside those that were being written with it. It did if none of them is as it was, if
 * they are all of the same byte, or if a recovery before this one has noted so. Otherwise what is beside torn sectors is
 * somebody's, who may have written to the image since.
 */
static bool is_spoilt(const struct rebase *b, size_t i, const struct look *l)
{
	return l->any_torn && l->changed && (b->noted[i] || !l->kept || l->filled);
}

static bool note_spoilt(struct rebase *b, const struct look *looks, bool *any, struct cv_err *err)
{
	uint8_t spoilt[CV_RELINK_PAGES_MOST] = { 0 };
	bool more = false;

	for (size_t i = 0; i < b->change.pages.len; i++) {
		spoilt[i] = b->noted[i] || is_spoilt(b, i, &looks[i]);
		more |= spoilt[i] && !b->noted[i];
		*any |= is_spoilt(b, i, &looks[i]);
	}
	return !more || (cv_journal_add(&b->work->journal, CV_RECORD_PROGRESS, spoilt, sizeof spoilt, err) &&
			 cv_journal_barrier(&b->work->journal, err));
}

/* What is beside those that change; they stay torn until all of it is as it was. */
static bool mend_page(const struct rebase *b, const struct cv_page *page, const struct look *l, struct cv_err *err)
{
	for (size_t k = 0; k < page->len / CV_RELINK_SECTOR; k++) {
		size_t at = k * CV_RELINK_SECTOR;

		if (!page->layer[k] && memcmp(l->now + at, page->old + at, CV_RELINK_SECTOR) != 0 &&
		    !cv_out_write(&b->out, page->old + at, CV_RELINK_SECTOR, page->off + at, err))
			return false;
	}
	return true;
}

static bool mend(struct rebase *b, const struct look *looks, struct cv_err *err)
{
	bool any = false;

	if (!note_spoilt(b, looks, &any, err))
		return false;
	for (size_t i = 0; i < b->change.pages.len; i++)
		if (is_spoilt(b, i, &looks[i]) && !mend_page(b, &b->change.pages.at[i], &looks[i], err))
			return false;
	return !any || barrier(b, err);
}

/* As it was. */
static bool put_back(struct rebase *b, const struct choice *c, struct cv_err *err)
{
	return mend(b, c->looks, err) && write_layers(b, c, err) &&
	       (says(b) == -1 || cv_fail(err, CV_EIO, "the image does not name its former parent after all"));
}

/* Sectors are neither old nor new. whole: it cannot be that they were written in part. */
static bool settle_foreign(struct rebase *b, struct choice *c, bool whole, enum cv_record_type *end, struct cv_err *err)
{
	int now = says(b);

	c->new = now > 0;
	c->leave_torn = now != 0;
	*end = now > 0 ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	if (now)
		return write_layers(b, c, err);
	if (whole)
		return cv_fail(err, CV_EREFUSED, "somebody else has changed what names the parent of the image: nothing is touched");
	return put_back(b, c, err);
}

/* How sure it is that what is read is what is on disk. */
enum trust { OWN_ERROR, SAME_BOOT, AFTER_CUT };

static bool settle(struct rebase *b, enum trust trust, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct look *looks = calloc(b->change.pages.len + 1, sizeof *looks);
	struct choice c = { .looks = looks, .anyway = trust != AFTER_CUT };
	bool foreign = false, all_new = true;

	if (!looks)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < b->change.pages.len; i++) {
		if (!look_at(b, &b->change.pages.at[i], &looks[i], err))
			return false;
		foreign |= looks[i].any_torn;
		all_new &= looks[i].all_new;
	}
	if (foreign)
		return settle_foreign(b, &c, trust == SAME_BOOT, end, err);
	c.new = all_new && says(b) == 1;
	*end = c.new ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	return c.new ? write_layers(b, &c, err) : put_back(b, &c, err);
}

/* The image, whatever it is like now: but it must be the same file, and nobody else's. */
static int claim_as_it_is(const struct cv_work *work, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	struct cv_plan_item item = work->items[0];
	const char *base;
	int dir = cv_place_open(w, item.path, &base, err);
	struct stat st;
	bool there;

	if (dir < 0)
		return -1;
	there = w->io->fstatat(w->io, dir, base, &st) == 0 || cv_io_fail(err, "look at", item.path);
	w->io->close(w->io, dir);
	if (!there)
		return -1;
	item.size = (uint64_t)st.st_size;
	item.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return cv_claim_item(w, &item, err);
}

/* Within one boot there are no torn sectors but those of a write that failed, which only who made it sees. */
static bool settle_image(struct cv_work *work, const struct cv_journal_log *log, const struct cv_record *undo,
			 enum cv_record_type *end, struct cv_err *err)
{
	int fd = work->claims ? work->claims[0] : claim_as_it_is(work, err);
	CV_AUTO(rebase_fini) struct rebase b = { .work = work };
	const struct cv_record *noted = cv_journal_last(log, CV_RECORD_PROGRESS);
	uint8_t boot[16];
	bool ok = fd >= 0 && rebase_begin(&b, work, fd, err) &&
		  cv_relink_unpack(&b.change, undo->payload, undo->len, boot, err);

	if (ok && noted && noted->len == sizeof b.noted)
		memcpy(b.noted, noted->payload, sizeof b.noted);
	ok = ok && settle(&b, work->claims ? OWN_ERROR : memcmp(boot, work->w->host.boot, sizeof boot) ? AFTER_CUT : SAME_BOOT,
			  end, err);
	if (fd >= 0 && !work->claims)
		work->w->io->close(work->w->io, fd);
	return ok;
}

static bool rebase_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_writing *w = work->w;
	struct cv_journal_log log;
	const struct cv_record *undo;
	bool ok = true;

	*end = CV_RECORD_ABORTED;
	if (work->item_count != 1)
		return cv_fail(err, CV_EFORMAT, "it is about %zu images", work->item_count);
	if (!cv_journal_read(&log, w->io, &w->host, w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	undo = cv_journal_last(&log, CV_RECORD_UNDO);
	if (undo)
		ok = settle_image(work, &log, undo, end, err);
	cv_journal_log_fini(&log);
	return ok;
}

const struct cv_operation_row cv_operation_rebase = { CV_PLAN_REBASE, "rebase", true, rebase_run, rebase_recover, SLOTS };
