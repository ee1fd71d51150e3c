/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of QCOW version 1: each rule alone, on an image with one L2 table; random entries against a
 * model; and images of qemu-img, compressed ones among them.
 */
#include "test_qcow2_image.h"
#include <chainview/bytes.h>
#include "tests/support/run.h"
#include "tests/support/tables.h"
#include <unistd.h>

enum { CLUSTER = 4096, L1_AT = 48, L2_AT = 4096, DATA_AT = 8192, CLUSTERS = 8, FILE_SIZE = DATA_AT + CLUSTERS * CLUSTER };
#define PACKED(off, len) (UINT64_C(1) << 63 | (uint64_t)(len) << 51 | (off))

/* 4 MiB; clusters 0 to 7 one behind the other. */
static void build(uint8_t image[FILE_SIZE])
{
	memset(image, 0x5a, FILE_SIZE);
	memset(image, 0, DATA_AT);
	put(image, 0, 8, 0x514649fb00000001);
	put(image, 24, 8, 4 << 20);
	put(image, 32, 2, 0x0c09);
	put(image, 40, 8, L1_AT);
	put(image, L1_AT, 8, L2_AT);
	for (size_t i = 0; i < CLUSTERS; i++)
		put(image, L2_AT + i * 8, 8, DATA_AT + i * CLUSTER);
}

static uint64_t get(const uint8_t *image, size_t off)
{
	cv_be64 n;

	memcpy(&n, image + off, sizeof n);
	return cv_be64_get(n);
}

static void assert_says(const uint8_t *image, size_t size, const char *names, const char *title)
{
	struct cv_tables t = { .facts = NULL };
	struct cv_source *s = cv_source_memory(image, size, &t.err);
	char text[512];

	assert_non_null(s);
	cv_tables_check(&t, &cv_format_qcow, s);
	assert_true(t.done);
	cv_tables_names(&t, text, sizeof text);
	assert_string_equal(text, names);
	if (title) {
		cv_tables_title(&t, 0, text, sizeof text);
		assert_string_equal(text, title);
	}
	cv_tables_fini(&t);
	cv_source_close(s);
}

#define RANGE "qcow-table-out-of-range"

static void each_entry_is_judged(void **state)
{
	static const struct { size_t at; uint64_t word; const char *names, *title; } rows[] = {
		{ 0, 0x514649fb00000001, "", NULL },
		{ L2_AT + 8 * 8, DATA_AT + 3 * CLUSTER, RANGE, "cluster 8 at 0x5000 shares bytes with another cluster or table" },
		{ L2_AT + 8 * 8, L2_AT, RANGE, "cluster 8 at 0x1000 shares bytes with another cluster or table" },
		{ L2_AT + 8 * 8, 16, RANGE, "cluster 8 at 0x10 lies on the header" },
		{ L2_AT + 8 * 8, L1_AT + 8, RANGE, "cluster 8 at 0x38 lies on the L1 table" },
		{ L2_AT + 8 * 8, FILE_SIZE, RANGE, "cluster 8 at 0xa000 (4096 B) does not lie in the file of 40960 B" },
		{ L2_AT + 8 * 8, FILE_SIZE - 512, RANGE, "cluster 8 at 0x9e00 (4096 B) does not lie in the file of 40960 B" },
		{ L2_AT + 8 * 8, INT64_MAX, RANGE, NULL },
		{ L2_AT + 8 * 8, PACKED(FILE_SIZE - 100, 100), RANGE, "cluster 8 at 0x9f9c shares bytes with another cluster or table" },
		{ L2_AT + 8 * 8, PACKED(FILE_SIZE - 100, 101), RANGE, "cluster 8 at 0x9f9c (101 B) does not lie in the file of 40960 B" },
		{ L2_AT + 8 * 8, PACKED(FILE_SIZE, 0), RANGE, "cluster 8 at 0xa000 is compressed to nothing" },
		{ L2_AT + 8 * 7, PACKED(FILE_SIZE - 100, 100), "leaked-clusters", NULL },
		{ L2_AT + 8 * 3, 0, "leaked-clusters", "4K that nothing in the image points to" },
		{ L2_AT + 8 * 7, 0, "", NULL },
		{ L1_AT + 8, L2_AT, RANGE, "L2 table 1 at 0x1000 shares bytes with L2 table 0" },
		{ L1_AT + 8, L2_AT + 8, RANGE, "L2 table 1 at 0x1008 shares bytes with L2 table 0" },
		{ L1_AT + 8, FILE_SIZE - 8, RANGE, "L2 table 1 at 0x9ff8 (4096 B) does not lie in the file of 40960 B" },
		{ L1_AT + 8, UINT64_MAX, RANGE, NULL },
		{ L1_AT, 0, "", NULL },
	};
	static uint8_t image[FILE_SIZE];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		build(image);
		put(image, rows[i].at, 8, rows[i].word);
		/* A compressed cluster in the place of the last one: what is before it in that cluster is not lost. */
		if (rows[i].at == L2_AT + 8 * 7 && rows[i].word >> 63)
			put(image, L2_AT + 8 * 6, 8, 0);
		assert_says(image, FILE_SIZE, rows[i].names, rows[i].title);
	}
}

