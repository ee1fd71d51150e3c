/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The structures of QCOW2 and QCOW v1, field by field. */
#include "inspect/dump/layout.h"
#include "inspect/qcow/qcow_disk.h"
#include "inspect/qcow2/qcow2_disk.h"

#define HEADER(member)    CV_AT(struct cv_qcow2_header_disk, member)
#define EXTENSION(member) CV_AT(struct cv_qcow2_extension_disk, member)
#define FEATURE(member)   CV_AT(struct cv_qcow2_feature_disk, member)
#define BITMAPS(member)   CV_AT(struct cv_qcow2_bitmaps_disk, member)
#define LUKS(member)      CV_AT(struct cv_qcow2_luks_disk, member)
#define SNAPSHOT(member)  CV_AT(struct cv_qcow2_snapshot_disk, member)
#define EXTRA(member)     CV_AT(struct cv_qcow2_snapshot_extra_disk, member)
#define BITMAP(member)    CV_AT(struct cv_qcow2_bitmap_disk, member)
#define OLD(member)       CV_AT(struct cv_qcow_header_disk, member)

static const struct cv_layout_word incompatible[] = {
	{ QCOW2_INCOMPATIBLE_DIRTY, "dirty" },
	{ QCOW2_INCOMPATIBLE_CORRUPT, "corrupt" },
	{ QCOW2_INCOMPATIBLE_DATA_FILE, "external_data_file" },
	{ QCOW2_INCOMPATIBLE_COMPRESSION, "compression_type" },
	{ QCOW2_INCOMPATIBLE_EXTENDED_L2, "extended_l2" },
	{ 0, NULL },
};
static const struct cv_layout_word compatible[] = {
	{ QCOW2_COMPATIBLE_LAZY_REFCOUNTS, "lazy_refcounts" },
	{ 0, NULL },
};
static const struct cv_layout_word autoclear[] = {
	{ QCOW2_AUTOCLEAR_BITMAPS, "bitmaps" },
	{ QCOW2_AUTOCLEAR_RAW_DATA, "raw_external_data" },
	{ 0, NULL },
};
static const struct cv_layout_word methods[] = {
	{ QCOW2_CRYPT_NONE, "none" },
	{ QCOW2_CRYPT_AES, "aes" },
	{ QCOW2_CRYPT_LUKS, "luks" },
	{ 0, NULL },
};
static const struct cv_layout_word compressions[] = {
	{ QCOW2_COMPRESSION_ZLIB, "zlib" },
	{ QCOW2_COMPRESSION_ZSTD, "zstd" },
	{ 0, NULL },
};
static const struct cv_layout_word extensions[] = {
	{ QCOW2_EXTENSION_END, "end" },
	{ QCOW2_EXTENSION_FORMAT, "backing_format" },
	{ QCOW2_EXTENSION_FEATURES, "feature_names" },
	{ QCOW2_EXTENSION_BITMAPS, "bitmaps" },
	{ QCOW2_EXTENSION_LUKS, "luks" },
	{ QCOW2_EXTENSION_DATA_FILE, "data_file" },
	{ QCOW2_EXTENSION_MARK, "hidden_mark" },
	{ 0, NULL },
};
static const struct cv_layout_word feature_kinds[] = {
	{ 0, "incompatible" },
	{ 1, "compatible" },
	{ 2, "autoclear" },
	{ 0, NULL },
};
static const struct cv_layout_word bitmap_flags[] = {
	{ 1, "in_use" },
	{ 2, "auto" },
	{ 4, "extra_data_compatible" },
	{ 0, NULL },
};

