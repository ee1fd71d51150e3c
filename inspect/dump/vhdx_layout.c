/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The structures of VHDX, field by field. */
#include "inspect/dump/layout.h"
#include "inspect/vhdx/vhdx_log.h"

#define ID(member)         CV_AT(struct cv_vhdx_file_id_disk, member)
#define HEADER(member)     CV_AT(struct cv_vhdx_header_disk, member)
#define TABLE(member)      CV_AT(struct cv_vhdx_table_disk, member)
#define REGION(member)     CV_AT(struct cv_vhdx_region_disk, member)
#define ENTRY(member)      CV_AT(struct cv_vhdx_entry_disk, member)
#define DESCRIPTOR(member) CV_AT(struct cv_vhdx_descriptor_disk, member)
#define METADATA(member)   CV_AT(struct cv_vhdx_metadata_disk, member)
#define ITEM(member)       CV_AT(struct cv_vhdx_item_disk, member)
#define LOCATOR(member)    CV_AT(struct cv_vhdx_locator_disk, member)
#define KEY(member)        CV_AT(struct cv_vhdx_locator_entry_disk, member)

static const struct cv_layout_word required[] = { { 1, "required" }, { 0, NULL } };
static const struct cv_layout_word item_flags[] = {
	{ 1, "user" },
	{ 2, "virtual_disk" },
	{ CV_VHDX_REQUIRED, "required" },
	{ 0, NULL },
};
static const struct cv_layout_word disk_flags[] = { { 1, "leave_blocks_allocated" }, { 2, "has_parent" }, { 0, NULL } };

static const struct cv_layout_field file_id[] = {
	{ "signature", ID(signature), CV_FIELD_TEXT, false, NULL },
	{ "creator", ID(creator), CV_FIELD_UTF16_LITTLE, false, NULL },
};

static const struct cv_layout_field header[] = {
	{ "signature", HEADER(signature), CV_FIELD_TEXT, false, NULL },
	{ "checksum", HEADER(checksum), CV_FIELD_HEX, false, NULL },
	{ "sequence_number", HEADER(sequence), CV_FIELD_NUMBER, false, NULL },
	{ "file_write_guid", HEADER(file_write), CV_FIELD_GUID, false, NULL },
	{ "data_write_guid", HEADER(data_write), CV_FIELD_GUID, false, NULL },
	{ "log_guid", HEADER(log), CV_FIELD_GUID, false, NULL },
	{ "log_version", HEADER(log_version), CV_FIELD_NUMBER, false, NULL },
	{ "version", HEADER(version), CV_FIELD_NUMBER, false, NULL },
	{ "log_length", HEADER(log_length), CV_FIELD_NUMBER, false, NULL },
	{ "log_offset", HEADER(log_offset), CV_FIELD_HEX, false, NULL },
	{ "reserved", HEADER(reserved), CV_FIELD_BYTES, false, NULL },
};

static const struct cv_layout_field table[] = {
	{ "signature", TABLE(signature), CV_FIELD_TEXT, false, NULL },
	{ "checksum", TABLE(checksum), CV_FIELD_HEX, false, NULL },
	{ "entry_count", TABLE(count), CV_FIELD_NUMBER, false, NULL },
	{ "reserved", TABLE(reserved), CV_FIELD_HEX, false, NULL },
};
static const struct cv_layout_field region[] = {
	{ "guid", REGION(id), CV_FIELD_GUID, false, NULL },
	{ "file_offset", REGION(offset), CV_FIELD_HEX, false, NULL },
	{ "length", REGION(length), CV_FIELD_NUMBER, false, NULL },
	{ "required", REGION(required), CV_FIELD_HEX, true, required },
};

static const struct cv_layout_field entry[] = {
	{ "signature", ENTRY(signature), CV_FIELD_TEXT, false, NULL },
	{ "checksum", ENTRY(checksum), CV_FIELD_HEX, false, NULL },
	{ "entry_length", ENTRY(length), CV_FIELD_NUMBER, false, NULL },
	{ "tail", ENTRY(tail), CV_FIELD_HEX, false, NULL },
	{ "sequence_number", ENTRY(sequence), CV_FIELD_NUMBER, false, NULL },
	{ "descriptor_count", ENTRY(count), CV_FIELD_NUMBER, false, NULL },
	{ "reserved", ENTRY(reserved), CV_FIELD_HEX, false, NULL },
	{ "log_guid", ENTRY(guid), CV_FIELD_GUID, false, NULL },
	{ "flushed_file_offset", ENTRY(flushed_size), CV_FIELD_NUMBER, false, NULL },
	{ "last_file_offset", ENTRY(last_size), CV_FIELD_NUMBER, false, NULL },
};
static const struct cv_layout_field descriptor[] = {
	{ "signature", DESCRIPTOR(signature), CV_FIELD_TEXT, false, NULL },
	{ "trailing_bytes", DESCRIPTOR(trailing), CV_FIELD_BYTES, false, NULL },
	{ "leading_bytes_or_zero_length", DESCRIPTOR(leading), CV_FIELD_HEX, false, NULL },
	{ "file_offset", DESCRIPTOR(offset), CV_FIELD_HEX, false, NULL },
	{ "sequence_number", DESCRIPTOR(sequence), CV_FIELD_NUMBER, false, NULL },
};

