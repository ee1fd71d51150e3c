/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Table entries of QCOW2 and QCOW v1 built by hand, one image for each, and exactly what becomes
 * of them; headers that cannot be used. Hostile images have their own program.
 */
#include "test_block_image.h"

/*
 * Clusters of 16 KiB: header, L1, L2, two clusters of data. Extents are written as kind (Data, Compressed, Zero,
 * Parent, Bad), length in sectors, and the place in hexadecimal; a cluster has 32 sectors, the disk has 256.
 */
static const struct row {
	const char *name;
	uint64_t word[8];                    /* of L2 */
	const char *extents;
	unsigned version, incompatible;
	uint64_t file_size, data_size;       /* 0: the usual ones */
} rows[] = {
	{ "nothing", { 0 }, "P256", 3, 0, 0, 0 },
	{ "copied_alone_is_nothing", { C }, "P256", 3, 0, 0, 0 },
	{ "one_cluster", { C | 0xc000 }, "D32@c000 P224", 3, 0, 0, 0 },
	{ "not_copied_makes_no_difference", { C | 0xc000, 0x10000 }, "D64@c000 P192", 3, 0, 0, 0 },
	{ "two_in_reverse", { C | 0x10000, C | 0xc000 }, "D32@10000 D32@c000 P192", 3, 0, 0, 0 },
	{ "twice_the_same", { 0xc000, 0xc000 }, "D32@c000 D32@c000 P192", 3, 0, 0, 0 },
	{ "behind_the_file", { 0, 0x14000 }, "P32 B32 P192", 3, 0, 0, 0 },
	{ "run_out_of_the_file", { 0xc000, 0x10000, 0x14000, 0x18000 }, "D64@c000 B64 P128", 3, 0, 0, 0 },
	{ "cut_by_the_end", { 0xc000, 0x10000, 0x14000 }, "D34@c000 Z30@10400 B32 P160", 3, 0, 0x10400, 0 },
	{ "cut_in_a_sector", { 0, 0x10000 }, "P32 D1+1@10000 Z30+511@10201 P192", 3, 0, 0x10201, 0 },
	{ "unaligned", { 0xc200 }, "B32 P224", 3, 0, 0, 0 },
	{ "reserved_low_bits", { 0xc002 }, "B32 P224", 3, 0, 0, 0 },
	{ "reserved_high_bits", { 0xc000 | UINT64_C(1) << 56 }, "B32 P224", 3, 0, 0, 0 },
	{ "last_offset_there_is",
	  { UINT64_C(0x00ffffffffffc000), UINT64_C(0x0100000000000000) },
	  "B64 P192",
	  3,
	  0,
	  0,
	  0 },
	{ "zero", { 1, C | 1 }, "Z64 P192", 3, 0, 0, 0 },
	{ "zero_with_a_place", { C | 0xc001, C | 0x10001 }, "Z64@c000 P192", 3, 0, 0, 0 },
	{ "zero_behind_the_file", { 0x10001, 0x14001 }, "Z32@10000 Z32 P192", 3, 0, 0, 0 },
	{ "zero_unaligned", { 0xc201 }, "B32 P224", 3, 0, 0, 0 },
	{ "zero_in_version_2", { 1, 0xc001 }, "B64 P192", 2, 0, 0, 0 },
	{ "compressed", { Z | 0xc123, Z | 0xc900 }, "C32@c123 C32@c900 P192", 3, 0, 0, 0 },
	{ "compressed_twice_the_same", { Z | 0xc123, Z | 0xc123 }, "C32@c123 C32@c123 P192", 3, 0, 0, 0 },
	{ "compressed_behind_the_file", { Z | 0x14000 }, "B32 P224", 3, 0, 0, 0 },
	{ "compressed_across_the_end", { Z | 0x13fff }, "C32@13fff P224", 3, 0, 0, 0 },
	{ "data_file", { C, C | 0x4000, 0, C | 0xc000 }, "D64@0 P32 D32@c000 P128", 3, DATA_FILE, 0, 0 },
	{ "data_file_not_copied_at_0", { 0, 0x4000 }, "P32 D32@4000 P192", 3, DATA_FILE, 0, 0 },
	{ "data_file_in_disorder", { C | 0x4000, C }, "B64 P192", 3, DATA_FILE, 0, 0 },
	{ "data_file_copied_twice", { C, C }, "D32@0 B32 P192", 3, DATA_FILE, 0, 0 },
	{ "data_file_too_short", { C, C | 0x4000, C | 0x8000 }, "D33@0 Z31@4200 B32 P160", 3, DATA_FILE, 0, 0x4200 },
	{ "data_file_zero", { 1, C | 0x4001 }, "Z32 Z32@4000 P192", 3, DATA_FILE, 0, 0 },
	{ "data_file_compressed", { Z | 0xc000 }, "B32 P224", 3, DATA_FILE, 0, 0 },
	{ "subclusters_none", { 0, 0 }, "P256", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_all",
	  { C | 0xc000, UINT32_MAX, C | 0x10000, UINT32_MAX },
	  "D64@c000 P192",
	  3,
	  SUBCLUSTERS,
	  0,
	  0 },
	{ "subclusters_some",
	  { C | 0xc000, 0x0000ff00f0000003 },
	  "D2@c000 P6 Z8@d000 P12 D4@f800 P224",
	  3,
	  SUBCLUSTERS,
	  0,
	  0 },
	{ "subclusters_set_aside", { C | 0xc000, 0 }, "P256", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_zero",
	  { 0, UINT64_C(0xffffffff00000000), C | 0xc000, UINT64_C(0xffffffff00000000) },
	  "Z32 Z32@c000 P192",
	  3,
	  SUBCLUSTERS,
	  0,
	  0 },
	{ "subclusters_some_zero_nowhere", { 0, UINT64_C(0x0000000f00000000) }, "Z4 P252", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_both", { C | 0xc000, UINT64_C(0x0000000100000001) }, "B32 P224", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_nowhere", { 0, 1 }, "B32 P224", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_zero_bit", { 1, 0 }, "B32 P224", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_compressed", { Z | 0xc123, 0 }, "C32@c123 P224", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_compressed_with_bitmap", { Z | 0xc123, 2 }, "B32 P224", 3, SUBCLUSTERS, 0, 0 },
	{ "subclusters_cut",
	  { C | 0x10000, UINT64_C(0x00000000ffff00ff) },
	  "D3@10000 Z5@10600 P8 Z16@12000 P224",
	  3,
	  SUBCLUSTERS,
	  0x10600,
	  0 },
};

/* L1 entries, with an L2 table of zero clusters. */
static const struct l1_row {
	const char *name;
	uint64_t entry;
	const char *extents;
	uint64_t file_size;
} l1_rows[] = {
	{ "l1_nothing", 0, "P256", FILE_SIZE },
	{ "l1_copied_alone", C, "P256", FILE_SIZE },
	{ "l1_good", C | L2, "Z256", FILE_SIZE },
	{ "l1_unaligned", C | (L2 + 512), "B256", FILE_SIZE },
	{ "l1_reserved_low", L2 | 1, "B256", FILE_SIZE },
	{ "l1_reserved_high", L2 | Z, "B256", FILE_SIZE },
	{ "l1_reserved_alone", 1, "B256", FILE_SIZE },
	{ "l1_behind_the_file", FILE_SIZE, "B256", FILE_SIZE },
	{ "l1_far_behind_the_file", UINT64_C(0x00ffffffffffc000), "B256", FILE_SIZE },
	{ "l2_cut_by_the_end", L2, "Z96 B160", L2 + 3 * 8 + 4 },
	{ "l1_cut_by_the_end", L2, "B256", L1 + 7 },
};

static const char *describe(const struct cv_extents *list, struct cv_text *text)
{
	static const char kinds[] = "PDZB";

	for (size_t i = 0; i < list->len; i++) {
		const struct cv_extent *e = &list->at[i];

		cv_text_addf(text, "%s%c%" PRIu64, i ? " " : "", e->compressed ? 'C' : kinds[e->kind], e->at.len / 512);
		if (e->at.len % 512)
			cv_text_addf(text, "+%" PRIu64, e->at.len % 512);
		if (e->placed)
			cv_text_addf(text, "@%" PRIx64, e->host);
	}
	return cv_text_str(text);
}

static void check_extents(const uint8_t *image, uint64_t size, uint64_t data_size, const char *want)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	CV_AUTO(cv_extents_fini) struct cv_extents list = { 0 };
	struct cv_err err = { 0 };
	struct cv_layer *layer = open_memory(image, size, data_size, &err);

	if (!layer)
		fail_msg("%s", err.text);
	assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	assert_string_equal(describe(&list, &text), want);
	cv_layer_close(layer);
}

