/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The mapping of a new QCOW2 file while it grows: which cluster holds what, how often it is referred to, what a
 * snapshot froze. Writes guest data; the tables are written by tables.c and refcounts.c.
 */
#include "repair/qcow2/internal.h"

/* A new file has no more clusters than this: what QEMU can count, and far below what would not fit in memory. */
#define MOST_CLUSTERS (UINT64_C(1) << 28)

static bool no_memory(struct cv_err *err)
{
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_qcow2_allocate(struct cv_qcow2_writer *w, uint64_t count, uint64_t *first, struct cv_err *err)
{
	*first = w->counts.len;
	if (count > MOST_CLUSTERS - w->counts.len)
		return cv_fail(err, CV_ELIMIT, "more than %" PRIu64 " clusters", MOST_CLUSTERS);
	for (uint64_t i = 0; i < count; i++)
		if (!cv_qcow2_count_vec_push(&w->counts, 1))
			return no_memory(err);
	return true;
}

static uint32_t l1_entries_for(const struct cv_qcow2_writer *w, uint64_t bytes)
{
	uint64_t each = w->per_l2 * w->cluster_size;

	return (uint32_t)(bytes / each + (bytes % each != 0));
}

bool cv_qcow2_begin(struct cv_qcow2_writer *w, const struct cv_file_out *out, const struct cv_file_out *data_out,
		    const struct cv_qcow2_image *image, struct cv_err *err)
{
	uint64_t first;

	*w = (struct cv_qcow2_writer){ .out = out, .data_out = data_out, .image = *image };
	if (!cv_qcow2_image_is_possible(image, err))
		return false;
	w->cluster_size = UINT64_C(1) << image->cluster_bits;
	w->per_l2 = (uint32_t)(w->cluster_size / 8);
	if (image->size / w->cluster_size / w->per_l2 > QCOW2_MAX_L1_ENTRIES / 2)
		return cv_fail(err, CV_EUSAGE, "%" PRIu64 " bytes are too many for clusters of %" PRIu64, image->size,
			       w->cluster_size);
	w->disk_l1_entries = l1_entries_for(w, image->size);
	w->l1_entries = w->disk_l1_entries + l1_entries_for(w, image->vm_state_room);
	w->l1 = calloc(w->l1_entries ? w->l1_entries : 1, sizeof *w->l1);
	if (!w->l1)
		return no_memory(err);
	return cv_qcow2_allocate(w, 1, &first, err) &&
	       cv_qcow2_allocate(w, cv_qcow2_clusters_for(w, (uint64_t)w->l1_entries * 8), &w->l1_cluster, err);
}

uint64_t cv_qcow2_vm_state_cluster(const struct cv_qcow2_writer *w)
{
	return (uint64_t)w->disk_l1_entries * w->per_l2;
}

static bool new_l2(struct cv_qcow2_writer *w, const uint64_t *from, uint32_t *slot, struct cv_err *err)
{
	struct cv_qcow2_l2 t = { .entries = calloc(w->per_l2, sizeof *t.entries), .active = true };

	if (!t.entries)
		return no_memory(err);
	if (from)
		memcpy(t.entries, from, w->per_l2 * sizeof *from);
	if (!cv_qcow2_allocate(w, 1, &t.cluster, err) || !cv_qcow2_l2_vec_push(&w->l2, t)) {
		free(t.entries);
		return err->code != CV_OK ? false : no_memory(err);
	}
	*slot = (uint32_t)w->l2.len;
	return true;
}

/* The L2 table for a guest cluster, made or copied so that it may be changed. */
static bool own_l2(struct cv_qcow2_writer *w, uint64_t guest_cluster, struct cv_qcow2_l2 **table, struct cv_err *err)
{
	uint64_t i = guest_cluster / w->per_l2;
	struct cv_qcow2_l2 *old;

	if (i >= w->l1_entries)
		return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " lies behind the end of the disk", guest_cluster);
	old = w->l1[i] ? &w->l2.at[w->l1[i] - 1] : NULL;
	if (!old && !new_l2(w, NULL, &w->l1[i], err))
		return false;
	if (old && w->counts.at[old->cluster] > 1) {
		size_t at = w->l1[i] - 1;

		w->counts.at[old->cluster]--;
		if (!new_l2(w, old->entries, &w->l1[i], err))
			return false;
		w->l2.at[at].active = false;
	}
	*table = &w->l2.at[w->l1[i] - 1];
	return true;
}

