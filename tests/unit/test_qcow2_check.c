/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of QCOW2 on images made by hand: what qemu never writes, and what is made to cost memory and time. Each
 * runs in a process of its own whose memory and time are measured.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <chainview/bytes.h>
#include "inspect/qcow2/qcow2_check.h"
#include "inspect/qcow2/qcow2_disk.h"
#include "tests/support/run.h"

#define COPIED (UINT64_C(1) << 63)
#define TIB (UINT64_C(1) << 40)
#define MOST_KIB (64 << 10)
#define MOST_SECONDS 2.0
#ifdef __SANITIZE_ADDRESS__
#define MEASURED false
#else
#define MEASURED true
#endif

struct image {
	char *folder;
	int fd;
	uint64_t cluster, length;
};

/* Version 3, 16-bit refcounts; clusters: 0 header, 1 L1, 2 refcount table, 3 refcount block. */
static void make(struct image *m, unsigned bits, uint32_t l1_entries, uint64_t length)
{
	struct cv_qcow2_header_disk h = {
		.magic = cv_be32_of(QCOW2_MAGIC), .version = cv_be32_of(3), .cluster_bits = cv_be32_of(bits),
		.size = cv_be64_of((uint64_t)l1_entries << (2 * bits - 3)), .l1_entries = cv_be32_of(l1_entries),
		.refcount_clusters = cv_be32_of(1), .refcount_order = cv_be32_of(4), .header_length = cv_be32_of(104),
	};
	char path[PATH_MAX];

	m->cluster = UINT64_C(1) << bits;
	m->length = length;
	h.l1_off = cv_be64_of(m->cluster);
	h.refcount_off = cv_be64_of(2 * m->cluster);
	m->folder = cv_test_folder();
	snprintf(path, sizeof path, "%s/i", m->folder);
	m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(m->fd >= 0);
	assert_int_equal(ftruncate(m->fd, (off_t)length), 0);
	assert_int_equal(pwrite(m->fd, &h, sizeof h, 0), sizeof h);
}

static void put(const struct image *m, uint64_t off, const void *bytes, size_t len)
{
	assert_int_equal(pwrite(m->fd, bytes, len, (off_t)off), len);
}

static void put64(const struct image *m, uint64_t off, uint64_t value)
{
	cv_be64 v = cv_be64_of(value);

	put(m, off, &v, sizeof v);
}

static void put32(const struct image *m, uint64_t off, uint32_t value)
{
	cv_be32 v = cv_be32_of(value);

	put(m, off, &v, sizeof v);
}

static void put_count(const struct image *m, uint64_t cluster, uint16_t count)
{
	cv_be16 v = cv_be16_of(count);

	put(m, 3 * m->cluster + cluster * 2, &v, sizeof v);
}

/* Refcounts of one for the first clusters. */
static void count_first(const struct image *m, uint64_t clusters)
{
	put64(m, 2 * m->cluster, 3 * m->cluster);
	for (uint64_t i = 0; i < clusters; i++)
		put_count(m, i, 1);
}

/* count entries from first on, each step more than the one before. */
static void put_row(const struct image *m, uint64_t off, uint64_t first, uint64_t step, size_t count)
{
	cv_be64 *row = malloc(count * sizeof *row);

	assert_non_null(row);
	for (size_t i = 0; i < count; i++)
		row[i] = cv_be64_of(first + i * step);
	put(m, off, row, count * sizeof *row);
	free(row);
}

struct outcome {
	bool done;
	uint64_t corruptions, leaked;
	char why[480];
	char findings[4096];
};

