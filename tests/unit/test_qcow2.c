/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The QCOW2 reader on images built in memory: what it says of a whole one, exactly which findings each
 * damaged byte gives, and how names are understood. Hostile input and real peers have their own programs.
 */
#include "test_qcow2_image.h"
#include "inspect/qcow2/common.h"

static void a_plain_overlay_is_described_without_findings(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	struct cv_facts *f;

	(void)state;
	build_plain(image);
	f = read_memory(&cv_format_qcow2, image, sizeof image);
	assert_int_equal(f->finding_count, 0);
	assert_int_equal(f->format, CV_FORMAT_QCOW2);
	assert_int_equal(f->variant, CV_VARIANT_OVERLAY);
	assert_int_equal(f->mark, CV_MARK_NONE);
	assert_int_equal(f->parent_format, CV_FORMAT_QCOW2);
	assert_int_equal(f->flags, CV_FACT_SIZE | CV_FACT_PARENT);
	assert_int_equal(f->virtual_size, 1 << 20);
	assert_int_equal(f->block_size, IMAGE_CLUSTER);
	assert_int_equal(f->name_count, 1);
	assert_int_equal(f->names[0].source, CV_NAME_BACKING_FILE);
	assert_int_equal(f->names[0].kind, CV_NAME_RELATIVE);
	assert_int_equal(f->names[0].where.off, IMAGE_NAME_AT);
	assert_true(cv_bytes_equal(f->names[0].text, cv_bytes_of("base.qcow2")));
	assert_true(cv_bytes_equal(f->names[0].path, cv_bytes_of("base.qcow2")));
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_REFCOUNT_BITS, 0), 16);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_HEADER_LENGTH, 0), 112);
	assert_text(f, CV_ATTR_QCOW2_COMPRESSION, 0, "zlib");
	assert_text(f, CV_ATTR_QCOW2_BACKING_FORMAT, 0, "qcow2");
	assert_int_equal(cv_facts_attr(f, CV_ATTR_QCOW2_L1_OFFSET, 0)->where.off, 40);
	cv_facts_free(f);
}

static void everything_in_a_rich_image_is_found(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	struct cv_facts *f;

	(void)state;
	build_rich(image);
	f = read_memory(&cv_format_qcow2, image, sizeof image);
	assert_int_equal(f->finding_count, 0);
	assert_int_equal(f->mark, CV_MARK_HIDDEN);
	assert_int_equal(f->flags, CV_FACT_SIZE | CV_FACT_PARENT | CV_FACT_DATA_FILE | CV_FACT_SNAPSHOTS |
					   CV_FACT_VM_STATE | CV_FACT_BITMAPS);
	assert_int_equal(f->name_count, 2);
	assert_int_equal(f->names[1].source, CV_NAME_DATA_FILE);
	assert_true(cv_bytes_equal(f->names[1].path, cv_bytes_of("data.raw")));
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_DATA_FILE_RAW, 0), 0);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_EXTENSION_TYPE, 0), 0xdeadbeef);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_EXTENSION_LENGTH, 0), 3);
	assert_text(f, CV_ATTR_QCOW2_SNAPSHOT_ID, 1, "1b");
	assert_text(f, CV_ATTR_QCOW2_SNAPSHOT_NAME, 0, "before");
	assert_int_equal(cv_facts_attr(f, CV_ATTR_QCOW2_SNAPSHOT_NAME, 1)->where.off, 4 * IMAGE_CLUSTER + 72 + 66);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_SNAPSHOT_TIME, 1), 1700000000);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_SNAPSHOT_VM_STATE, 0), 0);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_SNAPSHOT_VM_STATE, 1), 4096);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_SNAPSHOT_DISK_SIZE, 1), 1 << 20);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_BITMAP_COUNT, 0), 1);
	assert_text(f, CV_ATTR_QCOW2_BITMAP_NAME, 0, "bm-0");
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_BITMAP_GRANULARITY, 0), 65536);
	cv_facts_free(f);
}

