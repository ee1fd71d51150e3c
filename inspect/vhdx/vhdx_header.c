/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The two headers and the two region tables of a VHDX: which copy counts, and what is wrong with the other. */
#include "inspect/vhdx/vhdx.h"
#include "inspect/base/crc32c.h"
#include <stdio.h>

/* CRC-32C of a structure whose checksum field, at offset 4, counts as zero. */
static uint32_t sum_without_checksum(const uint8_t *bytes, size_t len)
{
	static const uint8_t zeros[4];
	uint32_t crc = cv_crc32c(0, bytes, 4);

	crc = cv_crc32c(crc, zeros, 4);
	return cv_crc32c(crc, bytes + 8, len - 8);
}

/* Why a header cannot be used; NULL if it can. */
static const char *header_fault(const struct cv_vhdx_header_disk *h)
{
	if (memcmp(h->signature, "head", 4) != 0)
		return "its signature is not \"head\"";
	if (cv_le32_get(h->checksum) != sum_without_checksum((const uint8_t *)h, sizeof *h))
		return "its checksum is wrong";
	if (cv_le16_get(h->version) != 1)
		return "its version is not 1";
	if (cv_le16_get(h->log_version) != 0)
		return "its log version is not 0";
	return NULL;
}

static void add_guid(struct cv_vhdx *v, enum cv_attr_id id, const struct cv_guid_disk *guid, uint64_t at)
{
	uint8_t printed[16];

	cv_guid_print_order(guid, printed);
	cv_facts_text(v->facts, id, 0, cv_bytes_of(cv_uuid_str(printed).s), (struct cv_range){ at, 16 });
}

/* The current header's facts. DataWriteGuid is what children are compared with, so it is the identity. */
static void take_header(struct cv_vhdx *v, const struct cv_vhdx_header_disk *h, uint64_t at)
{
	struct cv_facts *f = v->facts;

	cv_facts_number(f, CV_ATTR_VHDX_SEQUENCE, 0, cv_le64_get(h->sequence), (struct cv_range){ at + 8, 8 });
	add_guid(v, CV_ATTR_VHDX_FILE_WRITE_GUID, &h->file_write, at + 16);
	add_guid(v, CV_ATTR_VHDX_DATA_WRITE_GUID, &h->data_write, at + 32);
	add_guid(v, CV_ATTR_VHDX_LOG_GUID, &h->log, at + 48);
	cv_facts_number(f, CV_ATTR_VHDX_LOG_LENGTH, 0, cv_le32_get(h->log_length), (struct cv_range){ at + 68, 4 });
	cv_facts_number(f, CV_ATTR_VHDX_LOG_OFFSET, 0, cv_le64_get(h->log_offset), (struct cv_range){ at + 72, 8 });
	if (!cv_guid_is_null(&h->data_write)) {
		cv_guid_print_order(&h->data_write, f->uuid);
		f->flags |= CV_FACT_UUID;
	}
	if (!cv_guid_is_null(&h->log)) {
		struct cv_finding pending = cv_finding_of(CV_VHX_VHDX_LOG_PENDING);

		pending.has_where = true;
		pending.where = (struct cv_range){ cv_le64_get(h->log_offset), cv_le32_get(h->log_length) };
		/* A place that is none: then the fields that say so. */
		if (!cv_range_inside(pending.where, v->source->size))
			pending.where = (struct cv_range){ at + 68, 12 };
		cv_facts_find(f, pending);
		f->flags |= CV_FACT_DIRTY;
	}
}

/* Which of two usable headers is current: -1 if that cannot be said. Disk2VHD leaves two that are the same. */
static int current_header(const struct cv_vhdx_header_disk h[2])
{
	uint64_t a = cv_le64_get(h[0].sequence), b = cv_le64_get(h[1].sequence);

	if (a != b)
		return a > b ? 0 : 1;
	return memcmp(&h[0], &h[1], sizeof h[0]) ? -1 : 0;
}

/* "copy 2: its checksum is wrong; copy 1 is used". serves: -1 if none does. */
static void report_copy(struct cv_vhdx *v, enum cv_problem_id id, int copy, const char *fault, int serves,
			struct cv_range where)
{
	char text[128], rest[32] = "";

	if (serves >= 0)
		snprintf(rest, sizeof rest, "; copy %d is used", serves + 1);
	snprintf(text, sizeof text, "copy %d: %s%s", copy + 1, fault, rest);
	cv_vhdx_find(v, id, serves < 0 ? CV_ERROR : CV_WARNING, text, where);
}