static void look(const struct image *m, struct outcome *o)
{
	struct cv_text text = { 0 };
	struct cv_err err = { 0 };
	struct cv_source *source = cv_source_fd_adopt(dup(m->fd), m->length, &err);
	struct cv_checking c = { .source = source, .facts = cv_facts_new() };

	o->done = cv_qcow2_check(&c, &err);
	o->corruptions = c.corruptions;
	o->leaked = c.leaked_bytes;
	snprintf(o->why, sizeof o->why, "%s", err.text);
	for (uint32_t i = 0; i < c.facts->finding_count; i++) {
		cv_text_addf(&text, "%s %s: ", cv_severity_name(c.facts->findings[i].severity),
			     cv_problem_by_id(c.facts->findings[i].id)->name);
		cv_finding_title(&text, &c.facts->findings[i]);
		cv_text_add(&text, "\n");
	}
	snprintf(o->findings, sizeof o->findings, "%s", cv_text_str(&text));
	cv_text_fini(&text);
	cv_facts_free(c.facts);
	cv_source_close(source);
}

/* In a process of its own, measured; ends the image. */
static struct outcome check(struct image *m)
{
	struct timespec before, after;
	struct outcome o = { 0 };
	struct rusage used;
	int pipes[2], status;
	double seconds;
	pid_t child;

	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		look(m, &o);
		_exit(write(pipes[1], &o, sizeof o) != sizeof o);
	}
	close(pipes[1]);
	assert_int_equal(wait4(child, &status, 0, &used), child);
	assert_int_equal(status, 0);
	/* It is less than a pipe holds. */
	assert_int_equal(read(pipes[0], &o, sizeof o), sizeof o);
	close(pipes[0]);
	clock_gettime(CLOCK_MONOTONIC, &after);
	/* Other programs may keep the processor; what was used of it counts. */
	seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		  (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	if (MEASURED && (seconds > MOST_SECONDS || used.ru_maxrss > MOST_KIB))
		fail_msg("%.2f s of processor time, %ld KiB\n%s%s", seconds, used.ru_maxrss, o.findings, o.why);
	print_message("%.2f s (%.1f s), %ld KiB %s\n", seconds, (double)(after.tv_sec - before.tv_sec), used.ru_maxrss, o.why);
	close(m->fd);
	cv_test_folder_remove(m->folder);
	return o;
}

static void a_plain_image_is_fine(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 16, 1, 6 << 16);
	count_first(&m, 6);
	put64(&m, 1 << 16, COPIED | 4 << 16);
	put64(&m, (4 << 16) + 8, COPIED | 5 << 16);
	o = check(&m);
	assert_string_equal(o.findings, "");
	assert_true(o.done);
	assert_int_equal(o.corruptions + o.leaked, 0);
}

