/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The fixed header of QCOW2 versions 2 and 3: decoded, recorded as attributes, checked against the limits of
 * QEMU. Reads nothing behind the header; extensions and tables have their own files.
 */
#include "inspect/qcow2/reading.h"
#include <stdio.h>

void cv_qcow2_bad_number(struct cv_qcow2_reading *r, const char *what, uint64_t n, struct cv_range where)
{
	cv_qcow_found(r->facts, CV_QCW_HEADER_INVALID, where, cv_arg_text(what), cv_arg_number(n));
}

void cv_qcow2_bad_text(struct cv_qcow2_reading *r, const char *what, const char *why, struct cv_range where)
{
	cv_qcow_found(r->facts, CV_QCW_HEADER_INVALID, where, cv_arg_text(what), cv_arg_text(why));
}

void cv_qcow2_aligned(struct cv_qcow2_reading *r, const char *what, uint64_t off, struct cv_range where)
{
	struct cv_finding finding = cv_finding_of(CV_QCW_ENTRY_UNALIGNED);
	char why[64];

	if (!r->cluster_known || off % r->cluster_size == 0)
		return;
	finding.has_where = true;
	finding.where = where;
	finding.arg[0] = cv_arg_text(what);
	finding.arg[1] = cv_arg_number(off);
	snprintf(why, sizeof why, "not aligned to the cluster size of %" PRIu64, r->cluster_size);
	finding.arg[2] = cv_arg_text(why);
	cv_facts_find(r->facts, finding);
}

bool cv_qcow2_table(struct cv_qcow2_reading *r, const char *what, struct cv_range table, struct cv_range where)
{
	if (!table.off) {
		cv_qcow2_bad_text(r, what, "placed on the header (offset 0)", where);
		return false;
	}
	cv_qcow2_aligned(r, what, table.off, where);
	return cv_qcow_table_inside(r->facts, CV_QCW_TABLE_OUT_OF_RANGE, what, table, r->source->size, where);
}

static struct cv_qcow2_header decode(const struct cv_qcow2_header_disk *d)
{
	struct cv_qcow2_header h = {
		.version = cv_be32_get(d->version),
		.backing_off = cv_be64_get(d->backing_off),
		.backing_len = cv_be32_get(d->backing_len),
		.cluster_bits = cv_be32_get(d->cluster_bits),
		.size = cv_be64_get(d->size),
		.crypt_method = cv_be32_get(d->crypt_method),
		.l1_entries = cv_be32_get(d->l1_entries),
		.l1_off = cv_be64_get(d->l1_off),
		.refcount_off = cv_be64_get(d->refcount_off),
		.refcount_clusters = cv_be32_get(d->refcount_clusters),
		.snapshot_count = cv_be32_get(d->snapshot_count),
		.snapshot_off = cv_be64_get(d->snapshot_off),
		.refcount_order = 4,
		.header_length = QCOW2_V2_HEADER,
	};

	if (h.version != 3)
		return h;
	h.incompatible = cv_be64_get(d->incompatible);
	h.compatible = cv_be64_get(d->compatible);
	h.autoclear = cv_be64_get(d->autoclear);
	h.refcount_order = cv_be32_get(d->refcount_order);
	h.header_length = cv_be32_get(d->header_length);
	if (h.header_length > offsetof(struct cv_qcow2_header_disk, compression_type))
		h.compression_type = d->compression_type;
	return h;
}

/* A field that is recorded as it is, and the values it may have. */
struct field {
	struct cv_range where;
	unsigned since;                      /* version */
	enum cv_attr_id attr;                /* CV_ATTR_COUNT: shown in another form elsewhere */
	const char *what;
	uint64_t least, most;
	bool hostile;                        /* more than most is an attack on memory rather than a wrong value */
};

