/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where the header, the tables of the disk and the reference counts of a QCOW2 lie, for those who look for data on top of
 * them. Only what is in the file counts.
 */
#include "inspect/qcow2/qcow2_map.h"
#include "inspect/qcow2/reading.h"
#include "inspect/salvage/overlap.h"

/* Each is looked up from the beginning of the table. */
#define MOST_SNAPSHOTS 256u

struct holding {
	struct cv_layer *layer;
	struct cv_held_vec *held;
	uint64_t cluster;
};

static bool hold(const struct holding *h, struct cv_range host, struct cv_range guest, struct cv_err *err)
{
	if (!cv_range_inside(host, h->layer->source->size) || !host.len)
		return true;
	/* a table and what it decides are never of one length here, as that means data */
	return cv_held_vec_push(h->held, (struct cv_held_bytes){ host, guest }) ||
	       cv_fail(err, CV_ENOMEM, "out of memory for the tables of a damaged image");
}

/* Each word of a table that has so many of them, if it can be read. */
static bool each_word(const struct holding *h, uint64_t off, uint64_t words,
		      bool (*take)(const struct holding *h, uint64_t index, uint64_t word, struct cv_err *err), struct cv_err *err)
{
	cv_be64 some[64];

	for (uint64_t i = 0; i < words; i++) {
		struct cv_err none = { .code = CV_OK };
		uint64_t n = words - i < CV_COUNT(some) ? words - i : CV_COUNT(some);

		if (i % CV_COUNT(some) == 0 && (!cv_range_inside((struct cv_range){ off + i * 8, n * 8 }, h->layer->source->size) ||
						!cv_source_read(h->layer->source, some, (size_t)n * 8, off + i * 8, &none)))
			return true;
		if (!take(h, i, cv_be64_get(some[i % CV_COUNT(some)]), err))
			return false;
	}
	return true;
}

static bool take_l2(const struct holding *h, uint64_t index, uint64_t word, struct cv_err *err)
{
	const struct cv_qcow2_map *m = h->layer->state;
	unsigned shift = m->tables.cluster_bits + m->tables.l2_bits;
	struct cv_range guest = { index << shift, UINT64_C(1) << shift };

	if (guest.off >= h->layer->size || !(word & QCOW2_ENTRY_OFFSET))
		return true;
	guest.len = guest.len < h->layer->size - guest.off ? guest.len : h->layer->size - guest.off;
	return hold(h, (struct cv_range){ word & QCOW2_ENTRY_OFFSET, h->cluster }, guest, err);
}

static bool take_counts(const struct holding *h, uint64_t index, uint64_t word, struct cv_err *err)
{
	(void)index;
	word &= ~UINT64_C(511);
	return !word || hold(h, (struct cv_range){ word, h->cluster }, (struct cv_range){ 0, 0 }, err);
}

/* What the snapshots hold besides is theirs and the disk's together; but no two of them have one table. */
static bool hold_snapshots(const struct holding *h, const struct cv_qcow2_header *header, struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };
	struct cv_range l1;

	for (uint32_t i = 0; i < header->snapshot_count && i < MOST_SNAPSHOTS; i++) {
		if (!cv_qcow2_snapshot_table(h->layer->source, i, &l1, &none))
			return true;
		if (!hold(h, l1, (struct cv_range){ 0, 0 }, err))
			return false;
	}
	return true;
}

bool cv_qcow2_add_held(struct cv_layer *layer, struct cv_held_vec *held, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct cv_qcow2_reading r = { .source = layer->source, .facts = facts, .damaged = true };
	struct holding h = { layer, held, 0 };
	bool usable;

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_qcow2_read_header(&r, &usable, err))
		return false;
	h.cluster = r.cluster_size;
	if (!usable || r.h.refcount_clusters > QCOW2_MAX_REFCOUNT_TABLE / r.cluster_size)
		return true;
	return hold(&h, (struct cv_range){ 0, h.cluster }, (struct cv_range){ 0, 0 }, err) &&
	       hold(&h, (struct cv_range){ r.h.l1_off, (uint64_t)r.h.l1_entries * 8 }, (struct cv_range){ 0, layer->size }, err) &&
	       hold(&h, (struct cv_range){ r.h.refcount_off, r.h.refcount_clusters * h.cluster }, (struct cv_range){ 0, 0 }, err) &&
	       hold_snapshots(&h, &r.h, err) && each_word(&h, r.h.l1_off, r.h.l1_entries, take_l2, err) &&
	       each_word(&h, r.h.refcount_off, r.h.refcount_clusters * h.cluster / 8, take_counts, err);
}