/* The first rows are all that version 2 has. */
static const struct cv_layout_field header[] = {
	{ "magic", HEADER(magic), CV_FIELD_HEX, false, NULL },
	{ "version", HEADER(version), CV_FIELD_NUMBER, false, NULL },
	{ "backing_file_offset", HEADER(backing_off), CV_FIELD_HEX, false, NULL },
	{ "backing_file_size", HEADER(backing_len), CV_FIELD_NUMBER, false, NULL },
	{ "cluster_bits", HEADER(cluster_bits), CV_FIELD_NUMBER, false, NULL },
	{ "size", HEADER(size), CV_FIELD_NUMBER, false, NULL },
	{ "crypt_method", HEADER(crypt_method), CV_FIELD_NUMBER, false, methods },
	{ "l1_size", HEADER(l1_entries), CV_FIELD_NUMBER, false, NULL },
	{ "l1_table_offset", HEADER(l1_off), CV_FIELD_HEX, false, NULL },
	{ "refcount_table_offset", HEADER(refcount_off), CV_FIELD_HEX, false, NULL },
	{ "refcount_table_clusters", HEADER(refcount_clusters), CV_FIELD_NUMBER, false, NULL },
	{ "nb_snapshots", HEADER(snapshot_count), CV_FIELD_NUMBER, false, NULL },
	{ "snapshots_offset", HEADER(snapshot_off), CV_FIELD_HEX, false, NULL },
#define VERSION_2_ROWS 13
	{ "incompatible_features", HEADER(incompatible), CV_FIELD_HEX, true, incompatible },
	{ "compatible_features", HEADER(compatible), CV_FIELD_HEX, true, compatible },
	{ "autoclear_features", HEADER(autoclear), CV_FIELD_HEX, true, autoclear },
	{ "refcount_order", HEADER(refcount_order), CV_FIELD_NUMBER, false, NULL },
	{ "header_length", HEADER(header_length), CV_FIELD_NUMBER, false, NULL },
	{ "compression_type", HEADER(compression_type), CV_FIELD_NUMBER, false, compressions },
	{ "padding", HEADER(pad), CV_FIELD_BYTES, false, NULL },
};
_Static_assert(offsetof(struct cv_qcow2_header_disk, incompatible) == QCOW2_V2_HEADER, "version 2 ends there");

static const struct cv_layout_field extension[] = {
	{ "type", EXTENSION(type), CV_FIELD_HEX, false, extensions },
	{ "length", EXTENSION(length), CV_FIELD_NUMBER, false, NULL },
};
static const struct cv_layout_field feature[] = {
	{ "kind", FEATURE(kind), CV_FIELD_NUMBER, false, feature_kinds },
	{ "bit", FEATURE(bit), CV_FIELD_NUMBER, false, NULL },
	{ "name", FEATURE(name), CV_FIELD_TEXT, false, NULL },
};
static const struct cv_layout_field bitmaps[] = {
	{ "bitmap_count", BITMAPS(count), CV_FIELD_NUMBER, false, NULL },
	{ "reserved", BITMAPS(reserved), CV_FIELD_HEX, false, NULL },
	{ "directory_size", BITMAPS(directory_size), CV_FIELD_NUMBER, false, NULL },
	{ "directory_offset", BITMAPS(directory_off), CV_FIELD_HEX, false, NULL },
};
static const struct cv_layout_field luks[] = {
	{ "luks_offset", LUKS(off), CV_FIELD_HEX, false, NULL },
	{ "luks_length", LUKS(length), CV_FIELD_NUMBER, false, NULL },
};
static const struct cv_layout_field mark[] = { { "hidden", 0, 1, CV_FIELD_NUMBER, false, NULL } };
static const struct cv_layout_field text[] = { { "text", 0, 0, CV_FIELD_TEXT, false, NULL } };

static const struct cv_layout_field snapshot[] = {
	{ "l1_table_offset", SNAPSHOT(l1_off), CV_FIELD_HEX, false, NULL },
	{ "l1_size", SNAPSHOT(l1_entries), CV_FIELD_NUMBER, false, NULL },
	{ "id_length", SNAPSHOT(id_len), CV_FIELD_NUMBER, false, NULL },
	{ "name_length", SNAPSHOT(name_len), CV_FIELD_NUMBER, false, NULL },
	{ "date_seconds", SNAPSHOT(seconds), CV_FIELD_TIME_UNIX, false, NULL },
	{ "date_nanoseconds", SNAPSHOT(nanoseconds), CV_FIELD_NUMBER, false, NULL },
	{ "vm_clock_nanoseconds", SNAPSHOT(vm_clock), CV_FIELD_NUMBER, false, NULL },
	{ "vm_state_size", SNAPSHOT(vm_state_size), CV_FIELD_NUMBER, false, NULL },
	{ "extra_data_size", SNAPSHOT(extra_len), CV_FIELD_NUMBER, false, NULL },
};
static const struct cv_layout_field extra[] = {
	{ "vm_state_size", EXTRA(vm_state_size), CV_FIELD_NUMBER, false, NULL },
	{ "disk_size", EXTRA(disk_size), CV_FIELD_NUMBER, false, NULL },
	{ "instruction_count", EXTRA(icount), CV_FIELD_HEX, false, NULL },
};
static const struct cv_layout_field bitmap[] = {
	{ "bitmap_table_offset", BITMAP(table_off), CV_FIELD_HEX, false, NULL },
	{ "bitmap_table_size", BITMAP(table_entries), CV_FIELD_NUMBER, false, NULL },
	{ "flags", BITMAP(flags), CV_FIELD_HEX, true, bitmap_flags },
	{ "type", BITMAP(type), CV_FIELD_NUMBER, false, NULL },
	{ "granularity_bits", BITMAP(granularity_bits), CV_FIELD_NUMBER, false, NULL },
	{ "name_size", BITMAP(name_len), CV_FIELD_NUMBER, false, NULL },
	{ "extra_data_size", BITMAP(extra_len), CV_FIELD_NUMBER, false, NULL },
};

