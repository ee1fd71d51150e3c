/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Clusters of a QCOW2 parent and their counts. All that counts new clusters is there before the first of them is taken: blocks
 * of counts, and a longer refcount table where the old one has no room, which the header names all at once.
 */
#include "inspect/qcow2/qcow2_disk.h"
#include "inspect/qcow2/qcow2_words.h"
#include "repair/merge/qcow2.h"
#include "repair/qcow2/encode.h"

enum { PART = 4096 };                        /* bytes of counts that are changed at once */

#define BLOCK_OFFSET (~UINT64_C(511))        /* of a refcount table entry */

uint64_t cv_merge_qcow2_take(struct cv_merge_qcow2 *q, uint64_t clusters)
{
	uint64_t first = q->next;

	q->next += clusters;
	return first * q->cluster;
}

void cv_merge_qcow2_advance(struct cv_merge *m)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t fresh = (q->next * q->cluster + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;

	if (m->fresh < fresh)
		m->fresh = fresh;
}

bool cv_merge_qcow2_write_new(struct cv_merge *m, uint64_t off, const void *bytes, size_t len, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	size_t shared = m->fresh > off && q->cluster < CV_MERGE_PAGE ? (size_t)(m->fresh - off) : 0;

	shared = shared < len ? shared : len;
	return (!shared || cv_merge_set(m, CV_MERGE_COUNTED, off, bytes, shared, err)) &&
	       cv_merge_write(m, off + shared, (const uint8_t *)bytes + shared, len - shared, err);
}

/* The block with this index; 0: there is none, and nothing of it has a count. */
static bool block_at(struct cv_merge *m, uint64_t index, uint64_t *place, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	cv_be64 entry = { 0 };

	if (index < q->table_clusters * q->cluster / 8 && !cv_merge_read(m, &entry, sizeof entry, q->table_off + index * 8, err))
		return false;
	*place = cv_be64_get(entry) & BLOCK_OFFSET;
	return true;
}

/* Counts that lie in one part of a block. */
struct part {
	uint64_t place, first, count;        /* of the bytes; within them: the first count, and how many */
	size_t len;
};

static bool part_at(struct cv_merge *m, uint64_t cluster, uint64_t count, struct part *p, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t per = PART * 8 >> q->order, in = cluster % q->per_block, block;

	if (!block_at(m, cluster / q->per_block, &block, err))
		return false;
	if (!block)
		return cv_fail(err, CV_EFORMAT, "nothing counts the cluster at offset %" PRIu64, cluster * q->cluster);
	per = per < q->per_block ? per : q->per_block;
	p->place = block + in / per * (per << q->order) / 8;
	p->len = (size_t)(per << q->order) / 8;
	p->first = in % per;
	p->count = per - p->first < count ? per - p->first : count;
	return true;
}

/* Only the bytes with these counts. */
static bool set_part(struct cv_merge *m, const struct part *p, const uint8_t *bytes, unsigned layer, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t from = (p->first << q->order) / 8, upto = (((p->first + p->count) << q->order) + 7) / 8;

	return cv_merge_set(m, layer, p->place + from, bytes + from, (size_t)(upto - from), err);
}

/* One for each. Where counts of the same bytes are to go down later in the batch, they do so with these ones in place. */
static bool set_ones(struct cv_merge *m, const struct part *p, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint8_t bytes[PART];
	bool same = true;

	if (!cv_merge_read_layer(m, CV_MERGE_COUNTED, bytes, p->len, p->place, err))
		return false;
	for (uint64_t i = 0; i < p->count; i++)
		cv_qcow2_put_count(bytes, p->first + i, q->order, 1);
	if (!set_part(m, p, bytes, CV_MERGE_COUNTED, err) || !cv_merge_read(m, bytes, p->len, p->place, err))
		return false;
	for (uint64_t i = 0; i < p->count; i++) {
		same &= cv_qcow2_counter(bytes, q->order, p->first + i) == 1;
		cv_qcow2_put_count(bytes, p->first + i, q->order, 1);
	}
	return same || set_part(m, p, bytes, CV_MERGE_GIVEN_BACK, err);
}

static bool count_range(struct cv_merge *m, uint64_t first, uint64_t end, struct cv_err *err)
{
	struct part p;

	for (uint64_t at = first; at < end; at += p.count)
		if (!part_at(m, at, end - at, &p, err) || !set_ones(m, &p, err))
			return false;
	return true;
}

bool cv_merge_qcow2_count(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;

	if (!count_range(m, q->counted, q->next, err))
		return false;
	q->counted = q->next;
	return true;
}

