/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Tables of a new QCOW2 file as bytes: L1, L2, snapshots, bitmap directory. What they hold was decided in
 * writer.c.
 */
#include "repair/qcow2/internal.h"
#include <stdio.h>

/* The active layer's entries say whether they may be written in place: their cluster is referred to once. */
static uint64_t with_copied(const struct cv_qcow2_writer *w, uint64_t entry, bool active)
{
	uint64_t host = entry & QCOW2_ENTRY_OFFSET;

	if (!active || !host || entry & QCOW2_ENTRY_COMPRESSED || w->counts.at[host / w->cluster_size] != 1)
		return entry;
	return entry | QCOW2_ENTRY_COPIED;
}

static bool write_l2(const struct cv_qcow2_writer *w, const struct cv_qcow2_l2 *table, cv_be64 *buf, struct cv_err *err)
{
	for (uint32_t i = 0; i < w->per_l2; i++)
		buf[i] = cv_be64_of(w->data_out ? table->entries[i] : with_copied(w, table->entries[i], table->active));
	return cv_out_write_sparse(w->out, buf, w->cluster_size, table->cluster * w->cluster_size, err);
}

static bool write_l1(const struct cv_qcow2_writer *w, const uint32_t *l1, uint64_t cluster, bool active,
		     struct cv_err *err)
{
	size_t bytes = (size_t)w->l1_entries * sizeof(cv_be64);
	CV_AUTO(cv_auto_free) cv_be64 *buf = calloc(1, bytes ? bytes : 1);

	if (!buf)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < w->l1_entries; i++)
		if (l1[i])
			buf[i] = cv_be64_of(with_copied(w, w->l2.at[l1[i] - 1].cluster * w->cluster_size, active));
	return cv_out_write_sparse(w->out, buf, bytes, cluster * w->cluster_size, err);
}

bool cv_qcow2_write_mapping(struct cv_qcow2_writer *w, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) cv_be64 *buf = malloc(w->cluster_size);

	if (!buf)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < w->l2.len; i++)
		if (w->counts.at[w->l2.at[i].cluster] && !write_l2(w, &w->l2.at[i], buf, err))
			return false;
	for (size_t i = 0; i < w->snapshots.len; i++)
		if (!write_l1(w, w->snapshots.at[i].l1, w->snapshots.at[i].cluster, false, err))
			return false;
	return write_l1(w, w->l1, w->l1_cluster, true, err);
}

static void pad8(struct cv_text *t)
{
	static const char zeros[8];

	cv_text_add_bytes(t, zeros, (8 - t->len % 8) % 8);
}

static void add_snapshot(const struct cv_qcow2_writer *w, size_t i, struct cv_text *t)
{
	const struct cv_qcow2_snapshot *s = &w->snapshots.at[i];
	const struct cv_qcow2_snapshot_extra_disk extra = {
		.vm_state_size = cv_be64_of(s->vm_state_size),
		.disk_size = cv_be64_of(w->image.size),
	};
	struct cv_qcow2_snapshot_disk d = {
		.l1_off = cv_be64_of(s->cluster * w->cluster_size),
		.l1_entries = cv_be32_of(w->l1_entries),
		.name_len = cv_be16_of((uint16_t)s->name.len),
		.seconds = cv_be32_of(s->seconds),
		.vm_clock = cv_be64_of(s->vm_state_size ? UINT64_C(3600000000000) : 0),
		.vm_state_size = cv_be32_of((uint32_t)s->vm_state_size),
		.extra_len = cv_be32_of(sizeof extra),
	};
	char id[24];
	int id_len = snprintf(id, sizeof id, "%zu", i + 1);

	d.id_len = cv_be16_of((uint16_t)id_len);
	cv_text_add_bytes(t, &d, sizeof d);
	cv_text_add_bytes(t, &extra, sizeof extra);
	cv_text_add_bytes(t, id, (size_t)id_len);
	cv_text_add_bytes(t, s->name.at, s->name.len);
	pad8(t);
}

/* Puts the bytes into new clusters. */
static bool write_new(struct cv_qcow2_writer *w, const struct cv_text *t, uint64_t *cluster, struct cv_err *err)
{
	if (t->failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_qcow2_allocate(w, cv_qcow2_clusters_for(w, t->len), cluster, err) &&
	       cv_out_write(w->out, t->at, t->len, *cluster * w->cluster_size, err);
}

bool cv_qcow2_write_snapshots(struct cv_qcow2_writer *w, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!w->snapshots.len)
		return true;
	for (size_t i = 0; i < w->snapshots.len; i++)
		add_snapshot(w, i, &t);
	w->snapshot_bytes = t.len;
	return write_new(w, &t, &w->snapshot_cluster, err);
}

/* The table of a bitmap in which no bit is set: all its entries are zero, so it takes clusters but no data. */
static bool add_bitmap(struct cv_qcow2_writer *w, const struct cv_qcow2_bitmap_new *b, struct cv_text *t,
		       struct cv_err *err)
{
	uint64_t grain = UINT64_C(1) << b->granularity_bits;
	uint64_t bits = w->image.size / grain + (w->image.size % grain != 0);
	uint64_t entries = cv_qcow2_clusters_for(w, (bits + 7) / 8), cluster = 0;
	struct cv_qcow2_bitmap_disk d = {
		.table_entries = cv_be32_of((uint32_t)entries),
		.flags = cv_be32_of(b->flags),
		.type = 1,
		.granularity_bits = b->granularity_bits,
		.name_len = cv_be16_of((uint16_t)b->name.len),
	};

	if (!cv_qcow2_allocate(w, cv_qcow2_clusters_for(w, entries * 8), &cluster, err))
		return false;
	d.table_off = cv_be64_of(cluster * w->cluster_size);
	cv_text_add_bytes(t, &d, sizeof d);
	cv_text_add_bytes(t, b->name.at, b->name.len);
	pad8(t);
	return true;
}

bool cv_qcow2_write_bitmaps(struct cv_qcow2_writer *w, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!w->image.bitmap_count)
		return true;
	for (size_t i = 0; i < w->image.bitmap_count; i++) {
		const struct cv_qcow2_bitmap_new *b = &w->image.bitmaps[i];

		if (b->granularity_bits < QCOW2_MIN_GRANULARITY_BITS ||
		    b->granularity_bits > QCOW2_MAX_GRANULARITY_BITS || !b->name.len || b->name.len > 1023)
			return cv_fail(err, CV_EUSAGE, "bitmap %zu: name or granularity is not possible", i);
		if (!add_bitmap(w, b, &t, err))
			return false;
	}
	w->directory_bytes = t.len;
	return write_new(w, &t, &w->directory_cluster, err);
}
