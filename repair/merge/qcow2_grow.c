/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A QCOW2 parent whose disk becomes larger. What would show behind the end of the old disk reads as zeros first; then the header
 * gets the new size, and with it, in the same sector, a longer L1 table behind everything else, if the old one is too short.
 */
#include "inspect/qcow2/qcow2_disk.h"
#include "repair/merge/qcow2.h"

enum { TAIL, STALE, HEADER };                /* steps */
enum { PART = 65536 };                       /* bytes of an L1 table that are copied at once */

static uint64_t l1_needed(const struct cv_merge *m)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t clusters = cv_merge_qcow2_clusters(q, m->child_size);

	return clusters / q->per_l2 + (clusters % q->per_l2 != 0);
}

/* Calls for every entry behind the end of the disk, up to the new one, that is not empty. */
static bool each_stale(struct cv_merge *m, bool (*each)(struct cv_merge *m, uint64_t number, uint64_t entry, struct cv_err *err),
		       struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t most = q->l1_entries * q->per_l2, end = cv_merge_qcow2_clusters(q, m->child_size), entry;

	end = end < most ? end : most;
	for (uint64_t i = cv_merge_qcow2_clusters(q, m->size); i < end; i++) {
		if (!cv_merge_qcow2_entry(m, i, &entry, err))
			return false;
		/* No table: nothing in all of what it would be for. */
		if (!q->l2.place && !q->l2.changed)
			i = i / q->per_l2 * q->per_l2 + q->per_l2 - 1;
		else if (entry && !each(m, i, entry, err))
			return false;
	}
	return true;
}

static bool count_stale(struct cv_merge *m, uint64_t number, uint64_t entry, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	bool table;

	(void)entry;
	if (!cv_merge_qcow2_needs_table(m, number, &table, err))
		return false;
	if (table && q->last_stale != number / q->per_l2 + 1)
		q->tables++;
	q->last_stale = number / q->per_l2 + 1;
	return true;
}

static bool clear_stale(struct cv_merge *m, uint64_t number, uint64_t entry, struct cv_err *err)
{
	return cv_merge_qcow2_make_room(m, err) && cv_merge_qcow2_set_entry(m, number, 0, err) &&
	       cv_merge_qcow2_let_go(m, entry, err);
}

/* The rest of the last cluster, if it has anything. */
static bool tail_of(struct cv_merge *m, struct cv_merge_piece *tail, uint64_t *entry, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t end = cv_merge_qcow2_clusters(q, m->size) * q->cluster;

	*tail = (struct cv_merge_piece){ .at = { m->size, 0 }, .zero = true };
	if (end == m->size)
		return true;
	if (!cv_merge_qcow2_entry(m, m->size / q->cluster, entry, err))
		return false;
	if (*entry & QCOW2_L2_COMPRESSED || (*entry & QCOW2_ENTRY_OFFSET && !(*entry & QCOW2_L2_ZERO)))
		tail->at.len = (end < m->child_size ? end : m->child_size) - m->size;
	return true;
}

bool cv_merge_qcow2_plan_growth(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_piece tail;
	uint64_t entry = 0;

	if (m->child_size > INT64_MAX || l1_needed(m) > QCOW2_MAX_L1_ENTRIES)
		return cv_fail(err, CV_EREFUSED, "the disk of the image (%" PRIu64 " B) needs a longer L1 table than QCOW2 can have with "
			       "clusters of %" PRIu64 " B: chainview convert makes larger ones", m->child_size, q->cluster);
	if (m->below && m->below->count && m->below->layers[0]->size > m->size)
		return cv_fail(err, CV_EREFUSED, "the image is larger than its parent, and what that stands on is larger, too, and would "
			       "show behind the parent's end: chainview convert makes an image of it that stands alone");
	if (!tail_of(m, &tail, &entry, err))
		return false;
	if (tail.at.len && q->last_new != m->size / q->cluster + 1) {
		bool table;

		q->clusters += cv_merge_qcow2_must_move(entry);
		if (!cv_merge_qcow2_needs_table(m, m->size / q->cluster, &table, err))
			return false;
		q->tables += table && cv_merge_qcow2_must_move(entry);
	}
	if (l1_needed(m) > q->l1_entries)
		q->l1_clusters = cv_merge_qcow2_clusters(q, l1_needed(m) * 8);
	return each_stale(m, count_stale, err);
}

/* The old entries, and zeros up to the end of the last cluster. */
static bool copy_l1(struct cv_merge *m, uint64_t to, uint64_t len, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	CV_AUTO(cv_auto_free) uint8_t *part = malloc(PART);
	uint64_t have = q->l1_entries * 8;

	if (!part)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t at = 0, n, old; at < len; at += n) {
		n = len - at < PART ? len - at : PART;
		old = have > at ? have - at : 0;
		old = old < n ? old : n;
		memset(part + old, 0, (size_t)(n - old));
		if ((old && !cv_merge_read(m, part, (size_t)old, q->l1_off + at, err)) || !cv_merge_qcow2_write_new(m, to + at, part, (size_t)n, err))
			return false;
	}
	return true;
}

static bool new_l1(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t needed = l1_needed(m), place = cv_merge_qcow2_take(q, q->l1_clusters);
	struct cv_range former = { q->l1_off, cv_merge_qcow2_clusters(q, q->l1_entries * 8) * q->cluster };
	struct { cv_be32 entries; cv_be64 off; } header = { cv_be32_of((uint32_t)needed), cv_be64_of(place) };

	if (!copy_l1(m, place, q->l1_clusters * q->cluster, err) ||
	    !cv_merge_set(m, CV_MERGE_POINTED, offsetof(struct cv_qcow2_header_disk, l1_entries), &header, 12, err) ||
	    !cv_merge_qcow2_give_back(m, former, err))
		return false;
	q->l1_off = place;
	q->l1_entries = needed;
	return true;
}

static bool set_size(struct cv_merge *m, struct cv_err *err)
{
	const cv_be64 size = cv_be64_of(m->child_size);

	if (l1_needed(m) > ((const struct cv_merge_qcow2 *)m->state)->l1_entries && !new_l1(m, err))
		return false;
	m->size = m->child_size;
	return cv_merge_set(m, CV_MERGE_POINTED, offsetof(struct cv_qcow2_header_disk, size), &size, sizeof size, err);
}

static bool clear_tail(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_piece tail;
	uint64_t entry;

	return tail_of(m, &tail, &entry, err) && (!tail.at.len || cv_merge_qcow2_put_piece(m, &tail, err)) &&
	       cv_merge_qcow2_put_held(m, err);
}

bool cv_merge_qcow2_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err)
{
	bool ok = step == TAIL ? clear_tail(m, err) : step == STALE ? each_stale(m, clear_stale, err) : set_size(m, err);

	*more = step != HEADER;
	return ok && cv_merge_qcow2_settle(m, err);
}
