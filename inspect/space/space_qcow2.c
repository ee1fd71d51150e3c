/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who points to which cluster of a QCOW2 file: header, refcounts, active tables, internal snapshots, bitmaps, LUKS
 * (specification: QEMU's docs/interop/qcow2). Bytes are attributed by whole clusters: one that holds several
 * compressed clusters counts for the strongest of them.
 */
#include "inspect/space/space_qcow2.h"

/* Numbers in all tables of one image; 2 GiB of them. */
#define MOST_WORDS (UINT64_C(1) << 28)

static struct cv_space_qcow2 *state_of(struct cv_space_host *h)
{
	return h->state;
}

static struct cv_range whole_clusters(const struct cv_qcow2_map *m, struct cv_range r)
{
	uint64_t mask = m->cluster - 1, end = (r.off + r.len + mask) & ~mask;

	r.off &= ~mask;
	r.len = end - r.off;
	return r;
}

static bool claim(struct cv_space_host *h, enum cv_claim_class class, uint64_t off, uint64_t len, struct cv_err *err)
{
	struct cv_range r = { off, len };

	if (!len || !cv_range_inside(r, INT64_MAX))
		return true;
	return cv_space_claim(&h->account, class, h->exact ? r : whole_clusters(state_of(h)->map, r), err);
}

/* One walk of the tables of the disk or of a snapshot. */
struct walk {
	struct cv_space_host *h;
	enum cv_claim_class tables, data;
	uint64_t left;           /* L2 tables that may still be read: more than are on disk cannot be different ones */
	uint64_t words;
};

static bool l2_entry(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	const struct walk *w = ctx;
	const struct cv_qcow2_map *m = state_of(w->h)->map;
	struct cv_range packed;

	if (m->tables.words_per_entry == 2 && index % 2)
		return true;
	if (word & QCOW2_L2_COMPRESSED) {
		packed = cv_qcow2_packed(m, word);
		return claim(w->h, w->data, packed.off, packed.len, err);
	}
	if (m->data_file || !(word & QCOW2_ENTRY_OFFSET) || word & QCOW2_ENTRY_OFFSET & (m->cluster - 1))
		return true;
	return claim(w->h, w->data, word & QCOW2_ENTRY_OFFSET, m->cluster, err);
}

static bool l1_entry(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	struct walk *w = ctx;
	const struct cv_qcow2_map *m = state_of(w->h)->map;
	struct cv_source *source = w->h->layer->source;
	uint64_t off = word & QCOW2_ENTRY_OFFSET;

	(void)index;
	if (!off || off & (m->cluster - 1) || off >= source->size)
		return true;
	if (!claim(w->h, w->tables, off, m->cluster, err))
		return false;
	/* A table of which nothing is on disk holds zeros only. */
	if (!cv_space_on_disk(&w->h->disk, (struct cv_range){ off, m->cluster }))
		return true;
	if (!w->left--)
		return cv_fail(err, CV_EFORMAT, "more L2 tables than the file can hold");
	return cv_qcow2_words(source, off, m->cluster / 8, &w->words, l2_entry, w, err);
}

static bool claim_tables(struct cv_space_host *h, uint64_t l1_off, uint64_t l1_entries, enum cv_claim_class tables,
			 enum cv_claim_class data, struct cv_err *err)
{
	struct walk w = { h, tables, data, 0, UINT64_MAX };
	uint64_t cluster = state_of(h)->map->cluster;

	if (l1_off % cluster || l1_entries > QCOW2_MAX_L1_ENTRIES)
		return true;
	w.left = cv_space_on_disk(&h->disk, (struct cv_range){ 0, h->layer->source->size }) / 512 + 1;
	return claim(h, tables, l1_off, l1_entries * 8, err) &&
	       cv_qcow2_words(h->layer->source, l1_off, l1_entries, &w.words, l1_entry, &w, err);
}

static bool refcount_block(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	struct cv_space_host *h = ctx;
	struct cv_space_qcow2 *q = state_of(h);

	if (!(word & QCOW2_ENTRY_OFFSET))
		return true;
	q->blocks++;
	q->last_block = index + 1;
	return claim(h, CV_CLAIM_METADATA, word & QCOW2_ENTRY_OFFSET, q->map->cluster, err);
}

static bool claim_refcounts(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_space_qcow2 *q = state_of(h);
	uint64_t bytes = q->h.refcount_clusters * q->map->cluster, words = MOST_WORDS;

	q->blocks = q->last_block = 0;
	if (bytes > QCOW2_MAX_REFCOUNT_TABLE)
		return true;
	return claim(h, CV_CLAIM_METADATA, q->h.refcount_off, bytes, err) &&
	       cv_qcow2_words(h->layer->source, q->h.refcount_off, bytes / 8, &words, refcount_block, h, err);
}

static bool claim_snapshot(void *ctx, const struct cv_qcow2_snapshot *s, struct cv_err *err)
{
	return claim_tables(ctx, s->l1_off, s->l1_entries, CV_CLAIM_SNAPSHOT, CV_CLAIM_SNAPSHOT, err);
}

static bool claim_snapshots(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_range table;

	return cv_qcow2_snapshots(h->layer->source, &state_of(h)->h, claim_snapshot, h, &table, err) &&
	       claim(h, CV_CLAIM_METADATA, table.off, table.len, err);
}

static bool bitmap_cluster(void *ctx, uint64_t index, uint64_t word, struct cv_err *err)
{
	struct cv_space_host *h = ctx;

	(void)index;
	return !(word & QCOW2_ENTRY_OFFSET) ||
	       claim(h, CV_CLAIM_METADATA, word & QCOW2_ENTRY_OFFSET, state_of(h)->map->cluster, err);
}

static bool claim_bitmap(void *ctx, const struct cv_qcow2_bitmap *b, struct cv_err *err)
{
	struct cv_space_host *h = ctx;
	uint64_t words = MOST_WORDS;

	return claim(h, CV_CLAIM_METADATA, b->table_off, b->table_entries * 8, err) &&
	       cv_qcow2_words(h->layer->source, b->table_off, b->table_entries, &words, bitmap_cluster, h, err);
}

static bool claim_bitmaps(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_range directory;

	return cv_qcow2_bitmaps(h->layer->source, &state_of(h)->ext, claim_bitmap, h, &directory, err) &&
	       claim(h, CV_CLAIM_METADATA, directory.off, directory.len, err);
}

static bool claim_luks(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_range area;

	return cv_qcow2_luks(h->layer->source, &state_of(h)->ext, &area, err) &&
	       claim(h, CV_CLAIM_METADATA, area.off, area.len, err);
}

static bool read_header(struct cv_space_qcow2 *q, struct cv_source *source, struct cv_err *err)
{
	struct cv_qcow2_reading r = { .source = source, .facts = cv_facts_new() };
	bool usable = false, ok;

	if (!r.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = cv_qcow2_read_header(&r, &usable, err) && (!usable || cv_qcow2_read_extensions(&r, err));
	cv_facts_free(r.facts);
	q->h = r.h;
	q->ext = r.ext;
	if (ok && (!usable || r.h.refcount_order > QCOW2_MAX_REFCOUNT_ORDER))
		return cv_fail(err, CV_EFORMAT, "its header is not one of QCOW2 that could be used");
	return ok;
}

static bool claim_all(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_space_qcow2 *q = calloc(1, sizeof *q);

	if (!q)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	h->state = q;
	q->map = h->layer->state;
	q->block_index = UINT64_MAX;
	if (!read_header(q, h->layer->source, err))
		return false;
	return claim(h, CV_CLAIM_METADATA, 0, 1, err) && claim_refcounts(h, err) &&
	       claim_tables(h, q->h.l1_off, q->h.l1_entries, CV_CLAIM_METADATA, CV_CLAIM_OWNED, err) &&
	       claim_snapshots(h, err) && claim_bitmaps(h, err) && claim_luks(h, err);
}

static void close_host(struct cv_space_host *h)
{
	struct cv_space_qcow2 *q = state_of(h);

	if (q)
		free(q->block);
	free(q);
}

static void rest(struct cv_space_host *h)
{
	struct cv_space_qcow2 *q = state_of(h);

	free(q->block);
	q->block = NULL;
	q->block_at = 0;
	q->block_index = UINT64_MAX;
}

uint64_t cv_space_qcow2_covers(const struct cv_space_qcow2 *q)
{
	return q->map->cluster * 8 >> q->h.refcount_order;
}

/* Holds the block with this index; block_at 0: there is none. */
static bool hold_block(struct cv_space_host *h, uint64_t index, struct cv_err *err)
{
	struct cv_space_qcow2 *q = state_of(h);
	uint64_t size = h->layer->source->size, at = q->h.refcount_off + index * 8;
	cv_be64 disk;

	if (q->block_index == index)
		return true;
	q->block_index = UINT64_MAX;
	q->block_at = 0;
	if (!q->block)
		q->block = malloc((size_t)q->map->cluster);
	if (!q->block)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (index < q->h.refcount_clusters * q->map->cluster / 8 && cv_range_inside((struct cv_range){ at, 8 }, size)) {
		if (!cv_source_read(h->layer->source, &disk, sizeof disk, at, err))
			return cv_wrap(err, "while reading the refcount table");
		at = cv_be64_get(disk) & QCOW2_ENTRY_OFFSET;
		if (at && cv_range_inside((struct cv_range){ at, q->map->cluster }, size)) {
			if (!cv_source_read(h->layer->source, q->block, (size_t)q->map->cluster, at, err))
				return cv_wrap(err, "while reading a refcount block");
			q->block_at = at;
		}
	}
	q->block_index = index;
	return true;
}

bool cv_space_qcow2_refcount(struct cv_space_host *h, uint64_t cluster, uint64_t *count, struct cv_err *err)
{
	struct cv_space_qcow2 *q = state_of(h);
	uint64_t covers = cv_space_qcow2_covers(q);

	*count = 0;
	if (!hold_block(h, cluster / covers, err))
		return false;
	if (q->block_at)
		*count = cv_qcow2_counter(q->block, q->h.refcount_order, cluster % covers);
	return true;
}

/* The cluster behind n from which on the refcount may be another than that of n: where no block holds them they are all
 * zero. */
static uint64_t next_counted(const struct cv_space_qcow2 *q, uint64_t n)
{
	uint64_t covers = cv_space_qcow2_covers(q), block = n / covers;

	if (q->block_at)
		return n + 1;
	if (block >= q->h.refcount_clusters * q->map->cluster / 8)
		return UINT64_MAX;
	return (block + 1) * covers;
}

/* A cluster with a count that nobody holds is lost; without one it will be used again. */
static bool lost(struct cv_space_host *h, struct cv_range *gap, bool *is_lost, struct cv_err *err)
{
	const struct cv_space_qcow2 *q = state_of(h);
	uint64_t cluster = q->map->cluster, n = gap->off / cluster, count, end = (gap->off + gap->len - 1) / cluster + 1;

	if (!cv_space_qcow2_refcount(h, n, &count, err))
		return false;
	*is_lost = count != 0;
	while ((n = next_counted(q, n)) < end) {
		if (!cv_space_qcow2_refcount(h, n, &count, err))
			return false;
		if ((count != 0) != *is_lost)
			break;
	}
	if (n < end)
		gap->len = n * cluster - gap->off;
	return true;
}

static bool packed(struct cv_space_host *h, const struct cv_extent *e, struct cv_range *bytes, struct cv_err *err)
{
	struct cv_qcow2_map *m = h->layer->state;
	uint64_t entry;

	if (!cv_qcow_tables_entry(&m->tables, e->at.off, &entry, err))
		return false;
	*bytes = whole_clusters(m, cv_qcow2_packed(m, entry));
	return true;
}

bool cv_space_qcow2_l1(struct cv_space_host *h, uint64_t guest, uint64_t *entry, struct cv_err *err)
{
	const struct cv_qcow2_map *m = h->layer->state;
	uint64_t index = guest >> (m->tables.cluster_bits + m->tables.l2_bits);
	struct cv_range at = { m->tables.l1_off + index * 8, 8 };
	cv_be64 disk;

	*entry = 0;
	if (index >= m->tables.l1_entries || !cv_range_inside(at, h->layer->source->size))
		return true;
	if (!cv_source_read(h->layer->source, &disk, sizeof disk, at.off, err))
		return cv_wrap(err, "while reading the L1 table");
	*entry = cv_be64_get(disk);
	return true;
}

const struct cv_space_host_ops cv_space_host_qcow2 = { CV_FORMAT_QCOW2, claim_all, packed, lost, close_host, rest };
