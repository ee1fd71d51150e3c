/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See encode.h. */
#include "repair/vhdx/encode.h"
#include "inspect/base/crc32c.h"
#include "inspect/vhdx/vhdx.h"
#include "repair/vhd/encode.h"

enum { ITEMS = CV_VHDX_TABLE_SIZE }; /* items lie behind the metadata table */

static uint64_t whole_mib(uint64_t bytes)
{
	return (bytes + CV_VHDX_MIB - 1) / CV_VHDX_MIB * CV_VHDX_MIB;
}

struct cv_guid_disk cv_vhdx_guid(const uint8_t uuid[16])
{
	struct cv_guid_disk from, guid;

	/* What turns it around turns it back. */
	memcpy(from.b, uuid, sizeof from.b);
	cv_guid_print_order(&from, guid.b);
	return guid;
}

static struct cv_guid_disk guid_read(const char *text)
{
	uint8_t uuid[16] = { 0 };

	cv_guid_parse(cv_bytes_of(text), uuid);
	return cv_vhdx_guid(uuid);
}

bool cv_vhdx_plan_layout(const struct cv_vhdx_image *image, struct cv_vhdx_layout *l, struct cv_err *err)
{
	uint32_t block = image->block_size;

	*l = (struct cv_vhdx_layout){ 0 };
	if (block & (block - 1) || block < CV_VHDX_MIB || block > 256 * CV_VHDX_MIB)
		return cv_fail(err, CV_EUSAGE, "block_size=%" PRIu32 " is not a power of two from 1M to 256M", block);
	if (!image->size || image->size > CV_VHDX_SIZE_MAX)
		return cv_fail(err, image->size ? CV_ELIMIT : CV_EUSAGE,
			       "a VHDX has up to 64 TiB (%llu B), and cannot have %" PRIu64 " B", CV_VHDX_SIZE_MAX,
			       image->size);
	l->ratio = (UINT64_C(1) << 23) * image->logical_sector / block;
	l->blocks = (image->size + block - 1) / block;
	l->entries = image->has_parent ? (l->blocks + l->ratio - 1) / l->ratio * (l->ratio + 1)
				       : l->blocks + (l->blocks - 1) / l->ratio;
	l->log_off = CV_VHDX_MIB;
	l->bat_off = l->log_off + image->log_size;
	l->bat_len = whole_mib(l->entries * sizeof(cv_le64));
	l->metadata_off = l->bat_off + l->bat_len;
	l->data_off = l->metadata_off + CV_VHDX_MIB;
	return true;
}

/* The checksum is at offset 4 and counts as zero. */
static void seal(void *structure, size_t len)
{
	const cv_le32 zero = cv_le32_of(0);
	cv_le32 sum;

	memcpy((uint8_t *)structure + 4, &zero, sizeof zero);
	sum = cv_le32_of(cv_crc32c(0, structure, len));
	memcpy((uint8_t *)structure + 4, &sum, sizeof sum);
}