uint64_t cv_merge_qcow2_count_pages(const struct cv_merge_qcow2 *q)
{
	return q->next > q->counted ? (((q->next - q->counted) << q->order) / 8 + q->cluster) / CV_MERGE_PAGE + 2 : 0;
}

static bool give_back_one(struct cv_merge *m, uint64_t cluster, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint8_t bytes[PART];
	struct part p;
	uint64_t count;

	if (!part_at(m, cluster, 1, &p, err) || !cv_merge_read(m, bytes, p.len, p.place, err))
		return false;
	count = cv_qcow2_counter(bytes, q->order, p.first);
	if (!count || count > UINT32_MAX)
		return cv_fail(err, CV_EFORMAT, "the cluster at offset %" PRIu64 " has a refcount of %" PRIu64, cluster * q->cluster, count);
	cv_qcow2_put_count(bytes, p.first, q->order, (uint32_t)count - 1);
	return set_part(m, &p, bytes, CV_MERGE_GIVEN_BACK, err);
}

bool cv_merge_qcow2_give_back(struct cv_merge *m, struct cv_range bytes, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;

	for (uint64_t c = bytes.off / q->cluster; bytes.len && c <= (bytes.off + bytes.len - 1) / q->cluster; c++)
		if (!give_back_one(m, c, err))
			return false;
	return true;
}

/* The end of what has a count within a block; first if nothing has. */
static bool end_within(struct cv_merge *m, uint64_t first, uint64_t end, uint64_t *found, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint8_t bytes[PART];
	struct part p;

	*found = first;
	for (uint64_t at = first; at < end; at += p.count) {
		if (!part_at(m, at, end - at, &p, err) || !cv_merge_read(m, bytes, p.len, p.place, err))
			return false;
		for (uint64_t i = 0; i < p.count; i++)
			if (cv_qcow2_counter(bytes, q->order, p.first + i))
				*found = at + i + 1;
	}
	return true;
}

bool cv_merge_qcow2_find_end(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t first = cv_merge_qcow2_clusters(q, m->former), end = cv_merge_qcow2_clusters(q, m->file), place;

	q->next = first;
	while (end > first && q->next == first) {
		uint64_t from = (end - 1) / q->per_block * q->per_block;

		from = from < first ? first : from;
		if (!block_at(m, from / q->per_block, &place, err) || (place && !end_within(m, from, end, &q->next, err)))
			return false;
		if (q->next == from)
			q->next = first;
		end = from;
	}
	q->counted = q->next;
	return true;
}

/* --- room ------------------------------------------------------------------------------------------------ */

/* What there must be so that all clusters before end have a count. */
struct plan {
	uint64_t first, end;                 /* clusters that are taken */
	uint64_t blocks;                     /* new ones */
	uint64_t table;                      /* clusters of a new table; 0: the old one will do */
};

static bool missing_blocks(struct cv_merge *m, uint64_t first, uint64_t end, uint64_t *missing, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t place;

	*missing = 0;
	for (uint64_t i = first / q->per_block; end > first && i <= (end - 1) / q->per_block; i++) {
		if (!block_at(m, i, &place, err))
			return false;
		*missing += !place;
	}
	return true;
}

static bool make_plan(struct cv_merge *m, uint64_t clusters, struct plan *p, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t blocks, words, table;

	*p = (struct plan){ .first = q->next };
	for (;;) {
		if (__builtin_add_overflow(p->first, clusters + p->blocks + p->table, &p->end) || p->end > (UINT64_C(1) << 55) / q->cluster)
			return cv_fail(err, CV_EREFUSED, "the file would become larger than QCOW2 can say");
		if (!missing_blocks(m, p->first, p->end, &blocks, err))
			return false;
		words = p->end > p->first ? (p->end - 1) / q->per_block + 1 : 0;
		table = words * 8 > q->table_clusters * q->cluster ? cv_merge_qcow2_clusters(q, words * 8) : 0;
		if (table * q->cluster > QCOW2_MAX_REFCOUNT_TABLE)
			return cv_fail(err, CV_EREFUSED, "the refcount table would become larger than one can be (%u bytes)",
				       QCOW2_MAX_REFCOUNT_TABLE);
		if (blocks <= p->blocks && table <= p->table)
			return true;
		p->blocks = blocks > p->blocks ? blocks : p->blocks;
		p->table = table > p->table ? table : p->table;
	}
}

