/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* VHDX files that targets make, judged by our reader and our check of tables, by qemu-img and by libvhdi. */
#include "test_target.h"
#include "inspect/vhdx/vhdx_disk.h"
#include "tests/support/run.h"
#include "tests/support/tables.h"

#define MIB UINT64_C(1048576)
#define GIB (UINT64_C(1) << 30)

static const struct target_row rows[] = {
	{ "dynamic", { .size = 30 * MIB } },
	{ "sector-more", { .size = 16 * MIB + 512 } },
	{ "one-sector", { .size = 512 } },
	{ "1M-blocks", { .size = 13 * MIB, .block_size = 1 << 20 } },
	{ "large-log", { .size = 13 * MIB, .block_size = 1 << 20, .log_size = (3 << 20) + 1 } },
	{ "256M-blocks", { .size = 60 * MIB, .block_size = 256 << 20 } },
	{ "fixed", { .size = 10 * MIB + 512, .fixed = true } },
	{ "fixed-1M", { .size = 10 * MIB - 512, .fixed = true, .block_size = 1 << 20 } },
	{ "fixed-falloc", { .size = 10 * MIB, .fixed = true, .preallocation = CV_PREALLOCATE_FALLOC } },
	{ "fixed-full", { .size = 10 * MIB, .fixed = true, .preallocation = CV_PREALLOCATE_FULL } },
};

static void disks_read_back_as_they_were_written(void **state)
{
	(void)state;
	round_trips(CV_FORMAT_VHDX, rows, CV_COUNT(rows));
}

/* Behind each chunk of blocks the BAT has an entry for a bitmap, which a disk without a parent does not use. */
static void blocks_behind_the_first_chunk_are_where_their_entries_say(void **state)
{
	static const struct cv_target_options sets[] = {
		{ .size = 5 * GIB, .block_size = 1 << 20 },
		{ .size = 5 * GIB, .block_size = 1 << 20, .fixed = true },
		{ .size = 9 * GIB, .block_size = 256 << 20 },
	};
	char *folder = cv_test_folder(), path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/x", folder);
	for (size_t i = 0; i < CV_COUNT(sets); i++) {
		struct disk d = { .size = sets[i].size };
		struct cv_err err = { CV_OK };
		struct cv_source *source;
		struct cv_layer *layer;
		uint8_t want[4096], got[4096];

		for (uint64_t at = 4 * GIB - 4 * MIB; at + 8 * MIB <= d.size && d.count < 8;
		     at += 4 * GIB)
			add_range(&d, at, 8 * MIB);
		make_image(folder, "x", CV_FORMAT_VHDX, &sets[i], &d);
		check_silent(path, CV_FORMAT_VHDX);
		if (!i)
			make_model(folder, "raw", &d);
		ask_qemu(folder, "x", "vhdx", i ? NULL : "raw", d.size);
		source = open_file(path);
		layer = cv_layer_open(&source, &(struct cv_source *){ NULL }, CV_FORMAT_VHDX, &err);
		assert_non_null(layer);
		for (uint64_t at = 4 * GIB - 5 * MIB; at < 4 * GIB + 5 * MIB; at += sizeof got) {
			struct cv_chain chain = { .layers = &layer, .count = 1 };

			assert_true(cv_chain_read(&chain, got, (struct cv_range){ at, sizeof got }, &err));
			model(&d, at, want, sizeof want);
			assert_memory_equal(got, want, sizeof want);
		}
		cv_layer_close(layer);
		unlink(path);
	}
	cv_test_folder_remove(folder);
}

static void block_sizes_are_those_that_qemu_img_chooses(void **state)
{
	static const uint64_t sizes[] = { MIB, GIB, GIB + 512, 100 * GIB, 100 * GIB + 512, 32768 * GIB, 32768 * GIB + 512,
					  65536 * GIB };
	char *folder = cv_test_folder();

	(void)state;
	if (!cv_test_has("qemu-img"))
		skip();
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		struct cv_target_options options = { .size = sizes[i] };
		struct cv_text said = { 0 };
		struct cv_err err = { CV_OK };
		struct cv_target t;
		char size[32];

		snprintf(size, sizeof size, "%" PRIu64, sizes[i]);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vhdx", "x", size), 0);
		assert_int_equal(cv_test_do(folder, &said, "qemu-img", "info", "--output=json", "x"), 0);
		assert_true(cv_target_begin(&t, CV_FORMAT_VHDX, &options, NULL, &err));
		assert_int_equal(t.unit, number_in(cv_text_str(&said), "\"cluster-size\": "));
		cv_target_fini(&t);
		cv_text_fini(&said);
	}
	cv_test_folder_remove(folder);
}

