/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who points to which cluster of a QCOW2 file: header, refcounts, active tables, internal snapshots, bitmaps, LUKS
 * (specification: QEMU's docs/interop/qcow2). Bytes are attributed by whole clusters: one that holds several
 * compressed clusters counts for the strongest of them.
 */
#include "inspect/space/space_qcow2.h"

#define CHUNK 4096u                          /* entries that are read at once */

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

/* One run of reading a table of 64-bit numbers. What the file does not have reads as zero. */
struct table {
	uint64_t off, entries, first;
	size_t have;
	uint64_t word[CHUNK];
	cv_be64 raw[CHUNK];
};

static bool next_chunk(struct cv_space_host *h, struct table *t, struct cv_err *err)
{
	uint64_t at = t->off + t->first * 8, left = t->entries - t->first, size = h->layer->source->size;
	uint64_t room = at < size ? (size - at) / 8 : 0;

	t->have = (size_t)(left < CHUNK ? left : CHUNK);
	if (room < t->have)
		t->have = (size_t)room;
	if (!t->have)
		return true;
	if (!cv_source_read(h->layer->source, t->raw, t->have * 8, at, err))
		return cv_wrap(err, "while reading a table at 0x%" PRIx64, at);
	for (size_t i = 0; i < t->have; i++)
		t->word[i] = cv_be64_get(t->raw[i]);
	return true;
}

/* Goes through a table; each is called for every entry that is not zero. */
typedef bool each_entry(struct cv_space_host *h, uint64_t index, uint64_t word, void *ctx, struct cv_err *err);

static bool for_table(struct cv_space_host *h, uint64_t off, uint64_t entries, each_entry *each, void *ctx,
		      struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct table *t = malloc(sizeof *t);

	if (!t)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	t->off = off;
	t->entries = entries;
	for (t->first = 0; t->first < entries; t->first += t->have) {
		if (!next_chunk(h, t, err))
			return false;
		if (!t->have)
			break;
		for (size_t i = 0; i < t->have; i++)
			if (t->word[i] && !each(h, t->first + i, t->word[i], ctx, err))
				return false;
	}
	return true;
}

/* One walk of the tables of the disk or of a snapshot. */
struct walk {
	enum cv_claim_class tables, data;
	uint64_t left;           /* L2 tables that may still be read: more than are on disk cannot be different ones */
};

static bool l2_entry(struct cv_space_host *h, uint64_t index, uint64_t word, void *ctx, struct cv_err *err)
{
	const struct cv_qcow2_map *m = state_of(h)->map;
	const struct walk *w = ctx;
	struct cv_range packed;

	if (m->tables.words_per_entry == 2 && index % 2)
		return true;
	if (word & QCOW2_L2_COMPRESSED) {
		packed = cv_qcow2_packed(m, word);
		return claim(h, w->data, packed.off, packed.len, err);
	}
	if (m->data_file || !(word & QCOW2_ENTRY_OFFSET) || word & QCOW2_ENTRY_OFFSET & (m->cluster - 1))
		return true;
	return claim(h, w->data, word & QCOW2_ENTRY_OFFSET, m->cluster, err);
}

static bool l1_entry(struct cv_space_host *h, uint64_t index, uint64_t word, void *ctx, struct cv_err *err)
{
	const struct cv_qcow2_map *m = state_of(h)->map;
	uint64_t off = word & QCOW2_ENTRY_OFFSET;
	struct walk *w = ctx;

	(void)index;
	if (!off || off & (m->cluster - 1) || off >= h->layer->source->size)
		return true;
	if (!claim(h, w->tables, off, m->cluster, err))
		return false;
	/* A table of which nothing is on disk holds zeros only. */
	if (!cv_space_on_disk(&h->disk, (struct cv_range){ off, m->cluster }))
		return true;
	if (!w->left--)
		return cv_fail(err, CV_EFORMAT, "more L2 tables than the file can hold");
	return for_table(h, off, m->cluster / 8, l2_entry, w, err);
}

static bool claim_tables(struct cv_space_host *h, uint64_t l1_off, uint64_t l1_entries, enum cv_claim_class tables,
			 enum cv_claim_class data, struct cv_err *err)
{
	struct walk w = { tables, data, 0 };
	uint64_t cluster = state_of(h)->map->cluster;

	if (l1_off % cluster || l1_entries > QCOW2_MAX_L1_ENTRIES)
		return true;
	w.left = cv_space_on_disk(&h->disk, (struct cv_range){ 0, h->layer->source->size }) / 512 + 1;
	return claim(h, tables, l1_off, l1_entries * 8, err) &&
	       for_table(h, l1_off, l1_entries, l1_entry, &w, err);
}

static bool refcount_block(struct cv_space_host *h, uint64_t index, uint64_t word, void *ctx, struct cv_err *err)
{
	struct cv_space_qcow2 *q = state_of(h);

	(void)ctx;
	if (!(word & QCOW2_ENTRY_OFFSET))
		return true;
	q->blocks++;
	q->last_block = index + 1;
	return claim(h, CV_CLAIM_METADATA, word & QCOW2_ENTRY_OFFSET, q->map->cluster, err);
}

static bool claim_refcounts(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_space_qcow2 *q = state_of(h);
	uint64_t bytes = q->h.refcount_clusters * q->map->cluster;

	q->blocks = q->last_block = 0;
	if (bytes > QCOW2_MAX_REFCOUNT_TABLE)
		return true;
	return claim(h, CV_CLAIM_METADATA, q->h.refcount_off, bytes, err) &&
	       for_table(h, q->h.refcount_off, bytes / 8, refcount_block, NULL, err);
}

static bool claim_snapshots(struct cv_space_host *h, struct cv_err *err)
{
	const struct cv_space_qcow2 *q = state_of(h);
	struct cv_source *s = h->layer->source;
	uint64_t at = q->h.snapshot_off, first = at;
	struct cv_qcow2_snapshot_disk d;

	for (uint32_t i = 0; i < q->h.snapshot_count && i < QCOW2_MAX_SNAPSHOTS; i++) {
		if (!cv_range_inside((struct cv_range){ at, sizeof d }, s->size))
			break;
		if (!cv_source_read(s, &d, sizeof d, at, err))
			return cv_wrap(err, "while reading the snapshot table");
		if (!claim_tables(h, cv_be64_get(d.l1_off), cv_be32_get(d.l1_entries), CV_CLAIM_SNAPSHOT,
				  CV_CLAIM_SNAPSHOT, err))
			return cv_wrap(err, "internal snapshot %" PRIu32, i);
		at += sizeof d + cv_be32_get(d.extra_len) + cv_be16_get(d.id_len) + cv_be16_get(d.name_len);
		at = (at + 7) / 8 * 8;
	}
	return claim(h, CV_CLAIM_METADATA, first, at - first, err);
}

static bool bitmap_cluster(struct cv_space_host *h, uint64_t index, uint64_t word, void *ctx, struct cv_err *err)
{
	(void)index;
	(void)ctx;
	return !(word & QCOW2_ENTRY_OFFSET) ||
	       claim(h, CV_CLAIM_METADATA, word & QCOW2_ENTRY_OFFSET, state_of(h)->map->cluster, err);
}

static bool claim_bitmaps(struct cv_space_host *h, struct cv_err *err)
{
	const struct cv_space_qcow2 *q = state_of(h);
	struct cv_source *s = h->layer->source;
	struct cv_qcow2_bitmaps_disk list;
	struct cv_qcow2_bitmap_disk d;
	uint64_t at, end;

	if (q->ext.bitmaps.len < sizeof list)
		return true;
	if (!cv_source_read(s, &list, sizeof list, q->ext.bitmaps.off, err))
		return cv_wrap(err, "while reading the bitmaps extension");
	at = cv_be64_get(list.directory_off);
	if (__builtin_add_overflow(at, cv_be64_get(list.directory_size), &end) || end > s->size ||
	    end - at > QCOW2_MAX_BITMAP_DIRECTORY)
		return true;
	if (!claim(h, CV_CLAIM_METADATA, at, end - at, err))
		return false;
	for (uint32_t i = 0; i < cv_be32_get(list.count) && end - at >= sizeof d && at < end; i++) {
		if (!cv_source_read(s, &d, sizeof d, at, err))
			return cv_wrap(err, "while reading the bitmap directory");
		if (!claim(h, CV_CLAIM_METADATA, cv_be64_get(d.table_off), (uint64_t)cv_be32_get(d.table_entries) * 8,
			   err) ||
		    !for_table(h, cv_be64_get(d.table_off), cv_be32_get(d.table_entries), bitmap_cluster, NULL, err))
			return false;
		at += (sizeof d + (uint64_t)cv_be32_get(d.extra_len) + cv_be16_get(d.name_len) + 7) / 8 * 8;
	}
	return true;
}

static bool claim_luks(struct cv_space_host *h, struct cv_err *err)
{
	const struct cv_space_qcow2 *q = state_of(h);
	struct cv_qcow2_luks_disk d;

	if (q->ext.luks.len < sizeof d)
		return true;
	if (!cv_source_read(h->layer->source, &d, sizeof d, q->ext.luks.off, err))
		return cv_wrap(err, "while reading the LUKS extension");
	return claim(h, CV_CLAIM_METADATA, cv_be64_get(d.off), cv_be64_get(d.length), err);
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

/* Counters of less than a byte begin at its lowest bits, wider ones are big-endian. */
bool cv_space_qcow2_refcount(struct cv_space_host *h, uint64_t cluster, uint64_t *count, struct cv_err *err)
{
	struct cv_space_qcow2 *q = state_of(h);
	uint64_t covers = cv_space_qcow2_covers(q), i = cluster % covers;
	unsigned bits = 1u << q->h.refcount_order;

	*count = 0;
	if (!hold_block(h, cluster / covers, err))
		return false;
	if (!q->block_at)
		return true;
	if (bits < 8) {
		*count = q->block[i * bits / 8] >> i * bits % 8 & ((1u << bits) - 1);
		return true;
	}
	for (unsigned b = 0; b < bits / 8; b++)
		*count = *count << 8 | q->block[i * (bits / 8) + b];
	return true;
}

/* A cluster with a count that nobody holds is lost; without one it will be used again. */
static bool lost(struct cv_space_host *h, struct cv_range *gap, bool *is_lost, struct cv_err *err)
{
	uint64_t cluster = state_of(h)->map->cluster, n = gap->off / cluster, count, end = gap->off + gap->len;

	if (!cv_space_qcow2_refcount(h, n, &count, err))
		return false;
	*is_lost = count != 0;
	while (++n * cluster < end) {
		if (!cv_space_qcow2_refcount(h, n, &count, err))
			return false;
		if ((count != 0) != *is_lost)
			break;
	}
	if (n * cluster < end)
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
