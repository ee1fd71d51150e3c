/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where the structures of a VHDX are: identifier, both headers, both region tables, the log, metadata, BAT. When the
 * log is pending what it changes is looked at twice, as stored and as it would be with the log replayed.
 */
#include "inspect/dump/vhdx_walk.h"
#include "inspect/vhdx/vhdx_log.h"

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

/* Is the copy at `at` the one whose field was taken as this fact? */
static bool is_used(const struct cv_facts *f, enum cv_attr_id id, struct cv_range at)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a && a->where.off >= at.off && a->where.off - at.off < at.len;
}

static bool headers(struct cv_dumping *d, const struct cv_vhdx *v, struct cv_err *err)
{
	struct cv_dump_piece id = { .layout = CV_LAYOUT_VHDX_FILE_ID,
				    .at = { 0, sizeof(struct cv_vhdx_file_id_disk) },
				    .used = true };

	if (!cv_dump_piece(d, &id, err))
		return false;
	for (int i = 0; i < 2; i++) {
		struct cv_dump_piece p = {
			.layout = CV_LAYOUT_VHDX_HEADER,
			.copy = i ? CV_COPY_SECOND : CV_COPY_FIRST,
			.at = { CV_VHDX_HEADER_OFFSET(i), sizeof(struct cv_vhdx_header_disk) },
			.sum = CV_SUM_CRC32C,
			.sum_at = offsetof(struct cv_vhdx_header_disk, checksum),
		};

		p.used = is_used(v->facts, CV_ATTR_VHDX_SEQUENCE, p.at);
		if (!cv_dump_piece(d, &p, err))
			return false;
	}
	return true;
}

static bool region_tables(struct cv_dumping *d, const struct cv_vhdx *v, struct cv_err *err)
{
	for (int i = 0; i < 2; i++) {
		struct cv_dump_piece p = {
			.layout = CV_LAYOUT_VHDX_REGION_TABLE,
			.copy = i ? CV_COPY_SECOND : CV_COPY_FIRST,
			.at = { CV_VHDX_REGION_OFFSET(i), CV_VHDX_TABLE_SIZE },
			.sum = CV_SUM_CRC32C,
			.sum_at = offsetof(struct cv_vhdx_table_disk, checksum),
		};

		p.used = is_used(v->facts, CV_ATTR_VHDX_BAT_OFFSET, p.at) ||
			 is_used(v->facts, CV_ATTR_VHDX_METADATA_OFFSET, p.at);
		if (!cv_dump_piece(d, &p, err))
			return false;
	}
	return true;
}

static enum cv_layout_id layout_of_item(const struct cv_guid_disk *id)
{
	static const struct {
		const char *guid;
		enum cv_layout_id layout;
	} rows[] = {
		{ "caa16737-fa36-4d43-b3b6-33f0aa44e76b", CV_LAYOUT_VHDX_PARAMETERS },
		{ "2fa54224-cd1b-4876-b211-5dbed83bf4b8", CV_LAYOUT_VHDX_SIZE },
		{ "beca12ab-b2e6-4523-93ef-c309e000c746", CV_LAYOUT_VHDX_DISK_ID },
		{ "8141bf1d-a96f-4709-ba47-f233a8faab5f", CV_LAYOUT_VHDX_LOGICAL_SECTOR },
		{ "cda348c7-445d-4471-9cc9-e9885251c556", CV_LAYOUT_VHDX_PHYSICAL_SECTOR },
		{ "a8d35f2d-b30b-454d-abf7-d3d84834ab0c", CV_LAYOUT_VHDX_LOCATOR },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_guid_is(id, rows[i].guid))
			return rows[i].layout;
	return CV_LAYOUT_VHDX_UNKNOWN_ITEM;
}

/* The head with its entries, then every key and value where it lies. */
static bool locator(struct cv_dumping *d, struct cv_range item, struct cv_err *err)
{
	struct cv_vhdx_locator_disk head;
	struct cv_vhdx_locator_entry_disk entry;
	struct cv_dump_piece p = { .layout = CV_LAYOUT_VHDX_LOCATOR, .at = item };
	uint64_t fits = item.len < sizeof head ? 0 : (item.len - sizeof head) / sizeof entry;
	uint32_t count;
	bool good = item.len >= sizeof head;

	if (good && !cv_dump_read(d, &head, sizeof head, item.off, &good, err))
		return false;
	if (!good)
		return cv_dump_piece(d, &p, err);
	count = cv_le16_get(head.count) < fits ? cv_le16_get(head.count) : (uint32_t)fits;
	p.at.len = sizeof head + count * sizeof entry;
	if (!cv_dump_piece(d, &p, err))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct cv_dump_piece key = { .layout = CV_LAYOUT_VHDX_LOCATOR_KEY, .has_index = true, .index = i };
		struct cv_dump_piece value = { .layout = CV_LAYOUT_VHDX_LOCATOR_VALUE, .has_index = true, .index = i };

		if (!cv_dump_read(d, &entry, sizeof entry, item.off + sizeof head + i * sizeof entry, &good, err))
			return false;
		key.at = (struct cv_range){ cv_le32_get(entry.key_offset), cv_le16_get(entry.key_length) };
		value.at = (struct cv_range){ cv_le32_get(entry.value_offset), cv_le16_get(entry.value_length) };
		if (!good || !cv_range_inside(key.at, item.len) || !cv_range_inside(value.at, item.len))
			continue;
		key.at.off += item.off;
		value.at.off += item.off;
		if (!cv_dump_piece(d, &key, err) || !cv_dump_piece(d, &value, err))
			return false;
	}
	return true;
}

