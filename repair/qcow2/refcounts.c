/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The refcount table and blocks of a new QCOW2 file. They count themselves, so how many there must be is found
 * by trying until it is enough.
 */
#include "repair/qcow2/internal.h"

/* One counter of 1 << order bits; narrow ones fill a byte from its lowest bit, wide ones are big-endian. */
static bool put_count(uint8_t *block, uint64_t index, unsigned order, uint32_t count)
{
	unsigned bits = 1u << order;

	if (bits < 32 && count >> bits)
		return false;
	if (bits < 8) {
		block[index * bits / 8] |= (uint8_t)(count << (index * bits % 8));
		return true;
	}
	for (unsigned i = 0; i < bits / 8; i++, count = i < 4 ? count >> 8 : 0)
		block[(index + 1) * (bits / 8) - 1 - i] = (uint8_t)count;
	return true;
}

struct sizes {
	uint64_t per_block, blocks, table;
};

/* Blocks and table clusters for all that is there and for themselves. */
static struct sizes find_sizes(const struct cv_qcow2_writer *w)
{
	struct sizes s = { .per_block = w->cluster_size * 8 >> w->image.refcount_order, .blocks = 1, .table = 1 };

	for (;;) {
		uint64_t total = w->counts.len + s.blocks + s.table;
		uint64_t blocks = (total + s.per_block - 1) / s.per_block;
		uint64_t table = cv_qcow2_clusters_for(w, blocks * 8);

		if (blocks <= s.blocks && table <= s.table)
			return s;
		s.blocks = blocks > s.blocks ? blocks : s.blocks;
		s.table = table > s.table ? table : s.table;
	}
}

static bool write_block(const struct cv_qcow2_writer *w, const struct sizes *s, uint64_t i, uint64_t cluster,
			uint8_t *buf, struct cv_err *err)
{
	uint64_t first = i * s->per_block;

	memset(buf, 0, w->cluster_size);
	for (uint64_t n = 0; n < s->per_block && first + n < w->counts.len; n++)
		if (!put_count(buf, n, w->image.refcount_order, w->counts.at[first + n]))
			return cv_fail(err, CV_EUSAGE, "%" PRIu32 " references do not fit into %u bits",
				       w->counts.at[first + n], 1u << w->image.refcount_order);
	return cv_out_write_sparse(w->out, buf, w->cluster_size, cluster * w->cluster_size, err);
}

bool cv_qcow2_write_refcounts(struct cv_qcow2_writer *w, struct cv_err *err)
{
	struct sizes s = find_sizes(w);
	CV_AUTO(cv_auto_free) uint8_t *buf = malloc(w->cluster_size);
	CV_AUTO(cv_auto_free) cv_be64 *table = calloc(s.table, w->cluster_size);
	uint64_t first;

	if (!buf || !table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_qcow2_allocate(w, s.table, &w->refcount_cluster, err) || !cv_qcow2_allocate(w, s.blocks, &first, err))
		return false;
	w->refcount_clusters = s.table;
	for (uint64_t i = 0; i < s.blocks; i++) {
		table[i] = cv_be64_of((first + i) * w->cluster_size);
		if (!write_block(w, &s, i, first + i, buf, err))
			return false;
	}
	return cv_out_write_sparse(w->out, table, s.table * w->cluster_size, w->refcount_cluster * w->cluster_size,
				   err);
}