#define ANY 0, UINT64_MAX, false
static const struct field fields[] = {
	{ CV_QCOW2_FIELD(version), 2, CV_ATTR_QCOW2_VERSION, "version", ANY },
	{ CV_QCOW2_FIELD(cluster_bits), 2, CV_ATTR_QCOW2_CLUSTER_BITS, "number of cluster bits",
	  QCOW2_MIN_CLUSTER_BITS, QCOW2_MAX_CLUSTER_BITS, false },
	{ CV_QCOW2_FIELD(size), 2, CV_ATTR_COUNT, "virtual size", 0, INT64_MAX, true },
	{ CV_QCOW2_FIELD(crypt_method), 2, CV_ATTR_COUNT, "encryption method", 0, QCOW2_CRYPT_COUNT - 1, false },
	{ CV_QCOW2_FIELD(l1_entries), 2, CV_ATTR_QCOW2_L1_SIZE, "number of L1 entries", 0, QCOW2_MAX_L1_ENTRIES, true },
	{ CV_QCOW2_FIELD(l1_off), 2, CV_ATTR_QCOW2_L1_OFFSET, "L1 table", ANY },
	{ CV_QCOW2_FIELD(refcount_off), 2, CV_ATTR_QCOW2_REFCOUNT_OFFSET, "refcount table", ANY },
	{ CV_QCOW2_FIELD(refcount_clusters), 2, CV_ATTR_QCOW2_REFCOUNT_CLUSTERS, "number of refcount table clusters",
	  1, UINT32_MAX, false },
	{ CV_QCOW2_FIELD(snapshot_count), 2, CV_ATTR_QCOW2_SNAPSHOT_COUNT, "number of internal snapshots",
	  0, QCOW2_MAX_SNAPSHOTS, true },
	{ CV_QCOW2_FIELD(snapshot_off), 2, CV_ATTR_QCOW2_SNAPSHOT_OFFSET, "snapshot table", ANY },
	{ CV_QCOW2_FIELD(incompatible), 3, CV_ATTR_QCOW2_INCOMPATIBLE, "incompatible features", ANY },
	{ CV_QCOW2_FIELD(compatible), 3, CV_ATTR_QCOW2_COMPATIBLE, "compatible features", ANY },
	{ CV_QCOW2_FIELD(autoclear), 3, CV_ATTR_QCOW2_AUTOCLEAR, "autoclear features", ANY },
	{ CV_QCOW2_FIELD(refcount_order), 3, CV_ATTR_COUNT, "refcount order", 0, QCOW2_MAX_REFCOUNT_ORDER, false },
	{ CV_QCOW2_FIELD(header_length), 3, CV_ATTR_QCOW2_HEADER_LENGTH, "header length", ANY },
};
#undef ANY

static uint64_t field_value(const struct cv_qcow2_header_disk *d, struct cv_range where)
{
	const uint8_t *at = (const uint8_t *)d + where.off;
	uint64_t n = 0;

	for (uint64_t i = 0; i < where.len; i++)
		n = n << 8 | at[i];
	return n;
}

static void take_fields(struct cv_qcow2_reading *r, const struct cv_qcow2_header_disk *d)
{
	for (size_t i = 0; i < CV_COUNT(fields); i++) {
		const struct field *field = &fields[i];
		uint64_t n = field_value(d, field->where);

		if (r->h.version < field->since)
			continue;
		if (field->attr != CV_ATTR_COUNT)
			cv_facts_number(r->facts, field->attr, 0, n, field->where);
		if (n > field->most && field->hostile)
			cv_qcow_hostile(r->facts, field->what, n, field->most, field->where);
		else if (n < field->least || n > field->most)
			cv_qcow2_bad_number(r, field->what, n, field->where);
	}
}

/* The cluster size bounds everything else; the default of all writers stands in when the field is damaged. */
static void take_cluster_size(struct cv_qcow2_reading *r)
{
	uint32_t bits = r->h.cluster_bits;

	r->cluster_known = bits >= QCOW2_MIN_CLUSTER_BITS && bits <= QCOW2_MAX_CLUSTER_BITS;
	r->cluster_size = UINT64_C(1) << (r->cluster_known ? bits : 16);
	if (!r->cluster_known)
		return;
	r->facts->block_size = (uint32_t)r->cluster_size;
	cv_facts_number(r->facts, CV_ATTR_QCOW2_CLUSTER_SIZE, 0, r->cluster_size, CV_QCOW2_FIELD(cluster_bits));
	if (r->h.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 && bits < QCOW2_MIN_EXTENDED_CLUSTER_BITS)
		cv_qcow2_bad_text(r, "number of cluster bits", "too small for extended L2 entries (at least 14)",
				  CV_QCOW2_FIELD(cluster_bits));
}

/* QEMU shows a guest whole sectors only. */
static void take_virtual_size(struct cv_qcow2_reading *r)
{
	if (r->h.size > INT64_MAX)
		return;
	r->facts->virtual_size = r->h.size & ~UINT64_C(511);
	r->facts->flags |= CV_FACT_SIZE;
}