static bool write_file_id(const struct cv_file_out *out, const struct cv_vhdx_image *image, struct cv_err *err)
{
	struct cv_vhdx_file_id_disk d = { .signature = { 'v', 'h', 'd', 'x', 'f', 'i', 'l', 'e' } };
	CV_AUTO(cv_text_fini) struct cv_text creator = { 0 };

	cv_vhd_add_utf16(&creator, cv_bytes_of(image->creator), false);
	if (creator.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(d.creator, creator.at, creator.len < sizeof d.creator ? creator.len : sizeof d.creator - 2);
	return cv_out_write(out, &d, sizeof d, 0, err);
}

static bool write_headers(const struct cv_file_out *out, const struct cv_vhdx_image *image,
			  const struct cv_vhdx_layout *l, struct cv_err *err)
{
	for (unsigned i = 0; i < 2; i++) {
		struct cv_vhdx_header_disk d = {
			.signature = { 'h', 'e', 'a', 'd' },
			.sequence = cv_le64_of(image->sequence + i),
			.file_write = cv_vhdx_guid(image->file_write),
			.data_write = cv_vhdx_guid(image->data_write),
			.log = cv_vhdx_guid(image->log),
			.version = cv_le16_of(1),
			.log_length = cv_le32_of(image->log_size),
			.log_offset = cv_le64_of(l->log_off),
		};

		seal(&d, sizeof d);
		if (!cv_out_write(out, &d, sizeof d, CV_VHDX_HEADER_OFFSET(i), err))
			return false;
	}
	return true;
}

static bool write_regions(const struct cv_file_out *out, const struct cv_vhdx_layout *l, struct cv_err *err)
{
	const struct {
		struct cv_vhdx_table_disk head;
		struct cv_vhdx_region_disk regions[2];
	} start = {
		{ .signature = { 'r', 'e', 'g', 'i' }, .count = cv_le32_of(2) },
		{ { guid_read("2dc27766-f623-4200-9d64-115e9bfd4a08"), cv_le64_of(l->bat_off),
		    cv_le32_of((uint32_t)l->bat_len), cv_le32_of(1) },
		  { guid_read("8b7ca206-4790-4b9a-b8fe-575f050f886e"), cv_le64_of(l->metadata_off),
		    cv_le32_of(CV_VHDX_MIB), cv_le32_of(1) } },
	};
	CV_AUTO(cv_auto_free) uint8_t *table = calloc(1, CV_VHDX_TABLE_SIZE);

	if (!table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(table, &start, sizeof start);
	seal(table, CV_VHDX_TABLE_SIZE);
	return cv_out_write_sparse(out, table, CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(0), err) &&
	       cv_out_write_sparse(out, table, CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(1), err);
}

/* Adds key and value behind the entries; offsets are counted from the start of the locator. */
static void add_pair(struct cv_text *strings, struct cv_vhdx_locator_entry_disk *entry, size_t base, const char *key,
		     const char *value)
{
	size_t start = strings->len, middle;

	cv_vhd_add_utf16(strings, cv_bytes_of(key), false);
	middle = strings->len;
	cv_vhd_add_utf16(strings, cv_bytes_of(value), false);
	*entry = (struct cv_vhdx_locator_entry_disk){
		.key_offset = cv_le32_of((uint32_t)(base + start)),
		.value_offset = cv_le32_of((uint32_t)(base + middle)),
		.key_length = cv_le16_of((uint16_t)(middle - start)),
		.value_length = cv_le16_of((uint16_t)(strings->len - middle)),
	};
}

void cv_vhdx_add_locator(struct cv_text *out, const uint8_t parent[16], const char *path)
{
	struct {
		struct cv_vhdx_locator_disk head;
		struct cv_vhdx_locator_entry_disk entries[2];
	} d = { .head = { .type = guid_read("b04aefb7-d19e-4a81-b789-25b8e9445913"), .count = cv_le16_of(2) } };
	CV_AUTO(cv_text_fini) struct cv_text strings = { 0 }, linkage = { 0 }, windows = { 0 };

	cv_text_addf(&linkage, "{%s}", cv_uuid_str(parent).s);
	cv_text_addf(&windows, "%s%s", strncmp(path, "../", 3) ? ".\\" : "", path);
	for (size_t i = 0; i < windows.len; i++)
		if (windows.at[i] == '/')
			windows.at[i] = '\\';
	add_pair(&strings, &d.entries[0], sizeof d, "parent_linkage", cv_text_str(&linkage));
	add_pair(&strings, &d.entries[1], sizeof d, "relative_path", cv_text_str(&windows));
	cv_text_add_bytes(out, &d, sizeof d);
	cv_text_add_bytes(out, strings.at, strings.len);
	out->failed |= strings.failed || linkage.failed || windows.failed;
}

enum { PARAMETERS, SIZE, DISK_ID, LOGICAL, PHYSICAL, LOCATOR, ITEM_COUNT };

/* Items lie one behind the other, in the order of their rows in the table. */
static bool write_metadata(const struct cv_file_out *out, const struct cv_vhdx_image *image,
			   const struct cv_vhdx_layout *l, struct cv_err *err)
{
	enum { VIRTUAL_DISK = 2, KEEP = 1, HAS_PARENT = 2 };
	const struct {
		cv_le32 block_size, flags;
	} parameters = {
		cv_le32_of(image->block_size),
		cv_le32_of((image->keep_blocks ? KEEP : 0) | (image->has_parent ? HAS_PARENT : 0)),
	};
	const cv_le64 size = cv_le64_of(image->size);
	const struct cv_guid_disk disk_id = cv_vhdx_guid(image->disk_id);
	const cv_le32 logical = cv_le32_of(image->logical_sector), physical = cv_le32_of(image->physical_sector);
	const struct {
		const char *id;
		uint32_t flags;
		const void *bytes;
		size_t len;
	} items[ITEM_COUNT] = {
		[PARAMETERS] = { "caa16737-fa36-4d43-b3b6-33f0aa44e76b", 0, &parameters, sizeof parameters },
		[SIZE] = { "2fa54224-cd1b-4876-b211-5dbed83bf4b8", VIRTUAL_DISK, &size, sizeof size },
		[DISK_ID] = { "beca12ab-b2e6-4523-93ef-c309e000c746", VIRTUAL_DISK, &disk_id, sizeof disk_id },
		[LOGICAL] = { "8141bf1d-a96f-4709-ba47-f233a8faab5f", VIRTUAL_DISK, &logical, sizeof logical },
		[PHYSICAL] = { "cda348c7-445d-4471-9cc9-e9885251c556", VIRTUAL_DISK, &physical, sizeof physical },
		[LOCATOR] = { "a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 0, image->locator.at, image->locator.len },
	};
	unsigned count = image->has_parent ? ITEM_COUNT : LOCATOR;
	struct {
		struct cv_vhdx_metadata_disk head;
		struct cv_vhdx_item_disk rows[ITEM_COUNT];
	} table = { .head = { .signature = { 'm', 'e', 't', 'a', 'd', 'a', 't', 'a' },
			      .count = cv_le16_of((uint16_t)count) } };
	CV_AUTO(cv_text_fini) struct cv_text data = { 0 };

	for (unsigned i = 0; i < count; i++) {
		table.rows[i] = (struct cv_vhdx_item_disk){
			.id = guid_read(items[i].id),
			.offset = cv_le32_of((uint32_t)(ITEMS + data.len)),
			.length = cv_le32_of((uint32_t)items[i].len),
			.flags = cv_le32_of(CV_VHDX_REQUIRED | items[i].flags),
		};
		cv_text_add_bytes(&data, items[i].bytes, items[i].len);
	}
	if (data.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (data.len > CV_VHDX_MIB - ITEMS)
		return cv_fail(err, CV_EUSAGE, "a parent locator of %zu bytes does not fit", image->locator.len);
	return cv_out_write(out, &table, sizeof table, l->metadata_off, err) &&
	       cv_out_write(out, data.at, data.len, l->metadata_off + ITEMS, err);
}

bool cv_vhdx_write_structures(const struct cv_file_out *out, const struct cv_vhdx_image *image,
			      const struct cv_vhdx_layout *l, struct cv_err *err)
{
	return write_metadata(out, image, l, err) && write_regions(out, l, err) && write_headers(out, image, l, err) &&
	       write_file_id(out, image, err);
}
