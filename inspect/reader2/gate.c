/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The table of the gate and what its rows catch. How the facts of an image are found is in gate_layers.c. */
#include "inspect/reader2/gate.h"
#include <chainview/facts.h>
#include "inspect/qcow2/qcow2_disk.h"

#define LARGEST_REQUEST (1u << 20)

static bool is_qcow(const struct cv_gate_layer *l)
{
	return l->format == CV_FORMAT_QCOW || l->format == CV_FORMAT_QCOW2;
}

static uint64_t number(const struct cv_gate_layer *l, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(l->facts, id, 0);

	return a ? a->number : 0;
}

/* How many of the opened layers the library looks at for a byte that an extent decides. */
static size_t looked_at(const struct cv_gate_keeper *k, const struct cv_extent *e)
{
	return e->layer < k->opened ? e->layer + 1 : k->opened;
}

static const struct cv_gate_layer *decider(const struct cv_gate_keeper *k, const struct cv_extent *e)
{
	return e->layer < k->opened ? &k->layers[e->layer] : NULL;
}

static void stop_at(uint64_t *end, uint64_t at)
{
	if (at < *end)
		*end = at;
}

/* Everything from limit on. */
static bool behind(uint64_t limit, uint64_t pos, uint64_t *end)
{
	if (pos >= limit)
		return true;
	stop_at(end, limit);
	return false;
}

static bool at_suspect_sector(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	const struct cv_suspects *s = &k->suspects;
	size_t low = 0, high = s->len;

	/* none is longer than a group */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].at.off + CV_GATE_GROUP <= pos)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i < s->len && s->at[i].at.off < *end; i++) {
		const struct cv_suspect *x = &s->at[i];
		uint64_t x_end = x->at.off + x->at.len;

		if (x->layer > e->layer || x_end <= pos)
			continue;
		stop_at(end, x->at.off > pos ? x->at.off : x_end);
		if (x->at.off <= pos)
			return true;
	}
	return false;
}

static bool behind_bat(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	for (size_t i = 0; i < looked_at(k, e); i++)
		if (k->layers[i].format == CV_FORMAT_VHD && !k->layers[i].fixed &&
		    k->layers[i].covered < k->layers[i].own->size && behind(k->layers[i].covered, pos, end))
			return true;
	return false;
}

static uint64_t chunk_bytes(const struct cv_gate_layer *l)
{
	return l->ratio * l->block_size;
}

static bool in_fixed_vhdx(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	for (size_t i = 0; i < looked_at(k, e); i++)
		if (k->layers[i].format == CV_FORMAT_VHDX && k->layers[i].fixed &&
		    behind(chunk_bytes(&k->layers[i]), pos, end))
			return true;
	return false;
}

/* An entry that cannot be read counts as one that is not there: then nothing is compared. */
static bool has_bitmap(struct cv_gate_layer *l, uint64_t chunk)
{
	uint64_t at = l->bat_off + (chunk * (l->ratio + 1) + l->ratio) * 8;
	struct cv_err err = { .code = CV_OK };
	cv_le64 entry;

	if (l->chunk == chunk)
		return l->chunk_has_bitmap;
	l->chunk = chunk;
	l->chunk_has_bitmap = cv_source_read(l->own->source, &entry, sizeof entry, at, &err) &&
			      (cv_le64_get(entry) & 7) == 6;
	return l->chunk_has_bitmap;
}

static bool without_bitmap(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	for (size_t i = 0; i < looked_at(k, e); i++) {
		struct cv_gate_layer *l = &k->layers[i];
		uint64_t chunk;

		if (l->format != CV_FORMAT_VHDX || !l->differencing || i == e->layer)
			continue;
		chunk = pos / chunk_bytes(l);
		stop_at(end, (chunk + 1) * chunk_bytes(l));
		if (!has_bitmap(l, chunk))
			return true;
	}
	return false;
}

static bool is_vhdx_zero(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	const struct cv_gate_layer *l = decider(k, e);

	(void)pos, (void)end;
	return l && l->format == CV_FORMAT_VHDX && l->differencing && e->kind == CV_EXTENT_ZERO;
}

static bool is_qcow_zero(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	const struct cv_gate_layer *l = decider(k, e);

	(void)pos, (void)end;
	return l && is_qcow(l) && e->kind == CV_EXTENT_ZERO;
}

