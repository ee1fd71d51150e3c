/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The counters of a QCOW2 file that is written in ascending order. All clusters are referred to once, but those that
 * several compressed ones lie in, so nothing is held but a list of these; it is short, for blocks of counters that can
 * no longer change are written when it grows.
 */
#include "repair/qcow2/stream.h"

static uint64_t per_block(const struct cv_qcow2_stream *s)
{
	return cv_qcow2_refcounts_for(&s->image, 0).per_block;
}

/* Ones for the first count clusters. */
static void fill_ones(const struct cv_qcow2_stream *s, uint8_t *block, uint64_t count)
{
	memset(block, 0, s->cluster_size);
	for (uint64_t i = 0; i < count; i++)
		cv_qcow2_put_count(block, i, s->image.refcount_order, 1);
}

/* Takes what is shared in this block from the front of the list; true if there was something. */
static bool put_shared(struct cv_qcow2_stream *s, uint8_t *block, uint64_t first, uint64_t count)
{
	size_t used = 0;

	for (; used < s->shared.len && s->shared.at[used].cluster < first + count; used++)
		cv_qcow2_put_count(block, s->shared.at[used].cluster - first, s->image.refcount_order,
				   s->shared.at[used].count);
	if (used)
		memmove(s->shared.at, s->shared.at + used, (s->shared.len - used) * sizeof *s->shared.at);
	s->shared.len -= used;
	return used > 0;
}

/* Writes blocks until there are so many, of a file of so many clusters, from the place first on. */
static bool write_until(struct cv_qcow2_stream *s, uint64_t blocks, uint64_t clusters, uint64_t place,
			struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *block = malloc(s->cluster_size);
	uint64_t each = per_block(s);
	bool full = false; /* block holds ones only */

	if (!block)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (; s->blocks.len < blocks; place++) {
		uint64_t first = s->blocks.len * each, count = clusters - first < each ? clusters - first : each;
		bool shared;

		if (!full || count < each)
			fill_ones(s, block, count);
		shared = put_shared(s, block, first, count);
		full = count == each && !shared;
		if (!cv_qcow2_place_vec_push(&s->blocks, cv_be64_of(place * s->cluster_size)))
			return cv_fail(err, CV_ENOMEM, "out of memory");
		if (!cv_out_write(s->out, block, s->cluster_size, place * s->cluster_size, err))
			return false;
	}
	return true;
}

bool cv_qcow2_stream_write_blocks(struct cv_qcow2_stream *s, uint64_t limit, struct cv_err *err)
{
	uint64_t blocks = limit / per_block(s), first;

	if (blocks <= s->blocks.len)
		return true;
	return cv_qcow2_stream_allocate(s, blocks - s->blocks.len, &first, err) &&
	       write_until(s, blocks, limit, first, err);
}

bool cv_qcow2_stream_write_counts(struct cv_qcow2_stream *s, struct cv_qcow2_tables *tables, struct cv_err *err)
{
	struct cv_qcow2_refcounts r = cv_qcow2_refcounts_for(&s->image, s->end - s->blocks.len);
	uint64_t first, table;

	if (!cv_qcow2_stream_allocate(s, r.blocks - s->blocks.len, &first, err) ||
	    !cv_qcow2_stream_allocate(s, r.table, &table, err))
		return false;
	tables->refcount_off = table * s->cluster_size;
	tables->refcount_clusters = (uint32_t)r.table;
	return write_until(s, r.blocks, s->end, first, err) &&
	       cv_out_write(s->out, s->blocks.at, s->blocks.len * sizeof *s->blocks.at, tables->refcount_off, err);
}
