/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * QCOW2 as a layer: what is needed of the header, and the operations of the block level. The header is read by
 * the metadata reader; table entries are understood in qcow2_map_entry.c.
 */
#include "inspect/qcow2/qcow2_map.h"
#include "inspect/qcow2/reading.h"

extern const struct cv_layer_ops cv_layer_ops_qcow2;

/* QEMU refuses all of these too. */
const char *cv_qcow2_unusable(const struct cv_qcow2_reading *r)
{
	const struct cv_qcow2_header *h = &r->h;
	bool extended = h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2;

	if (!r->cluster_known || (extended && h->cluster_bits < QCOW2_MIN_EXTENDED_CLUSTER_BITS))
		return "its cluster size cannot be";
	if (h->incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN)
		return "it has incompatible features that are not known";
	if (h->compression_type >= QCOW2_COMPRESSION_COUNT)
		return "its compression type is not known";
	if (!h->compression_type != !(h->incompatible & QCOW2_INCOMPATIBLE_COMPRESSION))
		return "its compression type and the feature bit for it do not agree";
	if (h->size > INT64_MAX)
		return "its virtual size cannot be";
	if (h->l1_entries > QCOW2_MAX_L1_ENTRIES || h->l1_off > INT64_MAX || h->l1_off % r->cluster_size)
		return "its L1 table cannot be where and as long as the header says";
	return NULL;
}

static bool read_header(struct cv_qcow2_reading *r, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	const char *why;
	bool usable;

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	r->facts = facts;
	if (!cv_qcow2_read_header(r, &usable, err))
		return false;
	r->facts = NULL;
	why = usable ? cv_qcow2_unusable(r) : "its header is not one of QCOW2";
	return !why || cv_fail(err, CV_EFORMAT, "the clusters cannot be mapped: %s", why);
}

void cv_qcow2_map_set(struct cv_qcow2_map *m, const struct cv_qcow2_header *h, struct cv_source *source)
{
	bool extended = h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2;

	m->tables = (struct cv_qcow_tables){
		.source = source,
		.add = extended ? cv_qcow2_add_extended : cv_qcow2_add_standard,
		.format = m,
		.l1_off = h->l1_off,
		.l1_entries = h->l1_entries,
		.l1_mask = QCOW2_ENTRY_OFFSET,
		.l1_reserved = QCOW2_L1_RESERVED,
		.cluster_bits = h->cluster_bits,
		.l2_bits = h->cluster_bits - (extended ? 4 : 3),
		.words_per_entry = extended ? 2 : 1,
		.l2_aligned = true,
		.behind_l1 = CV_EXTENT_BAD,
	};
	m->reserved = QCOW2_L2_RESERVED | (extended || h->version < 3 ? QCOW2_L2_ZERO : 0);
}

static void close_map(struct cv_layer *layer)
{
	struct cv_qcow2_map *m = layer->state;

	cv_qcow_tables_fini(&m->tables);
	cv_qcow_inflater_free(m->inflater);
	free(m);
	layer->state = NULL;
}

static bool open_map(struct cv_layer *layer, struct cv_err *err)
{
	struct cv_qcow2_reading r = { .source = layer->source, .damaged = layer->damaged };
	struct cv_qcow2_map *m;

	if (!read_header(&r, err))
		return false;
	if (!layer->data_file != !(r.h.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE))
		return cv_fail(err, CV_EUSAGE, layer->data_file ? "it has no external data file, but was given one"
								: "its external data file was not given");
	m = calloc(1, sizeof *m);
	if (!m)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	layer->state = m;
	layer->size = r.h.size & ~UINT64_C(511);     /* QEMU shows whole sectors only */
	layer->block_size = (uint32_t)(r.cluster_size / (r.h.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2
							 ? QCOW2_SUBCLUSTERS : 1));
	layer->encrypted = r.h.crypt_method != QCOW2_CRYPT_NONE;
	layer->entry_bytes = (uint32_t)r.cluster_size;
	layer->alone = !r.h.backing_off;
	cv_qcow2_map_set(m, &r.h, layer->source);
	m->cluster = r.cluster_size;
	m->data_file = layer->data_file;
	m->limit = layer->data_file ? layer->data_file->size : layer->source->size;
	m->zstd = r.h.compression_type == QCOW2_COMPRESSION_ZSTD;
	m->tables.lean = layer->lean;
	if (cv_qcow_tables_init(&m->tables, err))
		return true;
	close_map(layer);
	return false;
}

static bool map_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct cv_qcow2_map *m = layer->state;

	return cv_qcow_tables_walk(&m->tables, range, list, err);
}

static bool map_inflate(struct cv_layer *layer, const struct cv_extent *extent, void *buf, struct cv_err *err)
{
	struct cv_qcow2_map *m = layer->state;
	uint64_t entry, skip = extent->at.off & (m->cluster - 1);
	const uint8_t *bytes;

	if (!m->inflater)
		m->inflater = cv_qcow_inflater_new((size_t)m->cluster, m->zstd, err);
	if (!m->inflater || !cv_qcow_tables_entry(&m->tables, extent->at.off, &entry, err))
		return false;
	/* The extent has the place but not the length of the compressed bytes. */
	if (!(entry & QCOW2_L2_COMPRESSED) || cv_qcow2_packed(m, entry).off != extent->host ||
	    extent->at.len > m->cluster - skip)
		return cv_fail(err, CV_EUSAGE, "no compressed cluster of this image");
	bytes = cv_qcow_inflate(m->inflater, layer->source, cv_qcow2_packed(m, entry), err);
	if (bytes)
		memcpy(buf, bytes + skip, extent->at.len);
	return bytes != NULL;
}

const struct cv_layer_ops cv_layer_ops_qcow2 = { open_map, map_extents, map_inflate, close_map, cv_qcow2_map_describe };