static void runs_of_blocks_are_runs_in_the_file(void **state)
{
	struct cv_target_options options = { .size = 100 * GIB, .block_size = 1 << 20 };
	struct cv_err err = { CV_OK };
	struct cv_target t;
	uint64_t host, run, more;

	(void)state;
	assert_true(cv_target_begin(&t, CV_FORMAT_VHDX, &options, NULL, &err));
	assert_true(t.format->place(&t, (struct cv_range){ 5 * MIB + 512, 512 }, &host, &run, &err));
	assert_int_equal(run, 512);
	assert_int_equal(host % MIB, 512);
	assert_true(t.format->place(&t, (struct cv_range){ 5 * MIB + 1024, 50 * GIB }, &more, &run, &err));
	assert_int_equal(more, host + 512);
	assert_int_equal(run, 50 * GIB);
	cv_target_fini(&t);
}

static void headers_differ_in_their_number_only_and_name_the_identities(void **state)
{
	struct cv_target_options options = { .size = 12 * MIB, .uuids = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, [15] = 0x80 } } };
	struct disk d = { .size = options.size };
	char *folder = cv_test_folder(), path[512];
	struct cv_vhdx_header_disk h[2];
	struct cv_facts *facts = cv_facts_new();
	struct cv_source *source;
	struct cv_err err = { CV_OK };

	(void)state;
	make_image(folder, "x", CV_FORMAT_VHDX, &options, &d);
	snprintf(path, sizeof path, "%s/x", folder);
	source = open_file(path);
	for (int i = 0; i < 2; i++)
		assert_true(cv_source_read(source, &h[i], sizeof h[i], CV_VHDX_HEADER_OFFSET(i), &err));
	assert_int_equal(cv_le64_get(h[0].sequence) + 1, cv_le64_get(h[1].sequence));
	assert_memory_equal(&h[0].file_write, &h[1].file_write, sizeof h[0] - 16);
	assert_true(cv_image_read(source, CV_FORMAT_NONE, facts, &err));
	assert_memory_equal(facts->uuid, options.uuids[0], 16);
	assert_int_equal(facts->variant, CV_VARIANT_DYNAMIC);
	cv_facts_free(facts);
	cv_source_close(source);
	cv_test_folder_remove(folder);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct refused bad[] = {
		{ { .size = 0 }, CV_EUSAGE, "0 B" },
		{ { .size = 1000 }, CV_EUSAGE, "sectors" },
		{ { .size = 65536 * GIB + 512 }, CV_ELIMIT, "64 TiB" },
		{ { .size = MIB, .block_size = 512 << 10 }, CV_EUSAGE, "1M to 256M" },
		{ { .size = MIB, .block_size = 512 << 20 }, CV_EUSAGE, "1M to 256M" },
		{ { .size = MIB, .block_size = 3 << 20 }, CV_EUSAGE, "power of two" },
		{ { .size = MIB, .log_size = UINT32_MAX }, CV_EUSAGE, "log_size" },
		{ { .size = MIB, .compress = true }, CV_EUSAGE, "compression" },
		{ { .size = MIB, .preallocation = CV_PREALLOCATE_FULL }, CV_EUSAGE, "fixed" },
		{ { .size = MIB, .fixed = true, .preallocation = CV_PREALLOCATE_METADATA }, CV_EUSAGE, "falloc" },
	};

	(void)state;
	refuses(CV_FORMAT_VHDX, bad, CV_COUNT(bad));
}

static void largest_disks_need_little_memory(void **state)
{
	static const struct cv_target_options sets[] = {
		{ .size = 65536 * GIB },
		{ .size = 16384 * GIB, .block_size = 1 << 20 },
		{ .size = 32768 * GIB - 512 },
		{ .size = 8192 * GIB, .fixed = true },
	};

	(void)state;
	large_disks(CV_FORMAT_VHDX, sets, CV_COUNT(sets), 48 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_read_back_as_they_were_written),
		cmocka_unit_test(blocks_behind_the_first_chunk_are_where_their_entries_say),
		cmocka_unit_test(block_sizes_are_those_that_qemu_img_chooses),
		cmocka_unit_test(runs_of_blocks_are_runs_in_the_file),
		cmocka_unit_test(headers_differ_in_their_number_only_and_name_the_identities),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(largest_disks_need_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
