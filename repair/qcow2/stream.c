/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The mapping of a QCOW2 file that is written in ascending order. Counters are in stream_counts.c. */
#include "repair/qcow2/stream.h"
#include <chainview/text.h>

#define NONE UINT64_MAX

/* So many shared clusters are held before refcount blocks are written between the data. */
enum { MOST_SHARED = 1 << 12 };

static bool too_long(const struct cv_qcow2_stream *s, struct cv_err *err)
{
	return cv_fail(err, CV_ELIMIT, "a QCOW2 file with clusters of %s and counters of %u bits has at most %s",
		       cv_size_short(s->cluster_size).s, 1u << s->image.refcount_order,
		       cv_size_full(s->most * s->cluster_size).s);
}

static bool plan(struct cv_qcow2_stream *s, struct cv_err *err)
{
	uint64_t covers, most_blocks = QCOW2_MAX_REFCOUNT_TABLE / sizeof(cv_be64);

	s->cluster_size = UINT64_C(1) << s->image.cluster_bits;
	s->per_l2 = s->cluster_size / sizeof(cv_be64);
	s->guest_clusters = cv_qcow2_whole_clusters(&s->image, s->image.size);
	covers = s->per_l2 * s->cluster_size;
	s->l1_entries = s->image.size / covers + (s->image.size % covers != 0);
	if (s->l1_entries > QCOW2_MAX_L1_ENTRIES)
		return cv_fail(err, CV_ELIMIT,
			       "with clusters of %s a QCOW2 disk has at most %s: a larger cluster_size is needed",
			       cv_size_short(s->cluster_size).s, cv_size_full(QCOW2_MAX_L1_ENTRIES * covers).s);
	s->l1_clusters = cv_qcow2_whole_clusters(&s->image, s->l1_entries * sizeof(cv_be64));
	s->most = most_blocks * cv_qcow2_refcounts_for(&s->image, 0).per_block;
	if (s->most > INT32_MAX) /* QEMU does not check files with more */
		s->most = INT32_MAX;
	if (s->map_all && cv_qcow2_stream_clusters(s, 0) > s->most)
		return too_long(s, err);
	return true;
}

bool cv_qcow2_stream_begin(struct cv_qcow2_stream *s, const struct cv_file_out *out, const struct cv_qcow2_image *image,
			   bool map_all, struct cv_err *err)
{
	*s = (struct cv_qcow2_stream){ .out = out, .image = *image, .map_all = map_all, .region = NONE };
	if (!cv_qcow2_image_is_possible(image, err) || !plan(s, err))
		return false;
	s->l1 = calloc(s->l1_entries ? s->l1_entries : 1, sizeof *s->l1);
	s->l2 = malloc(s->cluster_size);
	if (!s->l1 || !s->l2)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	s->end = 1 + s->l1_clusters;
	return true;
}

uint64_t cv_qcow2_stream_clusters(const struct cv_qcow2_stream *s, uint64_t guest_clusters)
{
	uint64_t data = s->map_all ? s->guest_clusters : guest_clusters;
	uint64_t l2 = data < s->l1_entries ? data : s->l1_entries, all = 1 + s->l1_clusters + l2 + data;
	struct cv_qcow2_refcounts r = cv_qcow2_refcounts_for(&s->image, all);

	return all + r.blocks + r.table;
}

bool cv_qcow2_stream_allocate(struct cv_qcow2_stream *s, uint64_t count, uint64_t *first, struct cv_err *err)
{
	if (count > s->most - s->end)
		return too_long(s, err);
	*first = s->end;
	s->end += count;
	return true;
}

static bool leave_region(struct cv_qcow2_stream *s, struct cv_err *err)
{
	if (s->region == NONE)
		return true;
	s->region = NONE;
	return cv_out_write_sparse(s->out, s->l2, s->cluster_size, s->l2_cluster * s->cluster_size, err);
}

/* The entry of a guest cluster, in the table that maps it. */
static bool enter(struct cv_qcow2_stream *s, uint64_t guest_cluster, cv_be64 **entry, struct cv_err *err)
{
	uint64_t region = guest_cluster / s->per_l2;

	*entry = &s->l2[guest_cluster % s->per_l2];
	if (region == s->region)
		return true;
	if (region >= s->l1_entries || cv_be64_get(s->l1[region]))
		return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " does not come in ascending order, inside the disk",
			       guest_cluster);
	if (!leave_region(s, err) || !cv_qcow2_stream_allocate(s, 1, &s->l2_cluster, err))
		return false;
	memset(s->l2, 0, s->cluster_size);
	s->l1[region] = cv_be64_of(s->l2_cluster * s->cluster_size | QCOW2_ENTRY_COPIED);
	s->region = region;
	return true;
}

/* The host cluster of a guest cluster, which gets one now if it has none. */
static bool map(struct cv_qcow2_stream *s, uint64_t guest_cluster, uint64_t *cluster, struct cv_err *err)
{
	cv_be64 *entry;
	uint64_t word;

	if (!enter(s, guest_cluster, &entry, err))
		return false;
	word = cv_be64_get(*entry);
	*cluster = (word & QCOW2_ENTRY_OFFSET) / s->cluster_size;
	if (word & (QCOW2_ENTRY_COMPRESSED | QCOW2_ENTRY_ZERO))
		return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " is compressed or zero already", guest_cluster);
	if (word)
		return true;
	if (!cv_qcow2_stream_allocate(s, 1, cluster, err))
		return false;
	*entry = cv_be64_of(*cluster * s->cluster_size | QCOW2_ENTRY_COPIED);
	return true;
}

