/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* QCOW2 files that targets make, judged by our reader and our check of tables, and by qemu-img. */
#include "test_target.h"
#include "inspect/qcow2/qcow2_disk.h"
#include "tests/support/run.h"
#include "tests/support/tables.h"

#define MIB UINT64_C(1048576)

/* Each named by what qemu-img create calls the options. */
static const struct target_row rows[] = {
	{ "cluster_size=64k", { .size = 12 * MIB + 512 } },
	{ "cluster_size=512", { .size = 3 * MIB + 512, .block_size = 512 } },
	{ "cluster_size=512,refcount_bits=64", { .size = 3 * MIB, .block_size = 512, .refcount_bits = 64 } },
	{ "cluster_size=4k,refcount_bits=1", { .size = 6 * MIB, .block_size = 4096, .refcount_bits = 1 } },
	{ "cluster_size=2M", { .size = 12 * MIB, .block_size = 2 << 20 } },
	{ "cluster_size=2M,refcount_bits=32", { .size = 21 * MIB + 1024, .block_size = 2 << 20, .refcount_bits = 32 } },
	{ "compat=0.10", { .size = 12 * MIB, .compat_v2 = true } },
	{ "lazy_refcounts=on", { .size = 10 * MIB, .lazy_refcounts = true } },
	{ "compression_type=zlib", { .size = 6 * MIB + 1536, .compress = true } },
	{ "compat=0.10", { .size = 6 * MIB, .compress = true, .compat_v2 = true } },
	{ "cluster_size=512", { .size = 3 * MIB + 512, .compress = true, .block_size = 512 } },
	{ "cluster_size=512", { .size = 22 * MIB, .compress = true, .block_size = 512 } },
	{ "cluster_size=4k,refcount_bits=1",
	  { .size = 8 * MIB, .compress = true, .block_size = 4096, .refcount_bits = 1 } },
	{ "cluster_size=4k,refcount_bits=2",
	  { .size = 8 * MIB, .compress = true, .block_size = 4096, .refcount_bits = 2 } },
	{ "cluster_size=2M", { .size = 16 * MIB, .compress = true, .block_size = 2 << 20 } },
	{ "compression_type=zstd", { .size = 6 * MIB + 1536, .compress = true, .zstd = true } },
	{ "compression_type=zstd,cluster_size=1k,refcount_bits=8",
	  { .size = 5 * MIB, .compress = true, .zstd = true, .block_size = 1024, .refcount_bits = 8 } },
	{ "compression_type=zstd", { .size = 5 * MIB, .zstd = true } },
	{ "preallocation=metadata", { .size = 12 * MIB + 512, .preallocation = CV_PREALLOCATE_METADATA } },
	{ "preallocation=metadata,cluster_size=4k",
	  { .size = 17 * MIB, .block_size = 4096, .preallocation = CV_PREALLOCATE_METADATA } },
	{ "preallocation=falloc", { .size = 12 * MIB, .preallocation = CV_PREALLOCATE_FALLOC } },
	{ "preallocation=full,cluster_size=512",
	  { .size = 12 * MIB, .block_size = 512, .preallocation = CV_PREALLOCATE_FULL } },
};

static void disks_read_back_as_they_were_written(void **state)
{
	(void)state;
	round_trips(CV_FORMAT_QCOW2, rows, CV_COUNT(rows));
}

static void disks_of_no_size_are_files_too(void **state)
{
	char *folder = cv_test_folder();

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_target_options options = rows[i].options;

		options.size = 0;
		round_trip(folder, rows[i].name, CV_FORMAT_QCOW2, &options, &(struct disk){ .size = 0 });
	}
	cv_test_folder_remove(folder);
}

/* All that a header says, but where things lie. */
static void read_head(const char *folder, const char *name, uint8_t *head, size_t len)
{
	struct cv_qcow2_header_disk *h = (void *)head;
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, head, len, 0), len);
	close(fd);
	h->l1_off = h->refcount_off = cv_be64_of(0);
	h->refcount_clusters = cv_be32_of(0);
}

static void headers_say_what_those_of_qemu_img_create_say(void **state)
{
	char *folder = cv_test_folder();

	(void)state;
	if (!cv_test_has("qemu-img"))
		skip();
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct disk d = { .size = rows[i].options.size };
		uint8_t ours[512], theirs[512];
		char ours_name[80], theirs_name[80], size[32];

		snprintf(ours_name, sizeof ours_name, "ours-%zu", i);
		snprintf(theirs_name, sizeof theirs_name, "theirs-%zu", i);
		snprintf(size, sizeof size, "%" PRIu64, d.size);
		make_image(folder, ours_name, CV_FORMAT_QCOW2, &rows[i].options, &d);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", rows[i].name,
					    theirs_name, size), 0);
		read_head(folder, ours_name, ours, sizeof ours);
		read_head(folder, theirs_name, theirs, sizeof theirs);
		if (memcmp(ours, theirs, sizeof ours))
			fail_msg("the headers of %s differ", rows[i].name);
	}
	cv_test_folder_remove(folder);
}

