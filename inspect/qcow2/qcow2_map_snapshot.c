/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An internal snapshot as a layer: the same image with the L1 table and the size that its record gives. What
 * else is in the record is read with the metadata.
 */
#include "inspect/qcow2/qcow2_disk.h"
#include "inspect/qcow2/qcow2_map.h"
#include "inspect/qcow2/records.h"

struct snapshot {
	uint64_t l1_off, size;       /* size 0: as the image */
	uint32_t l1_entries;
};

static bool too_short(uint32_t index, struct cv_err *err)
{
	return cv_fail(err, CV_EUSAGE, "there is no internal snapshot %" PRIu32 " that can be read", index);
}

/* Brings the bytes up to this one into memory. */
static bool load(struct cv_qcow2_records *t, uint64_t upto, uint32_t index, struct cv_err *err)
{
	if (cv_qcow2_records_fit(t, upto) != CV_QCOW2_FITS)
		return too_short(index, err);
	return cv_qcow2_records_load(t, upto, err) || cv_wrap(err, "while reading the snapshot table");
}

static bool find(struct cv_source *source, uint32_t index, struct snapshot *s, struct cv_err *err)
{
	CV_AUTO(cv_qcow2_records_fini) struct cv_qcow2_records t = { .source = source };
	struct cv_qcow2_snapshot_extra_disk extra;
	struct cv_qcow2_header_disk header;
	struct cv_qcow2_snapshot_disk d = { 0 };
	uint64_t pos = 0, next = 0;

	if (!cv_source_read(source, &header, QCOW2_V2_HEADER, 0, err))
		return false;
	t.off = cv_be64_get(header.snapshot_off);
	if (index >= cv_be32_get(header.snapshot_count) || t.off > source->size)
		return too_short(index, err);
	t.len = source->size - t.off;
	for (uint32_t i = 0; i <= index; i++) {
		pos = next;
		if (!load(&t, pos + sizeof d, index, err))
			return false;
		memcpy(&d, t.at + pos, sizeof d);
		next = pos + sizeof d + cv_be32_get(d.extra_len) + cv_be16_get(d.id_len) + cv_be16_get(d.name_len);
		next = (next + 7) / 8 * 8;
	}
	*s = (struct snapshot){ .l1_off = cv_be64_get(d.l1_off), .l1_entries = cv_be32_get(d.l1_entries) };
	if (cv_be32_get(d.extra_len) < offsetof(struct cv_qcow2_snapshot_extra_disk, icount))
		return true;
	if (!load(&t, pos + sizeof d + sizeof extra - sizeof extra.icount, index, err))
		return false;
	memcpy(&extra, t.at + pos + sizeof d, sizeof extra - sizeof extra.icount);
	s->size = cv_be64_get(extra.disk_size);
	return true;
}

bool cv_qcow2_snapshot_table(struct cv_source *source, uint32_t index, struct cv_range *l1, struct cv_err *err)
{
	struct snapshot s;

	if (!find(source, index, &s, err))
		return false;
	*l1 = (struct cv_range){ s.l1_off, (uint64_t)s.l1_entries * 8 };
	return true;
}

static bool use(struct cv_layer *layer, const struct snapshot *s, struct cv_err *err)
{
	struct cv_qcow2_map *m = layer->state;

	if (s->l1_off % m->cluster || s->l1_off > INT64_MAX || s->l1_entries > QCOW2_MAX_L1_ENTRIES ||
	    s->size > INT64_MAX)
		return cv_fail(err, CV_EFORMAT, "the record of the internal snapshot cannot be true");
	m->tables.l1_off = s->l1_off;
	m->tables.l1_entries = s->l1_entries;
	/* The disk may have grown since then; as for QEMU, the snapshot then has nothing there. */
	m->tables.behind_l1 = CV_EXTENT_PARENT;
	if (s->size)
		layer->size = s->size & ~UINT64_C(511);
	return true;
}

struct cv_layer *cv_qcow2_snapshot_open(struct cv_source **source, uint32_t index, struct cv_err *err)
{
	struct cv_layer *layer = cv_layer_open(source, NULL, CV_FORMAT_QCOW2, err);
	struct snapshot s = { 0 };

	if (layer && find(layer->source, index, &s, err) && use(layer, &s, err))
		return layer;
	cv_layer_close(layer);
	return NULL;
}
