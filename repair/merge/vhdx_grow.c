/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHDX parent whose disk becomes larger. What would show at the end of the old disk reads as zeros first, and entries of the
 * BAT that were nobody's say that there is nothing; only then the size is told, in a write of its own. A BAT whose region has
 * no room for more entries cannot become longer in its place.
 */
#include "repair/merge/vhdx.h"

enum { ENTRIES_OF_A_STEP = 4096 };           /* 32 KiB of the BAT */

/* Entries that a disk needs; those of bitmaps too. */
static uint64_t entries_of(const struct cv_merge *m, uint64_t size)
{
	const struct cv_merge_vhdx *v = m->state;
	uint64_t blocks = cv_merge_vhdx_blocks(v, size), ratio = v->map.ratio;

	return v->map.differencing ? (blocks + ratio - 1) / ratio * (ratio + 1) : blocks + (blocks - 1) / ratio;
}

bool cv_merge_vhdx_may_grow(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;

	if (m->child_size > CV_VHDX_SIZE_MAX)
		return cv_fail(err, CV_EREFUSED, "a VHDX cannot be as large as the image (%" PRIu64 " B)", m->child_size);
	if (m->child_size % v->map.sector)
		return cv_fail(err, CV_EREFUSED, "a VHDX with sectors of %" PRIu32 " B cannot be as large as the image (%" PRIu64 " B)",
			       v->map.sector, m->child_size);
	return entries_of(m, m->child_size) <= v->map.bat_entries ||
	       cv_fail(err, CV_EREFUSED, "the BAT of the VHDX has no room for the larger disk: chainview convert makes a VHDX with "
		       "a longer one");
}

/* The rest of the last block lies behind the end of the old disk: nobody has looked at it. */
static bool clear_tail(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx_block b = { .held = false };
	uint64_t at = m->size % m->unit;

	if (!at)
		return true;
	if (!cv_merge_vhdx_find(m, m->size / m->unit, &b, err))
		return false;
	return !b.place || cv_merge_zero(m, b.place + at, m->unit - at, false, err);
}

static bool clear_entry(struct cv_merge *m, uint64_t index, uint64_t entry, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;

	return !cv_merge_vhdx_is_beyond(v, index) || (!entry && !m->again) || cv_merge_vhdx_set_entry(m, CV_MERGE_VHDX_BITS, index, 0, err);
}

/* Entries from the next on, so many that they fit into a batch. */
static bool clear_entries(struct cv_merge *m, uint64_t end, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	CV_AUTO(cv_auto_free) cv_le64 *entries = malloc(ENTRIES_OF_A_STEP * sizeof *entries);
	uint64_t first = v->cleared, n = end - first < ENTRIES_OF_A_STEP ? end - first : ENTRIES_OF_A_STEP;

	if (!entries)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_merge_read(m, entries, (size_t)n * sizeof *entries, v->map.bat_off + first * sizeof *entries, err))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (!clear_entry(m, first + i, cv_le64_get(entries[i]), err))
			return false;
	v->cleared += n;
	return true;
}

static bool set_size(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	cv_le64 size = cv_le64_of(m->child_size);

	v->touched = true;
	m->size = m->child_size;
	v->blocks = cv_merge_vhdx_blocks(v, m->size);
	return cv_merge_set(m, CV_MERGE_VHDX_SIZE, v->size_item, &size, sizeof size, err);
}

bool cv_merge_vhdx_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	uint64_t end = entries_of(m, m->child_size);

	if (!step) {
		v->cleared = cv_vhdx_entry_of_block(&v->map, v->blocks - 1) + 1;
		if (!clear_tail(m, err))
			return false;
	}
	*more = v->cleared < end || !step;
	if (!*more)
		return set_size(m, err);
	/* What says nothing already is no batch of its own. */
	while (v->cleared < end && !m->patches.len)
		if (!clear_entries(m, end, err))
			return false;
	return true;
}