/* Bytes that are present for qemu, and in how many pieces. */
static uint64_t mapped(const char *folder, const char *name, unsigned *pieces)
{
	struct cv_text said = { 0 };
	uint64_t total = 0;

	assert_int_equal(cv_test_do(folder, &said, "qemu-img", "map", "-f", "qcow2", "--output=json", name), 0);
	*pieces = 0;
	for (const char *at = cv_text_str(&said); (at = strstr(at, "\"length\": ")); at += 10) {
		uint64_t len = number_in(at, "\"length\": ");

		if (strncmp(strstr(at, "\"present\": "), "\"present\": true", 15))
			continue;
		total += len;
		++*pieces;
	}
	cv_text_fini(&said);
	return total;
}

static void qemu_maps_what_holds_data_and_nothing_else(void **state)
{
	char *folder = cv_test_folder();
	unsigned pieces;

	(void)state;
	if (!cv_test_has("qemu-img"))
		skip();
	for (uint32_t n = 0; n < 4; n++) {
		struct cv_target_options options = { .size = 2000 * MIB, .block_size = n % 2 ? 4096 : 0 };
		uint64_t unit = n % 2 ? 4096 : 65536, covers = unit / 8 * unit;
		struct disk d;
		char name[16];

		random_disk(&d, options.size, n);
		d.count = d.count < 5 ? d.count : 5;
		snprintf(name, sizeof name, "%u", n);
		make_image(folder, name, CV_FORMAT_QCOW2, &options, &d);
		assert_int_equal(mapped(folder, name, &pieces), units_of(&d, unit) * unit);
		/* A run is one in the file, but for the L2 tables. */
		assert_true(pieces <= d.count * 2 + units_of(&d, unit) * unit / covers);
	}
	cv_test_folder_remove(folder);
}

/* A run of guest clusters is one run in the file, and clusters are asked for in pieces. */
static void places_lie_one_behind_the_other(void **state)
{
	struct cv_target_options options = { .size = 4096 * MIB };
	struct cv_err err = { CV_OK };
	struct cv_target t;
	uint64_t host, run, more;

	(void)state;
	assert_true(cv_target_begin(&t, CV_FORMAT_QCOW2, &options, NULL, &err));
	assert_int_equal(t.unit, 65536);
	assert_true(t.format->place(&t, (struct cv_range){ 65536 * 3 + 512, 512 }, &host, &run, &err));
	assert_int_equal(run, 512);
	assert_int_equal(host % 65536, 512);
	assert_true(t.format->place(&t, (struct cv_range){ 65536 * 3 + 1024, 100 * MIB }, &more, &run, &err));
	assert_int_equal(more, host + 512);
	assert_int_equal(run, 100 * MIB);
	assert_false(t.format->place(&t, (struct cv_range){ options.size - 512, 1024 }, &host, &run, &err));
	assert_int_equal(err.code, CV_EUSAGE);
	cv_target_fini(&t);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct refused bad[] = {
		{ { .size = 1000 }, CV_EUSAGE, "sectors" },
		{ { .size = MIB, .block_size = 256 }, CV_EUSAGE, "512 to 2M" },
		{ { .size = MIB, .block_size = 4 << 20 }, CV_EUSAGE, "512 to 2M" },
		{ { .size = MIB, .block_size = 65537 }, CV_EUSAGE, "power of two" },
		{ { .size = MIB, .refcount_bits = 3 }, CV_EUSAGE, "refcount_bits" },
		{ { .size = MIB, .refcount_bits = 128 }, CV_EUSAGE, "refcount_bits" },
		{ { .size = MIB, .refcount_bits = 8, .compat_v2 = true }, CV_EUSAGE, "0.10" },
		{ { .size = MIB, .zstd = true, .compat_v2 = true }, CV_EUSAGE, "compat=1.1" },
		{ { .size = MIB, .lazy_refcounts = true, .compat_v2 = true }, CV_EUSAGE, "compat=1.1" },
		{ { .size = MIB, .compress = true, .preallocation = CV_PREALLOCATE_FULL }, CV_EUSAGE, "exclude" },
		{ { .size = (UINT64_C(128) << 30) + 512, .block_size = 512 }, CV_ELIMIT, "128 GiB" },
		{ { .size = UINT64_C(100) << 30, .block_size = 512, .refcount_bits = 64,
		    .preallocation = CV_PREALLOCATE_METADATA }, CV_ELIMIT, "32 GiB" },
	};

	(void)state;
	refuses(CV_FORMAT_QCOW2, bad, CV_COUNT(bad));
}

static void largest_disks_need_little_memory(void **state)
{
	static const struct cv_target_options sets[] = {
		{ .size = UINT64_C(16) << 40 },
		{ .size = (UINT64_C(16) << 40) - 512, .compress = true },
		{ .size = UINT64_C(128) << 30, .block_size = 512 },
		{ .size = UINT64_C(1) << 40, .block_size = 2 << 20, .preallocation = CV_PREALLOCATE_METADATA },
	};

	(void)state;
	/* 512-byte clusters: an L1 table of 32 MiB */
	large_disks(CV_FORMAT_QCOW2, sets, CV_COUNT(sets), 96 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_read_back_as_they_were_written),
		cmocka_unit_test(disks_of_no_size_are_files_too),
		cmocka_unit_test(headers_say_what_those_of_qemu_img_create_say),
		cmocka_unit_test(qemu_maps_what_holds_data_and_nothing_else),
		cmocka_unit_test(places_lie_one_behind_the_other),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(largest_disks_need_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