static void entry_gives_exactly(void **state)
{
	static uint8_t image[FILE_SIZE];
	const struct row *row = *state;

	build(image, row->version, row->incompatible);
	for (size_t i = 0; i < CV_COUNT(row->word); i++)
		put(image, L2 + i * 8, 8, row->word[i]);
	check_extents(image, row->file_size ? row->file_size : FILE_SIZE,
		      row->incompatible & DATA_FILE ? row->data_size ? row->data_size : DISK_CLUSTERS * CLUSTER : 0,
		      row->extents);
}

static void l1_entry_gives_exactly(void **state)
{
	static uint8_t image[FILE_SIZE];
	const struct l1_row *row = *state;

	build(image, 3, 0);
	put(image, L1, 8, row->entry);
	for (size_t i = 0; i < DISK_CLUSTERS; i++)
		put(image, L2 + i * 8, 8, 1);
	check_extents(image, row->file_size, 0, row->extents);
}

static void a_header_that_cannot_be_used_is_an_error(void **state)
{
	static const struct { size_t off, width; uint64_t value;
	} pokes[] = {
		{ 0, 4, 1 },
		{ 4, 4, 4 },
		{ 20, 4, 22 },
		{ 20, 4, 8 },
		{ 24, 8, UINT64_C(1) << 63 },
		{ 36, 4, (4 << 20) + 1 },
		{ 40, 8, L1 + 512 },
		{ 40, 8, C | L1 },
		{ 72, 8, 32 },
		{ 72, 8, 8 },
		{ 104, 1, 1 },
		{ 104, 1, 2 },
		{ 72, 8, DATA_FILE },
	};
	static uint8_t image[FILE_SIZE];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(pokes); i++) {
		struct cv_err err = { 0 };

		build(image, 3, 0);
		put(image, pokes[i].off, pokes[i].width, pokes[i].value);
		if (open_memory(image, FILE_SIZE, 0, &err))
			fail_msg("poke %zu is taken", i);
		assert_in_set(err.code, ((const unsigned long[]){ CV_EFORMAT, CV_EUSAGE }), 2);
	}
	for (size_t size = 0; size < 104; size++) {
		struct cv_err err = { 0 };

		assert_null(open_memory(image, size, 0, &err));
		assert_int_not_equal(err.code, CV_OK);
	}
}

