/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The metadata region of a VHDX: sizes, identity, the parent locator with its keys. */
#include "inspect/vhdx/vhdx.h"

#define ITEM_MAX (1u << 20)

static void invalid(struct cv_vhdx *v, const char *text, struct cv_range where)
{
	cv_vhdx_find(v, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR, text, where);
}

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

static void take_parameters(struct cv_vhdx *v, const uint8_t *item, uint64_t at)
{
	struct { cv_le32 block_size, flags; } disk;
	uint32_t block, flags;

	memcpy(&disk, item, sizeof disk);
	block = cv_le32_get(disk.block_size);
	flags = cv_le32_get(disk.flags);
	if (!is_power_of_two(block) || block < CV_VHDX_MIB || block > 256 * CV_VHDX_MIB)
		invalid(v, "the block size is not a power of two from 1 MiB to 256 MiB", (struct cv_range){ at, 4 });
	else
		v->facts->block_size = block;
	if (flags & 1)
		v->facts->variant = CV_VARIANT_FIXED;
	if (flags & 2) {
		v->facts->variant = CV_VARIANT_DIFFERENCING;
		v->facts->flags |= CV_FACT_PARENT;
	}
}

static void take_size(struct cv_vhdx *v, const uint8_t *item, uint64_t at)
{
	cv_le64 disk;
	uint64_t size;

	memcpy(&disk, item, sizeof disk);
	size = cv_le64_get(disk);
	if (!size || size > CV_VHDX_SIZE_MAX) {
		invalid(v, "the virtual size is zero or more than 64 TiB", (struct cv_range){ at, 8 });
		return;
	}
	v->facts->virtual_size = size;
	v->facts->flags |= CV_FACT_SIZE;
}

static void take_disk_id(struct cv_vhdx *v, const uint8_t *item, uint64_t at)
{
	struct cv_guid_disk id;
	uint8_t printed[16];

	memcpy(&id, item, sizeof id);
	cv_guid_print_order(&id, printed);
	cv_facts_text(v->facts, CV_ATTR_VHDX_DISK_ID, 0, cv_bytes_of(cv_uuid_str(printed).s), (struct cv_range){ at, 16 });
}

static void take_sector(struct cv_vhdx *v, enum cv_attr_id id, const uint8_t *item, uint64_t at)
{
	cv_le32 disk;

	memcpy(&disk, item, sizeof disk);
	if (cv_le32_get(disk) != 512 && cv_le32_get(disk) != 4096)
		invalid(v, "a sector size is neither 512 nor 4096", (struct cv_range){ at, 4 });
	cv_facts_number(v->facts, id, 0, cv_le32_get(disk), (struct cv_range){ at, 4 });
}

static void take_logical_sector(struct cv_vhdx *v, const uint8_t *item, uint64_t at)
{
	take_sector(v, CV_ATTR_VHDX_LOGICAL_SECTOR, item, at);
}

static void take_physical_sector(struct cv_vhdx *v, const uint8_t *item, uint64_t at)
{
	take_sector(v, CV_ATTR_VHDX_PHYSICAL_SECTOR, item, at);
}

/* take is NULL for the parent locator, whose length varies. */
static const struct item_row {
	const char *guid, *name;
	uint32_t length;
	bool needed;
	void (*take)(struct cv_vhdx *v, const uint8_t *item, uint64_t at);
} rows[] = {
	{ "caa16737-fa36-4d43-b3b6-33f0aa44e76b", "the file parameters are missing", 8, true, take_parameters },
	{ "2fa54224-cd1b-4876-b211-5dbed83bf4b8", "the virtual size is missing", 8, true, take_size },
	{ "beca12ab-b2e6-4523-93ef-c309e000c746", "the disk identity is missing", 16, true, take_disk_id },
	{ "8141bf1d-a96f-4709-ba47-f233a8faab5f", "the logical sector size is missing", 4, true, take_logical_sector },
	{ "cda348c7-445d-4471-9cc9-e9885251c556", "the physical sector size is missing", 4, true, take_physical_sector },
	{ "a8d35f2d-b30b-454d-abf7-d3d84834ab0c", "the parent locator is missing", 0, false, NULL },
};

static void unknown_item(struct cv_vhdx *v, const struct cv_vhdx_item_disk *item, struct cv_range where)
{
	if (!(cv_le32_get(item->flags) & CV_VHDX_REQUIRED))
		return;
	cv_vhdx_find(v, CV_GEN_UNSUPPORTED_FEATURE, CV_WARNING, "a required metadata item of unknown kind", where);
	v->facts->flags |= CV_FACT_DISABLED;
}

/* The items of one table that are known, with their places in the region; len 0: not there. */
struct seen {
	struct cv_range at[CV_COUNT(rows)];
};

