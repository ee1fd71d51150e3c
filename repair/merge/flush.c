/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The end of a batch. What was written already goes to disk; then all pages that change, as they will be with each layer, go
 * to the journal's board, and when they are on disk there, into the file, layer by layer. So after a crash either nothing
 * that is in use has changed, or all of the batch comes about. The board is written over each time: what was on it is in the
 * file for sure by then.
 */
#include "inspect/base/crc32c.h"
#include "repair/merge/merge.h"
#include "repair/operation/pack.h"

enum { LAYOUT = 2, SECTORS = CV_MERGE_PAGE / CV_MERGE_SECTOR };

/* A page of the file, as it is with the layers below and as it will be. */
struct page {
	uint64_t off;
	uint32_t len;                        /* less at the end of the file */
	uint32_t layer;
	uint32_t old[SECTORS];               /* checksums of what was there */
	uint8_t bytes[CV_MERGE_PAGE];
};
CV_VEC(pages, struct page);

static uint32_t sector_sum(const uint8_t *page, uint32_t len, size_t k)
{
	uint32_t at = (uint32_t)k * CV_MERGE_SECTOR;

	return at >= len ? 0 : cv_crc32c(0, page + at, len - at < CV_MERGE_SECTOR ? len - at : CV_MERGE_SECTOR);
}

/* It is as it was. */
static bool stays(const struct page *p, size_t k)
{
	return sector_sum(p->bytes, p->len, k) == p->old[k];
}

/* Only what changes is written: what lies beside it is at stake only where a power cut takes whole pages. now: the page as
 * it is, or NULL: what does not change is as it was. sure: what looks right is on disk. */
static bool write_page(const struct cv_file_out *out, const struct page *p, const uint8_t *now, bool sure, struct cv_err *err)
{
	for (size_t k = 0; k < SECTORS; k++) {
		uint32_t at = (uint32_t)k * CV_MERGE_SECTOR, len = at < p->len ? p->len - at : 0;

		len = len < CV_MERGE_SECTOR ? len : CV_MERGE_SECTOR;
		if (!len || ((sure || stays(p, k)) && (!now || !memcmp(now + at, p->bytes + at, len))))
			continue;
		if (!cv_out_write(out, p->bytes + at, len, p->off + at, err))
			return false;
	}
	return true;
}

static bool barrier(struct cv_merge *m, struct cv_err *err)
{
	m->dirty = false;
	m->sure = m->file;
	return m->out.io->fdatasync(m->out.io, m->out.fd) == 0 || cv_io_fail(err, "sync", m->out.name);
}

/* The page as it is before this layer: as another one makes it, or as it lies in the file. */
static bool page_before(struct cv_merge *m, const struct pages *pages, struct page *p, struct cv_err *err)
{
	for (size_t i = pages->len; i-- > 0;)
		if (pages->at[i].off == p->off) {
			memcpy(p->bytes, pages->at[i].bytes, p->len);
			return true;
		}
	return cv_out_read(&m->out, p->bytes, p->len, p->off, err);
}