static void what_cannot_be_read_says_where(void **state)
{
	static uint8_t image[FILE_SIZE];
	struct cv_layer *layers[2] = { NULL };
	struct cv_chain chain = { layers, 1, false };
	struct cv_err err = { 0 }, missing = { 0 }, garbage = { 0 }, secret = { 0 };
	uint8_t byte;

	(void)state;
	build(image, 3, 0);
	put(image, L2 + 8, 8, 0x14000);
	put(image, L2 + 16, 8, Z | 0xc123);
	put(image, L2 + 24, 8, 0xc000);
	layers[0] = open_memory(image, FILE_SIZE, 0, &err);
	assert_non_null(layers[0]);
	assert_false(cv_chain_read(&chain, &byte, (struct cv_range){ CLUSTER + 5, 1 }, &err));
	assert_non_null(strstr(err.text, "layer 0"));
	assert_non_null(strstr(err.text, "16389"));
	assert_non_null(strstr(err.text, "81925"));
	assert_false(cv_chain_read(&chain, &byte, (struct cv_range){ 2 * CLUSTER + 5, 1 }, &garbage));
	assert_non_null(strstr(garbage.text, "49443"));
	chain.incomplete = true;
	assert_false(cv_chain_read(&chain, &byte, (struct cv_range){ 5, 1 }, &missing));
	assert_non_null(strstr(missing.text, "not here"));
	assert_true(cv_chain_read(&chain, &byte, (struct cv_range){ 3 * CLUSTER + 5, 1 }, &secret));
	cv_layer_close(layers[0]);

	put(image, 32, 4, 1);
	layers[0] = open_memory(image, FILE_SIZE, 0, &secret);
	assert_true(layers[0]->encrypted);
	assert_false(cv_chain_read(&chain, &byte, (struct cv_range){ 3 * CLUSTER + 5, 1 }, &secret));
	assert_int_equal(secret.code, CV_EREFUSED);
	cv_layer_close(layers[0]);
}