/* With map_all: those before this one that nobody asked for. */
static bool map_before(struct cv_qcow2_stream *s, uint64_t guest_cluster, struct cv_err *err)
{
	uint64_t cluster;

	if (!s->map_all)
		return true;
	for (; s->next < guest_cluster; s->next++)
		if (!map(s, s->next, &cluster, err))
			return false;
	return true;
}

bool cv_qcow2_stream_place(struct cv_qcow2_stream *s, struct cv_range range, uint64_t *host, uint64_t *run,
			   struct cv_err *err)
{
	uint64_t guest = range.off / s->cluster_size, inside = range.off % s->cluster_size, first, cluster;

	if (!map_before(s, guest, err) || !map(s, guest, &first, err))
		return false;
	*host = first * s->cluster_size + inside;
	*run = s->cluster_size - inside;
	for (uint64_t n = 1; *run < range.len && (guest + n) % s->per_l2; n++) {
		if (!map(s, guest + n, &cluster, err))
			return false;
		if (cluster != first + n)
			break;
		*run += s->cluster_size;
	}
	*run = *run < range.len ? *run : range.len;
	return true;
}

bool cv_qcow2_stream_zero(struct cv_qcow2_stream *s, struct cv_range range, struct cv_err *err)
{
	uint64_t end = range.off + range.len;
	cv_be64 *entry;

	if (s->image.version < 3 || s->map_all || range.off % s->cluster_size ||
	    (end % s->cluster_size && end != s->image.size))
		return cv_fail(err, CV_EUSAGE, "%" PRIu64 " bytes at %" PRIu64 " cannot be marked as zeros", range.len, range.off);
	for (uint64_t n = range.off / s->cluster_size; n * s->cluster_size < end; n++) {
		if (!enter(s, n, &entry, err))
			return false;
		if (cv_be64_get(*entry))
			return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " holds something already", n);
		*entry = cv_be64_of(QCOW2_ENTRY_ZERO);
	}
	return true;
}

/* Nothing more comes into the host cluster that compressed ones went to. */
static bool close_pack(struct cv_qcow2_stream *s, struct cv_err *err)
{
	struct cv_qcow2_shared shared = { s->pack_cluster, s->pack_count };

	if (s->pack_count > 1 && !cv_qcow2_shared_vec_push(&s->shared, shared))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	s->pack_count = 0;
	return true;
}

/* One more compressed cluster lies in this host cluster, which is the one that others lie in or a new one. */
static bool count_pack(struct cv_qcow2_stream *s, uint64_t cluster, struct cv_err *err)
{
	if (s->pack_count && cluster == s->pack_cluster) {
		s->pack_count++;
		return true;
	}
	if (!close_pack(s, err) || !cv_qcow2_stream_allocate(s, 1, &s->pack_cluster, err))
		return false;
	s->pack_count = 1;
	return true;
}

/* Behind the last one if it fits there, over the border of its host cluster if the next one is free. */
static bool find_pack_place(struct cv_qcow2_stream *s, size_t len, uint64_t *at, struct cv_err *err)
{
	uint64_t counter_max =
		s->image.refcount_order >= 5 ? UINT32_MAX : (UINT64_C(1) << (1u << s->image.refcount_order)) - 1;
	uint64_t left = (s->pack_cluster + 1) * s->cluster_size - s->pack_end;
	bool open = s->pack_count && left && s->pack_count < counter_max;

	*at = open && (len <= left || s->pack_cluster + 1 == s->end) ? s->pack_end : s->end * s->cluster_size;
	for (uint64_t c = *at / s->cluster_size; c <= (*at + len - 1) / s->cluster_size; c++)
		if (!count_pack(s, c, err))
			return false;
	s->pack_end = *at + len;
	return true;
}

bool cv_qcow2_stream_pack(struct cv_qcow2_stream *s, uint64_t guest_cluster, const void *packed, size_t len,
			  struct cv_err *err)
{
	unsigned offset_bits = 62 - (s->image.cluster_bits - 8);
	uint64_t at, sectors;
	cv_be64 *entry;

	if (s->shared.len >= MOST_SHARED && !cv_qcow2_stream_write_blocks(s, s->pack_cluster, err))
		return false;
	if (!enter(s, guest_cluster, &entry, err))
		return false;
	if (cv_be64_get(*entry) || s->map_all || !len || len >= s->cluster_size)
		return cv_fail(err, CV_EUSAGE, "cluster %" PRIu64 " cannot be compressed", guest_cluster);
	if (!find_pack_place(s, len, &at, err))
		return false;
	sectors = (at + len - 1) / 512 - at / 512;
	*entry = cv_be64_of(QCOW2_ENTRY_COMPRESSED | sectors << offset_bits | at);
	return cv_out_write(s->out, packed, len, at, err);
}

bool cv_qcow2_stream_end(struct cv_qcow2_stream *s, struct cv_err *err)
{
	struct cv_qcow2_tables tables = { .l1_off = s->cluster_size, .l1_entries = (uint32_t)s->l1_entries };
	uint64_t extension_off, name_off;

	return map_before(s, s->guest_clusters, err) && leave_region(s, err) && close_pack(s, err) &&
	       cv_qcow2_stream_write_counts(s, &tables, err) &&
	       cv_out_write_sparse(s->out, s->l1, s->l1_entries * sizeof *s->l1, tables.l1_off, err) &&
	       cv_out_resize(s->out, s->end * s->cluster_size, err) &&
	       cv_qcow2_write_head(s->out, &s->image, &tables, &extension_off, &name_off, err);
}

void cv_qcow2_stream_fini(struct cv_qcow2_stream *s)
{
	free(s->l1);
	free(s->l2);
	free(s->shared.at);
	free(s->blocks.at);
	*s = (struct cv_qcow2_stream){ 0 };
}
