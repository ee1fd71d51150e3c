/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * L1 tables: which L2 tables there are and how many entries point to each. Every L2 table is then gone through once,
 * in the order in which they lie in the file, however many snapshots share it.
 */
#include "inspect/qcow2/qcow2_check.h"

/* L2 tables of one round; more than these need another round through the L1 tables. */
#define MOST_TABLES ((size_t)1 << 19)
/* Tables in odd places cost as much as others without taking space in the file. */
#define MOST_ODD 16u

struct walk {
	struct cv_qcow2_check *k;
	uint64_t l1;                 /* where the table lies */
	bool active, report;
};

static int by_offset(const void *a, const void *b)
{
	const struct cv_qcow2_l2 *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Sorts, and makes one of those that are the same. */
static void merge(struct cv_qcow2_check *k)
{
	size_t n = 0;

	if (k->l2_count)
		qsort(k->l2, k->l2_count, sizeof *k->l2, by_offset);
	for (size_t i = 0; i < k->l2_count; i++) {
		if (n && k->l2[n - 1].off == k->l2[i].off) {
			k->l2[n - 1].times += k->l2[i].times;
			k->l2[n - 1].active += k->l2[i].active;
		} else {
			k->l2[n++] = k->l2[i];
		}
	}
	k->l2_count = n;
}

static void keep(struct cv_qcow2_check *k, struct cv_qcow2_l2 l2)
{
	struct cv_qcow2_l2 *last = k->l2_count ? &k->l2[k->l2_count - 1] : NULL;

	if (l2.off < k->l2_from || l2.off >= k->l2_upto)
		return;
	if (last && last->off == l2.off) {
		last->times += l2.times;
		last->active += l2.active;
		return;
	}
	if (k->l2_count == MOST_TABLES) {
		merge(k);
		if (k->l2_count > MOST_TABLES / 2) {
			k->l2_count /= 2;
			k->l2_upto = k->l2[k->l2_count].off;
		}
	}
	if (l2.off < k->l2_upto)
		k->l2[k->l2_count++] = l2;
}

static void entry_wrong(const struct walk *w, struct cv_range by, const char *why)
{
	const struct cv_qcow2_user_row *row = &cv_qcow2_users[CV_QCOW2_IS_L2];

	w->k->sums.corruptions++;
	cv_qcow2_wrong(w->k, &(struct cv_qcow2_wrong){ CV_QCW_ENTRY_UNALIGNED, row->entry, row->entries, by, by.off,
						      { cv_arg_text(why) }, 0 });
}

void cv_qcow2_flag(struct cv_qcow2_check *k, enum cv_qcow2_user user, uint64_t entry, uint64_t stored, struct cv_range by,
		   uint64_t times)
{
	const struct cv_qcow2_user_row *row = &cv_qcow2_users[user];
	bool copied = entry & QCOW2_ENTRY_COPIED;

	if (!times || copied == (stored == 1))
		return;
	if (k->c->flag)
		k->c->flag(k->c, by.off);
	k->sums.corruptions += times;
	/* A refcount of zero is said by itself, and a dirty image has others to come. */
	if (stored && !k->dirty && !k->refcounts_said)
		cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){
					  CV_QCW_COPIED_FLAG_WRONG, row->one, row->many, by, entry & QCOW2_ENTRY_OFFSET,
					  { cv_arg_text(copied ? "not shared" : "shared"),
					    cv_arg_text(stored == 1 ? "1" : "more than 1") }, 0 });
}

/* The flag of an L1 entry, in the slice that has the refcount. */
static bool check_flag(const struct walk *w, uint64_t entry, struct cv_range by, struct cv_err *err)
{
	struct cv_qcow2_check *k = w->k;
	uint64_t cluster = (entry & QCOW2_ENTRY_OFFSET) >> k->bits, stored;

	if (!w->active || !(entry & QCOW2_ENTRY_OFFSET))
		return true;
	if (cluster > k->clusters ? !k->first : !cv_qcow2_in_slice(k, cluster))
		return true;
	if (!cv_qcow2_stored(k, cluster, &stored, err))
		return false;
	cv_qcow2_flag(k, CV_QCOW2_IS_L2, entry, stored, by, 1);
	return true;
}