static const struct cv_layout_field old_header[] = {
	{ "magic", OLD(magic), CV_FIELD_HEX, false, NULL },
	{ "version", OLD(version), CV_FIELD_NUMBER, false, NULL },
	{ "backing_file_offset", OLD(backing_off), CV_FIELD_HEX, false, NULL },
	{ "backing_file_size", OLD(backing_len), CV_FIELD_NUMBER, false, NULL },
	{ "mtime", OLD(mtime), CV_FIELD_TIME_UNIX, false, NULL },
	{ "size", OLD(size), CV_FIELD_NUMBER, false, NULL },
	{ "cluster_bits", OLD(cluster_bits), CV_FIELD_NUMBER, false, NULL },
	{ "l2_bits", OLD(l2_bits), CV_FIELD_NUMBER, false, NULL },
	{ "padding", OLD(pad), CV_FIELD_HEX, false, NULL },
	{ "crypt_method", OLD(crypt_method), CV_FIELD_NUMBER, false, methods },
	{ "l1_table_offset", OLD(l1_off), CV_FIELD_HEX, false, NULL },
};

const struct cv_layout cv_layout_QCOW2_HEADER = { .name = "header", CV_FIELDS(header) };
const struct cv_layout cv_layout_QCOW2_HEADER_V2 = { .name = "header", .fields = header, .count = VERSION_2_ROWS };
const struct cv_layout cv_layout_QCOW2_EXTENSION = { .name = "header_extension", CV_FIELDS(extension) };
const struct cv_layout cv_layout_QCOW2_EXTENSION_DATA = { .name = "header_extension_data" };
const struct cv_layout cv_layout_QCOW2_FORMAT = { .name = "backing_format", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW2_FEATURES = {
	.name = "feature_names",
	.each = { .name = "features",
		  CV_FIELDS(feature),
		  .size = sizeof(struct cv_qcow2_feature_disk),
		  .most = UINT16_MAX },
};
const struct cv_layout cv_layout_QCOW2_BITMAPS = { .name = "bitmaps_extension", CV_FIELDS(bitmaps) };
const struct cv_layout cv_layout_QCOW2_LUKS = { .name = "luks_pointer", CV_FIELDS(luks) };
const struct cv_layout cv_layout_QCOW2_DATA_FILE = { .name = "data_file_name", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW2_MARK = { .name = "hidden_mark", CV_FIELDS(mark) };
const struct cv_layout cv_layout_QCOW2_NAME = { .name = "backing_file_name", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW2_L1 = { .name = "l1_table", .is_table = true };
const struct cv_layout cv_layout_QCOW2_REFCOUNTS = { .name = "refcount_table", .is_table = true };
const struct cv_layout cv_layout_QCOW2_SNAPSHOT = { .name = "snapshot", CV_FIELDS(snapshot) };
const struct cv_layout cv_layout_QCOW2_SNAPSHOT_EXTRA = { .name = "snapshot_extra_data", CV_FIELDS(extra) };
const struct cv_layout cv_layout_QCOW2_SNAPSHOT_ID = { .name = "snapshot_id", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW2_SNAPSHOT_NAME = { .name = "snapshot_name", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW2_SNAPSHOT_L1 = { .name = "snapshot_l1_table", .is_table = true };
const struct cv_layout cv_layout_QCOW2_BITMAP = { .name = "bitmap", CV_FIELDS(bitmap) };
const struct cv_layout cv_layout_QCOW2_BITMAP_EXTRA = { .name = "bitmap_extra_data" };
const struct cv_layout cv_layout_QCOW2_BITMAP_NAME = { .name = "bitmap_name", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW2_BITMAP_TABLE = { .name = "bitmap_table", .is_table = true };
const struct cv_layout cv_layout_QCOW2_LUKS_AREA = { .name = "luks_header", .is_table = true };
const struct cv_layout cv_layout_QCOW_HEADER = { .name = "header", CV_FIELDS(old_header) };
const struct cv_layout cv_layout_QCOW_NAME = { .name = "backing_file_name", CV_FIELDS(text) };
const struct cv_layout cv_layout_QCOW_L1 = { .name = "l1_table", .is_table = true };
