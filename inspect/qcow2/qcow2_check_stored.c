/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Refcounts as they are stored: the table, its blocks, and the clusters that these take. */
#include "inspect/qcow2/qcow2_check.h"

#define TABLE_OFFSET UINT64_C(0xfffffffffffffe00)
#define TABLE_RESERVED UINT64_C(0x1ff)
/* Blocks that several entries point to are read once for each, but not for ever. */
#define MOST_REPEATS 64u

static uint64_t covers(const struct cv_qcow2_check *k)
{
	return k->cluster * 8 >> k->h.refcount_order;
}

/* Where the block lies; 0: there is none that could be read. */
static uint64_t place_of(const struct cv_qcow2_check *k, uint64_t index)
{
	uint64_t off = index < k->block_count ? k->blocks[index] & TABLE_OFFSET : 0;

	return off % k->cluster || off >= k->size ? 0 : off;
}

static bool keep_word(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	struct cv_qcow2_check *k = ctx;

	(void)err;
	k->blocks[index] = word;
	return true;
}

bool cv_qcow2_stored_open(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_range table = { k->h.refcount_off, k->h.refcount_clusters * k->cluster };

	k->block_count = table.len / 8;
	/* What is not touched takes no memory. */
	k->blocks = calloc(k->block_count + 1, sizeof *k->blocks);
	if (!k->blocks)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->refcounts_said = !table.len || !table.off || table.off % k->cluster || !cv_range_inside(table, k->size);
	return cv_qcow2_words(k->source, table.off, k->block_count, &k->words_left, keep_word, k, err) ||
	       cv_wrap(err, "refcount table");
}

static bool hold(struct cv_qcow2_check *k, uint64_t off, bool *any, struct cv_err *err)
{
	if (k->block_at == off)
		return *any = true;
	k->block_at = UINT64_MAX;
	if (!cv_qcow2_check_read(k, k->block, off, k->cluster, any, err))
		return cv_wrap(err, "while reading a refcount block");
	if (*any)
		k->block_at = off;
	return true;
}

bool cv_qcow2_stored(struct cv_qcow2_check *k, uint64_t cluster, uint64_t *count, struct cv_err *err)
{
	uint64_t off = place_of(k, cluster / covers(k));
	bool any = false;

	*count = 0;
	if (off && !hold(k, off, &any, err))
		return false;
	if (any)
		*count = cv_qcow2_counter(k->block, k->h.refcount_order, cluster % covers(k));
	return true;
}

static bool is_zero(const uint8_t *at, size_t len)
{
	return !at[0] && !memcmp(at, at + 1, len - 1);
}

/* One page of counters. */
static void load_page(struct cv_qcow2_check *k, const uint8_t *at, uint64_t first, uint64_t count)
{
	struct cv_tally_slot *slot = cv_tally_page(&k->tally, first >> CV_TALLY_PAGE_BITS, true);
	uint8_t *page = slot ? slot->page : NULL;
	bool usual = k->h.refcount_order == 4;

	for (uint64_t i = 0; i < count && page; i++) {
		uint64_t n = usual ? (uint64_t)(at[2 * i] << 8 | at[2 * i + 1])
				   : cv_qcow2_counter(at, k->h.refcount_order, i);

		page[i] = (uint8_t)((n < 2 ? n : 2) << CV_TALLY_STORED_SHIFT);
		if (n && first + i >= k->counted)
			k->counted = first + i + 1;
	}
}

/* The part of the held block that lies in the slice; base: the cluster that its first counter is for. */
static void load_block(struct cv_qcow2_check *k, uint64_t base)
{
	/* A reference may lead to the cluster behind the last one. */
	uint64_t end = k->clusters + 1, page_bytes = CV_TALLY_PAGE << k->h.refcount_order >> 3;

	if (end > k->upto)
		end = k->upto;
	for (uint64_t i = 0; i < covers(k) && base + i < end && !k->tally.full; i += CV_TALLY_PAGE) {
		const uint8_t *at = k->block + i / CV_TALLY_PAGE * page_bytes;
		uint64_t count = end - base - i < CV_TALLY_PAGE ? end - base - i : CV_TALLY_PAGE;

		if (base + i >= k->from && !is_zero(at, page_bytes))
			load_page(k, at, base + i, count);
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* How many blocks may be read: each once, and a few again. */
static bool count_blocks(const struct cv_qcow2_check *k, uint64_t *most, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint64_t *list = NULL;
	uint64_t used = 0, n = 0;

	for (uint64_t i = 0; i < k->block_count; i++)
		used += place_of(k, i) != 0;
	list = malloc((used + 1) * sizeof *list);
	if (!list)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t i = 0; i < k->block_count; i++)
		if (place_of(k, i))
			list[n++] = place_of(k, i);
	if (n)
		qsort(list, n, sizeof *list, compare);
	*most = MOST_REPEATS;
	for (uint64_t i = 0; i < n; i++)
		*most += !i || list[i] != list[i - 1];
	return true;
}

bool cv_qcow2_stored_load(struct cv_qcow2_check *k, struct cv_err *err)
{
	uint64_t most = 0;

	if (!count_blocks(k, &most, err))
		return false;
	k->total = k->block_count * k->cluster;
	for (uint64_t i = 0; i < k->block_count && i * covers(k) <= k->clusters && i * covers(k) < k->upto; i++) {
		bool any = false;

		if (!place_of(k, i) || (i + 1) * covers(k) <= k->from)
			continue;
		if (!most--) {
			k->cut = true;
			break;
		}
		if (!hold(k, place_of(k, i), &any, err))
			return false;
		if (any)
			load_block(k, i * covers(k));
	}
	return !k->tally.full || cv_fail(err, CV_ELIMIT, "the counters are full");
}

static void entry_wrong(struct cv_qcow2_check *k, struct cv_range by, const char *why)
{
	const struct cv_qcow2_user_row *row = &cv_qcow2_users[CV_QCOW2_IS_BLOCK];

	if (!k->first)
		return;
	k->sums.corruptions++;
	cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){ CV_QCW_ENTRY_UNALIGNED, row->entry, row->entries, by, by.off,
						   { cv_arg_text(why) }, 0 });
}

/* The clusters of the blocks, after everything else has been counted: nothing else may use them. */
bool cv_qcow2_stored_claim(struct cv_qcow2_check *k, struct cv_err *err)
{
	for (uint64_t i = 0; i < k->block_count; i++) {
		uint64_t word = k->blocks[i], off = word & TABLE_OFFSET;
		struct cv_range by = { k->h.refcount_off + i * 8, 8 };
		struct cv_qcow2_claim claim = { CV_QCOW2_IS_BLOCK, { off, k->cluster }, by, 1, false };

		if (word & TABLE_RESERVED)
			entry_wrong(k, by, "reserved bits are set");
		else if (off % k->cluster)
			entry_wrong(k, by, "the refcount block is not aligned to a cluster");
		if (!off || word & TABLE_RESERVED || off % k->cluster)
			continue;
		if (!cv_qcow2_claim(k, &claim, err))
			return false;
		if (!k->naming && off < k->size && cv_qcow2_in_slice(k, off >> k->bits) &&
		    cv_tally_get(&k->tally, off >> k->bits) >> CV_TALLY_COUNT_SHIFT != 1)
			k->sums.corruptions++;
	}
	return true;
}