static bool behind_smaller(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	for (size_t i = 0; i < looked_at(k, e); i++)
		if (behind(k->layers[i].library_size, pos, end) || behind(k->layers[i].own->size, pos, end))
			return true;
	return false;
}

/* A cluster of which the file has only a part; runs of clusters lie one behind the other in the file. */
static bool is_cut_cluster(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	const struct cv_gate_layer *l = decider(k, e);
	uint64_t in_cluster, base, size;

	if (!l || !is_qcow(l) || !e->placed || e->compressed)
		return false;
	in_cluster = pos % l->block_size;
	base = e->host + (pos - e->at.off) - in_cluster;
	size = l->own->source->size;
	if (base > size || size - base < l->block_size)
		return true;
	stop_at(end, pos - in_cluster + (size - base) / l->block_size * l->block_size);
	return false;
}

static bool is_damaged(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	(void)k, (void)pos, (void)end;
	return e->kind == CV_EXTENT_BAD;
}

static bool has_log(const struct cv_gate_layer *l)
{
	const struct cv_attr *a = l->format == CV_FORMAT_VHDX ? cv_facts_attr(l->facts, CV_ATTR_VHDX_LOG_GUID, 0) : NULL;

	/* any digit but 0: of a GUID as text */
	for (size_t i = 0; a && i < a->text.len; i++)
		if (strchr("123456789abcdefABCDEF", a->text.at[i]))
			return true;
	return false;
}

/* L2 tables of libqcow begin at multiples of their size: so they do where they fit a cluster. */
static bool has_unaligned_tables(const struct cv_gate_layer *l)
{
	return l->format == CV_FORMAT_QCOW &&
	       (l->has_parent || UINT64_C(8) << (number(l, CV_ATTR_QCOW_L2_BITS) & 31) > l->block_size);
}

static bool is_encrypted(const struct cv_gate_layer *l)
{
	return l->own->encrypted || l->facts->flags & CV_FACT_ENCRYPTED;
}

static bool has_feature(const struct cv_gate_layer *l, uint64_t bits)
{
	return l->format == CV_FORMAT_QCOW2 && number(l, CV_ATTR_QCOW2_INCOMPATIBLE) & bits;
}

static bool has_compression_type(const struct cv_gate_layer *l)
{
	return has_feature(l, QCOW2_INCOMPATIBLE_COMPRESSION);
}

static bool has_subclusters(const struct cv_gate_layer *l)
{
	return has_feature(l, QCOW2_INCOMPATIBLE_EXTENDED_L2);
}

static bool has_data_file(const struct cv_gate_layer *l)
{
	return l->own->data_file || has_feature(l, QCOW2_INCOMPATIBLE_DATA_FILE);
}

static bool has_odd_header(const struct cv_gate_layer *l)
{
	uint64_t length = number(l, CV_ATTR_QCOW2_HEADER_LENGTH);

	if (!is_qcow(l))
		return false;
	if (!l->own->size || has_feature(l, ~(uint64_t)QCOW2_INCOMPATIBLE_DIRTY))
		return true;
	return l->format == CV_FORMAT_QCOW2 && number(l, CV_ATTR_QCOW2_VERSION) > 2 &&
	       ((length && length != 104 && length != 112) ||
		number(l, CV_ATTR_QCOW2_COMPATIBLE) & ~(uint64_t)QCOW2_COMPATIBLE_KNOWN);
}

static bool is_raw(const struct cv_gate_layer *l)
{
	return l->format == CV_FORMAT_RAW;
}

