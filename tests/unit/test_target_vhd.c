/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* VHDs that targets make, judged by our reader and our check of tables, by qemu-img and by libvhdi. */
#include "test_target.h"
#include "inspect/vhd/vhd_disk.h"
#include "tests/support/run.h"
#include "tests/support/tables.h"

#define MIB UINT64_C(1048576)

static const struct target_row rows[] = {
	{ "dynamic", { .size = 14 * MIB } },
	{ "sector-more", { .size = 14 * MIB + 512 } },
	{ "sector-less", { .size = 14 * MIB - 512 } },
	{ "one-sector", { .size = 512 } },
	{ "4k-blocks", { .size = 5 * MIB + 512, .block_size = 4096 } },
	{ "32k-blocks", { .size = 9 * MIB + 1024, .block_size = 32 << 10 } },
	{ "512k-blocks", { .size = 11 * MIB, .block_size = 512 << 10 } },
	{ "16M-blocks", { .size = 30 * MIB, .block_size = 16 << 20 } },
	{ "64M-blocks", { .size = 30 * MIB, .block_size = 64 << 20 } },
	{ "fixed", { .size = 9 * MIB + 512, .fixed = true } },
	{ "fixed-falloc", { .size = 9 * MIB, .fixed = true, .preallocation = CV_PREALLOCATE_FALLOC } },
	{ "fixed-full", { .size = 9 * MIB, .fixed = true, .preallocation = CV_PREALLOCATE_FULL } },
};

static void disks_read_back_as_they_were_written(void **state)
{
	(void)state;
	round_trips(CV_FORMAT_VHD, rows, CV_COUNT(rows));
}

/* Sizes where the geometry cannot say how large the disk is. */
static void any_number_of_sectors_is_kept(void **state)
{
	static const uint64_t sectors[] = { 3, 67, 69, 8193, 1032193, 267386879, 267386881, 4278190079, 4278190080 };
	char *folder = cv_test_folder(), path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/large", folder);
	for (size_t i = 0; i < CV_COUNT(sectors) * 2; i++) {
		struct cv_target_options options = { .size = sectors[i / 2] * 512, .fixed = i % 2 };
		struct disk d = { .size = options.size };

		add_range(&d, d.size - 512, 512);
		make_image(folder, "large", CV_FORMAT_VHD, &options, &d);
		check_silent(path, CV_FORMAT_VHD);
		ask_qemu(folder, "large", "vpc", NULL, d.size);
		unlink(path);
	}
	cv_test_folder_remove(folder);
}

static void what_is_shared_lies_on_pages_and_all_sectors_of_a_block_are_here(void **state)
{
	struct cv_target_options options = { .size = 100 * MIB };
	char *folder = cv_test_folder(), path[512];
	struct cv_err err = { CV_OK };
	struct cv_file_out out;
	struct cv_target t;
	uint64_t host, run, again;
	uint8_t bitmap[512];

	(void)state;
	create_out(&out, folder, "x");
	snprintf(path, sizeof path, "%s/x", folder);
	assert_true(cv_target_begin(&t, CV_FORMAT_VHD, &options, &out, &err));
	assert_int_equal(t.unit, 2 * MIB);
	assert_true(t.format->place(&t, (struct cv_range){ 7 * MIB, 50 * MIB }, &host, &run, &err));
	assert_int_equal(host % 4096, 0);
	assert_int_equal(run, MIB);
	assert_true(t.format->place(&t, (struct cv_range){ 7 * MIB + 512, 512 }, &again, &run, &err));
	assert_int_equal(again, host + 512);
	assert_int_equal(pread(out.fd, bitmap, sizeof bitmap, (off_t)(host - MIB - 512)), 512);
	for (size_t i = 0; i < sizeof bitmap; i++)
		assert_int_equal(bitmap[i], 0xff);
	assert_false(t.format->place(&t, (struct cv_range){ 100 * MIB, 512 }, &host, &run, &err));
	assert_int_equal(err.code, CV_EUSAGE);
	cv_target_fini(&t);
	assert_true(cv_out_close(&out, true, &err));
	cv_test_folder_remove(folder);
}

static void footers_say_who_when_and_what(void **state)
{
	struct cv_target_options options = { .size = 12 * MIB, .now = VHD_EPOCH + 1234567, .uuids = { { 1, 2, 3, [15] = 0x80 } } };
	struct disk d = { .size = options.size };
	char *folder = cv_test_folder(), path[512];
	struct vhd_footer_disk f;
	struct cv_source *source;
	struct cv_err err = { CV_OK };

	(void)state;
	make_image(folder, "x", CV_FORMAT_VHD, &options, &d);
	snprintf(path, sizeof path, "%s/x", folder);
	source = open_file(path);
	assert_true(cv_source_read(source, &f, sizeof f, source->size - sizeof f, &err));
	assert_memory_equal(f.app, "tap", 4);
	assert_int_equal(cv_be32_get(f.timestamp), 1234567);
	assert_int_equal(cv_be64_get(f.current_size), options.size);
	assert_memory_equal(f.uuid, options.uuids[0], 16);
	cv_source_close(source);
	cv_test_folder_remove(folder);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct refused bad[] = {
		{ { .size = 0 }, CV_EUSAGE, "0 B" },
		{ { .size = 1000 }, CV_EUSAGE, "sectors" },
		{ { .size = (UINT64_C(2040) << 30) + 512 }, CV_ELIMIT, "2040 GiB" },
		{ { .size = (UINT64_C(2040) << 30) + 512, .fixed = true }, CV_ELIMIT, "2040 GiB" },
		{ { .size = UINT64_C(2040) << 30, .block_size = 512 << 10 }, CV_ELIMIT, "1.9 TiB" },
		{ { .size = UINT64_C(65) << 30, .block_size = 4096 }, CV_ELIMIT, "64 GiB" },
		{ { .size = MIB, .block_size = 2048 }, CV_EUSAGE, "4K to 256M" },
		{ { .size = MIB, .block_size = 3 << 20 }, CV_EUSAGE, "power of two" },
		{ { .size = MIB, .compress = true }, CV_EUSAGE, "compression" },
		{ { .size = MIB, .preallocation = CV_PREALLOCATE_FULL }, CV_EUSAGE, "fixed" },
		{ { .size = MIB, .fixed = true, .preallocation = CV_PREALLOCATE_METADATA }, CV_EUSAGE, "falloc" },
	};

	(void)state;
	refuses(CV_FORMAT_VHD, bad, CV_COUNT(bad));
}

static void largest_disks_need_little_memory(void **state)
{
	static const struct cv_target_options sets[] = {
		{ .size = UINT64_C(2040) << 30 },
		{ .size = UINT64_C(2040) << 30, .fixed = true },
		{ .size = UINT64_C(2000) << 30, .block_size = 512 << 10 },
	};

	(void)state;
	large_disks(CV_FORMAT_VHD, sets, CV_COUNT(sets), 48 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_read_back_as_they_were_written),
		cmocka_unit_test(any_number_of_sectors_is_kept),
		cmocka_unit_test(what_is_shared_lies_on_pages_and_all_sectors_of_a_block_are_here),
		cmocka_unit_test(footers_say_who_when_and_what),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(largest_disks_need_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
