/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Everything in a QCOW2 file that uses clusters: the header, both levels of tables of the disk and of all internal
 * snapshots, the lists, the LUKS header, bitmaps. The refcounts' own clusters are in qcow2_check_stored.c.
 */
#include "inspect/qcow2/qcow2_check.h"
#include "inspect/qcow2/records.h"

static void name_one(struct cv_qcow2_named *n, enum cv_qcow2_user user, uint64_t times)
{
	for (; times && n->users < 2; times--)
		n->user[n->users++] = user;
}

/* Notes the user for those of the clusters whose users are asked for. */
static void name(struct cv_qcow2_check *k, const struct cv_qcow2_claim *claim, uint64_t first, uint64_t last)
{
	size_t low = 0, high = k->named_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->named[middle].cluster < first)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < k->named_count && k->named[low].cluster <= last; low++) {
		struct cv_qcow2_named *n = &k->named[low];

		/* Two different ones say more than one of them twice. */
		if (n->users == 2 && n->user[0] == n->user[1] && n->user[0] != claim->user)
			n->user[1] = claim->user;
		else
			name_one(n, claim->user, claim->times);
	}
}

static void outside(struct cv_qcow2_check *k, const struct cv_qcow2_claim *claim)
{
	const struct cv_qcow2_user_row *row = &cv_qcow2_users[claim->user];

	if (!k->first)
		return;
	k->sums.corruptions += claim->times;
	if (!claim->said)
		cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){ CV_QCW_TABLE_OUT_OF_RANGE, row->one, row->many, claim->by,
							   claim->at.off,
							   { cv_arg_number(claim->at.len), cv_arg_number(k->size) }, 0 });
}

/* As for qemu, the last cluster may be cut by the end of the file. */
bool cv_qcow2_claim(struct cv_qcow2_check *k, const struct cv_qcow2_claim *claim, struct cv_err *err)
{
	uint64_t end, first = claim->at.off >> k->bits, last;

	if (!claim->at.len)
		return true;
	if (__builtin_add_overflow(claim->at.off, claim->at.len, &end) ||
	    (end > k->size && end - k->size >= k->cluster)) {
		if (!k->naming)
			outside(k, claim);
		return true;
	}
	last = (end - 1) >> k->bits;
	if (k->naming) {
		name(k, claim, first, last);
		return true;
	}
	if (last >= k->used)
		k->used = last + 1;
	if (first < k->from)
		first = k->from;
	for (; first <= last && first < k->upto && !k->tally.full; first++)
		cv_tally_add(&k->tally, first, cv_qcow2_users[claim->user].kind, claim->times);
	return !k->tally.full || cv_fail(err, CV_ELIMIT, "the counters are full");
}

static bool claim_one(struct cv_qcow2_check *k, enum cv_qcow2_user user, struct cv_range at, struct cv_range by, bool said,
		      struct cv_err *err)
{
	return cv_qcow2_claim(k, &(struct cv_qcow2_claim){ user, at, by, 1, said }, err);
}

static bool claim_snapshots(struct cv_qcow2_check *k, struct cv_err *err)
{
	for (size_t i = 0; i < k->snapshot_count; i++) {
		const struct cv_qcow2_snapshot *s = &k->snapshots[i];
		struct cv_range at = { s->l1_off, s->l1_entries * 8 }, by = { s->where.off, 12 };

		/* The reader of the metadata says so for the first ones. */
		if (s->l1_off % k->cluster || s->l1_entries > QCOW2_MAX_L1_ENTRIES)
			k->sums.corruptions += k->first;
		else if (!claim_one(k, CV_QCOW2_IS_SNAPSHOT_L1, at, by, i < CV_QCOW2_RECORDS_LISTED, err))
			return false;
	}
	if (k->data_file && k->snapshot_count)
		k->sums.corruptions += k->first;
	return claim_one(k, CV_QCOW2_IS_SNAPSHOTS, k->snapshot_table, CV_QCOW2_FIELD(snapshot_off), true, err);
}

struct bitmap_walk {
	struct cv_qcow2_check *k;
	uint64_t table;
};

#define BITMAP_RESERVED UINT64_C(0xff000000000001fe)

static bool bitmap_word(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	struct bitmap_walk *w = ctx;
	struct cv_qcow2_check *k = w->k;
	struct cv_range at = { word & QCOW2_ENTRY_OFFSET, k->cluster }, by = { w->table + index * 8, 8 };
	const struct cv_qcow2_user_row *row = &cv_qcow2_users[CV_QCOW2_IS_BITMAP];
	const char *why = word & BITMAP_RESERVED || (at.off && word & 1) ? "reserved bits are set"
			  : at.off % k->cluster ? "not aligned to a cluster" : NULL;

	if (!why)
		return !at.off || claim_one(k, CV_QCOW2_IS_BITMAP, at, by, false, err);
	if (!k->first)
		return true;
	k->sums.corruptions++;
	cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){ CV_QCW_ENTRY_UNALIGNED, row->entry, row->entries, by, by.off,
						   { cv_arg_text(why) }, 0 });
	return true;
}

static bool claim_bitmap(void *ctx, const struct cv_qcow2_bitmap *b, struct cv_err *err)
{
	struct cv_qcow2_check *k = ctx;
	struct bitmap_walk w = { k, b->table_off };

	return claim_one(k, CV_QCOW2_IS_BITMAP_TABLE, (struct cv_range){ b->table_off, b->table_entries * 8 },
			 (struct cv_range){ b->where.off, 12 }, false, err) &&
	       cv_qcow2_words(k->source, b->table_off, b->table_entries, &k->words_left, bitmap_word, &w, err);
}

/* Without the feature bit some writer has not kept them up to date, and they are nobody's any more. */
static bool claim_bitmaps(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_range directory;

	if (k->h.version < 3 || !(k->h.autoclear & QCOW2_AUTOCLEAR_BITMAPS))
		return true;
	return cv_qcow2_bitmaps(k->source, &k->ext, claim_bitmap, k, &directory, err) &&
	       claim_one(k, CV_QCOW2_IS_BITMAPS, directory, k->ext.bitmaps, true, err);
}

static bool claim_luks(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_range area;

	if (k->h.crypt_method != QCOW2_CRYPT_LUKS)
		return true;
	return cv_qcow2_luks(k->source, &k->ext, &area, err) &&
	       claim_one(k, CV_QCOW2_IS_LUKS, area, k->ext.luks, true, err);
}

bool cv_qcow2_claim_all(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_range l1 = { k->h.l1_off, (uint64_t)k->h.l1_entries * 8 };
	struct cv_range refcounts = { k->h.refcount_off, k->h.refcount_clusters * k->cluster };

	return claim_one(k, CV_QCOW2_IS_HEADER, (struct cv_range){ 0, k->cluster }, (struct cv_range){ 0, 0 }, true,
			 err) &&
	       claim_one(k, CV_QCOW2_IS_L1, l1, CV_QCOW2_FIELD(l1_off), true, err) &&
	       claim_snapshots(k, err) && cv_qcow2_check_tables(k, err) &&
	       claim_one(k, CV_QCOW2_IS_REFCOUNTS, refcounts, CV_QCOW2_FIELD(refcount_off), true, err) &&
	       claim_luks(k, err) && claim_bitmaps(k, err);
}