const struct cv_gate_row cv_gate_rows[CV_GATE_COUNT] = {
	[CV_GATE_D1] = { "D1", "libvhdi misreads unwritten sectors that share a bitmap byte with written ones",
			 NULL, at_suspect_sector, NULL },
	[CV_GATE_D2] = { "D2", "libvhdi misreads requests that cross the end of a block smaller than 2 MiB", NULL, NULL,
			 "requests never cross a block" },
	[CV_GATE_D4] = { "D4", "libvhdi takes the size that a VHD had before it was resized", NULL, NULL,
			 "the library is shown a footer with the size of today" },
	[CV_GATE_D5] = { "D5", "libvhdi reads behind the end of a VHD's BAT", NULL, behind_bat, NULL },
	[CV_GATE_D6] = { "D6", "libvhdi misreads fixed VHDX behind the first chunk", NULL, in_fixed_vhdx, NULL },
	[CV_GATE_D7] = { "D7", "libvhdi does not apply the pending log of a VHDX", has_log, NULL, NULL },
	[CV_GATE_D8] = { "D8", "libvhdi misreads absent VHDX blocks where there is no sector bitmap", NULL, without_bitmap,
			 NULL },
	[CV_GATE_D9] = { "D9", "libvhdi reads the parent where a VHDX says that a block is zero", NULL, is_vhdx_zero, NULL },
	[CV_GATE_COPIES] = { "copies", "libvhdi wants both copies of a VHDX's header and region table", NULL, NULL,
			     "the library is shown the good copy twice" },
	[CV_GATE_Q5] = { "Q5", "libqcow misreads clusters that the end of the file cuts", NULL, is_cut_cluster, NULL },
	[CV_GATE_Q1] = { "Q1", "libqcow misreads clusters that are marked as zero", NULL, is_qcow_zero, NULL },
	[CV_GATE_Q2] = { "Q2", "libqcow misreads requests larger than the clusters of a chain", NULL, NULL,
			 "requests never cross the smallest cluster" },
	[CV_GATE_Q3] = { "Q3", "the libraries cannot read behind the end of a smaller parent", NULL, behind_smaller, NULL },
	[CV_GATE_Q4] = { "Q4", "libqcow does not find the tables of QCOW v1 overlays", has_unaligned_tables, NULL, NULL },
	[CV_GATE_ENCRYPTED] = { "encryption", "the image is encrypted", is_encrypted, NULL, NULL },
	[CV_GATE_ZSTD] = { "zstd", "libqcow does not know zstd compression", has_compression_type, NULL, NULL },
	[CV_GATE_EXTENDED_L2] = { "extended-l2", "libqcow does not know subclusters", has_subclusters, NULL, NULL },
	[CV_GATE_DATA_FILE] = { "data-file", "libqcow does not know external data files", has_data_file, NULL, NULL },
	[CV_GATE_HEADER] = { "header", "libqcow refuses a header like this", has_odd_header, NULL, NULL },
	[CV_GATE_RAW] = { "raw", "raw images have no second reader", is_raw, NULL, NULL },
	[CV_GATE_FOREIGN] = { "foreign", "the parent has another format, which the library cannot mix", NULL, NULL, NULL },
	[CV_GATE_OWN] = { "own", "our own reader cannot tell what is there", NULL, is_damaged, NULL },
	[CV_GATE_ERROR] = { "error", "the library gives an error there", NULL, NULL, NULL },
	[CV_GATE_CRASH] = { "crash", "the library crashed there", NULL, NULL, NULL },
	[CV_GATE_HANG] = { "hang", "the library gave no answer there", NULL, NULL, NULL },
	[CV_GATE_REST] = { "rest", "the library broke down too often before", NULL, NULL, NULL },
};

uint32_t cv_gate_request(const struct cv_gate_keeper *k)
{
	uint32_t least = LARGEST_REQUEST;

	for (size_t i = 0; i < k->opened; i++)
		if (k->layers[i].block_size && k->layers[i].block_size < least)
			least = k->layers[i].block_size;
	return least;
}

static enum cv_gate_id avoided_at(const struct cv_gate_keeper *k, uint64_t pos, uint64_t *end)
{
	for (size_t i = 0; i < k->avoided_count; i++) {
		const struct cv_range *r = &k->avoided[i].at;

		if (pos < r->off)
			stop_at(end, r->off);
		else if (pos - r->off < r->len) {
			stop_at(end, r->off + r->len);
			return k->avoided[i].why;
		}
	}
	return CV_GATE_NONE;
}

enum cv_gate_id cv_gate_at(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end)
{
	enum cv_gate_id avoided;

	if (k->opened < k->chain.count && e->layer >= k->opened && e->kind != CV_EXTENT_BAD)
		return k->cut;
	avoided = avoided_at(k, pos, end);
	if (avoided)
		return avoided;
	for (size_t i = 0; i < CV_GATE_COUNT; i++)
		if (cv_gate_rows[i].catches && cv_gate_rows[i].catches(k, e, pos, end))
			return (enum cv_gate_id)i;
	return CV_GATE_NONE;
}