/* A disk that was never opened for writing may have no log. Without one that fits, nobody can open it. */
static void check_log_place(struct cv_vhdx *v, const struct cv_vhdx_header_disk *h, uint64_t at)
{
	struct cv_range log = { cv_le64_get(h->log_offset), cv_le32_get(h->log_length) };
	bool none = !log.off && !log.len && cv_guid_is_null(&h->log);

	if (!none && (!log.len || log.off < CV_VHDX_MIB || (log.off | log.len) % CV_VHDX_MIB ||
		      !cv_range_inside(log, v->source->size)))
		cv_vhdx_find(v, CV_VHX_VHDX_HEADER_INVALID, CV_ERROR,
			     "the log does not lie inside the file, at a multiple of 1 MiB",
			     (struct cv_range){ at + offsetof(struct cv_vhdx_header_disk, log_length), 12 });
}

bool cv_vhdx_read_headers(struct cv_vhdx *v, struct cv_err *err)
{
	struct cv_vhdx_header_disk h[2];
	const char *fault[2];
	int current;

	for (int i = 0; i < 2; i++) {
		if (!cv_source_read(v->source, &h[i], sizeof h[i], CV_VHDX_HEADER_OFFSET(i), err))
			return cv_wrap(err, "while reading VHDX header %d", i + 1);
		fault[i] = header_fault(&h[i]);
	}
	current = fault[0] && fault[1] ? -1 : fault[0] ? 1 : fault[1] ? 0 : current_header(h);
	for (int i = 0; i < 2; i++)
		if (fault[i])
			report_copy(v, CV_VHX_VHDX_HEADER_INVALID, i, fault[i], current,
				    (struct cv_range){ CV_VHDX_HEADER_OFFSET(i), sizeof h[i] });
	if (!fault[0] && !fault[1] && current < 0)
		cv_vhdx_find(v, CV_VHX_VHDX_HEADER_INVALID, CV_ERROR, "both copies have the same sequence number and differ",
			     (struct cv_range){ CV_VHDX_HEADER_OFFSET(0), 2 * CV_VHDX_TABLE_SIZE });
	if (current >= 0) {
		take_header(v, &h[current], CV_VHDX_HEADER_OFFSET(current));
		check_log_place(v, &h[current], CV_VHDX_HEADER_OFFSET(current));
	}
	return true;
}

/* Why a region table cannot be used; NULL if it can. */
static const char *table_fault(const uint8_t *bytes)
{
	const struct cv_vhdx_table_disk *t = (const void *)bytes;

	if (memcmp(t->signature, "regi", 4) != 0)
		return "its signature is not \"regi\"";
	if (cv_le32_get(t->checksum) != sum_without_checksum(bytes, CV_VHDX_TABLE_SIZE))
		return "its checksum is wrong";
	if (cv_le32_get(t->count) > CV_VHDX_ENTRIES_MAX)
		return "it has more than 2047 entries";
	return NULL;
}

static void bad_region(struct cv_vhdx *v, const char *text, struct cv_range where)
{
	cv_vhdx_find(v, CV_VHX_VHDX_REGION_TABLE_INVALID, CV_ERROR, text, where);
}

static void unknown_region(struct cv_vhdx *v, const struct cv_vhdx_region_disk *r, struct cv_range entry)
{
	if (!(cv_le32_get(r->required) & 1))
		return;
	cv_vhdx_find(v, CV_GEN_UNSUPPORTED_FEATURE, CV_WARNING, "a required region of unknown kind", entry);
	v->facts->flags |= CV_FACT_DISABLED;
}

static void take_region(struct cv_vhdx *v, const struct cv_vhdx_region_disk *r, uint64_t at)
{
	struct cv_vhdx_region *region = cv_guid_is(&r->id, "2dc27766-f623-4200-9d64-115e9bfd4a08") ? &v->bat :
					cv_guid_is(&r->id, "8b7ca206-4790-4b9a-b8fe-575f050f886e") ? &v->metadata : NULL;
	struct cv_range where = { cv_le64_get(r->offset), cv_le32_get(r->length) }, entry = { at, sizeof *r };
	bool bat = region == &v->bat;

	if (!region) {
		unknown_region(v, r, entry);
		return;
	}
	if (region->named) {
		bad_region(v, bat ? "it names the BAT twice" : "it names the metadata twice", entry);
		return;
	}
	region->named = true;
	if (!cv_range_inside(where, v->source->size) || where.off < CV_VHDX_MIB ||
	    (where.off | where.len) % CV_VHDX_MIB || !where.len) {
		bad_region(v, bat ? "the BAT does not lie inside the file, at a multiple of 1 MiB" :
				    "the metadata do not lie inside the file, at a multiple of 1 MiB", entry);
		return;
	}
	region->offset = where.off;
	region->length = (uint32_t)where.len;
	region->found = true;
	cv_facts_number(v->facts, bat ? CV_ATTR_VHDX_BAT_OFFSET : CV_ATTR_VHDX_METADATA_OFFSET, 0, where.off,
			(struct cv_range){ at + 16, 8 });
}

