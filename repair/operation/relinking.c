/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See relinking.h: what changes is noted, written layer by layer, and read back. */
#include "repair/operation/relinking_write.h"
#include "repair/io/source.h"

void cv_relinking_fini(struct cv_relinking *b)
{
	cv_source_close(b->source);
	cv_relink_fini(&b->change);
	b->source = NULL;
}

bool cv_relinking_begin(struct cv_relinking *b, struct cv_work *work, size_t item, int fd, struct cv_err *err)
{
	*b = (struct cv_relinking){ .work = work, .item = item, .out = { work->w->io, fd, work->items[item].path } };
	b->source = cv_io_source(work->w->io, fd, err);
	return b->source != NULL;
}

bool cv_relinking_barrier(const struct cv_relinking *b, struct cv_err *err)
{
	return b->out.io->fdatasync(b->out.io, b->out.fd) == 0 || cv_io_fail(err, "sync", b->out.name);
}

bool cv_relinking_read(const struct cv_relinking *b, const struct cv_page *page, uint8_t *now, struct cv_err *err)
{
	uint64_t size, left;

	if (!cv_out_size(&b->out, &size, err))
		return false;
	left = size > page->off ? size - page->off : 0;
	memset(now, 0, page->len);
	return !left || cv_out_read(&b->out, now, page->len < left ? page->len : (size_t)left, page->off, err);
}

/* The file gets the length that it is to have, if that means to grow (or to shrink). */
static bool resize(const struct cv_relinking *b, bool new, bool grow, struct cv_err *err)
{
	uint64_t wanted = new ? b->change.new_size : b->change.old_size, size;

	if (!wanted)
		return true;
	if (!cv_out_size(&b->out, &size, err))
		return false;
	return (grow ? size >= wanted : size <= wanted) || cv_out_resize(&b->out, wanted, err);
}

static bool is_chosen(const struct cv_relinking_choice *c, size_t page, size_t sector, const uint8_t *bytes)
{
	const struct cv_relinking_look *l = c->looks ? &c->looks[page] : NULL;

	return !l || (l->torn[sector] ? !c->leave_torn
				      : c->anyway || memcmp(l->now + sector * CV_RELINK_SECTOR, bytes, CV_RELINK_SECTOR) != 0);
}

/* last: nothing comes behind it. */
static bool write_layer(const struct cv_relinking *b, unsigned layer, bool last, const struct cv_relinking_choice *c, struct cv_err *err)
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
	if (last && !c->keep_size && !resize(b, c->new, false, err))
		return false;
	return (!any && !(last && b->change.new_size)) || cv_relinking_barrier(b, err);
}

static unsigned last_layer(const struct cv_relinking *b)
{
	unsigned last = 1;

	for (size_t i = 0; i < b->change.pages.len; i++)
		for (size_t k = 0; k < CV_RELINK_SECTORS; k++)
			last = b->change.pages.at[i].layer[k] > last ? b->change.pages.at[i].layer[k] : last;
	return last;
}

static unsigned first_layer(const struct cv_relinking *b)
{
	unsigned first = CV_RELINK_LAYERS;

	for (size_t i = 0; i < b->change.pages.len; i++)
		for (size_t k = 0; k < CV_RELINK_SECTORS; k++)
			if (b->change.pages.at[i].layer[k] && b->change.pages.at[i].layer[k] < first)
				first = b->change.pages.at[i].layer[k];
	return first;
}

bool cv_relinking_write(const struct cv_relinking *b, const struct cv_relinking_choice *c, struct cv_err *err)
{
	unsigned last = c->new ? last_layer(b) : first_layer(b);

	if (!c->keep_size && !resize(b, c->new, true, err))
		return false;
	for (unsigned i = 1; i <= CV_RELINK_LAYERS; i++) {
		unsigned layer = c->new ? i : CV_RELINK_LAYERS + 1 - i;

		if (!write_layer(b, layer, layer == last, c, err))
			return false;
	}
	return true;
}

void cv_relinking_pack(const struct cv_relinking *b, struct cv_pack *p)
{
	if (b->of_many)
		cv_pack_number(p, b->item);
}

const struct cv_record *cv_relinking_last(const struct cv_relinking *b, const struct cv_journal_log *log,
					   enum cv_record_type type, struct cv_unpack *u)
{
	for (size_t i = log ? log->records.len : 0; i-- > 0;) {
		const struct cv_record *r = &log->records.at[i];

		*u = (struct cv_unpack){ .at = r->payload, .left = r->len };
		if (r->type == type && (!b->of_many || (cv_unpack_number(u) == b->item && !u->failed)))
			return r;
	}
	return NULL;
}

bool cv_relinking_is_noted(const struct cv_journal_log *log, size_t item)
{
	for (size_t i = 0; i < log->records.len; i++) {
		const struct cv_record *r = &log->records.at[i];
		struct cv_unpack u = { .at = r->payload, .left = r->len };

		if (r->type == CV_RECORD_UNDO && cv_unpack_number(&u) == item && !u.failed)
			return true;
	}
	return false;
}

