/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The end of a batch: layer by layer, the pages as they will be go to the journal's board, and when they are on disk there,
 * into the file. The board is written over each time: what was on it is in the file for sure by then.
 */
#include "inspect/base/crc32c.h"
#include "repair/merge/merge.h"
#include "repair/operation/pack.h"

enum { LAYOUT = 1, SECTORS = CV_MERGE_PAGE / CV_MERGE_SECTOR };

/* A page of the file, as it is and as it will be. */
struct page {
	uint64_t off;
	uint32_t len;                        /* less at the end of the file */
	uint32_t old[SECTORS];               /* checksums of what was there */
	uint8_t bytes[CV_MERGE_PAGE];
};
CV_VEC(pages, struct page);

static uint32_t sector_sum(const uint8_t *page, uint32_t len, size_t k)
{
	uint32_t at = (uint32_t)k * CV_MERGE_SECTOR;

	return at >= len ? 0 : cv_crc32c(0, page + at, len - at < CV_MERGE_SECTOR ? len - at : CV_MERGE_SECTOR);
}

/* Only what changes is written: what lies beside it is at stake only where a power cut takes whole pages. now: the page as
 * it is, or NULL: what does not change is as it was. sure: what looks right is on disk. */
static bool write_page(const struct cv_file_out *out, const struct page *p, const uint8_t *now, bool sure, struct cv_err *err)
{
	for (size_t k = 0; k < SECTORS; k++) {
		uint32_t at = (uint32_t)k * CV_MERGE_SECTOR, len = at < p->len ? p->len - at : 0;

		len = len < CV_MERGE_SECTOR ? len : CV_MERGE_SECTOR;
		if (!len || ((sure || sector_sum(p->bytes, p->len, k) == p->old[k]) && (!now || !memcmp(now + at, p->bytes + at, len))))
			continue;
		if (!cv_out_write(out, p->bytes + at, len, p->off + at, err))
			return false;
	}
	return true;
}

static bool barrier(struct cv_merge *m, struct cv_err *err)
{
	m->dirty = false;
	return m->out.io->fdatasync(m->out.io, m->out.fd) == 0 || cv_io_fail(err, "sync", m->out.name);
}

