/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The structures of VHD, field by field. */
#include "inspect/dump/layout.h"
#include "inspect/vhd/vhd_disk.h"

#define FOOTER(member)  CV_AT(struct vhd_footer_disk, member)
#define HEADER(member)  CV_AT(struct vhd_header_disk, member)
#define LOCATOR(member) CV_AT(struct vhd_locator_disk, member)
#define BATMAP(member)  CV_AT(struct vhd_batmap_disk, member)

static const struct cv_layout_word features[] = {
	{ VHD_FEATURE_TEMPORARY, "temporary" },
	{ VHD_FEATURE_RESERVED, "reserved" },
	{ 0, NULL },
};
static const struct cv_layout_word types[] = {
	{ VHD_TYPE_FIXED, "fixed" },
	{ VHD_TYPE_DYNAMIC, "dynamic" },
	{ VHD_TYPE_DIFFERENCING, "differencing" },
	{ 0, NULL },
};
static const struct cv_layout_word hidden[] = { { 0, "visible" }, { 1, "hidden" }, { 0, NULL } };

static const struct cv_layout_field footer[] = {
	{ "cookie", FOOTER(cookie), CV_FIELD_TEXT, false, NULL },
	{ "features", FOOTER(features), CV_FIELD_HEX, true, features },
	{ "format_version", FOOTER(version), CV_FIELD_HEX, false, NULL },
	{ "data_offset", FOOTER(data_offset), CV_FIELD_HEX, false, NULL },
	{ "timestamp", FOOTER(timestamp), CV_FIELD_TIME_VHD, false, NULL },
	{ "creator_application", FOOTER(app), CV_FIELD_TEXT, false, NULL },
	{ "creator_version", FOOTER(app_version), CV_FIELD_HEX, false, NULL },
	{ "creator_os", FOOTER(os), CV_FIELD_TEXT, false, NULL },
	{ "original_size", FOOTER(original_size), CV_FIELD_NUMBER, false, NULL },
	{ "current_size", FOOTER(current_size), CV_FIELD_NUMBER, false, NULL },
	{ "cylinders", FOOTER(cylinders), CV_FIELD_NUMBER, false, NULL },
	{ "heads", FOOTER(heads), CV_FIELD_NUMBER, false, NULL },
	{ "sectors_per_track", FOOTER(sectors), CV_FIELD_NUMBER, false, NULL },
	{ "disk_type", FOOTER(type), CV_FIELD_NUMBER, false, types },
	{ "checksum", FOOTER(checksum), CV_FIELD_HEX, false, NULL },
	{ "unique_id", FOOTER(uuid), CV_FIELD_UUID, false, NULL },
	{ "saved_state", FOOTER(saved), CV_FIELD_NUMBER, false, NULL },
	{ "hidden", FOOTER(hidden), CV_FIELD_NUMBER, false, hidden },
	{ "reserved", FOOTER(reserved), CV_FIELD_BYTES, false, NULL },
};

static const struct cv_layout_field header[] = {
	{ "cookie", HEADER(cookie), CV_FIELD_TEXT, false, NULL },
	{ "data_offset", HEADER(data_offset), CV_FIELD_HEX, false, NULL },
	{ "table_offset", HEADER(table_offset), CV_FIELD_HEX, false, NULL },
	{ "header_version", HEADER(version), CV_FIELD_HEX, false, NULL },
	{ "max_table_entries", HEADER(max_table_entries), CV_FIELD_NUMBER, false, NULL },
	{ "block_size", HEADER(block_size), CV_FIELD_NUMBER, false, NULL },
	{ "checksum", HEADER(checksum), CV_FIELD_HEX, false, NULL },
	{ "parent_unique_id", HEADER(parent_uuid), CV_FIELD_UUID, false, NULL },
	{ "parent_timestamp", HEADER(parent_time), CV_FIELD_TIME_VHD, false, NULL },
	{ "reserved1", HEADER(reserved1), CV_FIELD_BYTES, false, NULL },
	{ "parent_name", HEADER(parent_name), CV_FIELD_UTF16_BIG, false, NULL },
	{ "reserved2", HEADER(reserved2), CV_FIELD_BYTES, false, NULL },
};

static const struct cv_layout_field locator[] = {
	{ "platform_code", LOCATOR(code), CV_FIELD_TEXT, false, NULL },
	{ "data_space", LOCATOR(space), CV_FIELD_NUMBER, false, NULL },
	{ "data_length", LOCATOR(length), CV_FIELD_NUMBER, false, NULL },
	{ "reserved", LOCATOR(reserved), CV_FIELD_HEX, false, NULL },
	{ "data_offset", LOCATOR(offset), CV_FIELD_HEX, false, NULL },
};

static const struct cv_layout_field batmap[] = {
	{ "cookie", BATMAP(cookie), CV_FIELD_TEXT, false, NULL },
	{ "map_offset", BATMAP(map_offset), CV_FIELD_HEX, false, NULL },
	{ "map_sectors", BATMAP(map_sectors), CV_FIELD_NUMBER, false, NULL },
	{ "version", BATMAP(version), CV_FIELD_HEX, false, NULL },
	{ "map_checksum", BATMAP(checksum), CV_FIELD_HEX, false, NULL },
	{ "marker", BATMAP(marker), CV_FIELD_NUMBER, false, NULL },
	{ "key_set", BATMAP(key_set), CV_FIELD_NUMBER, false, NULL },
	{ "key_nonce", BATMAP(key_nonce), CV_FIELD_BYTES, false, NULL },
	{ "key_hash", BATMAP(key_hash), CV_FIELD_BYTES, false, NULL },
	{ "reserved", BATMAP(reserved), CV_FIELD_BYTES, false, NULL },
};

static const struct cv_layout_field little[] = { { "name", 0, 0, CV_FIELD_UTF16_LITTLE, false, NULL } };
static const struct cv_layout_field text[] = { { "name", 0, 0, CV_FIELD_TEXT, false, NULL } };

const struct cv_layout cv_layout_VHD_FOOTER = { .name = "footer", CV_FIELDS(footer) };
const struct cv_layout cv_layout_VHD_HEADER = {
	.name = "dynamic_header",
	CV_FIELDS(header),
	.each = { .name = "locators",
		  CV_FIELDS(locator),
		  .from = offsetof(struct vhd_header_disk, locators),
		  .size = sizeof(struct vhd_locator_disk),
		  .most = VHD_LOCATORS },
};
const struct cv_layout cv_layout_VHD_BAT = { .name = "bat", .is_table = true };
const struct cv_layout cv_layout_VHD_BAT_PADDING = { .name = "bat_padding" };
const struct cv_layout cv_layout_VHD_BATMAP_HEADER = { .name = "batmap_header", CV_FIELDS(batmap) };
const struct cv_layout cv_layout_VHD_BATMAP = { .name = "batmap", .is_table = true };
const struct cv_layout cv_layout_VHD_LOCATOR_LITTLE = { .name = "locator_data", CV_FIELDS(little) };
const struct cv_layout cv_layout_VHD_LOCATOR_TEXT = { .name = "locator_data", CV_FIELDS(text) };
const struct cv_layout cv_layout_VHD_LOCATOR_BYTES = { .name = "locator_data" };
const struct cv_layout cv_layout_VHD_LOCATOR_REST = { .name = "locator_padding" };