/* QCOW v1: clusters of 4 KiB, L1 in the second one, L2 in the third, then two of data; the disk has 64 sectors. */
static const struct old_row {
	const char *name;
	uint64_t l1, word[3];
	const char *extents;
} old_rows[] = {
	{ "qcow_nothing", 0, { 0 }, "P64" },
	{ "qcow_table_of_nothing", 0x2000, { 0 }, "P64" },
	{ "qcow_data", 0x2000, { 0x3000, 0x4000, 0 }, "D16@3000 P48" },
	{ "qcow_data_unaligned", 0x2000, { 0x3210, 0, 0x3600 }, "D8@3210 P8 D8@3600 P40" },
	{ "qcow_data_cut", 0x2000, { 0, 0x4a00, 0x5000 }, "P8 D3@4a00 Z5@5000 B8 P40" },
	{ "qcow_data_behind_the_file", 0x2000, { 0x5000, INT64_MAX, 0 }, "B16 P48" },
	{ "qcow_compressed", 0x2000, { C | UINT64_C(100) << 51 | 0x3123, 0, C | 0x4fff }, "C8@3123 P8 C8@4fff P40" },
	{ "qcow_compressed_behind_the_file", 0x2000, { UINT64_MAX, C | 0x5000, 0 }, "B16 P48" },
	{ "qcow_table_behind_the_file", 0x5000, { 0 }, "B64" },
	{ "qcow_table_cut", 0x4ff4, { 0 }, "P8 B56" },
	{ "qcow_table_far_behind_the_file", UINT64_MAX, { 0 }, "B64" },
};

static void old_entry_gives_exactly(void **state)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	CV_AUTO(cv_extents_fini) struct cv_extents list = { 0 };
	static uint8_t image[0x5000];
	const struct old_row *row = *state;
	struct cv_err err = { 0 };
	struct cv_layer *layer;

	build_old(image, row->l1);
	for (size_t i = 0; i < CV_COUNT(row->word); i++)
		put(image, 0x2000 + i * 8, 8, row->word[i]);
	layer = open_old(image, sizeof image, &err);
	if (!layer)
		fail_msg("%s", err.text);
	assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	assert_string_equal(describe(&list, &text), row->extents);
	cv_layer_close(layer);
}

int main(void)
{
	struct CMUnitTest tests[CV_COUNT(rows) + CV_COUNT(l1_rows) + CV_COUNT(old_rows) + 2] = {
		cmocka_unit_test(a_header_that_cannot_be_used_is_an_error),
		cmocka_unit_test(what_cannot_be_read_says_where),
	};
	size_t n = 2;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		tests[n++] = (struct CMUnitTest){ .name = rows[i].name, .test_func = entry_gives_exactly,
						  .initial_state = (void *)(uintptr_t)&rows[i] };
	for (size_t i = 0; i < CV_COUNT(l1_rows); i++)
		tests[n++] = (struct CMUnitTest){ .name = l1_rows[i].name, .test_func = l1_entry_gives_exactly,
						  .initial_state = (void *)(uintptr_t)&l1_rows[i] };
	for (size_t i = 0; i < CV_COUNT(old_rows); i++)
		tests[n++] = (struct CMUnitTest){ .name = old_rows[i].name, .test_func = old_entry_gives_exactly,
						  .initial_state = (void *)(uintptr_t)&old_rows[i] };
	return cmocka_run_group_tests_name("table entries of qcow and qcow2", tests, NULL, NULL) ? 1 : 0;
}
