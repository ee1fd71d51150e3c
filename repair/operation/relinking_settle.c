/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * See relinking.h. After a crash the image says one or the other, or nothing (a torn header): all new and understood by the
 * parser, that was it; otherwise everything goes back to what it was. A guest may have written meanwhile: sectors that are
 * neither old nor new are left alone as long as the parser understands the image, and put back only when they may be torn,
 * which they cannot be without a power cut in between.
 */
#include "repair/operation/relinking_write.h"
#include "repair/io/source.h"
#include "repair/vhdx/change.h"
#include <chainview/format.h>

static bool is_of_one_byte(const uint8_t *sector)
{
	return !memcmp(sector, sector + 1, CV_RELINK_SECTOR - 1);
}

static void look_at_sector(const struct cv_page *page, size_t k, struct cv_relinking_look *l, int *fill)
{
	const uint8_t *now = l->now + k * CV_RELINK_SECTOR, *old = page->old + k * CV_RELINK_SECTOR;
	bool is_old = !memcmp(now, old, CV_RELINK_SECTOR);
	bool is_new = !memcmp(now, page->new + k * CV_RELINK_SECTOR, CV_RELINK_SECTOR);

	if (!page->layer[k]) {
		l->kept |= is_old;
		l->telling |= !is_of_one_byte(old);
		l->told |= is_old && !is_of_one_byte(old);
		l->changed |= !is_old;
		*fill = *fill < 0 ? now[0] : *fill;
		l->filled &= now[0] == *fill && is_of_one_byte(now);
		return;
	}
	l->torn[k] = !is_old && !is_new;
	l->any_torn |= l->torn[k];
	l->all_new &= is_new;
}

static bool look_at(const struct cv_relinking *b, const struct cv_page *page, struct cv_relinking_look *l, struct cv_err *err)
{
	int fill = -1;

	*l = (struct cv_relinking_look){ .all_new = true, .filled = true };
	if (!cv_relinking_read(b, page, l->now, err))
		return false;
	for (size_t k = 0; k < page->len / CV_RELINK_SECTOR; k++)
		look_at_sector(page, k, l, &fill);
	return true;
}

/*
 * A power cut can take the sectors beside those that were being written with it. It did if none of them is as it was (none of
 * those that are more than zeros), if they are all of the same byte, if nobody can have opened the image since, or if a recovery
 * before this one has noted so and did not come to the end of mending it. Otherwise what is beside torn sectors is somebody's, who
 * may have written to the image since.
 */
static bool is_spoilt(const struct cv_relinking *b, size_t i, const struct cv_relinking_look *l)
{
	bool kept = l->telling ? l->told : l->kept;

	/* What changes may be zeros on one side, and so look whole in a page of zeros. */
	if (!l->any_torn)
		return l->changed && b->change.say && (b->noted[i] || (b->unreadable && !kept));
	return l->changed && (b->noted[i] || !kept || l->filled || b->unreadable);
}

static bool is_unreadable(const struct cv_relinking *b)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	bool bad = f && (!cv_image_read(b->source, CV_FORMAT_NONE, f, &err) || f->format == CV_FORMAT_NONE);

	for (uint32_t i = 0; f && i < f->finding_count; i++)
		bad |= f->findings[i].severity == CV_ERROR;
	cv_facts_free(f);
	return bad;
}

static bool add_noted(struct cv_relinking *b, const uint8_t spoilt[CV_RELINK_PAGES_LARGE], struct cv_err *err)
{
	uint8_t payload[8 + CV_RELINK_PAGES_LARGE];
	size_t pages = b->change.say ? CV_RELINK_PAGES_LARGE : CV_RELINK_PAGES_MOST;
	struct cv_pack p = { payload, 0, sizeof payload, false };

	cv_relinking_pack(b, &p);
	memcpy(payload + p.len, spoilt, pages);
	return cv_journal_add(&b->work->journal, CV_RECORD_PROGRESS, payload, p.len + pages, err) &&
	       cv_journal_barrier(&b->work->journal, err);
}

static bool note_spoilt(struct cv_relinking *b, const struct cv_relinking_look *looks, bool *any, struct cv_err *err)
{
	uint8_t spoilt[CV_RELINK_PAGES_LARGE] = { 0 };
	bool more = false;

	for (size_t i = 0; i < b->change.pages.len; i++) {
		spoilt[i] = b->noted[i] || is_spoilt(b, i, &looks[i]);
		more |= spoilt[i] && !b->noted[i];
		*any |= is_spoilt(b, i, &looks[i]);
	}
	return !more || add_noted(b, spoilt, err);
}

