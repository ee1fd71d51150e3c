/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pieces of the image, cluster by cluster of a QCOW2 parent. One that has a place of its own is written there. One that must get
 * a place is put together first: what the image does not have of it is what is read through the parent. A whole one of zeros
 * only changes its entry.
 */
#include "repair/io/source.h"
#include "repair/merge/qcow2.h"

/* A part of a cluster, with the end of the one before it, changes parts of so many pages. */
enum { PAGES_OF_A_PART = 20 };

bool cv_merge_qcow2_must_move(uint64_t entry)
{
	return entry & QCOW2_L2_COMPRESSED || (entry & QCOW2_ENTRY_OFFSET && !(entry & QCOW2_ENTRY_COPIED));
}

/* It reads as zeros whatever the parent's own parent has. */
static bool reads_zeros(const struct cv_merge *m, uint64_t entry)
{
	if (entry & QCOW2_L2_COMPRESSED)
		return false;
	return entry & QCOW2_L2_ZERO || (!(entry & QCOW2_ENTRY_OFFSET) && !m->based);
}

static enum cv_merge_fate fate_of_data(uint64_t entry)
{
	if (cv_merge_qcow2_must_move(entry) || !(entry & QCOW2_ENTRY_OFFSET))
		return CV_MERGE_NEW;
	return entry & QCOW2_L2_ZERO ? CV_MERGE_SET_ASIDE : CV_MERGE_IN_PLACE;
}

/* Version 2 has no entry for zeros, but one for nothing. */
static enum cv_merge_fate fate_of_zeros(const struct cv_merge *m, uint64_t entry)
{
	const struct cv_merge_qcow2 *q = m->state;

	if (reads_zeros(m, entry))
		return CV_MERGE_STAYS;
	return q->version > 2 || !m->based ? CV_MERGE_CLEARED : fate_of_data(entry);
}

/* Bytes of the cluster that is held, up to the end of the disk. */
static uint64_t extent_of(const struct cv_merge_qcow2 *q)
{
	uint64_t from = q->c.number * q->cluster, left = q->disk > from ? q->disk - from : 0;

	return left < q->cluster ? left : q->cluster;
}

static enum cv_merge_fate fate_of_held(const struct cv_merge *m)
{
	const struct cv_merge_qcow2 *q = m->state;
	bool zeros = !q->c.begun && q->c.zeros >= extent_of(q);

	return zeros ? fate_of_zeros(m, q->c.entry) : fate_of_data(q->c.entry);
}

static bool hold(struct cv_merge *m, uint64_t number, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;

	q->c = (struct cv_merge_cluster){ .held = true, .number = number, .buffer = q->c.buffer };
	/* What is behind the end will have been cleared when it has grown. */
	return number >= cv_merge_qcow2_clusters(q, m->size) || cv_merge_qcow2_entry(m, number, &q->c.entry, err);
}

/* Zeros from the beginning of a cluster on are kept in mind: perhaps all of it is. */
static bool is_prefix(struct cv_merge_qcow2 *q, bool zero, struct cv_range part)
{
	struct cv_merge_cluster *c = &q->c;

	if (c->begun || !zero || part.off % q->cluster != c->zeros)
		return false;
	c->zeros += part.len;
	return true;
}

/* --- counting -------------------------------------------------------------------------------------------- */

/* What is written in place may lie in a hole, or behind the end of a file whose last cluster is cut. */
static bool expect(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t host = (q->c.entry & QCOW2_ENTRY_OFFSET) + off;

	if (host + len > q->reach)
		q->reach = host + len;
	return cv_merge_expect(m, host, len, err);
}

bool cv_merge_qcow2_count_held(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_cluster *c = &q->c;
	enum cv_merge_fate fate;
	bool table;

	if (!c->held)
		return true;
	c->held = false;
	fate = fate_of_held(m);
	if (fate == CV_MERGE_SET_ASIDE && !expect(m, 0, q->cluster, err))
		return false;
	if (fate == CV_MERGE_IN_PLACE && c->zeros && !expect(m, 0, c->zeros, err))
		return false;
	if (fate == CV_MERGE_STAYS || fate == CV_MERGE_IN_PLACE)
		return true;
	q->clusters += fate == CV_MERGE_NEW;
	if (fate == CV_MERGE_NEW)
		q->last_new = c->number + 1;
	if (!cv_merge_qcow2_needs_table(m, c->number, &table, err))
		return false;
	if (table && q->last_l2 != c->number / q->per_l2 + 1) {
		q->tables++;
		q->last_l2 = c->number / q->per_l2 + 1;
	}
	return true;
}

static bool count_part(struct cv_merge *m, bool zero, struct cv_range part, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t number = part.off / q->cluster;

	if ((!q->c.held || q->c.number != number) && (!cv_merge_qcow2_count_held(m, err) || !hold(m, number, err)))
		return false;
	if (is_prefix(q, zero, part))
		return true;
	q->c.begun = true;
	return fate_of_data(q->c.entry) != CV_MERGE_IN_PLACE || expect(m, part.off % q->cluster, part.len, err);
}

/* --- writing --------------------------------------------------------------------------------------------- */

/* The parent as it is when this is needed first: what a cluster is that nothing was done to does not change. */
static bool open_before(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	size_t below = m->below ? m->below->count : 0;
	CV_AUTO(cv_auto_source) struct cv_source *source = NULL;

	if (q->layers)
		return true;
	q->layers = calloc(below + 1, sizeof *q->layers);
	if (!q->layers)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	source = cv_io_source(m->out.io, m->out.fd, err);
	q->layers[0] = source ? cv_layer_open(&source, NULL, CV_FORMAT_QCOW2, err) : NULL;
	if (!q->layers[0])
		return false;
	for (size_t i = 0; i < below; i++)
		q->layers[1 + i] = m->below->layers[i];
	q->before = (struct cv_chain){ q->layers, below + 1, false };
	return true;
}