/* Pages that are so already are left out if that can be trusted. */
static bool add_page(struct cv_merge *m, const struct cv_patch *patch, unsigned layer, struct pages *pages, struct cv_err *err)
{
	uint64_t left = m->file > patch->off ? m->file - patch->off : 0;
	struct page p = { .off = patch->off, .len = left < CV_MERGE_PAGE ? (uint32_t)left : CV_MERGE_PAGE, .layer = layer };
	bool same = true;

	if (!page_before(m, pages, &p, err))
		return false;
	for (size_t k = 0; k < SECTORS; k++)
		p.old[k] = sector_sum(p.bytes, p.len, k);
	for (uint32_t i = 0; i < p.len; i++)
		if (patch->mask[i / 8] >> i % 8 & 1) {
			same &= p.bytes[i] == patch->bytes[i];
			p.bytes[i] = patch->bytes[i];
		}
	return (same && m->trusting) || pages_push(pages, p) || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* Parts of pages that are data go with the first layer that there is. */
static unsigned first_layer(const struct cv_merge *m)
{
	unsigned first = CV_MERGE_LAYERS;

	for (size_t i = 0; i < m->patches.len; i++)
		if (m->patches.at[i].layer && m->patches.at[i].layer < first)
			first = m->patches.at[i].layer;
	return first;
}

/* In the order of layers. */
static bool add_pages(struct cv_merge *m, struct pages *pages, struct cv_err *err)
{
	unsigned first = first_layer(m);

	for (unsigned layer = 0; layer <= CV_MERGE_LAYERS; layer++)
		for (size_t i = 0; i < m->patches.len; i++)
			if (m->patches.at[i].layer == layer && !add_page(m, &m->patches.at[i], layer ? layer : first, pages, err))
				return false;
	return true;
}

size_t cv_merge_room(size_t board)
{
	size_t head = 8 + 8 + 16 + 8, page = 8 + 8 + 8 + SECTORS * sizeof(uint32_t) + 8 + CV_MERGE_PAGE;

	return board > head ? (board - head) / page : 0;
}

/* Pages are noted as soon as they may be there, and forgotten when they are not for sure. */
static bool note_posted(struct cv_merge *m, const struct pages *pages, struct cv_err *err)
{
	struct cv_posted *v = &m->posted;
	uint64_t *at = cv_vec_grow(v->at, &v->cap, v->len + pages->len + 1, sizeof *at);

	if (!at)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	v->at = at;
	for (size_t i = 0; i < pages->len; i++)
		v->at[v->len++] = pages->at[i].off;
	return true;
}

static void forget_posted(struct cv_merge *m, size_t before)
{
	memmove(m->posted.at, m->posted.at + before, (m->posted.len - before) * sizeof *m->posted.at);
	m->posted.len -= before;
}

/* What was written under what is on the board now is on disk before the board changes; and so is the length of the file, if there
 * are pages that would be left out without it. */
static bool must_wait(const struct cv_merge *m, const struct pages *pages)
{
	bool wait = m->dirty;

	for (size_t i = 0; i < pages->len; i++)
		wait |= pages->at[i].off + pages->at[i].len > m->sure;
	return wait;
}

/* All of them with one barrier. */
static bool keep_pages(struct cv_merge *m, const struct pages *pages, struct cv_err *err)
{
	for (size_t i = 0; m->keep && i < pages->len; i++)
		if (!cv_keep_add(m->keep, &m->out, pages->at[i].off, pages->at[i].len, err))
			return false;
	return !m->keep || cv_keep_sync(m->keep, err);
}

static bool post(struct cv_merge *m, const struct pages *pages, struct cv_err *err)
{
	struct cv_pack p = { 0 };
	size_t before = m->posted.len;
	bool ok;

	if (!keep_pages(m, pages, err) || (must_wait(m, pages) && !barrier(m, err)) ||
	    !note_posted(m, pages, err))
		return false;
	cv_pack_number(&p, LAYOUT);
	cv_pack_bytes(&p, m->boot, 16);
	cv_pack_number(&p, pages->len);
	for (size_t i = 0; i < pages->len; i++) {
		cv_pack_number(&p, pages->at[i].layer);
		cv_pack_number(&p, pages->at[i].off);
		cv_pack_bytes(&p, pages->at[i].old, sizeof pages->at[i].old);
		cv_pack_bytes(&p, pages->at[i].bytes, pages->at[i].len);
	}
	ok = p.failed ? cv_fail(err, CV_ENOMEM, "out of memory")
		      : cv_journal_post(m->journal, p.at, p.len, err) && cv_journal_barrier(m->journal, err);
	cv_pack_fini(&p);
	if (ok)
		forget_posted(m, before);
	return ok;
}

bool cv_merge_unpost(struct cv_merge *m, struct cv_err *err)
{
	return post(m, &(const struct pages){ 0 }, err);
}

bool cv_merge_guard(struct cv_merge *m, uint64_t off, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct cv_patch *none = calloc(1, sizeof *none);
	struct pages pages = { 0 };
	bool trusting = m->trusting, ok;

	if (!none)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	none->off = off - off % CV_MERGE_PAGE;
	m->trusting = false;
	ok = add_page(m, none, CV_MERGE_LAYERS, &pages, err) && post(m, &pages, err);
	m->trusting = trusting;
	free(pages.at);
	return ok;
}

static bool write_layer(struct cv_merge *m, const struct pages *pages, unsigned layer, struct cv_err *err)
{
	for (size_t i = 0; i < pages->len; i++) {
		if (pages->at[i].layer != layer)
			continue;
		m->dirty = true;
		m->written += pages->at[i].len;
		if (!write_page(&m->out, &pages->at[i], NULL, false, err))
			return false;
	}
	return !m->dirty || barrier(m, err);
}

bool cv_merge_flush(struct cv_merge *m, struct cv_err *err)
{
	struct pages pages = { 0 };
	bool ok = cv_merge_share_run(m, err) && add_pages(m, &pages, err) && (pages.len ? post(m, &pages, err) : !m->dirty || barrier(m, err));

	for (unsigned layer = 1; ok && layer <= CV_MERGE_LAYERS; layer++)
		ok = write_layer(m, &pages, layer, err);
	free(pages.at);
	if (ok)
		m->patches.len = 0;
	return ok;
}

/* --- after a crash --------------------------------------------------------------------------------------- */

static bool unpack_page(struct cv_unpack *u, struct page *p)
{
	struct cv_bytes old, bytes;
	uint64_t layer = cv_unpack_number(u);

	p->off = cv_unpack_number(u);
	old = cv_unpack_bytes(u);
	bytes = cv_unpack_bytes(u);
	if (u->failed || old.len != sizeof p->old || bytes.len > CV_MERGE_PAGE || !bytes.len || p->off % CV_MERGE_PAGE ||
	    p->off > INT64_MAX - CV_MERGE_PAGE || !layer || layer > CV_MERGE_LAYERS)
		return false;
	memcpy(p->old, old.at, old.len);
	memcpy(p->bytes, bytes.at, bytes.len);
	p->len = (uint32_t)bytes.len;
	p->layer = (uint32_t)layer;
	return true;
}

static bool unpack_pages(struct cv_unpack *u, uint64_t count, struct pages *pages, struct cv_err *err)
{
	for (uint64_t i = 0; i < count; i++) {
		struct page p = { .off = 0 };

		if (!unpack_page(u, &p))
			return cv_fail(err, CV_EFORMAT, "its META record has a page that cannot be");
		if (!pages_push(pages, p))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return true;
}

/* A sector is as a layer found it or as a layer makes it. */
static bool is_known(const struct pages *pages, const struct page *now, size_t sector)
{
	uint32_t sum = sector_sum(now->bytes, now->len, sector);

	for (size_t i = 0; i < pages->len; i++)
		if (pages->at[i].off == now->off &&
		    (sum == pages->at[i].old[sector] || sum == sector_sum(pages->at[i].bytes, pages->at[i].len, sector)))
			return true;
	return false;
}

/* The page as it lies in the file. What was cut off again afterwards (cv_merge_resize) is gone. */
static bool page_now(const struct cv_replay *r, const struct page *p, struct page *now, bool *gone, struct cv_err *err)
{
	uint64_t size;

	if (!cv_out_size(&r->out, &size, err))
		return false;
	*now = (struct page){ .off = p->off, .len = p->len };
	*gone = p->off + p->len > size;
	return *gone || cv_out_read(&r->out, now->bytes, now->len, now->off, err);
}

/* None of the layers changes this sector of the page. */
static bool never_changes(const struct pages *pages, uint64_t off, size_t sector)
{
	for (size_t i = 0; i < pages->len; i++)
		if (pages->at[i].off == off && !stays(&pages->at[i], sector))
			return false;
	return true;
}

/* Nobody else's are among them. */
static bool look_at_pages(const struct cv_replay *r, const struct pages *pages, struct cv_err *err)
{
	struct page now;
	bool gone;

	for (size_t i = 0; i < pages->len; i++) {
		if (!page_now(r, &pages->at[i], &now, &gone, err))
			return false;
		for (size_t k = 0; !gone && k < SECTORS; k++)
			if (!is_known(pages, &now, k) && !(r->shared && never_changes(pages, now.off, k)))
				return cv_fail(err, CV_EREFUSED, "somebody else has changed the parent at offset %" PRIu64
					       " meanwhile: nothing is touched", now.off);
	}
	return true;
}

/* A later layer changes the page once more. */
static bool is_passed(const struct pages *pages, size_t i)
{
	for (size_t k = i + 1; k < pages->len; k++)
		if (pages->at[k].off == pages->at[i].off)
			return true;
	return false;
}

/* Sectors that a later layer has changed already stay so. */
static struct page not_back(const struct pages *pages, size_t i, const struct page *now)
{
	struct page p = pages->at[i];

	for (size_t k = i + 1; k < pages->len; k++)
		for (uint32_t at = 0; pages->at[k].off == p.off && at + CV_MERGE_SECTOR <= p.len; at += CV_MERGE_SECTOR)
			if (memcmp(now->bytes + at, p.bytes + at, CV_MERGE_SECTOR) != 0 &&
			    !memcmp(now->bytes + at, pages->at[k].bytes + at, CV_MERGE_SECTOR)) {
				memcpy(p.bytes + at, now->bytes + at, CV_MERGE_SECTOR);
				p.old[at / CV_MERGE_SECTOR] = sector_sum(p.bytes, p.len, at / CV_MERGE_SECTOR);
			}
	return p;
}

/* theirs: what is not to change was changed by somebody else. */
static bool replay_layer(const struct cv_replay *r, const struct pages *pages, unsigned layer, bool theirs, struct cv_err *err)
{
	struct page now, p;
	bool any = false, gone;

	for (size_t i = 0; i < pages->len; i++) {
		if (pages->at[i].layer != layer || (r->sure && is_passed(pages, i)))
			continue;
		any = true;
		if (!page_now(r, &pages->at[i], &now, &gone, err))
			return false;
		p = not_back(pages, i, &now);
		if (!gone && !write_page(&r->out, &p, theirs ? NULL : now.bytes, r->sure, err))
			return false;
	}
	return !any || r->out.io->fdatasync(r->out.io, r->out.fd) == 0 || cv_io_fail(err, "sync", r->out.name);
}

bool cv_merge_replay(const struct cv_replay *r, const struct cv_record *board, struct cv_err *err)
{
	struct cv_unpack u = { .at = board->payload, .left = board->len };
	uint64_t layout = cv_unpack_number(&u), count;
	struct cv_bytes then = cv_unpack_bytes(&u);
	struct pages pages = { 0 };
	bool ok, cut;

	count = cv_unpack_number(&u);
	if (u.failed || layout != LAYOUT || then.len != 16)
		return cv_fail(err, CV_EFORMAT, "its META record is of layout %" PRIu64, layout);
	cut = memcmp(then.at, r->boot, 16) != 0 && !r->used;
	ok = unpack_pages(&u, count, &pages, err) && (r->own_error || cut || look_at_pages(r, &pages, err));
	for (unsigned layer = 1; ok && layer <= CV_MERGE_LAYERS; layer++)
		ok = replay_layer(r, &pages, layer, r->shared && !r->own_error && !cut, err);
	free(pages.at);
	return ok;
}