/* What is beside those that change; they stay torn until all of it is as it was. */
static bool mend_page(const struct cv_relinking *b, const struct cv_page *page, const struct cv_relinking_look *l, struct cv_err *err)
{
	for (size_t k = 0; k < page->len / CV_RELINK_SECTOR; k++) {
		size_t at = k * CV_RELINK_SECTOR;

		if (!page->layer[k] && memcmp(l->now + at, page->old + at, CV_RELINK_SECTOR) != 0 &&
		    !cv_out_write(&b->out, page->old + at, CV_RELINK_SECTOR, page->off + at, err))
			return false;
	}
	return true;
}

/* What is beside is somebody's again when it is mended. */
static bool mend(struct cv_relinking *b, const struct cv_relinking_look *looks, struct cv_err *err)
{
	static const uint8_t none[CV_RELINK_PAGES_LARGE];
	bool any = false;

	if (!note_spoilt(b, looks, &any, err))
		return false;
	for (size_t i = 0; i < b->change.pages.len; i++)
		if (is_spoilt(b, i, &looks[i]) && !mend_page(b, &b->change.pages.at[i], &looks[i], err))
			return false;
	return !any || (cv_relinking_barrier(b, err) && add_noted(b, none, err));
}

/* As it was. */
static bool put_back(struct cv_relinking *b, const struct cv_relinking_choice *c, struct cv_err *err)
{
	return mend(b, c->looks, err) && cv_relinking_write(b, c, err) &&
	       (cv_relinking_says(b) == -1 || cv_fail(err, CV_EIO, "the image does not say what it did after all"));
}

/* How much is wrong: a repair makes it less, and taking that back makes it more. */
static int worse(const struct cv_text *says)
{
	int words = 0;

	for (size_t i = 0; i < says->len; i++)
		words += says->at[i] == ' ';
	return words;
}

/* Sectors are neither old nor new. whole: it cannot be that they were written in part. */
static bool settle_foreign(struct cv_relinking *b, struct cv_relinking_choice *c, bool whole, enum cv_record_type *end, struct cv_err *err)
{
	int now = cv_relinking_says(b);

	/* What is as badly off as it was, or is to be again, may be so by what the cut left. */
	if (b->change.say && !whole && now * (worse(&b->change.says_old) - worse(&b->change.says_new)) < 0)
		now = 0;
	c->new = now > 0;
	c->leave_torn = now != 0;
	c->keep_size = now != 0;
	*end = now > 0 ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	if (now)
		return cv_relinking_write(b, c, err);
	if (whole)
		return cv_fail(err, CV_EREFUSED, b->change.say
			       ? "somebody else has changed what was being repaired: nothing is touched"
			       : "somebody else has changed what names the parent of the image: nothing is touched");
	b->unreadable = is_unreadable(b);
	return put_back(b, c, err);
}

/* The file has a length that it had neither before nor after: whoever wrote to it put things where they like. */
static bool settle_moved(struct cv_relinking *b, enum cv_record_type *end, struct cv_err *err)
{
	int now = cv_relinking_says(b);

	*end = now > 0 ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	return now || cv_fail(err, CV_EREFUSED, "somebody else has written to the image since: nothing is touched");
}

static bool look_at_size(const struct cv_relinking *b, bool *all_new, bool *moved, struct cv_err *err)
{
	uint64_t size;

	*moved = false;
	if (!b->change.say)
		return true;
	if (!cv_out_size(&b->out, &size, err))
		return false;
	*moved = b->change.new_size ? size != b->change.old_size && size != b->change.new_size
				    : size != b->work->items[b->item].size;
	*all_new &= !b->change.new_size || size == b->change.new_size;
	return true;
}

/*
 * A header of a VHDX that is in order, and none of those that were here or were to be: whoever opens such a file for writing writes
 * one. They found one state or the other, and what they made of it is theirs; bytes that wait in a log are in their place by then,
 * whoever put them there.
 */
static bool is_opened_since(const struct cv_relinking *b, const struct cv_relinking_look *looks)
{
	for (size_t i = 0; b->change.say && i < b->change.pages.len; i++) {
		bool theirs = looks[i].any_torn && b->change.pages.at[i].len == CV_RELINK_PAGE && cv_vhdx_is_header(looks[i].now);

		for (size_t k = 0; theirs && k < b->change.pages.len; k++)
			theirs = memcmp(looks[i].now, b->change.pages.at[k].old, CV_RELINK_PAGE) != 0 &&
				 memcmp(looks[i].now, b->change.pages.at[k].new, CV_RELINK_PAGE) != 0;
		if (theirs)
			return true;
	}
	return false;
}