static struct cv_range log_range(const struct cv_facts *f)
{
	const struct cv_attr *off = cv_facts_attr(f, CV_ATTR_VHDX_LOG_OFFSET, 0);
	const struct cv_attr *len = cv_facts_attr(f, CV_ATTR_VHDX_LOG_LENGTH, 0);

	return off && len ? (struct cv_range){ off->number, len->number } : (struct cv_range){ 0, 0 };
}

/* What the table must name, and what must not lie on each other. */
static void check_regions(struct cv_vhdx *v, struct cv_range table)
{
	const struct { struct cv_range at; const char *overlap; } pairs[][2] = {
		{ { { v->bat.offset, v->bat.length }, "the BAT lies on the metadata" },
		  { { v->metadata.offset, v->metadata.length }, NULL } },
		{ { { v->bat.offset, v->bat.length }, "the BAT lies on the log" }, { log_range(v->facts), NULL } },
		{ { { v->metadata.offset, v->metadata.length }, "the metadata lie on the log" },
		  { log_range(v->facts), NULL } },
	};

	if (!v->bat.named)
		bad_region(v, "it names no BAT", table);
	if (!v->metadata.named)
		bad_region(v, "it names no metadata", table);
	for (size_t i = 0; i < CV_COUNT(pairs); i++)
		if (cv_ranges_touch(pairs[i][0].at, pairs[i][1].at))
			bad_region(v, pairs[i][0].overlap, pairs[i][0].at);
}

/* Two copies that are both whole and say different things: a writer died between them. */
static void compare_tables(struct cv_vhdx *v, const uint8_t *tables)
{
	if (memcmp(tables, tables + CV_VHDX_TABLE_SIZE, CV_VHDX_TABLE_SIZE))
		cv_vhdx_find(v, CV_VHX_VHDX_REGION_TABLE_INVALID, CV_WARNING, "the two copies differ; copy 1 is used",
			     (struct cv_range){ CV_VHDX_REGION_OFFSET(1), CV_VHDX_TABLE_SIZE });
}

static void take_table(struct cv_vhdx *v, const uint8_t *table, uint64_t at)
{
	const struct cv_vhdx_region_disk *r = (const void *)(table + sizeof(struct cv_vhdx_table_disk));
	uint32_t count = cv_le32_get(((const struct cv_vhdx_table_disk *)(const void *)table)->count);

	for (uint32_t i = 0; i < count; i++)
		take_region(v, &r[i], at + sizeof(struct cv_vhdx_table_disk) + i * sizeof *r);
	check_regions(v, (struct cv_range){ at, CV_VHDX_TABLE_SIZE });
}

/* Whatever its checksum says: the regions that it names are looked at one by one. */
static bool is_readable(const uint8_t *bytes)
{
	const struct cv_vhdx_table_disk *t = (const void *)bytes;

	return !memcmp(t->signature, "regi", 4) && cv_le32_get(t->count) <= CV_VHDX_ENTRIES_MAX;
}

bool cv_vhdx_read_tables(struct cv_source *source, uint8_t *tables, const char *fault[2], struct cv_err *err)
{
	if (!cv_source_read(source, tables, 2 * (size_t)CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(0), err))
		return cv_wrap(err, "while reading the region tables");
	for (size_t i = 0; i < 2; i++)
		fault[i] = table_fault(tables + i * CV_VHDX_TABLE_SIZE);
	return true;
}

bool cv_vhdx_read_regions(struct cv_vhdx *v, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *tables = malloc(2 * (size_t)CV_VHDX_TABLE_SIZE);
	const char *fault[2];
	int used;

	if (!tables)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhdx_read_tables(v->source, tables, fault, err))
		return false;
	used = !fault[0] ? 0 : !fault[1] ? 1 : -1;
	if (used < 0 && v->damaged)
		used = is_readable(tables) ? 0 : is_readable(tables + CV_VHDX_TABLE_SIZE) ? 1 : -1;
	for (int i = 0; i < 2; i++)
		if (fault[i])
			report_copy(v, CV_VHX_VHDX_REGION_TABLE_INVALID, i, fault[i], used,
				    (struct cv_range){ CV_VHDX_REGION_OFFSET(i), CV_VHDX_TABLE_SIZE });
	if (!fault[0] && !fault[1])
		compare_tables(v, tables);
	if (used >= 0)
		take_table(v, tables + (size_t)used * CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(used));
	return true;
}