/* The pages of a layer; those that are so already are left out if that can be trusted. */
static bool add_page(struct cv_merge *m, const struct cv_patch *patch, struct pages *pages, struct cv_err *err)
{
	uint64_t left = m->file > patch->off ? m->file - patch->off : 0;
	struct page p = { .off = patch->off, .len = left < CV_MERGE_PAGE ? (uint32_t)left : CV_MERGE_PAGE };
	bool same = true;

	if (!cv_out_read(&m->out, p.bytes, p.len, p.off, err))
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

size_t cv_merge_room(size_t board)
{
	size_t head = 8 + 8 + 16 + 8, page = 8 + 8 + SECTORS * sizeof(uint32_t) + 8 + CV_MERGE_PAGE;

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

static bool post(struct cv_merge *m, const struct pages *pages, struct cv_err *err)
{
	struct cv_pack p = { 0 };
	size_t before = m->posted.len;
	bool ok;

	if (!note_posted(m, pages, err))
		return false;
	cv_pack_number(&p, LAYOUT);
	cv_pack_bytes(&p, m->boot, 16);
	cv_pack_number(&p, pages->len);
	for (size_t i = 0; i < pages->len; i++) {
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
	ok = add_page(m, none, &pages, err) && post(m, &pages, err);
	m->trusting = trusting;
	free(pages.at);
	return ok;
}

bool cv_merge_sync(struct cv_merge *m, struct cv_err *err)
{
	return barrier(m, err);
}

static bool write_pages(struct cv_merge *m, const struct pages *pages, struct cv_err *err)
{
	for (size_t i = 0; i < pages->len; i++) {
		m->dirty = true;
		m->written += pages->at[i].len;
		if (!write_page(&m->out, &pages->at[i], NULL, false, err))
			return false;
	}
	return true;
}

static bool flush_layer(struct cv_merge *m, unsigned layer, struct cv_err *err)
{
	struct pages pages = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < m->patches.len; i++)
		if (m->patches.at[i].layer == layer)
			ok = add_page(m, &m->patches.at[i], &pages, err);
	ok = ok && (!pages.len || (post(m, &pages, err) && write_pages(m, &pages, err)));
	free(pages.at);
	return ok && (!m->dirty || barrier(m, err));
}

bool cv_merge_flush(struct cv_merge *m, struct cv_err *err)
{
	for (unsigned layer = 0; layer <= CV_MERGE_LAYERS; layer++)
		if (!flush_layer(m, layer, err))
			return false;
	m->patches.len = 0;
	return true;
}

/* --- after a crash --------------------------------------------------------------------------------------- */

static bool unpack_page(struct cv_unpack *u, struct page *p)
{
	struct cv_bytes old, bytes;

	p->off = cv_unpack_number(u);
	old = cv_unpack_bytes(u);
	bytes = cv_unpack_bytes(u);
	if (u->failed || old.len != sizeof p->old || bytes.len > CV_MERGE_PAGE || !bytes.len || p->off % CV_MERGE_PAGE ||
	    p->off > INT64_MAX - CV_MERGE_PAGE)
		return false;
	memcpy(p->old, old.at, old.len);
	memcpy(p->bytes, bytes.at, bytes.len);
	p->len = (uint32_t)bytes.len;
	return true;
}

/* Sectors that are neither as they were nor as they will be. */
static bool is_foreign(const struct page *p, const uint8_t *now)
{
	for (size_t k = 0; k < SECTORS; k++) {
		uint32_t sum = sector_sum(now, p->len, k);

		if (sum != p->old[k] && sum != sector_sum(p->bytes, p->len, k))
			return true;
	}
	return false;
}

/* Looks at a page, or writes it. What was cut off again afterwards (cv_merge_resize) is gone. */
static bool replay_page(const struct cv_replay *r, const struct page *p, bool look, struct cv_err *err)
{
	uint8_t now[CV_MERGE_PAGE];
	uint64_t size;

	if (!cv_out_size(&r->out, &size, err))
		return false;
	if (p->off + p->len > size)
		return true;
	if (!cv_out_read(&r->out, now, p->len, p->off, err))
		return false;
	if (!look)
		return write_page(&r->out, p, now, r->sure, err);
	return !is_foreign(p, now) || cv_fail(err, CV_EREFUSED, "somebody else has changed the parent at offset %" PRIu64
					      " meanwhile: nothing is touched", p->off);
}

static bool replay_all(const struct cv_replay *r, struct cv_unpack u, uint64_t count, bool look, struct cv_err *err)
{
	for (uint64_t i = 0; i < count; i++) {
		struct page p;

		if (!unpack_page(&u, &p))
			return cv_fail(err, CV_EFORMAT, "its META record has a page that cannot be");
		if (!replay_page(r, &p, look, err))
			return false;
	}
	return true;
}

bool cv_merge_replay(const struct cv_replay *r, const struct cv_record *board, struct cv_err *err)
{
	struct cv_unpack u = { board->payload, board->len, false };
	uint64_t layout = cv_unpack_number(&u), count;
	struct cv_bytes then = cv_unpack_bytes(&u);

	count = cv_unpack_number(&u);
	if (u.failed || layout != LAYOUT || then.len != 16)
		return cv_fail(err, CV_EFORMAT, "its META record is of layout %" PRIu64, layout);
	if (!r->own_error && !memcmp(then.at, r->boot, 16) && !replay_all(r, u, count, true, err))
		return false;
	return replay_all(r, u, count, false, err) &&
	       (!count || r->out.io->fdatasync(r->out.io, r->out.fd) == 0 || cv_io_fail(err, "sync", r->out.name));
}
