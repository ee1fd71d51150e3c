/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The two levels of tables of a QCOW2 parent. One L2 table is held. Entries of a table that is in use change where they are; a
 * new table goes to disk as a whole, and then the L1 entry names it.
 */
#include "repair/merge/qcow2.h"

static bool l1_entry(struct cv_merge *m, uint64_t index, uint64_t *entry, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	cv_be64 disk = { 0 };

	if (index < q->l1_entries && !cv_merge_read(m, &disk, sizeof disk, q->l1_off + index * sizeof disk, err))
		return false;
	*entry = cv_be64_get(disk);
	return true;
}

/* A table that others may use, too, is never changed. */
static bool is_ours(uint64_t l1_entry)
{
	return l1_entry & QCOW2_ENTRY_OFFSET && l1_entry & QCOW2_ENTRY_COPIED;
}

static bool hold(struct cv_merge *m, uint64_t index, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_l2 *t = &q->l2;
	uint64_t entry;

	if (t->held && t->index == index)
		return true;
	if (!cv_merge_qcow2_put_table(m, err) || !l1_entry(m, index, &entry, err))
		return false;
	t->held = false;
	t->fresh = !is_ours(entry);
	t->index = index;
	t->place = entry & QCOW2_ENTRY_OFFSET;
	t->changed = false;
	memset(t->entries, 0, (size_t)q->cluster);
	if (t->place && !cv_merge_read(m, t->entries, (size_t)q->cluster, t->place, err))
		return false;
	t->held = true;
	return true;
}

bool cv_merge_qcow2_entry(struct cv_merge *m, uint64_t number, uint64_t *entry, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;

	if (!hold(m, number / q->per_l2, err))
		return false;
	*entry = cv_be64_get(q->l2.entries[number % q->per_l2]);
	return true;
}

bool cv_merge_qcow2_needs_table(struct cv_merge *m, uint64_t number, bool *needed, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;

	if (!hold(m, number / q->per_l2, err))
		return false;
	*needed = q->l2.fresh;
	return true;
}

bool cv_merge_qcow2_set_entry(struct cv_merge *m, uint64_t number, uint64_t entry, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_l2 *t = &q->l2;
	cv_be64 *slot = &t->entries[number % q->per_l2];

	if (!hold(m, number / q->per_l2, err))
		return false;
	*slot = cv_be64_of(entry);
	if (!t->fresh)
		return cv_merge_set(m, CV_MERGE_POINTED, t->place + number % q->per_l2 * sizeof *slot, slot, sizeof *slot, err);
	t->changed = true;
	return true;
}

bool cv_merge_qcow2_put_table(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_merge_l2 *t = &q->l2;
	uint64_t former = t->place;
	cv_be64 entry;

	if (!t->held || !t->changed)
		return true;
	t->place = cv_merge_qcow2_take(q, 1);
	t->fresh = t->changed = false;
	entry = cv_be64_of(t->place | QCOW2_ENTRY_COPIED);
	return cv_merge_qcow2_write_new(m, t->place, t->entries, (size_t)q->cluster, err) &&
	       cv_merge_set(m, CV_MERGE_POINTED, q->l1_off + t->index * sizeof entry, &entry, sizeof entry, err) &&
	       cv_merge_qcow2_give_back(m, (struct cv_range){ former, former ? q->cluster : 0 }, err);
}

bool cv_merge_qcow2_let_go(struct cv_merge *m, uint64_t entry, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	const struct cv_qcow2_map map = { .tables = { .cluster_bits = q->bits } };
	uint64_t host = entry & QCOW2_ENTRY_OFFSET;

	if (entry & QCOW2_L2_COMPRESSED)
		return cv_merge_qcow2_give_back(m, cv_qcow2_packed(&map, entry), err);
	return !host || cv_merge_qcow2_give_back(m, (struct cv_range){ host, q->cluster }, err);
}