static const struct cv_layout_field metadata[] = {
	{ "signature", METADATA(signature), CV_FIELD_TEXT, false, NULL },
	{ "reserved", METADATA(reserved), CV_FIELD_HEX, false, NULL },
	{ "entry_count", METADATA(count), CV_FIELD_NUMBER, false, NULL },
	{ "reserved2", METADATA(reserved2), CV_FIELD_BYTES, false, NULL },
};
static const struct cv_layout_field item[] = {
	{ "item_id", ITEM(id), CV_FIELD_GUID, false, NULL },
	{ "offset", ITEM(offset), CV_FIELD_HEX, false, NULL },
	{ "length", ITEM(length), CV_FIELD_NUMBER, false, NULL },
	{ "flags", ITEM(flags), CV_FIELD_HEX, true, item_flags },
	{ "reserved", ITEM(reserved), CV_FIELD_HEX, false, NULL },
};

static const struct cv_layout_field parameters[] = {
	{ "block_size", 0, 4, CV_FIELD_NUMBER, false, NULL },
	{ "flags", 4, 4, CV_FIELD_HEX, true, disk_flags },
};
static const struct cv_layout_field disk_size[] = { { "virtual_disk_size", 0, 8, CV_FIELD_NUMBER, false, NULL } };
static const struct cv_layout_field disk_id[] = { { "virtual_disk_id", 0, 16, CV_FIELD_GUID, false, NULL } };
static const struct cv_layout_field sector_size[] = { { "sector_size", 0, 4, CV_FIELD_NUMBER, false, NULL } };

static const struct cv_layout_field locator[] = {
	{ "locator_type", LOCATOR(type), CV_FIELD_GUID, false, NULL },
	{ "reserved", LOCATOR(reserved), CV_FIELD_HEX, false, NULL },
	{ "key_value_count", LOCATOR(count), CV_FIELD_NUMBER, false, NULL },
};
static const struct cv_layout_field key[] = {
	{ "key_offset", KEY(key_offset), CV_FIELD_NUMBER, false, NULL },
	{ "value_offset", KEY(value_offset), CV_FIELD_NUMBER, false, NULL },
	{ "key_length", KEY(key_length), CV_FIELD_NUMBER, false, NULL },
	{ "value_length", KEY(value_length), CV_FIELD_NUMBER, false, NULL },
};
static const struct cv_layout_field key_text[] = { { "key", 0, 0, CV_FIELD_UTF16_LITTLE, false, NULL } };
static const struct cv_layout_field value_text[] = { { "value", 0, 0, CV_FIELD_UTF16_LITTLE, false, NULL } };

#define EACH(what, table, disk, head, count_type, count_member)                                                        \
	{                                                                                                              \
		.name = what, CV_FIELDS(table), .from = sizeof(head), .size = sizeof(disk),                            \
		.number_at = offsetof(count_type, count_member),                                                       \
		.number_len = sizeof(((count_type *)0)->count_member), .most = UINT16_MAX                              \
	}

const struct cv_layout cv_layout_VHDX_FILE_ID = { .name = "file_identifier", CV_FIELDS(file_id), .little = true };
const struct cv_layout cv_layout_VHDX_HEADER = { .name = "header", CV_FIELDS(header), .little = true };
const struct cv_layout cv_layout_VHDX_REGION_TABLE = {
	.name = "region_table",
	CV_FIELDS(table),
	.little = true,
	.each = EACH("entries", region, struct cv_vhdx_region_disk, struct cv_vhdx_table_disk,
		     struct cv_vhdx_table_disk, count),
};
const struct cv_layout cv_layout_VHDX_LOG_ENTRY = {
	.name = "log_entry",
	CV_FIELDS(entry),
	.little = true,
	.each = EACH("descriptors", descriptor, struct cv_vhdx_descriptor_disk, struct cv_vhdx_entry_disk,
		     struct cv_vhdx_entry_disk, count),
};
const struct cv_layout cv_layout_VHDX_LOG_REST = { .name = "log_unused", .little = true, .is_table = true };
const struct cv_layout cv_layout_VHDX_METADATA_TABLE = {
	.name = "metadata_table",
	CV_FIELDS(metadata),
	.little = true,
	.each = EACH("entries", item, struct cv_vhdx_item_disk, struct cv_vhdx_metadata_disk,
		     struct cv_vhdx_metadata_disk, count),
};
const struct cv_layout cv_layout_VHDX_PARAMETERS = { .name = "file_parameters", CV_FIELDS(parameters), .little = true };
const struct cv_layout cv_layout_VHDX_SIZE = { .name = "virtual_disk_size", CV_FIELDS(disk_size), .little = true };
const struct cv_layout cv_layout_VHDX_DISK_ID = { .name = "virtual_disk_id", CV_FIELDS(disk_id), .little = true };
const struct cv_layout cv_layout_VHDX_LOGICAL_SECTOR = {
	.name = "logical_sector_size",
	CV_FIELDS(sector_size),
	.little = true,
};
const struct cv_layout cv_layout_VHDX_PHYSICAL_SECTOR = {
	.name = "physical_sector_size",
	CV_FIELDS(sector_size),
	.little = true,
};
const struct cv_layout cv_layout_VHDX_LOCATOR = {
	.name = "parent_locator",
	CV_FIELDS(locator),
	.little = true,
	.each = EACH("entries", key, struct cv_vhdx_locator_entry_disk, struct cv_vhdx_locator_disk,
		     struct cv_vhdx_locator_disk, count),
};
const struct cv_layout cv_layout_VHDX_LOCATOR_KEY = { .name = "parent_locator_key",
						      CV_FIELDS(key_text),
						      .little = true };
const struct cv_layout cv_layout_VHDX_LOCATOR_VALUE = {
	.name = "parent_locator_value",
	CV_FIELDS(value_text),
	.little = true,
};
const struct cv_layout cv_layout_VHDX_UNKNOWN_ITEM = { .name = "metadata_item", .little = true };
const struct cv_layout cv_layout_VHDX_BAT = { .name = "bat", .little = true, .is_table = true };