static unsigned packed_bits(const struct cv_qcow2_writer *w)
{
	return 62 - (w->image.cluster_bits - 8);
}

/* The place of the cluster, or of the one that its compressed bytes are in; 0: none. */
static uint64_t host_of(const struct cv_qcow2_writer *w, uint64_t entry)
{
	if (entry & QCOW2_ENTRY_COMPRESSED)
		return entry & ((UINT64_C(1) << packed_bits(w)) - 1) & ~(w->cluster_size - 1);
	return entry & QCOW2_ENTRY_OFFSET;
}

/* Where the data goes: in place if nobody else refers to it, else a new cluster. */
static bool own_data(struct cv_qcow2_writer *w, uint64_t guest_cluster, uint64_t *entry, struct cv_err *err)
{
	uint64_t host = host_of(w, *entry), cluster;

	if (w->data_out) {
		*entry = guest_cluster * w->cluster_size;
		return true;
	}
	if (host && !(*entry & QCOW2_ENTRY_COMPRESSED) && w->counts.at[host / w->cluster_size] == 1) {
		*entry = host;
		return true;
	}
	if (!cv_qcow2_allocate(w, 1, &cluster, err))
		return false;
	if (host)
		w->counts.at[host / w->cluster_size]--;
	*entry = cluster * w->cluster_size;
	return true;
}

bool cv_qcow2_put(struct cv_qcow2_writer *w, uint64_t guest_cluster, const void *data, struct cv_err *err)
{
	struct cv_qcow2_l2 *table;
	uint64_t *entry;

	if (!own_l2(w, guest_cluster, &table, err))
		return false;
	entry = &table->entries[guest_cluster % w->per_l2];
	if (!own_data(w, guest_cluster, entry, err))
		return false;
	if (w->data_out) {
		/* Host offset 0 is a cluster like any other there; the COPIED bit tells it from "none". */
		uint64_t at = *entry;

		*entry |= QCOW2_ENTRY_COPIED;
		return cv_out_write_sparse(w->data_out, data, w->cluster_size, at, err);
	}
	return cv_out_write_sparse(w->out, data, w->cluster_size, *entry, err);
}

bool cv_qcow2_put_zero(struct cv_qcow2_writer *w, uint64_t guest_cluster, struct cv_err *err)
{
	struct cv_qcow2_l2 *table;
	uint64_t *entry, host;

	if (w->image.version < 3)
		return cv_fail(err, CV_EUSAGE, "version 2 has no zero clusters");
	if (!own_l2(w, guest_cluster, &table, err))
		return false;
	entry = &table->entries[guest_cluster % w->per_l2];
	host = host_of(w, *entry);
	if (host && !w->data_out)
		w->counts.at[host / w->cluster_size]--;
	*entry = QCOW2_ENTRY_ZERO;
	return true;
}

/* The one before may have left room in its cluster. */
static bool place_packed(struct cv_qcow2_writer *w, size_t len, uint64_t *at, struct cv_err *err)
{
	uint64_t used = w->pack_end % w->cluster_size, cluster;

	if (used && len <= w->cluster_size - used) {
		w->counts.at[w->pack_end / w->cluster_size]++;
		*at = w->pack_end;
	} else if (cv_qcow2_allocate(w, 1, &cluster, err)) {
		*at = cluster * w->cluster_size;
	} else {
		return false;
	}
	w->pack_end = *at + len;
	return true;
}

bool cv_qcow2_put_packed(struct cv_qcow2_writer *w, uint64_t guest_cluster, const void *packed, size_t len, struct cv_err *err)
{
	struct cv_qcow2_l2 *table;
	uint64_t *entry, at;

	if (w->data_out || !len || len >= w->cluster_size)
		return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " cannot be compressed", guest_cluster);
	if (!own_l2(w, guest_cluster, &table, err))
		return false;
	entry = &table->entries[guest_cluster % w->per_l2];
	if (*entry & ~QCOW2_ENTRY_ZERO)
		return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " was put before", guest_cluster);
	if (!place_packed(w, len, &at, err))
		return false;
	*entry = QCOW2_ENTRY_COMPRESSED | ((at + len - 1) / 512 - at / 512) << packed_bits(w) | at;
	return cv_out_write(w->out, packed, len, at, err);
}

