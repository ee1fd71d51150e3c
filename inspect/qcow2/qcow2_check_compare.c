/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What was counted against what is stored, cluster by cluster. */
#include "inspect/qcow2/qcow2_check.h"

static uint64_t most_of(unsigned order)
{
	return order < 6 ? (UINT64_C(1) << (1u << order)) - 1 : UINT64_MAX;
}

static void overlap(struct cv_qcow2_check *k, uint64_t cluster)
{
	uint64_t at = cluster << k->bits;

	if (k->named_count < CV_QCOW2_NAMED)
		k->named[k->named_count++] = (struct cv_qcow2_named){ .cluster = cluster };
	else
		cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){
					  CV_QCW_TABLE_OVERLAP, "cluster", "clusters", { at, k->cluster }, at,
					  { cv_arg_text("metadata"), cv_arg_text("something else") }, k->cluster });
}

static void too_low(struct cv_qcow2_check *k, uint64_t cluster, uint64_t stored, uint64_t count)
{
	uint64_t at = cluster << k->bits;

	if (k->refcounts_said)
		return;
	if (k->dirty) {
		if (k->sums.excused[!stored]++)
			return;
		k->sums.excused_at[!stored] = (struct cv_range){ at, k->cluster };
		if (stored) {
			k->sums.excused_low = stored;
			k->sums.excused_count = count;
		}
		return;
	}
	cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){
				  stored ? CV_QCW_REFCOUNT_TOO_LOW : CV_QCW_REFCOUNT_ZERO, "cluster", "clusters",
				  { at, k->cluster }, at, { cv_arg_number(stored), cv_arg_number(count) }, k->cluster });
}

static bool too_high(struct cv_qcow2_check *k, uint64_t cluster, uint64_t count, struct cv_err *err)
{
	struct cv_qcow2_leaks *l = &k->sums.leaks;

	k->sums.high++;
	if (!count)
		return cv_qcow2_leak(k, cluster, err);
	if (!l->counted_high++)
		l->high_first = cluster;
	return true;
}

/* Only where the value of the tally does not say that all is well. */
static bool look_closer(struct cv_qcow2_check *k, uint64_t cluster, uint64_t value, struct cv_err *err)
{
	uint64_t count = value >> CV_TALLY_COUNT_SHIFT, most = most_of(k->h.refcount_order), stored;
	uint64_t countable = count < most ? count : most;

	if (cluster >= k->clusters && cluster >= k->used)
		return true;
	if (!cv_qcow2_stored(k, cluster, &stored, err))
		return false;
	if (k->c->count && stored != count && !k->c->count(k->c, cluster, stored, count, err))
		return false;
	k->sums.corruptions += count - countable + (stored < countable);
	if (value & CV_TALLY_OVERLAP)
		overlap(k, cluster);
	else if (stored < count)
		too_low(k, cluster, stored, count);
	return stored <= countable || too_high(k, cluster, count, err);
}

/* Stored and counted are both none, or both one. */
static inline bool is_fine(uint64_t value)
{
	const uint64_t one = 1u << CV_TALLY_COUNT_SHIFT | 1u << CV_TALLY_STORED_SHIFT;

	return !value || (value & ~(uint64_t)CV_TALLY_KIND) == one;
}

/* Nearly all pages of nearly all images. */
static bool is_fine_page(const struct cv_tally_slot *slot)
{
	const uint8_t *page = slot->page;
	bool fine = slot->width == 1;

	for (unsigned i = 0; i < CV_TALLY_PAGE && fine; i++)
		fine = is_fine(page[i]);
	return fine;
}

bool cv_qcow2_compare(struct cv_qcow2_check *k, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint64_t *numbers = cv_tally_numbers(&k->tally);

	if (!numbers && k->tally.used)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t n = 0; n < k->tally.used; n++) {
		const struct cv_tally_slot *slot = cv_tally_page(&k->tally, numbers[n], false);

		if (is_fine_page(slot))
			continue;
		for (unsigned i = 0; i < CV_TALLY_PAGE; i++) {
			uint64_t value = cv_tally_value(slot, i);

			if (!is_fine(value) &&
			    !look_closer(k, (numbers[n] << CV_TALLY_PAGE_BITS) + i, value, err))
				return false;
		}
	}
	return true;
}