struct poke {
	const char *name;
	struct { uint16_t off; uint8_t width; uint64_t n; } at[5];
	const char *expect;
	uint32_t set, cleared;               /* flags that must be there, and that must not */
	bool rich;
};

#define HEADER "qcow2-header-invalid"
#define NAME_INVALID "qcow2-backing-name-invalid"
#define RANGE "qcow2-table-out-of-range"
#define UNALIGNED "qcow2-entry-unaligned"
#define UNREADABLE CV_FACT_PARENT_UNREADABLE
#define PROBE CV_FACT_NEEDS_PROBE
#define SNAPSHOTS CV_FACT_SNAPSHOTS
#define VM_STATE CV_FACT_VM_STATE
#define BITMAP_FACT CV_FACT_BITMAPS
#define ENCRYPTED CV_FACT_ENCRYPTED
#define LOST (CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE)
#define E IMAGE_EXTENSIONS
#define SNAP (4 * IMAGE_CLUSTER)
#define BAD ((uint64_t)1 << 40)
#define LUKS_MAGIC UINT64_C(0x4c554b53babe0000)
#define BITMAP (5 * IMAGE_CLUSTER)

static const struct poke pokes[] = {
	{ "an_untouched_image_is_clean", { { 0 } }, "", CV_FACT_PARENT, UNREADABLE, false },
	{ "magic_gone", { { 0, 1, 'q' } }, HEADER, 0, CV_FACT_PARENT | CV_FACT_SIZE, false },
	{ "version_1_is_not_qcow2", { { 4, 4, 1 } }, HEADER, LOST | CV_FACT_DISABLED, CV_FACT_SIZE, false },
	{ "version_4_is_not_known", { { 4, 4, 4 } }, HEADER, LOST | CV_FACT_DISABLED, CV_FACT_SIZE, false },
	{ "version_4_without_parent", { { 4, 4, 4 }, { 8, 8, 0 } }, HEADER, CV_FACT_DISABLED, LOST, false },
	{ "version_2_has_its_extensions_elsewhere", { { 4, 4, 2 } }, "", PROBE, UNREADABLE, false },
	{ "no_parent", { { 8, 8, 0 } }, "", 0, LOST | PROBE, false },
	{ "backing_name_far_away", { { 8, 8, UINT64_MAX } }, NAME_INVALID, LOST, 0, false },
	{ "backing_name_behind_first_cluster", { { 8, 8, 4096 } }, NAME_INVALID, LOST, 0, false },
	{ "backing_name_reaches_over_first_cluster", { { 8, 8, 4087 } }, NAME_INVALID, LOST, 0, false },
	{ "backing_name_ends_with_first_cluster",
	  { { 8, 8, 4086 }, { 4086, 8, 0x6161616161616161 }, { 4094, 2, 0x6161 } },
	  "",
	  CV_FACT_PARENT, UNREADABLE, false },
	{ "backing_name_inside_header", { { 8, 8, 64 } }, NAME_INVALID, LOST | PROBE, 0, false },
	{ "backing_name_of_1023_bytes", { { 16, 4, 1023 } }, "", CV_FACT_PARENT, UNREADABLE, false },
	{ "backing_name_of_1024_bytes", { { 16, 4, 1024 } }, NAME_INVALID, LOST, 0, false },
	{ "backing_name_of_4_gigabytes", { { 16, 4, UINT32_MAX } }, NAME_INVALID, LOST, 0, false },
	{ "backing_name_of_no_bytes", { { 16, 4, 0 } }, NAME_INVALID, LOST, 0, false },
	{ "backing_name_all_nul", { { IMAGE_NAME_AT, 8, 0 }, { IMAGE_NAME_AT + 8, 2, 0 } },
	  NAME_INVALID, LOST, 0, false },
	{ "backing_name_cut_by_nul", { { IMAGE_NAME_AT + 4, 1, 0 } }, NAME_INVALID, CV_FACT_PARENT, UNREADABLE, false },
	{ "cluster_bits_8", { { 20, 4, 8 } }, HEADER, CV_FACT_PARENT, 0, false },
	{ "cluster_bits_9_make_names_too_far", { { 20, 4, 9 }, { 36, 4, 32 } }, NAME_INVALID, LOST, 0, false },
	{ "cluster_bits_22", { { 20, 4, 22 } }, HEADER, CV_FACT_PARENT, UNREADABLE, false },
	{ "cluster_bits_all_ones", { { 20, 4, UINT32_MAX } }, HEADER, CV_FACT_PARENT, 0, false },
	{ "size_needs_two_entries", { { 24, 8, (2 << 20) + 1 } }, HEADER, CV_FACT_SIZE, 0, false },
	{ "size_beyond_all_meaning", { { 24, 8, UINT64_MAX } }, "hostile-value", CV_FACT_PARENT, CV_FACT_SIZE, false },
	{ "encryption_method_3", { { 32, 4, 3 } }, HEADER, ENCRYPTED, 0, false },
	{ "aes_is_a_fact", { { 32, 4, 1 } }, "", ENCRYPTED, 0, false },
	{ "luks_without_pointer", { { 32, 4, 2 } }, HEADER, ENCRYPTED, 0, false },
	{ "luks_with_pointer", { { 32, 4, 2 }, { E, 8, 0x0537be7700000010 }, { E + 8, 8, 4096 }, { E + 16, 8, 4096 },
				 { 4096, 8, LUKS_MAGIC | 1 } },
	  "",
	  ENCRYPTED | PROBE, 0, false },
	{ "luks_header_overwritten", { { 32, 4, 2 }, { E, 8, 0x0537be7700000010 }, { E + 8, 8, 4096 }, { E + 16, 8, 4096 } },
	  HEADER, ENCRYPTED, 0, false },
	{ "luks_version_2", { { 32, 4, 2 }, { E, 8, 0x0537be7700000010 }, { E + 8, 8, 4096 }, { E + 16, 8, 4096 },
			      { 4096, 8, LUKS_MAGIC | 2 } },
	  HEADER, ENCRYPTED, 0, false },
	{ "luks_header_outside_the_file",
	  { { 32, 4, 2 }, { E, 8, 0x0537be7700000010 }, { E + 8, 8, BAD }, { E + 16, 8, 1 } },
	  RANGE, ENCRYPTED, 0, false },
	{ "luks_pointer_of_8_bytes", { { 32, 4, 2 }, { E, 8, 0x0537be7700000008 } }, HEADER, 0, 0, false },
	{ "luks_pointer_without_luks", { { E, 8, 0x0537be7700000010 }, { E + 16, 8, 0 } },
	  HEADER, 0, ENCRYPTED, false },
	{ "l1_of_no_entries_does_not_cover", { { 36, 4, 0 } }, HEADER, 0, 0, false },
	{ "l1_larger_than_needed_is_fine", { { 36, 4, 512 } }, "", 0, 0, false },
	{ "l1_of_4_gi_entries", { { 36, 4, UINT32_MAX } }, "hostile-value", 0, 0, false },
	{ "l1_reaches_past_the_end", { { 36, 4, 4194304 } }, RANGE, 0, 0, false },
	{ "l1_outside_the_file", { { 40, 8, BAD } }, RANGE, 0, 0, false },
	{ "l1_at_the_last_offset", { { 40, 8, UINT64_MAX - 7 } }, UNALIGNED " " RANGE, 0, 0, false },
	{ "l1_unaligned", { { 40, 8, 3 * IMAGE_CLUSTER + 8 } }, UNALIGNED, 0, 0, false },
	{ "l1_on_the_header", { { 40, 8, 0 } }, HEADER, 0, 0, false },
	{ "refcount_table_outside_the_file", { { 48, 8, BAD } }, RANGE, 0, 0, false },
	{ "refcount_table_unaligned", { { 48, 8, 4097 } }, UNALIGNED, 0, 0, false },
	{ "refcount_table_on_the_header", { { 48, 8, 0 } }, HEADER, 0, 0, false },
	{ "refcount_table_of_no_clusters", { { 56, 4, 0 } }, HEADER, 0, 0, false },
	{ "refcount_table_of_8_mib_past_the_end", { { 56, 4, 2048 } }, RANGE, 0, 0, false },
	{ "refcount_table_too_large", { { 56, 4, 2049 } }, "hostile-value", 0, 0, false },
	{ "snapshots_at_offset_0", { { 60, 4, 1 } }, HEADER, SNAPSHOTS, VM_STATE, false },
	{ "snapshots_outside_the_file", { { 64, 8, BAD } }, RANGE, SNAPSHOTS | BITMAP_FACT, VM_STATE, true },
	{ "snapshot_table_unaligned", { { 64, 8, SNAP + 72 }, { 60, 4, 1 } }, UNALIGNED, VM_STATE, 0, true },
	{ "table_of_no_snapshots_unaligned", { { 64, 8, SNAP + 72 }, { 60, 4, 0 } }, UNALIGNED, 0, SNAPSHOTS | VM_STATE, true },
	{ "table_of_no_snapshots_behind_the_file", { { 64, 8, UINT64_C(1) << 40 }, { 60, 4, 0 } }, "", 0,
	  SNAPSHOTS | VM_STATE, true },
	{ "table_of_no_snapshots_at_an_impossible_place", { { 64, 8, UINT64_C(1) << 63 }, { 60, 4, 0 } }, RANGE, 0,
	  SNAPSHOTS | VM_STATE, true },
	{ "snapshot_count_beyond_the_limit", { { 60, 4, 65537 } }, "hostile-value " RANGE, SNAPSHOTS, 0, true },
	{ "snapshot_record_past_the_end", { { SNAP + 72 + 36, 4, UINT32_MAX } }, RANGE, SNAPSHOTS, VM_STATE, true },
	{ "snapshot_extra_data_too_long", { { SNAP + 36, 4, 1025 }, { 60, 4, 1 } }, HEADER, SNAPSHOTS, 0, true },
	{ "snapshot_without_extra_data", { { SNAP + 36, 4, 0 }, { SNAP + 32, 4, 5 }, { 60, 4, 1 } },
	  HEADER, VM_STATE, 0, true },
	{ "snapshot_of_version_2_without_extra_data",
	  { { 4, 4, 2 }, { SNAP + 36, 4, 0 }, { SNAP + 32, 4, 5 }, { 60, 4, 1 } },
	  "", VM_STATE, 0, true },
	{ "snapshot_l1_outside_the_file", { { SNAP, 8, BAD } }, RANGE, SNAPSHOTS, 0, true },
	{ "snapshot_l1_unaligned", { { SNAP, 8, IMAGE_CLUSTER + 8 } }, UNALIGNED, SNAPSHOTS, 0, true },
	{ "snapshot_l1_too_large", { { SNAP + 8, 4, UINT32_MAX } }, "hostile-value", SNAPSHOTS, 0, true },
	{ "dirty", { { 79, 1, 1 } }, "qcow2-dirty", CV_FACT_DIRTY, CV_FACT_CORRUPT | CV_FACT_DISABLED, false },
	{ "corrupt", { { 79, 1, 2 } }, "qcow2-corrupt-flag", CV_FACT_CORRUPT, CV_FACT_DIRTY | CV_FACT_DISABLED, false },
	{ "dirty_and_corrupt", { { 79, 1, 3 } },
	  "qcow2-dirty qcow2-corrupt-flag", CV_FACT_DIRTY | CV_FACT_CORRUPT, 0, false },
	{ "data_file_without_name", { { 79, 1, 4 } }, HEADER, CV_FACT_DATA_FILE, 0, false },
	{ "data_file_name_of_nul", { { 224, 1, 0 } }, HEADER, CV_FACT_DATA_FILE, 0, true },
	{ "data_file_name_cut", { { 226, 1, 0 } }, HEADER, CV_FACT_DATA_FILE, 0, true },
	{ "data_file_name_without_its_bit", { { 79, 1, 0 } }, "", 0, CV_FACT_DATA_FILE, true },
	{ "raw_data_with_a_parent", { { 95, 1, 3 } }, HEADER, CV_FACT_DATA_FILE, 0, true },
	{ "raw_data_without_a_parent", { { 95, 1, 3 }, { 8, 8, 0 } }, "", CV_FACT_DATA_FILE, 0, true },
	{ "raw_data_without_data_file", { { 95, 1, 2 } }, HEADER, 0, CV_FACT_DATA_FILE, false },
	{ "compression_bit_for_zlib", { { 79, 1, 8 } }, HEADER, 0, CV_FACT_DISABLED, false },
	{ "zstd_without_its_bit", { { 104, 1, 1 } }, HEADER, 0, CV_FACT_DISABLED, false },
	{ "zstd", { { 79, 1, 8 }, { 104, 1, 1 } }, "", 0, CV_FACT_DISABLED, false },
	{ "compression_type_2", { { 79, 1, 8 }, { 104, 1, 2 } }, "unsupported-feature", CV_FACT_DISABLED, 0, false },
	{ "extended_l2_with_4_kib", { { 79, 1, 16 } }, HEADER, CV_FACT_EXTENDED_L2, CV_FACT_DISABLED, false },
	{ "unknown_incompatible_bit", { { 79, 1, 32 } }, "unsupported-feature", CV_FACT_DISABLED, 0, false },
	{ "three_unknown_incompatible_bits", { { 72, 8, UINT64_C(0x8000000000000060) } },
	  "unsupported-feature unsupported-feature unsupported-feature", CV_FACT_DISABLED, 0, false },
	{ "unknown_compatible_and_autoclear_bits", { { 80, 8, 128 }, { 88, 8, 4 } }, "", 0, CV_FACT_DISABLED, false },
	{ "refcount_order_6", { { 96, 4, 6 } }, "", 0, 0, false },
	{ "refcount_order_7", { { 96, 4, 7 } }, HEADER, 0, 0, false },
	{ "header_length_96", { { 100, 4, 96 } }, HEADER, PROBE, 0, false },
	{ "header_length_109", { { 100, 4, 109 } }, HEADER, PROBE, 0, false },
	{ "header_longer_than_a_cluster", { { 100, 4, 4104 } }, HEADER, PROBE, 0, false },
	{ "header_of_4_gigabytes", { { 100, 4, UINT32_MAX - 7 } }, HEADER, PROBE, 0, false },
	{ "longer_header_of_the_future",
	  { { 100, 4, 120 }, { 112, 8, 7 }, { 120, 8, 0xe2792aca00000003 }, { 128, 3, 0x726177 } },
	  "", CV_FACT_PARENT_RAW, PROBE, false },
	{ "header_of_104_bytes",
	  { { 100, 4, 104 }, { 104, 8, 0xe2792aca00000003 }, { 112, 8, UINT64_C(0x7261770000000000) },
	  { 120, 8, 0 } }, "", CV_FACT_PARENT_RAW, 0, false },
	{ "extension_runs_into_the_name", { { E + 4, 4, 905 } }, HEADER, CV_FACT_PARENT, UNREADABLE, false },
	{ "extension_of_4_gigabytes", { { E + 4, 4, UINT32_MAX } }, HEADER, CV_FACT_PARENT | PROBE, 0, false },
	{ "backing_format_of_16_bytes", { { E + 4, 4, 16 } }, HEADER, PROBE, 0, false },
	{ "backing_format_empty", { { E + 4, 4, 0 }, { E + 8, 8, 0 } }, "", PROBE, 0, false },
	{ "backing_format_unknown_to_us", { { E + 8, 1, 'Q' }, { E + 9, 1, 'E' } }, "", 0, PROBE, false },
	{ "luks_pointer_lost_in_the_damage", { { 32, 4, 2 }, { E + 4, 4, UINT32_MAX } }, HEADER, ENCRYPTED, 0, false },
	{ "mark_of_4_bytes", { { 236, 4, 4 }, { 240, 8, 0 } }, "unsupported-feature", CV_FACT_DATA_FILE, 0, true },
	{ "mark_7", { { 240, 1, 7 } }, "unsupported-feature", CV_FACT_DATA_FILE, 0, true },
	{ "bitmaps_extension_of_23_bytes", { { BITMAPS_AT + 4, 4, 23 } }, HEADER, 0, BITMAP_FACT, true },
	{ "no_bitmaps", { { BITMAPS_AT + 8, 4, 0 } }, HEADER, 0, BITMAP_FACT, true },
	{ "too_many_bitmaps", { { BITMAPS_AT + 8, 4, 65536 } }, "hostile-value " HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_directory_too_large", { { BITMAPS_AT + 16, 8, BAD } }, "hostile-value", BITMAP_FACT, 0, true },
	{ "bitmap_directory_outside_the_file", { { BITMAPS_AT + 24, 8, BAD } }, RANGE, BITMAP_FACT, 0, true },
	{ "bitmap_directory_unaligned", { { BITMAPS_AT + 24, 8, 5 * IMAGE_CLUSTER + 8 } }, UNALIGNED " " HEADER,
	  BITMAP_FACT, 0, true },
	{ "bitmap_directory_too_short", { { BITMAPS_AT + 16, 8, 27 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_granularity_8", { { 5 * IMAGE_CLUSTER + 17, 1, 8 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_type_2", { { BITMAP + 16, 1, 2 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_with_an_unknown_flag", { { BITMAP + 12, 4, 0x80000000 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_without_name", { { BITMAP + 18, 2, 0 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_with_too_long_a_name", { { BITMAP + 18, 2, 1024 }, { BITMAPS_AT + 16, 8, 2048 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_with_too_small_a_table", { { BITMAP + 8, 4, 0 }, { BITMAP + 12, 4, 2 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_in_use_with_too_small_a_table", { { BITMAP + 8, 4, 0 }, { BITMAP + 12, 4, 1 } }, "", BITMAP_FACT, 0, true },
	{ "bitmap_with_extra_data", { { BITMAP + 20, 4, 8 }, { BITMAPS_AT + 16, 8, 40 } }, "unsupported-feature", BITMAP_FACT, 0,
	  true },
	{ "bitmaps_extension_with_reserved_bits", { { BITMAPS_AT + 12, 4, 1 } }, HEADER, BITMAP_FACT, 0, true },
	{ "bitmap_extra_data_of_4_gigabytes", { { 5 * IMAGE_CLUSTER + 20, 4, UINT32_MAX } },
	  HEADER, BITMAP_FACT, 0, true },
};

static void poke_gives_exactly(void **state)
{
	const struct poke *p = *state;
	static uint8_t image[IMAGE_SIZE];
	struct cv_facts *f;
	char names[512];

	(p->rich ? build_rich : build_plain)(image);
	for (size_t i = 0; i < CV_COUNT(p->at); i++)
		put(image, p->at[i].off, p->at[i].width, p->at[i].n);
	f = read_memory(&cv_format_qcow2, image, sizeof image);
	assert_string_equal(finding_names(f, names, sizeof names), p->expect);
	assert_int_equal(f->flags & p->set, p->set);
	assert_int_equal(f->flags & p->cleared, 0);
	assert_int_equal(f->flags & CV_FACT_PARTIAL, 0);
	for (uint32_t i = 0; i < f->finding_count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text title = { 0 };

		cv_finding_title(&title, &f->findings[i]);
		assert_true(title.len > 10);
		assert_null(strchr(cv_text_str(&title), '{'));
	}
	cv_facts_free(f);
}

static void unknown_bits_are_named_from_the_image(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	CV_AUTO(cv_text_fini) struct cv_text title = { 0 };
	struct cv_facts *f;

	(void)state;
	build_rich(image);
	put(image, 80, 8, 128);
	put(image, 72, 8, 4 | UINT64_C(1) << 40);
	f = read_memory(&cv_format_qcow2, image, sizeof image);
	assert_int_equal(f->finding_count, 1);
	cv_finding_title(&title, &f->findings[0]);
	assert_string_equal(cv_text_str(&title), "incompatible feature bit 40");
	assert_text(f, CV_ATTR_QCOW2_FEATURE_NAME, 0, "incompatible feature bit 40");
	assert_text(f, CV_ATTR_QCOW2_FEATURE_NAME, 1, "compatible feature bit 7: seventh");
	cv_facts_free(f);
}

static void the_probe_wants_magic_and_version(void **state)
{
	static const struct { uint32_t magic, version; size_t len; unsigned qcow2, qcow; } rows[] = {
		{ 0x514649fb, 3, 8, 100, 0 }, { 0x514649fb, 2, 8, 100, 0 }, { 0x514649fb, 4, 8, 60, 0 },
		{ 0x514649fb, 1, 8, 0, 100 }, { 0x514649fb, 0, 8, 0, 0 }, { 0x514649fb, 3, 7, 0, 0 },
		{ 0x514649fc, 3, 8, 0, 0 }, { 0x514649fb, 3, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		uint8_t start[8];
		struct cv_err err = { 0 };
		CV_AUTO(cv_auto_source) struct cv_source *s = cv_source_memory(start, rows[i].len, &err);

		put(start, 0, 4, rows[i].magic);
		put(start, 4, 4, rows[i].version);
		assert_int_equal(cv_format_qcow2.probe(s), rows[i].qcow2);
		assert_int_equal(cv_format_qcow.probe(s), rows[i].qcow);
	}
}

static void names_are_classified_as_qemu_does(void **state)
{
	static const struct { const char *text; enum cv_name_kind kind; const char *path; } rows[] = {
		{ "base.qcow2", CV_NAME_RELATIVE, "base.qcow2" },
		{ "../up/base.qcow2", CV_NAME_RELATIVE, "../up/base.qcow2" },
		{ "/abs/base.qcow2", CV_NAME_ABSOLUTE, "/abs/base.qcow2" },
		{ "//abs", CV_NAME_ABSOLUTE, "//abs" },
		{ "file:base.qcow2", CV_NAME_EXTERNAL, "" },
		{ "file:/abs/base", CV_NAME_ABSOLUTE, "/abs/base" },
		{ "file:///abs/base", CV_NAME_ABSOLUTE, "///abs/base" },
		{ "file:vm:1.qcow2", CV_NAME_EXTERNAL, "" },
		{ "file:", CV_NAME_EXTERNAL, "" },
		{ "vm:1.qcow2", CV_NAME_EXTERNAL, "" },
		{ "./vm:1.qcow2", CV_NAME_RELATIVE, "./vm:1.qcow2" },
		{ "dir/vm:1.qcow2", CV_NAME_RELATIVE, "dir/vm:1.qcow2" },
		{ "/vm:1.qcow2", CV_NAME_ABSOLUTE, "/vm:1.qcow2" },
		{ "json:{\"driver\":\"qcow2\",\"file\":{\"filename\":\"/etc/shadow\"}}", CV_NAME_EXTERNAL, "" },
		{ "nbd://host/x", CV_NAME_EXTERNAL, "" },
		{ "nbd:unix:/run/s", CV_NAME_EXTERNAL, "" },
		{ "http://host/x", CV_NAME_EXTERNAL, "" },
		{ "rbd:pool/x", CV_NAME_EXTERNAL, "" },
		{ "FILE:base", CV_NAME_EXTERNAL, "" },
		{ ":base", CV_NAME_EXTERNAL, "" },
		{ "C:\\vm\\base.qcow2", CV_NAME_EXTERNAL, "" },
		{ "two\nlines", CV_NAME_RELATIVE, "two\nlines" },
		{ "\xff\xfe.qcow2", CV_NAME_RELATIVE, "\xff\xfe.qcow2" },
		{ " ", CV_NAME_RELATIVE, " " },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		static uint8_t image[IMAGE_SIZE];
		struct cv_facts *f;

		build_plain(image);
		put(image, 16, 4, strlen(rows[i].text));
		put_text(image, IMAGE_NAME_AT, rows[i].text);
		f = read_memory(&cv_format_qcow2, image, sizeof image);
		assert_int_equal(f->finding_count, 0);
		assert_int_equal(f->name_count, 1);
		assert_true(cv_bytes_equal(f->names[0].text, cv_bytes_of(rows[i].text)));
		if (f->names[0].kind != rows[i].kind || !cv_bytes_equal(f->names[0].path, cv_bytes_of(rows[i].path)))
			fail_msg("\"%s\" became kind %d, path \"%.*s\"", rows[i].text, (int)f->names[0].kind,
				 (int)f->names[0].path.len, f->names[0].path.at);
		cv_facts_free(f);
	}
}

static void trailing_nul_bytes_are_no_part_of_a_name(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	struct cv_facts *f;

	(void)state;
	build_plain(image);
	put(image, 16, 4, 1023);
	f = read_memory(&cv_format_qcow2, image, sizeof image);
	assert_int_equal(f->finding_count, 0);
	assert_true(cv_bytes_equal(f->names[0].text, cv_bytes_of("base.qcow2")));
	assert_int_equal(f->names[0].where.len, 1023);
	cv_facts_free(f);
}

static void a_name_of_1023_bytes_is_whole_and_one_of_1024_is_lost(void **state)
{
	static uint8_t image[IMAGE_SIZE];

	(void)state;
	for (unsigned len = 1023; len <= 1024; len++) {
		struct cv_facts *f;
		char names[64];

		build_plain(image);
		put(image, 16, 4, len);
		memset(image + IMAGE_NAME_AT, 'x', len);
		f = read_memory(&cv_format_qcow2, image, sizeof image);
		assert_int_equal(f->name_count, len == 1023);
		assert_string_equal(finding_names(f, names, sizeof names), len == 1023 ? "" : NAME_INVALID);
		if (f->name_count)
			assert_int_equal(f->names[0].path.len, 1023);
		cv_facts_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(a_plain_overlay_is_described_without_findings),
		cmocka_unit_test(everything_in_a_rich_image_is_found),
		cmocka_unit_test(unknown_bits_are_named_from_the_image),
		cmocka_unit_test(the_probe_wants_magic_and_version),
		cmocka_unit_test(names_are_classified_as_qemu_does),
		cmocka_unit_test(trailing_nul_bytes_are_no_part_of_a_name),
		cmocka_unit_test(a_name_of_1023_bytes_is_whole_and_one_of_1024_is_lost),
	};
	struct CMUnitTest tests[CV_COUNT(whole) + CV_COUNT(pokes)];

	memcpy(tests, whole, sizeof whole);
	for (size_t i = 0; i < CV_COUNT(pokes); i++)
		tests[CV_COUNT(whole) + i] = (struct CMUnitTest){
			.name = pokes[i].name,
			.test_func = poke_gives_exactly,
			.initial_state = (void *)(uintptr_t)&pokes[i],
		};
	return cmocka_run_group_tests_name("qcow2", tests, NULL, NULL) ? 1 : 0;
}