/* The image does not have it: what is read through the parent. */
static bool fill_up(struct cv_merge *m, uint64_t upto, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_cluster *c = &q->c;
	uint64_t from = c->number * q->cluster + c->filled, len = upto - c->filled, there;
	uint8_t *to = c->buffer + c->filled;

	if (upto <= c->filled)
		return true;
	if (!open_before(m, err))
		return false;
	there = q->layers[0]->size > from ? q->layers[0]->size - from : 0;
	there = there < len ? there : len;
	c->filled = upto;
	memset(to + there, 0, (size_t)(len - there));
	return !there || cv_chain_read(&q->before, to, (struct cv_range){ from, there }, err);
}

static bool put_bytes(struct cv_merge *m, uint64_t off, const uint8_t *data, uint64_t len, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_cluster *c = &q->c;
	uint64_t host = (c->entry & QCOW2_ENTRY_OFFSET) + off;

	if (fate_of_data(c->entry) == CV_MERGE_IN_PLACE)
		return data ? cv_merge_write(m, host, data, (size_t)len, err) : cv_merge_zero(m, host, len, false, err);
	if (data && len == q->cluster) {
		c->whole = data;
		c->filled = len;
		return true;
	}
	if (!fill_up(m, off, err) || (data && !cv_merge_load(m, data, (size_t)len, err)))
		return false;
	if (data)
		memcpy(c->buffer + off, data, (size_t)len);
	else
		memset(c->buffer + off, 0, (size_t)len);
	c->filled = off + len;
	return true;
}

/* The zeros it began with are not all. */
static bool begin(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_cluster *c = &((struct cv_merge_qcow2 *)m->state)->c;

	if (c->begun)
		return true;
	c->begun = true;
	return !c->zeros || put_bytes(m, 0, NULL, c->zeros, err);
}

/* It points to what was put together. */
static bool put_down(struct cv_merge *m, bool is_new, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_cluster *c = &q->c;
	uint64_t place;

	if (!begin(m, err) || !fill_up(m, q->cluster, err))
		return false;
	place = is_new ? cv_merge_qcow2_take(q, 1) : c->entry & QCOW2_ENTRY_OFFSET;
	return cv_merge_qcow2_write_new(m, place, c->whole ? c->whole : c->buffer, (size_t)q->cluster, err) &&
	       cv_merge_qcow2_set_entry(m, c->number, place | QCOW2_ENTRY_COPIED, err) &&
	       (!is_new || cv_merge_qcow2_let_go(m, c->entry, err));
}

static bool clear(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;

	return cv_merge_qcow2_set_entry(m, q->c.number, q->version > 2 ? QCOW2_L2_ZERO : 0, err) &&
	       cv_merge_qcow2_let_go(m, q->c.entry, err);
}

bool cv_merge_qcow2_put_held(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	enum cv_merge_fate fate;

	if (!q->c.held)
		return true;
	q->c.held = false;
	fate = fate_of_held(m);
	switch (fate) {
	case CV_MERGE_STAYS:
		return true;
	case CV_MERGE_IN_PLACE:
		return begin(m, err);
	case CV_MERGE_CLEARED:
		return clear(m, err);
	default:
		return put_down(m, fate == CV_MERGE_NEW, err);
	}
}

bool cv_merge_qcow2_settle(struct cv_merge *m, struct cv_err *err)
{
	if (!cv_merge_qcow2_put_table(m, err) || !cv_merge_qcow2_count(m, err))
		return false;
	cv_merge_qcow2_advance(m);
	return true;
}

bool cv_merge_qcow2_make_room(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;

	if (m->patches.len + cv_merge_qcow2_count_pages(q) + PAGES_OF_A_PART <= m->most)
		return true;
	return cv_merge_qcow2_settle(m, err) && cv_merge_flush(m, err);
}

static bool put_part(struct cv_merge *m, const uint8_t *data, struct cv_range part, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t number = part.off / q->cluster, end;

	if (!cv_merge_qcow2_make_room(m, err))
		return false;
	if ((!q->c.held || q->c.number != number) && (!cv_merge_qcow2_put_held(m, err) || !hold(m, number, err)))
		return false;
	if (!is_prefix(q, !data, part) && (!begin(m, err) || !put_bytes(m, part.off % q->cluster, data, part.len, err)))
		return false;
	end = part.off % q->cluster + part.len;
	return (end < extent_of(q) && part.off + part.len != q->last_end) || cv_merge_qcow2_put_held(m, err);
}

/* --- pieces ---------------------------------------------------------------------------------------------- */

bool cv_merge_qcow2_count_piece(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t end = piece->at.off + piece->at.len;

	q->last_end = end;
	for (uint64_t at = piece->at.off, next; at < end; at = next) {
		next = (at / q->cluster + 1) * q->cluster;
		next = next < end ? next : end;
		if (!count_part(m, piece->zero, (struct cv_range){ at, next - at }, err))
			return false;
	}
	return true;
}

bool cv_merge_qcow2_put_piece(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t end = piece->at.off + piece->at.len;

	for (uint64_t at = piece->at.off, next; at < end; at = next) {
		const uint8_t *data = piece->zero ? NULL : piece->data + (at - piece->at.off);

		next = (at / q->cluster + 1) * q->cluster;
		next = next < end ? next : end;
		if (!put_part(m, data, (struct cv_range){ at, next - at }, err))
			return false;
	}
	return true;
}