/* Only so many of those that are not aligned are followed. */
static bool is_followed(struct cv_qcow2_check *k, uint64_t off)
{
	if (!(off & (k->cluster - 1)) || k->odd_tables++ < MOST_ODD)
		return true;
	k->cut = true;
	return false;
}

/* Is nothing of the table on disk? What was found out for one is kept for its neighbours. */
static bool is_hole(struct cv_qcow2_check *k, uint64_t off)
{
	struct cv_range table = { off, k->cluster };
	uint64_t start, end;

	if (cv_ranges_touch(table, k->data))
		return false;
	if (off >= k->hole.off && off + k->cluster <= k->hole.off + k->hole.len)
		return true;
	if (!k->source->ops->hole || !k->source->ops->hole(k->source, off, &start, &end))
		return false;
	k->data = (struct cv_range){ start, end - start };
	k->hole = (struct cv_range){ off, start >= k->size ? UINT64_MAX - off : start - off };
	return off + k->cluster <= k->hole.off + k->hole.len;
}

/* A table that lies outside or in a hole holds zeros only. */
static bool l1_word(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	const struct walk *w = ctx;
	struct cv_qcow2_check *k = w->k;
	struct cv_range by = { w->l1 + index * 8, 8 };
	uint64_t off = word & QCOW2_ENTRY_OFFSET;
	struct cv_qcow2_claim claim = { CV_QCOW2_IS_L2, { off, k->cluster }, by, 1, false };

	if (w->report && k->first) {
		if (word & QCOW2_L1_RESERVED)
			entry_wrong(w, by, "reserved bits are set");
		if (off & (k->cluster - 1))
			entry_wrong(w, by, "the L2 table is not aligned to a cluster");
	}
	if (w->report && !k->naming && !check_flag(w, word, by, err))
		return false;
	if (off >= k->size || is_hole(k, off) || !is_followed(k, off))
		return !w->report || cv_qcow2_claim(k, &claim, err);
	/* An entry that only has other bits leads to the header: what is found there is wrong, but its flags are not
	 * looked at. */
	keep(k, (struct cv_qcow2_l2){ off, 1, w->active && off, index << k->map.tables.l2_bits });
	return true;
}

static bool collect(struct cv_qcow2_check *k, bool report, struct cv_err *err)
{
	struct walk w = { k, k->h.l1_off, true, report };

	k->odd_tables = 0;
	if (!cv_qcow2_words(k->source, k->h.l1_off, k->h.l1_entries, &k->words_left, l1_word, &w, err))
		return cv_wrap(err, "L1 table");
	w.active = false;
	for (size_t i = 0; i < k->snapshot_count; i++) {
		const struct cv_qcow2_snapshot *s = &k->snapshots[i];

		w.l1 = s->l1_off;
		if (s->l1_off % k->cluster || s->l1_entries > QCOW2_MAX_L1_ENTRIES)
			continue;
		if (!cv_qcow2_words(k->source, s->l1_off, s->l1_entries, &k->words_left, l1_word, &w, err))
			return cv_wrap(err, "L1 table of internal snapshot %" PRIu32, s->index);
	}
	merge(k);
	return true;
}

static bool run(struct cv_qcow2_check *k, struct cv_err *err)
{
	k->total = k->block_count * k->cluster + k->l2_count * k->cluster;
	for (size_t i = 0; i < k->l2_count; i++) {
		const struct cv_qcow2_l2 *l2 = &k->l2[i];
		struct cv_qcow2_claim claim = { CV_QCOW2_IS_L2, { l2->off, k->cluster }, { 0, 0 }, l2->times, false };

		if (!cv_qcow2_claim(k, &claim, err) || !cv_qcow2_check_l2(k, l2, err))
			return false;
	}
	return true;
}

bool cv_qcow2_check_tables(struct cv_qcow2_check *k, struct cv_err *err)
{
	bool ok = true;

	if (!k->l2)
		k->l2 = malloc(MOST_TABLES * sizeof *k->l2);
	if (!k->l2)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->l2_upto = 0;
	for (bool report = true; ok && (report || k->l2_upto != UINT64_MAX); report = false) {
		k->l2_from = k->l2_upto;
		k->l2_upto = UINT64_MAX;
		k->l2_count = 0;
		ok = collect(k, report, err) && run(k, err);
	}
	return ok;
}
