/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The directory of persistent bitmaps of QCOW2, as attributes. Does not look into the bitmaps' own tables.
 */
#include "inspect/qcow2/reading.h"
#include "inspect/qcow2/records.h"
#include <stdio.h>

struct bitmaps {
	uint32_t count, reserved;
	struct cv_range directory, where;    /* where: the data of the extension */
};

static bool is_granularity(unsigned bits)
{
	return bits >= QCOW2_MIN_GRANULARITY_BITS && bits <= QCOW2_MAX_GRANULARITY_BITS;
}

/* Whether the table has a bit for each piece of the disk. One that is in use is to be thrown away in any case; where the
 * size of clusters cannot be, that is said elsewhere. */
static bool covers(const struct cv_qcow2_reading *r, const struct cv_qcow2_bitmap_disk *d)
{
	uint64_t pieces, bits;

	if (cv_be32_get(d->flags) & QCOW2_BITMAP_IN_USE || !is_granularity(d->granularity_bits) ||
	    r->h.cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return true;
	pieces = (r->h.size >> d->granularity_bits) + 1;
	bits = (uint64_t)cv_be32_get(d->table_entries) << r->h.cluster_bits << 3;
	return pieces - !(r->h.size & ((UINT64_C(1) << d->granularity_bits) - 1)) <= bits;
}

/* What makes QEMU refuse the whole image. The first that is wrong is enough. */
static void check_entry(struct cv_qcow2_reading *r, const struct cv_qcow2_bitmap_disk *d, uint64_t off, uint32_t i)
{
	uint32_t flags = cv_be32_get(d->flags), entries = cv_be32_get(d->table_entries), name = cv_be16_get(d->name_len);
	const struct {
		bool wrong;
		const char *what;
		uint64_t n;
		struct cv_range where;
	} rules[] = {
		{ !is_granularity(d->granularity_bits), "granularity (bits)", d->granularity_bits,
		  { off + 17, 1 } },
		{ d->type != QCOW2_BITMAP_DIRTY, "type", d->type, { off + 16, 1 } },
		{ flags & ~QCOW2_BITMAP_FLAGS, "flags", flags, { off + 12, 4 } },
		{ !name || name > QCOW2_MAX_BITMAP_NAME, "length of the name", name, { off + 18, 2 } },
		{ !covers(r, d), "size of the table", entries, { off + 8, 4 } },
	};

	if (cv_be32_get(d->extra_len)) {
		char text[64];

		snprintf(text, sizeof text, "bitmap %" PRIu32 " has extra data", i);
		cv_qcow_found(r->facts, CV_GEN_UNSUPPORTED_FEATURE, (struct cv_range){ off + 20, 4 }, cv_arg_text(text),
			      (struct cv_arg){ 0 });
	}
	for (size_t k = 0; k < CV_COUNT(rules); k++) {
		char what[64];

		if (!rules[k].wrong)
			continue;
		snprintf(what, sizeof what, "%s of bitmap %" PRIu32, rules[k].what, i);
		cv_qcow2_bad_number(r, what, rules[k].n, rules[k].where);
		return;
	}
}

static void take_entry(struct cv_qcow2_reading *r, const struct cv_qcow2_bitmap_disk *d, const uint8_t *name,
		       uint64_t off, uint32_t i)
{
	size_t name_len = cv_be16_get(d->name_len);
	uint64_t name_off = off + sizeof *d + cv_be32_get(d->extra_len);
	struct cv_facts *f = r->facts;
	unsigned bits = d->granularity_bits;

	cv_facts_text(f, CV_ATTR_QCOW2_BITMAP_NAME, i, (struct cv_bytes){ (const char *)name, name_len },
		      (struct cv_range){ name_off, name_len });
	cv_facts_number(f, CV_ATTR_QCOW2_BITMAP_FLAGS, i, cv_be32_get(d->flags), (struct cv_range){ off + 12, 4 });
	if (is_granularity(bits))
		cv_facts_number(f, CV_ATTR_QCOW2_BITMAP_GRANULARITY, i, UINT64_C(1) << bits,
				(struct cv_range){ off + 17, 1 });
	check_entry(r, d, off, i);
}

/* The entry at pos, brought into memory; *len stays 0 when the directory ends before it does. */
static bool load_entry(struct cv_qcow2_records *t, uint64_t pos, uint64_t *len, struct cv_err *err)
{
	uint64_t need = sizeof(struct cv_qcow2_bitmap_disk);
	struct cv_qcow2_bitmap_disk d;

	*len = 0;
	for (int part = 0; part < 2; part++) {
		if (cv_qcow2_records_fit(t, pos + need) != CV_QCOW2_FITS)
			return true;
		if (!cv_qcow2_records_load(t, pos + need, err))
			return cv_wrap(err, "while reading the bitmap directory");
		memcpy(&d, t->at + pos, sizeof d);
		need = sizeof d + (uint64_t)cv_be32_get(d.extra_len) + cv_be16_get(d.name_len);
	}
	*len = need;
	return true;
}

/* An entry that does not fit: either the directory is larger than we look, or it contradicts itself. */
static void take_cut(struct cv_qcow2_reading *r, const struct bitmaps *b, uint32_t i)
{
	char text[96];

	if (b->directory.len > CV_QCOW2_RECORDS_CAP) {
		snprintf(text, sizeof text,
			 "only %" PRIu32 " of %" PRIu32 " bitmaps were looked at, their directory is larger than 1 MiB",
			 i, b->count);
		cv_qcow_found(r->facts, CV_GEN_UNSUPPORTED_FEATURE, b->where, cv_arg_text(text), (struct cv_arg){ 0 });
		r->facts->flags |= CV_FACT_PARTIAL;
		return;
	}
	snprintf(text, sizeof text, "too short for its %" PRIu32 " bitmaps (entry %" PRIu32 " does not fit)", b->count,
		 i);
	cv_qcow2_bad_text(r, "bitmap directory", text, b->where);
}

static bool walk(struct cv_qcow2_reading *r, const struct bitmaps *b, struct cv_err *err)
{
	CV_AUTO(cv_qcow2_records_fini) struct cv_qcow2_records t = {
		.source = r->source, .off = b->directory.off, .len = b->directory.len,
	};
	uint64_t pos = 0, len;

	for (uint32_t i = 0; i < b->count && i < CV_QCOW2_RECORDS_LISTED; i++) {
		struct cv_qcow2_bitmap_disk d;

		if (!load_entry(&t, pos, &len, err))
			return false;
		if (!len) {
			take_cut(r, b, i);
			return true;
		}
		memcpy(&d, t.at + pos, sizeof d);
		take_entry(r, &d, t.at + pos + sizeof d + cv_be32_get(d.extra_len), t.off + pos, i);
		pos += (len + 7) / 8 * 8;
	}
	return true;
}

/* True if the directory can be walked. */
static bool check(struct cv_qcow2_reading *r, const struct bitmaps *b)
{
	struct cv_facts *f = r->facts;

	if (!b->count)
		cv_qcow2_bad_text(r, "bitmaps extension", "there without bitmaps", b->where);
	if (b->reserved)
		cv_qcow2_bad_number(r, "reserved field of the bitmaps extension", b->reserved,
				    (struct cv_range){ b->where.off + 4, 4 });
	if (b->count > QCOW2_MAX_BITMAPS)
		cv_qcow_hostile(f, "number of bitmaps", b->count, QCOW2_MAX_BITMAPS, b->where);
	if (b->directory.len > QCOW2_MAX_BITMAP_DIRECTORY) {
		cv_qcow_hostile(f, "size of the bitmap directory", b->directory.len, QCOW2_MAX_BITMAP_DIRECTORY,
				b->where);
		return false;
	}
	return b->count && cv_qcow2_table(r, "bitmap directory", b->directory, b->where);
}

bool cv_qcow2_read_bitmaps(struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_qcow2_bitmaps_disk d;
	struct bitmaps b = { .where = r->ext.bitmaps };

	if (!b.where.off)
		return true;
	if (!cv_source_read(r->source, &d, sizeof d, b.where.off, err))
		return cv_wrap(err, "while reading the bitmaps extension");
	b.count = cv_be32_get(d.count);
	b.reserved = cv_be32_get(d.reserved);
	b.directory = (struct cv_range){ cv_be64_get(d.directory_off), cv_be64_get(d.directory_size) };
	cv_facts_number(r->facts, CV_ATTR_QCOW2_BITMAP_COUNT, 0, b.count, (struct cv_range){ b.where.off, 4 });
	if (b.count)
		r->facts->flags |= CV_FACT_BITMAPS;
	return !check(r, &b) || walk(r, &b, err);
}