static void take_encryption(struct cv_qcow2_reading *r)
{
	static const char *const methods[QCOW2_CRYPT_COUNT] = { "none", "AES", "LUKS" };
	const char *method = r->h.crypt_method < CV_COUNT(methods) ? methods[r->h.crypt_method] : "unknown";

	cv_facts_text(r->facts, CV_ATTR_QCOW2_CRYPT_METHOD, 0, cv_bytes_of(method), CV_QCOW2_FIELD(crypt_method));
	if (r->h.crypt_method != QCOW2_CRYPT_NONE)
		r->facts->flags |= CV_FACT_ENCRYPTED;
}

static void take_compression(struct cv_qcow2_reading *r)
{
	static const char *const types[QCOW2_COMPRESSION_COUNT] = { "zlib", "zstd" };
	uint8_t type = r->h.compression_type;
	bool announced = r->h.incompatible & QCOW2_INCOMPATIBLE_COMPRESSION;
	bool stored = r->h.header_length > offsetof(struct cv_qcow2_header_disk, compression_type) &&
		      r->source->size > offsetof(struct cv_qcow2_header_disk, compression_type);
	struct cv_range where = stored ? CV_QCOW2_FIELD(compression_type) : CV_QCOW2_FIELD(incompatible);

	cv_facts_text(r->facts, CV_ATTR_QCOW2_COMPRESSION, 0,
		      cv_bytes_of(type < CV_COUNT(types) ? types[type] : "unknown"),
		      stored ? where : (struct cv_range){ 0, 0 });
	if (announced != (type != QCOW2_COMPRESSION_ZLIB)) {
		cv_qcow2_bad_text(r, "compression type", announced ? "zlib, against its feature bit"
								   : "set without its feature bit", where);
	} else if (type >= CV_COUNT(types)) {
		char text[32];

		snprintf(text, sizeof text, "compression type %u", type);
		cv_qcow_found(r->facts, CV_GEN_UNSUPPORTED_FEATURE, where, cv_arg_text(text), (struct cv_arg){ 0 });
		r->facts->flags |= CV_FACT_DISABLED;
	}
}

static void take_features(struct cv_qcow2_reading *r)
{
	struct cv_facts *f = r->facts;
	struct cv_arg none = { 0 };

	if (r->h.incompatible & QCOW2_INCOMPATIBLE_DIRTY) {
		f->flags |= CV_FACT_DIRTY;
		cv_qcow_found(f, CV_QCW_DIRTY, CV_QCOW2_FIELD(incompatible), none, none);
	}
	if (r->h.incompatible & QCOW2_INCOMPATIBLE_CORRUPT) {
		f->flags |= CV_FACT_CORRUPT;
		cv_qcow_found(f, CV_QCW_CORRUPT_FLAG, CV_QCOW2_FIELD(incompatible), none, none);
	}
	if (r->h.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE)
		f->flags |= CV_FACT_DATA_FILE;
	if (r->h.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2)
		f->flags |= CV_FACT_EXTENDED_L2;
	if (r->h.incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN)
		f->flags |= CV_FACT_DISABLED;
	if (r->h.version >= 3)
		cv_facts_number(f, CV_ATTR_QCOW2_LAZY_REFCOUNTS, 0,
				r->h.compatible & QCOW2_COMPATIBLE_LAZY_REFCOUNTS, CV_QCOW2_FIELD(compatible));
}

static void take_raw_data_bit(struct cv_qcow2_reading *r)
{
	bool raw = r->h.autoclear & QCOW2_AUTOCLEAR_RAW_DATA, data_file = r->facts->flags & CV_FACT_DATA_FILE;

	if (data_file)
		cv_facts_number(r->facts, CV_ATTR_QCOW2_DATA_FILE_RAW, 0, raw, CV_QCOW2_FIELD(autoclear));
	if (raw && !data_file)
		cv_qcow2_bad_text(r, "raw external data bit", "set without an external data file",
				  CV_QCOW2_FIELD(autoclear));
	else if (raw && r->h.backing_off)
		cv_qcow2_bad_text(r, "raw external data bit", "set in an image with a backing file",
				  CV_QCOW2_FIELD(autoclear));
}

static void check_header_length(struct cv_qcow2_reading *r)
{
	uint32_t length = r->h.header_length;
	struct cv_range where = CV_QCOW2_FIELD(header_length);

	if (r->h.version < 3)
		return;
	if (length < QCOW2_V3_HEADER || length % 8 || length > r->cluster_size)
		cv_qcow2_bad_number(r, "header length", length, where);
	else if (length > r->source->size)
		cv_qcow_truncated(r->facts, "header", (struct cv_range){ 0, length }, r->source->size);
}

