/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The QCOW version 1 format: header and backing file name. It has no features, no snapshots and no refcounts,
 * and never records the format of its backing file. The mapping tables are not read here.
 */
#include "inspect/qcow/qcow.h"
#include "inspect/qcow2/common.h"
#include <stdio.h>

#define FIELD(member) CV_QCOW_FIELD(struct cv_qcow_header_disk, member)

struct header {
	uint32_t version, backing_len, mtime, cluster_bits, l2_bits, crypt_method;
	uint64_t backing_off, size, l1_off;
	bool shape_known;                    /* cluster and L2 size are possible */
};

static unsigned probe(struct cv_source *source)
{
	struct { cv_be32 magic, version; } start;
	struct cv_err err = { 0 };

	return source->size >= sizeof start && cv_source_read(source, &start, sizeof start, 0, &err) &&
	       cv_be32_get(start.magic) == QCOW_MAGIC && cv_be32_get(start.version) == QCOW_VERSION ? 100 : 0;
}

static struct header decode(const struct cv_qcow_header_disk *d)
{
	struct header h = {
		.version = cv_be32_get(d->version),
		.backing_off = cv_be64_get(d->backing_off),
		.backing_len = cv_be32_get(d->backing_len),
		.mtime = cv_be32_get(d->mtime),
		.size = cv_be64_get(d->size),
		.cluster_bits = d->cluster_bits,
		.l2_bits = d->l2_bits,
		.crypt_method = cv_be32_get(d->crypt_method),
		.l1_off = cv_be64_get(d->l1_off),
	};

	h.shape_known = h.cluster_bits >= QCOW_MIN_CLUSTER_BITS && h.cluster_bits <= QCOW_MAX_CLUSTER_BITS &&
			h.l2_bits >= QCOW_MIN_L2_BITS && h.l2_bits <= QCOW_MAX_L2_BITS;
	return h;
}

static void bad_number(struct cv_facts *f, const char *what, uint64_t n, struct cv_range where)
{
	cv_qcow_found(f, CV_QCO_QCOW_HEADER_INVALID, where, cv_arg_text(what), cv_arg_number(n));
}

static void bad_text(struct cv_facts *f, const char *what, const char *why, struct cv_range where)
{
	cv_qcow_found(f, CV_QCO_QCOW_HEADER_INVALID, where, cv_arg_text(what), cv_arg_text(why));
}

static void take_fields(struct cv_facts *f, const struct header *h)
{
	const struct { enum cv_attr_id attr; uint64_t n; struct cv_range where; } rows[] = {
		{ CV_ATTR_QCOW2_VERSION, h->version, FIELD(version) },
		{ CV_ATTR_QCOW2_CLUSTER_BITS, h->cluster_bits, FIELD(cluster_bits) },
		{ CV_ATTR_QCOW_L2_BITS, h->l2_bits, FIELD(l2_bits) },
		{ CV_ATTR_QCOW2_L1_OFFSET, h->l1_off, FIELD(l1_off) },
		{ CV_ATTR_QCOW_MTIME, h->mtime, FIELD(mtime) },
	};
	const char *method = h->crypt_method > QCOW_MAX_CRYPT_METHOD ? "unknown" : h->crypt_method ? "AES" : "none";

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		cv_facts_number(f, rows[i].attr, 0, rows[i].n, rows[i].where);
	cv_facts_text(f, CV_ATTR_QCOW2_CRYPT_METHOD, 0, cv_bytes_of(method), FIELD(crypt_method));
	if (h->crypt_method)
		f->flags |= CV_FACT_ENCRYPTED;
	if (h->size <= INT64_MAX) {
		f->virtual_size = h->size & ~UINT64_C(511);
		f->flags |= CV_FACT_SIZE;
	}
	if (h->cluster_bits >= QCOW_MIN_CLUSTER_BITS && h->cluster_bits <= QCOW_MAX_CLUSTER_BITS) {
		f->block_size = UINT32_C(1) << h->cluster_bits;
		cv_facts_number(f, CV_ATTR_QCOW2_CLUSTER_SIZE, 0, f->block_size, FIELD(cluster_bits));
	}
}

static void check_fields(struct cv_facts *f, const struct header *h)
{
	const struct { const char *what; uint64_t n, least, most; struct cv_range where; } rows[] = {
		{ "number of cluster bits", h->cluster_bits, QCOW_MIN_CLUSTER_BITS, QCOW_MAX_CLUSTER_BITS,
		  FIELD(cluster_bits) },
		{ "number of L2 bits", h->l2_bits, QCOW_MIN_L2_BITS, QCOW_MAX_L2_BITS, FIELD(l2_bits) },
		{ "encryption method", h->crypt_method, 0, QCOW_MAX_CRYPT_METHOD, FIELD(crypt_method) },
		{ "virtual size", h->size, 2, UINT64_MAX, FIELD(size) },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].n < rows[i].least || rows[i].n > rows[i].most)
			bad_number(f, rows[i].what, rows[i].n, rows[i].where);
	if (h->size > INT64_MAX)
		cv_qcow_hostile(f, "virtual size", h->size, INT64_MAX, FIELD(size));
}