static void what_the_disk_does_not_reach_may_be_missing(void **state)
{
	static uint8_t image[FILE_SIZE];

	(void)state;
	build(image);
	put(image, 24, 8, 7 * CLUSTER + 512);
	put(image, L2_AT + 8 * 8, 8, 1);
	assert_says(image, FILE_SIZE - CLUSTER + 512, "", NULL);
	assert_says(image, FILE_SIZE - CLUSTER + 511, RANGE,
		    "cluster 7 at 0x9000 (512 B) does not lie in the file of 37375 B");
}

static void nonsense_is_bounded(void **state)
{
	static uint8_t image[FILE_SIZE];
	struct cv_tables t = { .facts = NULL };
	struct cv_source *s;

	(void)state;
	build(image);
	memset(image + L2_AT, 0x11, CLUSTER);
	s = cv_source_memory(image, FILE_SIZE, &t.err);
	cv_tables_check(&t, &cv_format_qcow, s);
	assert_int_equal(t.corruptions, 512);
	assert_int_equal(t.facts->finding_count, 8);
	assert_non_null(t.facts->findings[7].arg[3].text.at);
	cv_tables_fini(&t);
	cv_source_close(s);
}

/* Entries that are cluster-aligned, unaligned or compressed; the model looks at bytes. */
static void random_entries_are_judged_as_a_model_does(void **state)
{
	static uint8_t image[FILE_SIZE], owner[FILE_SIZE];
	uint32_t seed = 12;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct cv_tables t = { .facts = NULL };
		struct cv_source *s;
		bool wrong = false;

		build(image);
		for (int n = 0; n < 3; n++)
			put(image, L2_AT + 8 * cv_test_random(&seed, CLUSTERS), 8,
			    (uint64_t)cv_test_random(&seed, FILE_SIZE / CLUSTER + 2) * CLUSTER);
		memset(owner, 0, sizeof owner);
		memset(owner, 1, L1_AT + 16);
		memset(owner + L2_AT, 1, CLUSTER);
		for (size_t i = 0; i < CLUSTERS; i++) {
			uint64_t off = get(image, L2_AT + 8 * i);

			if (!off)
				continue;
			wrong |= off + CLUSTER > FILE_SIZE;
			for (uint64_t b = off; b < off + CLUSTER && off + CLUSTER <= FILE_SIZE; b++)
				wrong |= owner[b]++;
		}
		s = cv_source_memory(image, FILE_SIZE, &t.err);
		cv_tables_check(&t, &cv_format_qcow, s);
		assert_int_equal(t.corruptions > 0, wrong);
		cv_tables_fini(&t);
		cv_source_close(s);
	}
}

static void assert_healthy(const char *folder)
{
	struct cv_tables t = { .facts = NULL };
	char *path = NULL;
	struct cv_source *s;
	struct stat st;
	int fd;

	assert_true(asprintf(&path, "%s/a.qcow", folder) > 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	s = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &t.err);
	cv_tables_check(&t, &cv_format_qcow, s);
	assert_true(t.done);
	assert_int_equal(t.facts->finding_count, 0);
	cv_tables_fini(&t);
	cv_source_close(s);
	free(path);
}

static void what_qemu_writes_is_healthy(void **state)
{
	char *folder = cv_test_folder();

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io"))
		skip();
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "raw", "r", "7776K"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "raw", "-c", "write -P 3 0 1M", "-c", "write -P 4 5M 1M",
				    "-c", "write -P 5 7000K 776K", "r"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-O", "qcow", "r", "a.qcow"), 0);
	assert_healthy(folder);
	/* QEMU 7.2 fails at the very end, whatever it has compressed; the image is whole. */
	cv_test_do(folder, NULL, "qemu-img", "convert", "-c", "-O", "qcow", "r", "a.qcow");
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "compare", "-q", "r", "a.qcow"), 0);
	assert_healthy(folder);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow", "-c", "write -P 9 3M 10K", "a.qcow"), 0);
	assert_healthy(folder);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow", "-b", "r", "-F", "raw", "a.qcow"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow", "-c", "write -P 9 3M 10K", "a.qcow"), 0);
	assert_healthy(folder);
	/* The last cluster is only half needed. */
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "resize", "-q", "-f", "raw", "r", "7777K"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-O", "qcow", "r", "a.qcow"), 0);
	assert_healthy(folder);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_is_judged),
		cmocka_unit_test(what_the_disk_does_not_reach_may_be_missing),
		cmocka_unit_test(nonsense_is_bounded),
		cmocka_unit_test(random_entries_are_judged_as_a_model_does),
		cmocka_unit_test(what_qemu_writes_is_healthy),
	};

	return cmocka_run_group_tests_name("qcow check", tests, NULL, NULL);
}
