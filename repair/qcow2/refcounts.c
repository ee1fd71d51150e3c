/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The refcount table and blocks of a new QCOW2 file. They count themselves, so how many there must be is found
 * by trying until it is enough.
 */
#include "repair/qcow2/internal.h"

bool cv_qcow2_put_count(uint8_t *block, uint64_t index, unsigned order, uint32_t count)
{
	unsigned bits = 1u << order;

	if (bits < 32 && count >> bits)
		return false;
	if (bits < 8) {
		unsigned shift = (unsigned)(index * bits % 8), mask = (1u << bits) - 1;
		uint8_t *byte = &block[index * bits / 8];

		*byte = (uint8_t)((*byte & ~(mask << shift)) | count << shift);
		return true;
	}
	for (unsigned i = 0; i < bits / 8; i++, count = i < 4 ? count >> 8 : 0)
		block[(index + 1) * (bits / 8) - 1 - i] = (uint8_t)count;
	return true;
}

struct cv_qcow2_refcounts cv_qcow2_refcounts_for(const struct cv_qcow2_image *image, uint64_t clusters)
{
	struct cv_qcow2_refcounts r = {
		.per_block = UINT64_C(8) << image->cluster_bits >> image->refcount_order,
		.blocks = 1,
		.table = 1,
	};

	for (;;) {
		uint64_t total = clusters + r.blocks + r.table;
		uint64_t blocks = (total + r.per_block - 1) / r.per_block;
		uint64_t table = cv_qcow2_whole_clusters(image, blocks * 8);

		if (blocks <= r.blocks && table <= r.table)
			return r;
		r.blocks = blocks > r.blocks ? blocks : r.blocks;
		r.table = table > r.table ? table : r.table;
	}
}

static bool write_block(const struct cv_qcow2_writer *w, const struct cv_qcow2_refcounts *s, uint64_t i,
			uint64_t cluster, uint8_t *buf, struct cv_err *err)
{
	uint64_t first = i * s->per_block;

	memset(buf, 0, w->cluster_size);
	for (uint64_t n = 0; n < s->per_block && first + n < w->counts.len; n++)
		if (!cv_qcow2_put_count(buf, n, w->image.refcount_order, w->counts.at[first + n]))
			return cv_fail(err, CV_EUSAGE, "%" PRIu32 " references do not fit into %u bits",
				       w->counts.at[first + n], 1u << w->image.refcount_order);
	return cv_out_write_sparse(w->out, buf, w->cluster_size, cluster * w->cluster_size, err);
}

bool cv_qcow2_write_refcounts(struct cv_qcow2_writer *w, struct cv_err *err)
{
	struct cv_qcow2_refcounts s = cv_qcow2_refcounts_for(&w->image, w->counts.len);
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