static bool metadata(struct cv_dumping *d, const struct cv_vhdx *v, struct cv_err *err)
{
	struct cv_vhdx_metadata_disk head;
	struct cv_vhdx_item_disk item;
	struct cv_dump_piece p = { .layout = CV_LAYOUT_VHDX_METADATA_TABLE,
				   .used = true,
				   .at = { v->metadata.offset, CV_VHDX_TABLE_SIZE } };
	uint32_t count;
	bool good;

	if (!v->metadata.found)
		return true;
	if (!cv_dump_piece(d, &p, err) || !cv_dump_read(d, &head, sizeof head, p.at.off, &good, err))
		return false;
	count = good ? cv_le16_get(head.count) : 0;
	for (uint32_t i = 0; i < count && i < CV_VHDX_ENTRIES_MAX; i++) {
		struct cv_dump_piece q = { .used = true, .has_index = true, .index = i };

		if (!cv_dump_read(d, &item, sizeof item, p.at.off + sizeof head + i * sizeof item, &good, err))
			return false;
		q.at = (struct cv_range){ cv_le32_get(item.offset), cv_le32_get(item.length) };
		if (!good || q.at.off < CV_VHDX_TABLE_SIZE || !cv_range_inside(q.at, v->metadata.length))
			continue;
		q.at.off += v->metadata.offset;
		q.layout = layout_of_item(&item.id);
		if (q.layout == CV_LAYOUT_VHDX_LOCATOR ? !locator(d, q.at, err) : !cv_dump_piece(d, &q, err))
			return false;
	}
	return true;
}

/* Everything that a log may change, from the source that is in view. */
static bool view(struct cv_dumping *d, struct cv_facts *facts, struct cv_err *err)
{
	struct cv_vhdx v = { .source = d->view, .facts = facts };
	struct cv_err trouble = { .code = CV_OK };

	if (!cv_vhdx_read_regions(&v, &trouble))
		return cv_dump_trouble(d, NULL, &trouble, err) && region_tables(d, &v, err);
	if (!region_tables(d, &v, err))
		return false;
	if (!cv_vhdx_read_metadata(&v, &trouble) && !cv_dump_trouble(d, NULL, &trouble, err))
		return false;
	return metadata(d, &v, err) && cv_dump_vhdx_bat(d, &v, err);
}

/* The facts of the headers are wanted for the replay; those of the replayed view are new. */
static bool replayed_view(struct cv_dumping *d, const struct cv_facts *headers_facts, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	CV_AUTO(cv_auto_source) struct cv_source *replayed = cv_source_borrow(d->source, err);
	struct cv_err trouble = { .code = CV_OK };
	bool good;

	if (!facts || !replayed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhdx_log_apply(&replayed, headers_facts, &trouble)) {
		cv_wrap(&trouble, "the log cannot be replayed");
		return cv_dump_trouble(d, NULL, &trouble, err);
	}
	d->view = replayed;
	good = view(d, facts, err);
	d->view = d->source;
	return good;
}

bool cv_dump_vhdx(struct cv_dumping *d, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct cv_vhdx v = { .source = d->source, .facts = facts };
	struct cv_err trouble = { .code = CV_OK };
	struct cv_range log;

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	facts->variant = CV_VARIANT_DYNAMIC;
	if (d->source->size >= CV_VHDX_MIB && !cv_vhdx_read_headers(&v, &trouble) &&
	    !cv_dump_trouble(d, NULL, &trouble, err))
		return false;
	if (!headers(d, &v, err))
		return false;
	if (d->source->size < CV_VHDX_MIB)
		return true;
	log = (struct cv_range){ number(facts, CV_ATTR_VHDX_LOG_OFFSET), number(facts, CV_ATTR_VHDX_LOG_LENGTH) };
	if (!cv_dump_vhdx_log(d, facts, log, err) || !view(d, facts, err))
		return false;
	return !(facts->flags & CV_FACT_DIRTY) || replayed_view(d, facts, err);
}