static void l1_outside(struct cv_facts *f, uint64_t off, uint64_t len, uint64_t file_size)
{
	struct cv_finding finding = cv_finding_of(CV_QCO_QCOW_TABLE_OUT_OF_RANGE);
	char text[96];

	snprintf(text, sizeof text, "(%" PRIu64 " B) does not lie in the file of %" PRIu64 " B", len, file_size);
	finding.has_where = true;
	finding.where = FIELD(l1_off);
	finding.arg[0] = cv_arg_text("the L1 table");
	finding.arg[1] = cv_arg_number(off);
	finding.arg[2] = cv_arg_text(text);
	cv_facts_find(f, finding);
}

/* The L1 table has no length of its own: it is as long as the virtual size needs. */
static void check_l1(struct cv_facts *f, const struct header *h, uint64_t file_size)
{
	uint64_t per_entry, entries;

	if (!h->shape_known || h->size > INT64_MAX)
		return;
	per_entry = UINT64_C(1) << (h->cluster_bits + h->l2_bits);
	entries = h->size / per_entry + (h->size % per_entry != 0);
	cv_facts_number(f, CV_ATTR_QCOW2_L1_SIZE, 0, entries, (struct cv_range){ 0, 0 });
	if (entries > QCOW_MAX_L1_ENTRIES)
		cv_qcow_hostile(f, "number of L1 entries", entries, QCOW_MAX_L1_ENTRIES, FIELD(size));
	else if (h->l1_off < sizeof(struct cv_qcow_header_disk))
		bad_text(f, "L1 table", "placed on the header", FIELD(l1_off));
	else if (!cv_range_inside((struct cv_range){ h->l1_off, entries * 8 }, file_size))
		l1_outside(f, h->l1_off, entries * 8, file_size);
}

static bool take_backing(struct cv_source *source, struct cv_facts *f, const struct header *h, struct cv_err *err)
{
	struct cv_qcow_backing b = {
		.where = { h->backing_off, h->backing_len },
		.lowest = sizeof(struct cv_qcow_header_disk),
		.limit = UINT64_MAX,
	};
	const char *why;

	if (!h->backing_off) {
		f->variant = CV_VARIANT_STANDALONE;
		return true;
	}
	f->flags |= CV_FACT_NEEDS_PROBE;
	if (!cv_qcow_read_backing(source, f, b, &why, err))
		return false;
	if (why)
		bad_text(f, "backing file name", why, FIELD(backing_off));
	return true;
}

/* Anything but a whole header of version 1: all that is left to say is whether there may be a parent. */
static bool header_is_ours(struct cv_facts *f, const struct header *h, const struct cv_qcow_header_disk *d, size_t have)
{
	if (have >= sizeof d->magic && cv_be32_get(d->magic) != QCOW_MAGIC) {
		bad_text(f, "magic", "not that of QCOW", FIELD(magic));
		return false;
	}
	if (have == sizeof *d && h->version == QCOW_VERSION)
		return true;
	if (have >= offsetof(struct cv_qcow_header_disk, backing_off) && h->version != QCOW_VERSION)
		bad_number(f, "version", h->version, FIELD(version));
	else
		cv_qcow_truncated(f, "header", (struct cv_range){ 0, sizeof *d }, have);
	if (have && (have < offsetof(struct cv_qcow_header_disk, backing_len) || h->backing_off))
		f->flags |= CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE;
	return false;
}

static bool read_image(struct cv_source *source, struct cv_facts *facts, struct cv_err *err)
{
	struct cv_qcow_header_disk d = { 0 };
	size_t have = source->size < sizeof d ? (size_t)source->size : sizeof d;
	struct header h;

	facts->format = CV_FORMAT_QCOW;
	if (!cv_source_read(source, &d, have, 0, err))
		return cv_wrap(err, "while reading the header");
	h = decode(&d);
	if (!header_is_ours(facts, &h, &d, have))
		return true;
	take_fields(facts, &h);
	check_fields(facts, &h);
	check_l1(facts, &h, source->size);
	return take_backing(source, facts, &h, err);
}

const struct cv_format cv_format_qcow = {
	.id = CV_FORMAT_QCOW, .probe = probe, .read = read_image, .check = cv_qcow_check,
};