bool cv_relinking_note(struct cv_relinking *b, const struct cv_journal_log *before, struct cv_err *err)
{
	struct cv_pack p = { 0 };
	struct cv_unpack none;
	const struct cv_record *last = cv_relinking_last(b, before, CV_RECORD_UNDO, &none);
	bool ok;

	cv_relinking_pack(b, &p);
	ok = (cv_relink_pack(&p, &b->change, b->work->w->host.boot) && !p.failed) || cv_fail(err, CV_ENOMEM, "out of memory");
	if (ok && !(last && last->len == p.len && !memcmp(last->payload, p.at, p.len)))
		ok = cv_journal_add(&b->work->journal, CV_RECORD_UNDO, p.at, p.len, err) &&
		     cv_journal_barrier(&b->work->journal, err);
	cv_pack_fini(&p);
	return ok;
}

/* The sectors that it changed. */
static bool is_page_old(struct cv_source *source, const struct cv_page *page, bool *is_old, struct cv_err *err)
{
	uint8_t now[CV_RELINK_SECTOR];

	for (size_t k = 0; k < CV_RELINK_SECTORS; k++) {
		struct cv_range at = { page->off + k * CV_RELINK_SECTOR, CV_RELINK_SECTOR };

		if (!page->layer[k])
			continue;
		if (!cv_range_inside(at, source->size))
			at.len = source->size > at.off ? source->size - at.off : 0;
		if (at.len && !cv_source_read(source, now, at.len, at.off, err))
			return false;
		*is_old &= !memcmp(now, page->old + k * CV_RELINK_SECTOR, at.len);
	}
	return true;
}

bool cv_relinking_is_old(const struct cv_journal_log *done, bool of_many, size_t item, struct cv_source *source, bool *is_old,
			 struct cv_err *err)
{
	const struct cv_relinking b = { .item = item, .of_many = of_many };
	struct cv_relink change = { 0 };
	struct cv_unpack u;
	uint8_t boot[16];
	bool ok;

	*is_old = true;
	if (!cv_relinking_last(&b, done, CV_RECORD_UNDO, &u))
		return true;
	ok = cv_relink_unpack(&change, u.at, u.left, boot, err);
	*is_old &= !change.new_size || source->size == change.old_size;
	for (size_t i = 0; ok && i < change.pages.len; i++)
		ok = is_page_old(source, &change.pages.at[i], is_old, err);
	cv_relink_fini(&change);
	return ok;
}

bool cv_relinking_taken(const struct cv_journal_log *done, bool of_many, size_t item, struct cv_source *source,
			struct cv_relink *change, struct cv_err *err)
{
	const struct cv_relinking b = { .item = item, .of_many = of_many };
	struct cv_relink taken = { .say = change->say };
	struct cv_unpack u;
	uint8_t boot[16];
	bool ok = cv_relinking_last(&b, done, CV_RECORD_UNDO, &u) != NULL;

	if (!ok)
		return cv_fail(err, CV_EREFUSED, "its journal does not say what it changed in the image");
	ok = cv_relink_unpack(&taken, u.at, u.left, boot, err) && cv_relink_take_back(change, source, &taken, err);
	cv_relink_fini(&taken);
	return ok;
}

bool cv_relinking_take_back(struct cv_relinking *b, const struct cv_journal_log *done, struct cv_err *err)
{
	return cv_relinking_taken(done, b->of_many, b->item, b->source, &b->change, err);
}

/* The length that the file has now is not that which it was opened with. */
static bool say_now(const struct cv_relinking *b, struct cv_text *now, struct cv_err *err)
{
	struct cv_source *source = cv_io_source(b->out.io, b->out.fd, err);
	bool ok = source && cv_relink_tells(&b->change, source, now, err);

	cv_source_close(source);
	return ok;
}

int cv_relinking_says(const struct cv_relinking *b)
{
	CV_AUTO(cv_text_fini) struct cv_text now = { 0 };
	struct cv_err err = { .code = CV_OK };

	if (!say_now(b, &now, &err))
		return 0;
	return !strcmp(cv_text_str(&now), cv_text_str(&b->change.says_new))   ? 1
	       : !strcmp(cv_text_str(&now), cv_text_str(&b->change.says_old)) ? -1 : 0;
}

static bool check_again(const struct cv_relinking *b, struct cv_err *err)
{
	uint8_t now[CV_RELINK_PAGE];

	for (size_t i = 0; i < b->change.pages.len; i++) {
		const struct cv_page *page = &b->change.pages.at[i];

		if (!cv_relinking_read(b, page, now, err))
			return false;
		if (memcmp(now, page->new, page->len) != 0)
			return cv_fail(err, CV_EIO, "offset %" PRIu64 " does not hold what was written there", page->off);
	}
	return cv_relinking_says(b) == 1 || cv_fail(err, CV_EIO, "the image does not say what it should after all");
}

bool cv_relinking_apply(struct cv_relinking *b, struct cv_err *err)
{
	const struct cv_relinking_choice all = { .new = true };

	return cv_relinking_write(b, &all, err) && check_again(b, err);
}

bool cv_relinking_revert(struct cv_relinking *b, struct cv_err *err)
{
	const struct cv_relinking_choice all = { .new = false };

	return cv_relinking_write(b, &all, err) && (!b->change.pages.len || cv_relinking_says(b) == -1 ||
					      cv_fail(err, CV_EIO, "the image does not say what it did after all"));
}