/* One more (or one less) reference to a table and to all that it points to. */
static void count_l2(struct cv_qcow2_writer *w, const struct cv_qcow2_l2 *table, int by)
{
	w->counts.at[table->cluster] += (uint32_t)by;
	for (uint32_t i = 0; i < w->per_l2 && !w->data_out; i++) {
		uint64_t host = host_of(w, table->entries[i]);

		if (host)
			w->counts.at[host / w->cluster_size] += (uint32_t)by;
	}
}

/* The state belongs to the snapshot alone; the running guest has no use for it. */
static void drop_vm_state(struct cv_qcow2_writer *w)
{
	for (uint32_t i = w->disk_l1_entries; i < w->l1_entries; i++) {
		if (!w->l1[i])
			continue;
		w->l2.at[w->l1[i] - 1].active = false;
		count_l2(w, &w->l2.at[w->l1[i] - 1], -1);
		w->l1[i] = 0;
	}
}

bool cv_qcow2_snapshot(struct cv_qcow2_writer *w, struct cv_bytes name, uint32_t seconds, uint64_t vm_state_size,
		       struct cv_err *err)
{
	size_t bytes = (w->l1_entries ? w->l1_entries : 1) * sizeof *w->l1;
	struct cv_qcow2_snapshot s = {
		.name = name,
		.seconds = seconds,
		.vm_state_size = vm_state_size,
		.l1 = malloc(bytes),
	};

	if (!s.l1)
		return no_memory(err);
	memcpy(s.l1, w->l1, bytes);
	if (w->image.data_file.len || w->snapshots.len >= 1000 || name.len > UINT16_MAX ||
	    !cv_qcow2_allocate(w, cv_qcow2_clusters_for(w, (uint64_t)w->l1_entries * 8), &s.cluster, err) ||
	    !cv_qcow2_snapshot_vec_push(&w->snapshots, s)) {
		free(s.l1);
		return err->code != CV_OK ? false : cv_fail(err, CV_EUSAGE, "this image cannot have one more snapshot");
	}
	for (uint32_t i = 0; i < w->l1_entries; i++)
		if (w->l1[i])
			count_l2(w, &w->l2.at[w->l1[i] - 1], 1);
	drop_vm_state(w);
	return true;
}

static bool write_head(struct cv_qcow2_writer *w, struct cv_err *err)
{
	const struct cv_qcow2_tables tables = {
		.l1_off = w->l1_cluster * w->cluster_size,
		.l1_entries = w->l1_entries,
		.refcount_off = w->refcount_cluster * w->cluster_size,
		.refcount_clusters = (uint32_t)w->refcount_clusters,
		.snapshot_off = w->snapshots.len ? w->snapshot_cluster * w->cluster_size : 0,
		.snapshot_count = (uint32_t)w->snapshots.len,
		.directory_off = w->directory_cluster * w->cluster_size,
		.directory_bytes = w->directory_bytes,
	};

	return cv_qcow2_write_head(w->out, &w->image, &tables, &w->extension_off, &w->name_off, err);
}

bool cv_qcow2_end(struct cv_qcow2_writer *w, struct cv_err *err)
{
	return cv_qcow2_write_mapping(w, err) && cv_qcow2_write_snapshots(w, err) && cv_qcow2_write_bitmaps(w, err) &&
	       cv_qcow2_write_refcounts(w, err) && cv_out_resize(w->out, w->counts.len * w->cluster_size, err) &&
	       (!w->data_out || cv_out_resize(w->data_out, w->image.size, err)) && write_head(w, err);
}

void cv_qcow2_fini(struct cv_qcow2_writer *w)
{
	for (size_t i = 0; i < w->l2.len; i++)
		free(w->l2.at[i].entries);
	for (size_t i = 0; i < w->snapshots.len; i++)
		free(w->snapshots.at[i].l1);
	free(w->l2.at);
	free(w->snapshots.at);
	free(w->counts.at);
	free(w->l1);
	*w = (struct cv_qcow2_writer){ 0 };
}