/* A new block: of clusters from first up to end each has one reference. */
static bool write_block(struct cv_merge *m, uint64_t index, uint64_t place, uint64_t first, uint64_t end, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	CV_AUTO(cv_auto_free) uint8_t *block = calloc(1, (size_t)q->cluster);

	if (!block)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t i = 0; i < q->per_block; i++)
		if (index * q->per_block + i >= first && index * q->per_block + i < end)
			cv_qcow2_put_count(block, i, q->order, 1);
	return cv_merge_qcow2_write_new(m, place, block, (size_t)q->cluster, err);
}

/* Those of the new clusters that old blocks count. */
static bool count_by_old(struct cv_merge *m, uint64_t first, uint64_t end, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t place;

	for (uint64_t at = first, upto; at < end; at = upto) {
		upto = (at / q->per_block + 1) * q->per_block < end ? (at / q->per_block + 1) * q->per_block : end;
		if (!block_at(m, at / q->per_block, &place, err) || (place && !count_range(m, at, upto, err)))
			return false;
	}
	return true;
}

/*
 * New blocks, in the order of what they count, into a table that is there: put() says where each is. A block that is counted by
 * another new one waits until that is in use.
 */
struct blocks {
	struct cv_merge *m;
	uint64_t first, end;                 /* clusters that are taken for structures */
	uint64_t next;                       /* where the next new block lies: cluster */
	cv_be64 *table;                      /* a new table; NULL: into the one that is there */
};

static bool link_block(struct blocks *b, uint64_t index, uint64_t *unsure, struct cv_err *err)
{
	struct cv_merge *m = b->m;
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t by = b->next / q->per_block;
	cv_be64 entry = cv_be64_of(b->next * q->cluster);

	if (!write_block(m, index, b->next * q->cluster, b->first, b->end, err))
		return false;
	b->next++;
	if (b->table) {
		b->table[index] = entry;
		return true;
	}
	if ((by != index && by >= *unsure) || cv_merge_is_full(m)) {
		if (!cv_merge_flush(m, err))
			return false;
		*unsure = index;
	}
	return cv_merge_set(m, CV_MERGE_POINTED, q->table_off + index * 8, &entry, sizeof entry, err);
}

static bool link_blocks(struct blocks *b, const struct plan *p, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = b->m->state;
	uint64_t unsure = p->first / q->per_block, place;

	for (uint64_t i = p->first / q->per_block; i <= (p->end - 1) / q->per_block; i++)
		if (!block_at(b->m, i, &place, err) || (!place && !link_block(b, i, &unsure, err)))
			return false;
	return true;
}

/* A longer table, with what the old one has. */
static bool new_table(struct cv_merge *m, struct blocks *b, const struct plan *p, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	struct cv_range former = { q->table_off, q->table_clusters * q->cluster };
	CV_AUTO(cv_auto_free) cv_be64 *table = calloc((size_t)p->table, (size_t)q->cluster);
	struct { cv_be64 off; cv_be32 clusters; } header = { cv_be64_of(p->first * q->cluster), cv_be32_of((uint32_t)p->table) };

	if (!table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_merge_read(m, table, (size_t)former.len, former.off, err))
		return false;
	b->table = table;
	if (!link_blocks(b, p, err) ||
	    !cv_merge_qcow2_write_new(m, p->first * q->cluster, table, (size_t)(p->table * q->cluster), err) ||
	    !cv_merge_set(m, CV_MERGE_POINTED, offsetof(struct cv_qcow2_header_disk, refcount_off), &header, 12, err) ||
	    !cv_merge_qcow2_give_back(m, former, err))
		return false;
	b->table = NULL;
	/* From the next batch on. */
	q->table_off = p->first * q->cluster;
	q->table_clusters = p->table;
	return true;
}

bool cv_merge_qcow2_reserve(struct cv_merge *m, uint64_t clusters, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;
	uint64_t file, structures;
	struct blocks b;
	struct plan p;

	if (!make_plan(m, clusters, &p, err))
		return false;
	file = p.end * q->cluster;
	if (file > m->file && (clusters || q->reach > m->file) && !cv_merge_resize(m, file, err))
		return false;
	if (m->again && !cv_merge_expect(m, p.first * q->cluster, file - p.first * q->cluster, err))
		return false;
	structures = p.table + p.blocks;
	if (!structures)
		return true;
	b = (struct blocks){ .m = m, .first = p.first, .end = p.first + structures, .next = p.first + p.table };
	if (!count_by_old(m, b.first, b.end, err) || !(p.table ? new_table(m, &b, &p, err) : link_blocks(&b, &p, err)))
		return false;
	q->next = q->counted = b.end;
	cv_merge_qcow2_advance(m);
	/* Nothing is taken before what counts it is in use. */
	return cv_merge_flush(m, err);
}