/* Is this item in the way of one that was there before? */
static bool is_taken(struct cv_vhdx *v, const struct seen *seen, size_t row, struct cv_range inside, struct cv_range entry)
{
	if (seen->at[row].len) {
		invalid(v, "an item is there twice", entry);
		return true;
	}
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_ranges_touch(inside, seen->at[i])) {
			invalid(v, "two items lie on each other", entry);
			return true;
		}
	return false;
}

/* Reads one item and lets its row take it. */
static bool take_item(struct cv_vhdx *v, const struct cv_vhdx_item_disk *item, uint64_t entry_at, struct seen *seen,
		      struct cv_err *err)
{
	struct cv_range inside = { cv_le32_get(item->offset), cv_le32_get(item->length) };
	struct cv_range entry = { entry_at, sizeof *item };
	CV_AUTO(cv_auto_free) uint8_t *bytes = NULL;
	size_t row = 0;

	while (row < CV_COUNT(rows) && !cv_guid_is(&item->id, rows[row].guid))
		row++;
	if (row == CV_COUNT(rows)) {
		unknown_item(v, item, entry);
		return true;
	}
	if (inside.off < CV_VHDX_TABLE_SIZE || !cv_range_inside(inside, v->metadata.length) || inside.len > ITEM_MAX ||
	    inside.len < (rows[row].take ? rows[row].length : sizeof(struct cv_vhdx_locator_disk))) {
		invalid(v, "an item lies outside its region or has an impossible length", entry);
		return true;
	}
	if (is_taken(v, seen, row, inside, entry))
		return true;
	bytes = malloc(inside.len);
	if (!bytes)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_source_read(v->source, bytes, inside.len, v->metadata.offset + inside.off, err))
		return cv_wrap(err, "while reading VHDX metadata");
	seen->at[row] = inside;
	if (rows[row].take)
		rows[row].take(v, bytes, v->metadata.offset + inside.off);
	else
		cv_vhdx_read_locator(v, bytes, (uint32_t)inside.len, v->metadata.offset + inside.off);
	return true;
}

/* Why it is no table of items; NULL if it is one. */
static const char *table_fault(const struct cv_vhdx_metadata_disk *head)
{
	if (memcmp(head->signature, "metadata", 8) != 0)
		return "the table does not begin with \"metadata\"";
	return cv_le16_get(head->count) > CV_VHDX_ENTRIES_MAX ? "the table has more than 2047 entries" : NULL;
}

static bool take_items(struct cv_vhdx *v, const uint8_t *table, struct seen *seen, struct cv_err *err)
{
	const struct cv_vhdx_metadata_disk *head = (const void *)table;
	const struct cv_vhdx_item_disk *item = (const void *)(table + sizeof *head);
	uint16_t count = cv_le16_get(head->count);

	for (uint16_t i = 0; i < count; i++)
		if (!take_item(v, &item[i], v->metadata.offset + sizeof *head + i * sizeof *item, seen, err))
			return false;
	return true;
}

/* What is missing, and what contradicts something else. The last row is the parent locator. */
static void check_items(struct cv_vhdx *v, const struct seen *seen, struct cv_range table)
{
	const struct cv_attr *sector = cv_facts_attr(v->facts, CV_ATTR_VHDX_LOGICAL_SECTOR, 0);
	bool child = v->facts->flags & CV_FACT_PARENT, locator = seen->at[CV_COUNT(rows) - 1].len;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!seen->at[i].len && (rows[i].needed || child))
			invalid(v, rows[i].name, table);
	if (sector && sector->number && v->facts->flags & CV_FACT_SIZE && v->facts->virtual_size % sector->number)
		invalid(v, "the virtual size is no multiple of the logical sector size", table);
	if (locator && !child)
		invalid(v, "there is a parent locator, but the disk says that it has no parent", table);
	if (!seen->at[0].len || child != locator)
		v->facts->flags |= CV_FACT_PARENT_UNREADABLE;
}

bool cv_vhdx_read_metadata(struct cv_vhdx *v, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *table = malloc(CV_VHDX_TABLE_SIZE);
	struct cv_range where = { v->metadata.offset, CV_VHDX_TABLE_SIZE };
	struct seen seen = { 0 };
	const char *fault;

	if (!table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!v->metadata.found || v->metadata.length < CV_VHDX_TABLE_SIZE) {
		invalid(v, "there is no metadata region that could be read", where);
		v->facts->flags |= CV_FACT_PARENT_UNREADABLE;
		return true;
	}
	if (!cv_source_read(v->source, table, CV_VHDX_TABLE_SIZE, v->metadata.offset, err))
		return cv_wrap(err, "while reading the VHDX metadata table");
	fault = table_fault((const void *)table);
	if (fault) {
		invalid(v, fault, where);
		v->facts->flags |= CV_FACT_PARENT_UNREADABLE;
		return true;
	}
	if (!take_items(v, table, &seen, err))
		return false;
	check_items(v, &seen, where);
	return true;
}
