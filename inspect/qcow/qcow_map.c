/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * QCOW v1 as a layer: tables as in QCOW2, but entries without flags and clusters that need not be aligned. As
 * QEMU reads it (block/qcow.c). The header is read by the metadata reader.
 */
#include "inspect/qcow/qcow.h"
#include "inspect/qcow2/qcow2_map_inflate.h"
#include "inspect/qcow2/qcow2_map_tables.h"

#define L2_COMPRESSED (UINT64_C(1) << 63)

extern const struct cv_layer_ops cv_layer_ops_qcow;

struct map {
	struct cv_qcow_tables tables;
	struct cv_qcow_inflater *inflater;   /* made for the first compressed cluster that is read */
};

/* From bit 63 down: the flag, the length in bytes (as many bits as a cluster has), the offset. */
static struct cv_range packed(const struct cv_qcow_tables *t, uint64_t entry)
{
	unsigned bits = 63 - t->cluster_bits;

	return (struct cv_range){ entry & ((UINT64_C(1) << bits) - 1), (entry & ~L2_COMPRESSED) >> bits };
}

static size_t run_of(const uint64_t *word, size_t count, uint64_t cluster)
{
	uint64_t step = word[0] ? cluster : 0;
	size_t n = 1;

	/* an entry whose neighbour has bit 63 is the end of a run, so adding never carries */
	while (n < count && word[n] == word[n - 1] + step && !(word[n] & L2_COMPRESSED))
		n++;
	return n;
}

static bool add_entries(const struct cv_qcow_tables *t, const struct cv_qcow_piece *p, struct cv_extents *list,
			struct cv_err *err)
{
	uint64_t cluster = UINT64_C(1) << t->cluster_bits, limit = t->source->size;

	for (size_t i = 0, n; i < p->count && !list->full; i += n) {
		uint64_t entry = p->word[i];
		struct cv_qcow_run run = { .guest = p->guest + (i << t->cluster_bits), .host = entry };

		n = 1;
		run.compressed = entry & L2_COMPRESSED;
		if (run.compressed)
			run.host = packed(t, entry).off;
		else
			n = run_of(p->word + i, p->count - i, cluster);
		run.len = (uint64_t)n << t->cluster_bits;
		run.placed = entry != 0;
		run.kind = entry ? CV_EXTENT_DATA : CV_EXTENT_PARENT;
		if (run.compressed && run.host >= limit) {
			run.kind = CV_EXTENT_BAD;
			run.placed = run.compressed = false;
		}
		if (!cv_qcow_add_run(t, p, run, limit, list, err))
			return false;
	}
	return true;
}

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

/* Sets the tables and the layer from the facts; false if these lack what is needed or show that it cannot be. */
static bool take_facts(struct cv_layer *layer, struct map *m, const struct cv_facts *f)
{
	uint64_t l2_bits = number(f, CV_ATTR_QCOW_L2_BITS), l1_entries = number(f, CV_ATTR_QCOW2_L1_SIZE);

	/* The number of L1 entries is only there when cluster and L2 size were found possible. */
	if (!(f->flags & CV_FACT_SIZE) || !f->block_size || !cv_facts_attr(f, CV_ATTR_QCOW2_L1_SIZE, 0) ||
	    l1_entries > QCOW_MAX_L1_ENTRIES || number(f, CV_ATTR_QCOW2_L1_OFFSET) > INT64_MAX)
		return false;
	layer->size = f->virtual_size;
	layer->block_size = f->block_size;
	layer->encrypted = f->flags & CV_FACT_ENCRYPTED;
	m->tables = (struct cv_qcow_tables){
		.source = layer->source,
		.add = add_entries,
		.l1_off = number(f, CV_ATTR_QCOW2_L1_OFFSET),
		.l1_entries = l1_entries,
		.l1_mask = UINT64_MAX,
		.cluster_bits = (unsigned)__builtin_ctz(f->block_size),
		.l2_bits = (unsigned)l2_bits,
		.words_per_entry = 1,
		.behind_l1 = CV_EXTENT_BAD,
	};
	return true;
}

static void close_map(struct cv_layer *layer)
{
	struct map *m = layer->state;

	cv_qcow_tables_fini(&m->tables);
	cv_qcow_inflater_free(m->inflater);
	free(m);
	layer->state = NULL;
}

static bool read_facts(struct cv_layer *layer, struct map *m, struct cv_facts *f, struct cv_err *err)
{
	if (!cv_format_qcow.read(layer->source, f, err))
		return false;
	return take_facts(layer, m, f) ||
	       cv_fail(err, CV_EFORMAT, "the clusters cannot be mapped: its header is damaged");
}

static bool open_map(struct cv_layer *layer, struct cv_err *err)
{
	struct cv_facts *f = cv_facts_new();
	struct map *m = calloc(1, sizeof *m);
	bool ok = f && m ? read_facts(layer, m, f, err) : cv_fail(err, CV_ENOMEM, "out of memory");

	cv_facts_free(f);
	layer->state = m;
	m->tables.lean = layer->lean;
	ok = ok && cv_qcow_tables_init(&m->tables, err);
	if (!ok && m)
		close_map(layer);
	return ok;
}

static bool map_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct map *m = layer->state;

	return cv_qcow_tables_walk(&m->tables, range, list, err);
}

static bool map_inflate(struct cv_layer *layer, const struct cv_extent *extent, void *buf, struct cv_err *err)
{
	struct map *m = layer->state;
	uint64_t cluster = layer->block_size, entry, skip = extent->at.off & (cluster - 1);
	const uint8_t *bytes;

	if (!m->inflater)
		m->inflater = cv_qcow_inflater_new((size_t)cluster, false, err);
	if (!m->inflater || !cv_qcow_tables_entry(&m->tables, extent->at.off, &entry, err))
		return false;
	if (!(entry & L2_COMPRESSED) || packed(&m->tables, entry).off != extent->host ||
	    extent->at.len > cluster - skip)
		return cv_fail(err, CV_EUSAGE, "no compressed cluster of this image");
	bytes = cv_qcow_inflate(m->inflater, layer->source, packed(&m->tables, entry), err);
	if (bytes)
		memcpy(buf, bytes + skip, extent->at.len);
	return bytes != NULL;
}

static bool tell_entry(const struct cv_qcow_tables *t, uint64_t at, uint64_t guest, struct cv_text *lines,
		       struct cv_err *err)
{
	struct cv_range place;
	uint64_t entry;

	(void)guest;
	if (!cv_qcow_read_word(t, at, &entry, err))
		return false;
	place = packed(t, entry);
	cv_text_addf(lines, "%016" PRIx64, entry);
	if (entry & L2_COMPRESSED)
		cv_text_addf(lines, ": compressed, %" PRIu64 " B at offset %" PRIu64 "\n", place.len, place.off);
	else if (entry)
		cv_text_addf(lines, ": cluster at offset %" PRIu64 "\n", entry);
	else
		cv_text_add(lines, ": no cluster\n");
	return true;
}

static bool describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err)
{
	const struct map *m = layer->state;

	return cv_qcow_tables_describe(&m->tables, offset, tell_entry, lines, err);
}

const struct cv_layer_ops cv_layer_ops_qcow = { open_map, map_extents, map_inflate, close_map, describe };
