/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The QCOW2 format: probe, and the order in which the parts of the metadata are read. Each part goes on
 * whatever the others found; mapping tables and refcounts are the check's.
 */
#include "inspect/qcow2/reading.h"
#include "inspect/qcow2/qcow2_check.h"

/* Sure for the versions that exist; others are still nearer to QCOW2 than to anything else. */
static unsigned probe(struct cv_source *source)
{
	struct { cv_be32 magic, version; } start;
	struct cv_err err = { 0 };
	uint32_t version;

	if (source->size < sizeof start || !cv_source_read(source, &start, sizeof start, 0, &err) ||
	    cv_be32_get(start.magic) != QCOW2_MAGIC)
		return 0;
	version = cv_be32_get(start.version);
	if (version < 2)
		return 0;
	return version <= 3 ? 100 : 60;
}

static bool read_backing(struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_qcow_backing b = {
		.where = { r->h.backing_off, r->h.backing_len },
		.lowest = r->h.version == 3 ? QCOW2_V3_HEADER : QCOW2_V2_HEADER,
		.limit = r->cluster_size,
	};
	const char *why;

	if (!r->h.backing_off) {
		r->facts->variant = CV_VARIANT_STANDALONE;
		return true;
	}
	if (r->h.version == 3 && r->h.header_length > b.lowest && r->h.header_length <= r->cluster_size)
		b.lowest = r->h.header_length;
	if (!cv_qcow_read_backing(r->source, r->facts, b, &why, err))
		return false;
	if (why)
		cv_qcow_found(r->facts, CV_QCW_BACKING_NAME_INVALID, CV_QCOW2_FIELD(backing_off), cv_arg_text(why),
			      (struct cv_arg){ 0 });
	return true;
}

static bool read_image(struct cv_source *source, struct cv_facts *facts, struct cv_err *err)
{
	static bool (*const parts[])(struct cv_qcow2_reading *, struct cv_err *) = {
		read_backing, cv_qcow2_read_extensions, cv_qcow2_read_snapshots, cv_qcow2_read_bitmaps,
	};
	struct cv_qcow2_reading r = { .source = source, .facts = facts };
	bool usable, ok = true;

	facts->format = CV_FORMAT_QCOW2;
	if (!cv_qcow2_read_header(&r, &usable, err))
		return false;
	for (size_t i = 0; usable && i < CV_COUNT(parts); i++) {
		struct cv_err part = { 0 };

		if (!parts[i](&r, &part) && ok) {
			*err = part;
			ok = false;
		}
	}
	return ok;
}

const struct cv_format cv_format_qcow2 = { .id = CV_FORMAT_QCOW2, .probe = probe, .read = read_image,
					    .check = cv_qcow2_check };