static void rules_that_qemu_does_not_count(void **state)
{
	static const struct { uint32_t version; uint64_t features, first, second; const char *says; uint64_t counted; } rows[] = {
		{ 3, 0, 1, 0, "", 0 },
		{ 2, 0, 1, 0, "error qcow2-entry-unaligned: L2 entry at 0x40000: reserved bits are set\n", 0 },
		{ 3, 16, 1, 0, "error qcow2-entry-unaligned: L2 entry at 0x40000: reserved bits are set\n", 0 },
		{ 3, 16, 0, 0xffffffff00000000, "", 0 },
		{ 3, 16, 0, 1, "error qcow2-entry-unaligned: L2 entry at 0x40000: subclusters are allocated, but no cluster\n",
		  1 },
		{ 3, 16, COPIED | 5 << 16, 0x100000001,
		  "error qcow2-entry-unaligned: L2 entry at 0x40000: subclusters are both allocated and zero\n", 1 },
		{ 3, 16, COPIED | 5 << 16, 0xfffffffe00000001, "", 0 },
		{ 3, 16, UINT64_C(1) << 62 | 5 << 16, 1,
		  "warning leaked-clusters: 64K that nothing in the image points to\n"
		  "error qcow2-entry-unaligned: L2 entry at 0x40000: compressed, but with subclusters\n", 1 },
		{ 3, 4, COPIED, 0, "warning leaked-clusters: 64K that nothing in the image points to\n", 0 },
		{ 3, 4, COPIED | 5 << 16, 0,
		  "warning leaked-clusters: 64K that nothing in the image points to\n"
		  "error qcow2-entry-unaligned: L2 entry at 0x40000: not the place that it has in the data file\n", 0 },
		{ 3, 4, UINT64_C(1) << 62 | 5 << 16, 0,
		  "warning leaked-clusters: 64K that nothing in the image points to\n"
		  "error qcow2-entry-unaligned: L2 entry at 0x40000: compressed, though the data lie in another file\n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct image m;
		struct outcome o;
		bool data = rows[i].first & COPIED || rows[i].first >> 62;

		make(&m, 16, 1, 6 << 16);
		put32(&m, 4, rows[i].version);
		put64(&m, 72, rows[i].features);
		count_first(&m, data ? 6 : 5);
		put64(&m, 1 << 16, COPIED | 4 << 16);
		put64(&m, 4 << 16, rows[i].first);
		put64(&m, (4 << 16) + 8, rows[i].second);
		if (!data)
			m.length = 5 << 16;
		o = check(&m);
		if (strcmp(o.findings, rows[i].says))
			print_message("row %zu\n", i);
		assert_string_equal(o.findings, rows[i].says);
		assert_int_equal(o.corruptions, rows[i].counted);
	}
}

/* More clusters than the counters have room for at once, one of each page. */
static void an_image_in_slices_is_counted_as_a_whole_one(void **state)
{
	const uint64_t tables = 64, entries = 8192, spread = 65;
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 16, (uint32_t)tables, (UINT64_C(4096) + tables * entries * spread) << 16);
	count_first(&m, 4 + tables);
	put_row(&m, 1 << 16, COPIED | 4 << 16, 1 << 16, tables);
	for (uint64_t t = 0; t < tables; t++)
		put_row(&m, (4 + t) << 16, (4096 + t * entries * spread) << 16, spread << 16, entries);
	/* One of them is used twice, and lies where the L1 table is; one has a count. */
	put64(&m, 4 << 16, 1 << 16);
	put_count(&m, 4096 + spread, 1);
	put_count(&m, 4096 + spread + 1, 1);
	o = check(&m);
	assert_true(o.done);
	/* Each has no refcount, but one; that one has no flag; the L1 table has one user too many. */
	assert_int_equal(o.corruptions, tables * entries - 2 + 1 + 1 + 1 - 1 + 1);
	assert_int_equal(o.leaked, 1 << 16);
	assert_non_null(strstr(o.findings, "qcow2-table-overlap: cluster at 0x10000: used as L1 table and as data cluster"));
	assert_non_null(strstr(o.findings, "524278 more clusters at"));
}

static void a_sparse_file_of_absurd_length_costs_nothing(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 9, 1, 8 * TIB);
	count_first(&m, 4);
	o = check(&m);
	assert_true(o.done);
	assert_int_equal(o.corruptions, 0);
	assert_string_equal(o.findings, "info qcow2-unmapped-tail: 7.9T at the end of the file that have no use\n");
}

static void refcount_blocks_that_are_all_the_same_one(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 16, 1, 8 * TIB);
	put32(&m, 56, 128);
	put64(&m, 48, UINT64_C(1) << 32);
	put_row(&m, UINT64_C(1) << 32, 3 << 16, 0, 1 << 20);
	for (uint64_t i = 0; i < 32768; i++)
		put_count(&m, i, 1);
	o = check(&m);
	assert_false(o.done);
	assert_non_null(strstr(o.why, "more tables in odd places than are followed"));
}

static void an_l1_table_full_of_tables_that_are_not_there(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 16, 4 << 20, 8 * TIB);
	put64(&m, 40, UINT64_C(1) << 32);
	count_first(&m, 4);
	put_row(&m, UINT64_C(1) << 32, UINT64_C(2) << 32, 1 << 16, 4 << 20);
	o = check(&m);
	assert_true(o.done);
	/* All of them count as free; and the flag is right for that. */
	assert_true(o.corruptions >= 4 << 20);
}

static void an_l1_table_full_of_the_same_table(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 16, 4 << 20, UINT64_C(8) << 30);
	put64(&m, 40, UINT64_C(1) << 32);
	count_first(&m, 4);
	put_row(&m, UINT64_C(1) << 32, 4 << 16, 0, 4 << 20);
	put_row(&m, 4 << 16, 5 << 16, 1 << 16, 8192);
	o = check(&m);
	assert_true(o.done);
	assert_non_null(strstr(o.findings, "in use, but the refcount says free"));
}

