/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The entries of one L2 table. */
#include "inspect/qcow2/qcow2_check.h"
#include <endian.h>

struct table {
	struct cv_qcow2_check *k;
	const struct cv_qcow2_l2 *l2;
	unsigned words;              /* of one entry */
};

static uint64_t word_at(const struct table *t, size_t i)
{
	uint64_t raw;

	memcpy(&raw, t->k->table + i * 8, sizeof raw);
	return be64toh(raw);
}

static struct cv_range entry_at(const struct table *t, size_t i)
{
	return (struct cv_range){ t->l2->off + i * 8 * t->words, 8 * t->words };
}

/* counted: by qemu-img, too. */
static void entry_wrong(const struct table *t, size_t i, const char *why, bool counted)
{
	const struct cv_qcow2_user_row *row = &cv_qcow2_users[CV_QCOW2_IS_DATA];
	struct cv_range by = entry_at(t, i);

	if (!t->k->first)
		return;
	if (counted)
		t->k->sums.corruptions += t->l2->times;
	cv_qcow2_wrong(t->k, &(struct cv_qcow2_wrong){ CV_QCW_ENTRY_UNALIGNED, row->entry, row->entries, by, by.off,
						      { cv_arg_text(why) }, 0 });
}

/* Everything below is done for entries in the file; the flag is only right or wrong in the active table. */
static bool check_flag(const struct table *t, size_t i, uint64_t entry, struct cv_err *err)
{
	struct cv_qcow2_check *k = t->k;
	uint64_t cluster = (entry & QCOW2_ENTRY_OFFSET) >> k->bits, stored = 1;

	if (!t->l2->active || k->naming || (cluster > k->clusters || k->data_file ? !k->first : !cv_qcow2_in_slice(k, cluster)))
		return true;
	if (!k->data_file && !cv_qcow2_stored(k, cluster, &stored, err))
		return false;
	cv_qcow2_flag(k, CV_QCOW2_IS_DATA, entry, stored, entry_at(t, i), t->l2->active);
	return true;
}

static bool packed(const struct table *t, size_t i, uint64_t entry, uint64_t bitmap, struct cv_err *err)
{
	struct cv_qcow2_check *k = t->k;
	struct cv_qcow2_claim claim = { CV_QCOW2_IS_PACKED, cv_qcow2_packed(&k->map, entry), entry_at(t, i),
					t->l2->times, false };

	if (entry & QCOW2_ENTRY_COPIED)
		entry_wrong(t, i, "compressed, but marked as not shared", true);
	if (k->data_file || bitmap)
		entry_wrong(t, i, bitmap && !k->data_file ? "compressed, but with subclusters"
							  : "compressed, though the data lie in another file", true);
	return k->data_file || bitmap || cv_qcow2_claim(k, &claim, err);
}

static bool placed(const struct table *t, size_t i, uint64_t entry, uint64_t bitmap, struct cv_err *err)
{
	struct cv_qcow2_check *k = t->k;
	struct cv_qcow2_claim claim = { CV_QCOW2_IS_DATA, { entry & QCOW2_ENTRY_OFFSET, k->cluster }, entry_at(t, i),
					t->l2->times, false };

	if (!check_flag(t, i, entry, err))
		return false;
	if (bitmap >> 32 & bitmap & UINT32_MAX)
		entry_wrong(t, i, "subclusters are both allocated and zero", true);
	if (claim.at.off & (k->cluster - 1))
		entry_wrong(t, i, "the cluster is not aligned", true);
	else if (k->data_file && claim.at.off != (t->l2->guest + i) << k->bits)
		entry_wrong(t, i, "not the place that it has in the data file", false);
	return k->data_file || cv_qcow2_claim(k, &claim, err);
}

/* One entry of any kind. */
static bool check_entry(const struct table *t, size_t i, struct cv_err *err)
{
	struct cv_qcow2_check *k = t->k;
	uint64_t entry = word_at(t, i * t->words), bitmap = k->extended ? word_at(t, i * t->words + 1) : 0;
	bool zero = entry & QCOW2_L2_ZERO && !k->extended;

	if (entry & QCOW2_L2_COMPRESSED)
		return packed(t, i, entry, bitmap, err);
	if (entry & QCOW2_L2_RESERVED)
		entry_wrong(t, i, "reserved bits are set", true);
	else if (entry & k->map.reserved)
		entry_wrong(t, i, "reserved bits are set", false);
	if (entry & QCOW2_ENTRY_OFFSET || (k->data_file && entry & QCOW2_ENTRY_COPIED && !zero))
		return placed(t, i, entry, bitmap, err);
	if (!zero && bitmap & UINT32_MAX)
		entry_wrong(t, i, "subclusters are allocated, but no cluster", true);
	else if (bitmap >> 32 & bitmap & UINT32_MAX)
		entry_wrong(t, i, "subclusters are both allocated and zero", false);
	return true;
}

/* The counter of the cluster that is used once so far and whose flag is right is raised; false: look closer. */
static inline bool count_plain(struct cv_qcow2_check *k, uint64_t entry, bool active)
{
	uint64_t cluster = (entry & QCOW2_ENTRY_OFFSET) >> k->bits;
	struct cv_tally_slot *slot = cv_tally_page(&k->tally, cluster >> CV_TALLY_PAGE_BITS, false);
	bool copied = entry & QCOW2_ENTRY_COPIED;
	uint8_t *v;

	if (!slot || slot->width != 1)
		return false;
	v = (uint8_t *)slot->page + cluster % CV_TALLY_PAGE;
	if ((*v & ~CV_TALLY_STORED) || (active && copied != ((*v & CV_TALLY_STORED) == 1u << CV_TALLY_STORED_SHIFT)))
		return false;
	*v |= CV_TALLY_DATA | 1u << CV_TALLY_COUNT_SHIFT;
	if (cluster >= k->used)
		k->used = cluster + 1;
	return true;
}

/* Most entries of most images are plain: a whole cluster inside the file, in a table of one L1 entry. */
static bool check_plain(const struct table *t, size_t count, struct cv_err *err)
{
	struct cv_qcow2_check *k = t->k;
	const uint64_t odd = ~(QCOW2_ENTRY_OFFSET | QCOW2_ENTRY_COPIED) | (k->cluster - 1);

	for (size_t i = 0; i < count; i++) {
		uint64_t entry = word_at(t, i), off = entry & QCOW2_ENTRY_OFFSET;

		if (!entry)
			continue;
		if (entry & odd || !off || off >= k->size || !cv_qcow2_in_slice(k, off >> k->bits) ||
		    !count_plain(k, entry, t->l2->active))
			if (!check_entry(t, i, err))
				return false;
	}
	return true;
}

bool cv_qcow2_check_l2(struct cv_qcow2_check *k, const struct cv_qcow2_l2 *l2, struct cv_err *err)
{
	struct table t = { k, l2, k->extended ? 2 : 1 };
	size_t count = (size_t)(k->cluster / 8 / t.words);
	bool any;

	if (!cv_qcow2_check_read(k, k->table, l2->off, k->cluster, &any, err))
		return cv_wrap(err, "while reading an L2 table");
	if (!any)
		return true;
	if (!k->extended && !k->data_file && !k->naming && l2->times == 1)
		return check_plain(&t, count, err);
	for (size_t i = 0; i < count; i++)
		if (word_at(&t, i * t.words) || (k->extended && word_at(&t, i * 2 + 1)))
			if (!check_entry(&t, i, err))
				return false;
	return true;
}
