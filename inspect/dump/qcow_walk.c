/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where the structures of a QCOW2 and of a QCOW v1 header are, and the tables they point to. */
#include "inspect/dump/qcow_walk.h"
#include "inspect/qcow/qcow_disk.h"

#define MOST_EXTENSIONS 4096u

static enum cv_layout_id layout_of(uint32_t type)
{
	static const struct {
		uint32_t type;
		enum cv_layout_id layout;
	} rows[] = {
		{ QCOW2_EXTENSION_FORMAT, CV_LAYOUT_QCOW2_FORMAT },
		{ QCOW2_EXTENSION_FEATURES, CV_LAYOUT_QCOW2_FEATURES },
		{ QCOW2_EXTENSION_BITMAPS, CV_LAYOUT_QCOW2_BITMAPS },
		{ QCOW2_EXTENSION_LUKS, CV_LAYOUT_QCOW2_LUKS },
		{ QCOW2_EXTENSION_DATA_FILE, CV_LAYOUT_QCOW2_DATA_FILE },
		{ QCOW2_EXTENSION_MARK, CV_LAYOUT_QCOW2_MARK },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].type == type)
			return rows[i].layout;
	return CV_LAYOUT_QCOW2_EXTENSION_DATA;
}

/* Up to the one that ends the list: known or not, each with its head. */
static bool extensions(struct cv_dumping *d, struct cv_qcow2_reading *r, struct cv_err *err)
{
	uint64_t at = r->h.header_length, end = r->cluster_size;
	struct cv_qcow2_extension_disk head;
	bool good;

	if (r->h.backing_off && r->h.backing_off < end)
		end = r->h.backing_off;
	if (end > d->source->size)
		end = d->source->size;
	for (uint32_t i = 0; i < MOST_EXTENSIONS && at < end && end - at >= sizeof head; i++) {
		struct cv_dump_piece p = {
			.layout = CV_LAYOUT_QCOW2_EXTENSION, .at = { at, sizeof head }, .has_index = true, .index = i
		};
		struct cv_dump_piece data = { .has_index = true, .index = i };
		uint32_t type;

		if (!cv_dump_read(d, &head, sizeof head, at, &good, err) || (good && !cv_dump_piece(d, &p, err)))
			return false;
		type = cv_be32_get(head.type);
		data.layout = layout_of(type);
		data.at = (struct cv_range){ at + sizeof head, cv_be32_get(head.length) };
		if (!good || type == QCOW2_EXTENSION_END)
			break;
		if (!cv_range_inside(data.at, end))
			data.at.len = end - data.at.off;
		if (!cv_dump_piece(d, &data, err))
			return false;
		at = data.at.off + (data.at.len + 7) / 8 * 8;
	}
	return true;
}

static bool name(struct cv_dumping *d, enum cv_layout_id layout, uint64_t off, uint32_t len, struct cv_err *err)
{
	struct cv_dump_piece p = { .layout = layout, .at = { off, len }, .used = true };

	return !off || off >= d->source->size || cv_dump_piece(d, &p, err);
}

static bool header(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err)
{
	bool old = r->h.version < 3;
	struct cv_dump_piece p = {
		.layout = old ? CV_LAYOUT_QCOW2_HEADER_V2 : CV_LAYOUT_QCOW2_HEADER,
		.used = true,
		.at = { 0, old ? QCOW2_V2_HEADER : r->h.header_length },
	};

	if (p.at.len < QCOW2_V2_HEADER || p.at.len > r->cluster_size)
		p.at.len = QCOW2_V3_HEADER;
	return cv_dump_piece(d, &p, err);
}

static bool walk(struct cv_dumping *d, struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };
	bool usable = false,
	     good = cv_qcow2_read_header(r, &usable, &trouble) && (!usable || cv_qcow2_read_extensions(r, &trouble));

	if (!good && !cv_dump_trouble(d, NULL, &trouble, err))
		return false;
	if (!header(d, r, err))
		return false;
	if (!usable)
		return true;
	return extensions(d, r, err) && name(d, CV_LAYOUT_QCOW2_NAME, r->h.backing_off, r->h.backing_len, err) &&
	       cv_dump_qcow2_tables(d, r, err) && cv_dump_qcow2_snapshots(d, r, err) &&
	       cv_dump_qcow2_bitmaps(d, r, err) && cv_dump_qcow2_luks(d, r, err);
}

bool cv_dump_qcow2(struct cv_dumping *d, struct cv_err *err)
{
	struct cv_qcow2_reading r = { .source = d->source, .facts = cv_facts_new() };
	bool good;

	if (!r.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	good = walk(d, &r, err);
	cv_facts_free(r.facts);
	return good;
}

/* L1 entries of version 1 cover clusters << l2_bits guest bytes each. */
bool cv_dump_qcow(struct cv_dumping *d, struct cv_err *err)
{
	struct cv_qcow_header_disk h;
	struct cv_dump_piece p = { .layout = CV_LAYOUT_QCOW_HEADER, .at = { 0, sizeof h }, .used = true };
	struct cv_dump_piece l1 = { .layout = CV_LAYOUT_QCOW_L1, .used = true };
	struct cv_qcow_tables_of t = { .group = CV_GROUP_L2, .mask = UINT64_MAX };
	unsigned shift;
	uint64_t size;
	bool good = d->source->size >= sizeof h;

	if (!cv_dump_piece(d, &p, err) || (good && !cv_dump_read(d, &h, sizeof h, 0, &good, err)))
		return false;
	if (!good)
		return true;
	if (!name(d, CV_LAYOUT_QCOW_NAME, cv_be64_get(h.backing_off), cv_be32_get(h.backing_len), err))
		return false;
	shift = (unsigned)h.cluster_bits + h.l2_bits;
	size = cv_be64_get(h.size);
	if (h.cluster_bits < QCOW_MIN_CLUSTER_BITS || h.cluster_bits > QCOW_MAX_CLUSTER_BITS ||
	    h.l2_bits < QCOW_MIN_L2_BITS || h.l2_bits > QCOW_MAX_L2_BITS)
		return true;
	l1.at = (struct cv_range){ cv_be64_get(h.l1_off),
				   ((size >> shift) + !!(size & ((UINT64_C(1) << shift) - 1))) * 8 };
	if (l1.at.len / 8 > QCOW_MAX_L1_ENTRIES)
		return true;
	t.table = l1.at;
	t.each = UINT64_C(8) << h.l2_bits;
	return cv_dump_qcow_tables(d, &l1, &t, err);
}