static void l1_entries_that_are_not_aligned(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 21, 4 << 20, UINT64_C(8) << 30);
	put64(&m, 40, UINT64_C(1) << 32);
	count_first(&m, 4);
	put_row(&m, UINT64_C(1) << 32, 8 << 21, 512, 4 << 20);
	put_row(&m, 8 << 21, UINT64_C(9) << 21, 1 << 21, 1 << 18);
	o = check(&m);
	assert_false(o.done);
	assert_non_null(strstr(o.findings, "the L2 table is not aligned to a cluster"));
}

static void snapshots_that_all_have_the_same_large_table(void **state)
{
	struct image m;
	struct outcome o;

	(void)state;
	make(&m, 16, 1, UINT64_C(8) << 30);
	count_first(&m, 4);
	put32(&m, 60, 65536);
	put64(&m, 64, UINT64_C(2) << 30);
	put_row(&m, UINT64_C(1) << 30, 4 << 16, 0, 4 << 20);
	for (uint64_t i = 0; i < 65536; i++) {
		struct cv_qcow2_snapshot_disk d = {
			.l1_off = cv_be64_of(UINT64_C(1) << 30), .l1_entries = cv_be32_of(4 << 20),
		};

		put(&m, (UINT64_C(2) << 30) + i * sizeof d, &d, sizeof d);
	}
	o = check(&m);
	assert_false(o.done);
	assert_string_equal(o.why, "L1 table of internal snapshot 7: its tables are longer in all than is looked at");
}

static void a_tally_holds_what_is_put_into_it(void **state)
{
	struct cv_tally t = { .most = 8 << 20 };
	uint32_t seed = 7;
	uint64_t *numbers;

	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		cv_tally_put(&t, i * 67, i * i * i);
	assert_false(t.full);
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(cv_tally_get(&t, i * 67), i * i * i);
	numbers = cv_tally_numbers(&t);
	for (size_t i = 1; i < t.used; i++)
		assert_true(numbers[i - 1] < numbers[i]);
	free(numbers);
	cv_tally_clear(&t);
	assert_int_equal(cv_tally_get(&t, 67), 0);
	for (unsigned i = 0; i < 3000; i++)
		cv_tally_add(&t, cv_test_random(&seed, 10), CV_TALLY_DATA, 1000);
	for (unsigned i = 0, sum = 0; i < 10; i++) {
		sum += (unsigned)(cv_tally_get(&t, i) >> CV_TALLY_COUNT_SHIFT);
		assert_true(i < 9 || sum == 3000000);
	}
	assert_false(cv_tally_get(&t, 0) & CV_TALLY_OVERLAP);
	cv_tally_add(&t, 0, CV_TALLY_L2, 1);
	assert_true(cv_tally_get(&t, 0) & CV_TALLY_OVERLAP);
	for (uint64_t i = 0; !t.full; i += CV_TALLY_PAGE) {
		cv_tally_put(&t, i, 1);
		assert_true(i < UINT64_C(1) << 30);
	}
	assert_true(t.held <= t.most && !t.no_memory);
	cv_tally_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_image_is_fine),
		cmocka_unit_test(rules_that_qemu_does_not_count),
		cmocka_unit_test(an_image_in_slices_is_counted_as_a_whole_one),
		cmocka_unit_test(a_sparse_file_of_absurd_length_costs_nothing),
		cmocka_unit_test(refcount_blocks_that_are_all_the_same_one),
		cmocka_unit_test(an_l1_table_full_of_tables_that_are_not_there),
		cmocka_unit_test(an_l1_table_full_of_the_same_table),
		cmocka_unit_test(l1_entries_that_are_not_aligned),
		cmocka_unit_test(snapshots_that_all_have_the_same_large_table),
		cmocka_unit_test(a_tally_holds_what_is_put_into_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