/* How sure it is that what is read is what is on disk. */
enum trust { OWN_ERROR, SAME_BOOT, AFTER_CUT };

/* All is mended, and the image says something else by now: somebody has used it since, unless a power cut did that. */
static bool is_used_since(const struct cv_relinking *b, const struct cv_relinking_look *looks, enum trust trust)
{
	if (!b->change.say || trust == OWN_ERROR || (trust == AFTER_CUT && b->unreadable))
		return false;
	for (size_t i = 0; trust == AFTER_CUT && i < b->change.pages.len; i++)
		if (looks[i].changed && (b->noted[i] || !(looks[i].telling ? looks[i].told : looks[i].kept)))
			return false;
	return true;
}

static bool settle(struct cv_relinking *b, enum trust trust, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct cv_relinking_look *looks = calloc(b->change.pages.len + 1, sizeof *looks);
	struct cv_relinking_choice c = { .looks = looks, .anyway = trust != AFTER_CUT };
	bool foreign = false, all_new = true, moved;

	if (!looks)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!look_at_size(b, &all_new, &moved, err))
		return false;
	for (size_t i = 0; i < b->change.pages.len; i++) {
		if (!look_at(b, &b->change.pages.at[i], &looks[i], err))
			return false;
		foreign |= looks[i].any_torn;
		all_new &= looks[i].all_new;
	}
	if (foreign && is_opened_since(b, looks)) {
		*end = CV_RECORD_ABORTED;
		return true;
	}
	if (b->change.say && !foreign && trust == AFTER_CUT)
		b->unreadable = is_unreadable(b);
	if (moved && !foreign && all_new && is_used_since(b, looks, trust)) {
		*end = CV_RECORD_DONE;
		return true;
	}
	if (moved)
		return settle_moved(b, end, err);
	if (foreign)
		return settle_foreign(b, &c, trust == SAME_BOOT, end, err);
	c.new = all_new && (cv_relinking_says(b) == 1 || is_used_since(b, looks, trust));
	*end = c.new ? CV_RECORD_DONE : CV_RECORD_ABORTED;
	return c.new ? cv_relinking_write(b, &c, err) : put_back(b, &c, err);
}

/* Within one boot there are no torn sectors but those of a write that failed, which only who made it sees. */
bool cv_relinking_settle(struct cv_relinking *b, const struct cv_journal_log *log, bool own_error, bool *is_new,
			 struct cv_err *err)
{
	const struct cv_record *undo, *later;
	struct cv_unpack u, noted;
	enum cv_record_type end = CV_RECORD_ABORTED;
	uint8_t boot[16];

	*is_new = false;
	undo = cv_relinking_last(b, log, CV_RECORD_UNDO, &u);
	if (!undo)
		return true;
	if (!cv_relink_unpack(&b->change, u.at, u.left, boot, err))
		return false;
	later = cv_relinking_last(b, log, CV_RECORD_PROGRESS, &noted);
	if (later && later->number > undo->number && noted.left <= sizeof b->noted)
		memcpy(b->noted, noted.at, noted.left);
	if (!settle(b, own_error ? OWN_ERROR : memcmp(boot, b->work->w->host.boot, sizeof boot) ? AFTER_CUT : SAME_BOOT, &end, err))
		return false;
	*is_new = end == CV_RECORD_DONE;
	return true;
}

bool cv_relinking_settle_all(struct cv_work *work, const struct cv_journal_log *log, bool own_error, size_t first, bool *is_new,
			     bool *any, bool *all, struct cv_err *err)
{
	*any = false;
	*all = true;
	for (size_t i = first; i < work->item_count; i++) {
		CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = NULL };

		if (!cv_relinking_begin(&b, work, i, work->claims[i], err))
			return false;
		b.of_many = true;
		if (!cv_relinking_settle(&b, log, own_error, &is_new[i - first], err))
			return cv_wrap(err, "%s", work->items[i].path);
		*any |= is_new[i - first];
		*all &= is_new[i - first];
	}
	return true;
}

bool cv_relinking_settle_one(struct cv_work *work, const struct cv_journal_log *log, enum cv_record_type *end, struct cv_err *err)
{
	int fd = work->claims ? work->claims[0] : cv_claim_as_it_is(work->w, &work->items[0], err);
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = work };
	bool is_new, ok;

	ok = fd >= 0 && cv_relinking_begin(&b, work, 0, fd, err) &&
	     cv_relinking_settle(&b, log, work->claims != NULL, &is_new, err);
	if (ok && is_new)
		*end = CV_RECORD_DONE;
	if (fd >= 0 && !work->claims)
		work->w->io->close(work->w->io, fd);
	return ok;
}