static void check_l1_covers(struct cv_qcow2_reading *r)
{
	unsigned entry = r->h.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 ? 16 : 8;
	uint64_t per_entry = r->cluster_size / entry * r->cluster_size;
	uint64_t needed = r->h.size / per_entry + (r->h.size % per_entry != 0);
	char text[96];

	if (!r->cluster_known || r->h.size > INT64_MAX || r->h.l1_entries >= needed)
		return;
	snprintf(text, sizeof text, "%" PRIu32 ", the virtual size needs %" PRIu64, r->h.l1_entries, needed);
	cv_qcow2_bad_text(r, "number of L1 entries", text, CV_QCOW2_FIELD(l1_entries));
}

static void check_tables(struct cv_qcow2_reading *r)
{
	uint64_t refcount_bytes = r->h.refcount_clusters * r->cluster_size;

	if (r->h.l1_entries <= QCOW2_MAX_L1_ENTRIES && r->h.l1_entries)
		cv_qcow2_table(r, "L1 table", (struct cv_range){ r->h.l1_off, (uint64_t)r->h.l1_entries * 8 },
			       CV_QCOW2_FIELD(l1_off));
	check_l1_covers(r);
	if (r->cluster_known && refcount_bytes > QCOW2_MAX_REFCOUNT_TABLE)
		cv_qcow_hostile(r->facts, "number of refcount table clusters", r->h.refcount_clusters,
				QCOW2_MAX_REFCOUNT_TABLE / r->cluster_size, CV_QCOW2_FIELD(refcount_clusters));
	else if (r->cluster_known && refcount_bytes)
		cv_qcow2_table(r, "refcount table", (struct cv_range){ r->h.refcount_off, refcount_bytes },
			       CV_QCOW2_FIELD(refcount_off));
}

static void take_refcount_bits(struct cv_qcow2_reading *r)
{
	struct cv_range where = { 0, 0 };

	if (r->h.version >= 3)
		where = CV_QCOW2_FIELD(refcount_order);
	if (r->h.refcount_order <= QCOW2_MAX_REFCOUNT_ORDER)
		cv_facts_number(r->facts, CV_ATTR_QCOW2_REFCOUNT_BITS, 0, UINT64_C(1) << r->h.refcount_order, where);
}

/* Too short, or of a kind we do not know: all that is left to say is whether there may be a parent. */
static void take_remains(struct cv_qcow2_reading *r, size_t have)
{
	if (!have || (have >= offsetof(struct cv_qcow2_header_disk, backing_len) && !r->h.backing_off))
		return;
	r->facts->flags |= CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE;
}

/* True if the header is whole and of a version whose fields we know. */
static bool header_is_ours(struct cv_qcow2_reading *r, const struct cv_qcow2_header_disk *d, size_t have)
{
	size_t need = r->h.version == 3 ? QCOW2_V3_HEADER : QCOW2_V2_HEADER;

	if (have >= sizeof d->magic && cv_be32_get(d->magic) != QCOW2_MAGIC && !r->damaged) {
		cv_qcow2_bad_text(r, "magic", "not that of QCOW2", CV_QCOW2_FIELD(magic));
		return false;
	}
	if (have >= offsetof(struct cv_qcow2_header_disk, backing_off) && r->h.version != 2 && r->h.version != 3) {
		cv_facts_number(r->facts, CV_ATTR_QCOW2_VERSION, 0, r->h.version, CV_QCOW2_FIELD(version));
		cv_qcow2_bad_number(r, "version", r->h.version, CV_QCOW2_FIELD(version));
		r->facts->flags |= CV_FACT_DISABLED;
		take_remains(r, have);
		return false;
	}
	if (have < need) {
		cv_qcow_truncated(r->facts, "header", (struct cv_range){ 0, need }, r->source->size);
		take_remains(r, have);
		return false;
	}
	return true;
}

bool cv_qcow2_read_header(struct cv_qcow2_reading *r, bool *usable, struct cv_err *err)
{
	struct cv_qcow2_header_disk d = { 0 };
	size_t have = r->source->size < sizeof d ? (size_t)r->source->size : sizeof d;

	*usable = false;
	if (!cv_source_read(r->source, &d, have, 0, err))
		return cv_wrap(err, "while reading the header");
	r->h = decode(&d);
	if (!header_is_ours(r, &d, have))
		return true;
	*usable = true;
	take_fields(r, &d);
	take_cluster_size(r);
	take_virtual_size(r);
	take_encryption(r);
	take_compression(r);
	take_features(r);
	take_raw_data_bit(r);
	take_refcount_bits(r);
	check_header_length(r);
	check_tables(r);
	return true;
}
