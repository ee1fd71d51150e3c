/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What is written when the log of a VHDX is replayed: random logs against the same changes made one after the other, also when it
 * was cut short and is done once more; and logs that are not believed.
 */
#include "repair/fix/vhdx.h"
#include "tests/unit/test_block_vhdx_log.h"
#include "tests/support/run.h"
#include "repair/relink/relink.h"
#include "repair/vhdx/replay.h"
#include <limits.h>

/* Of how many writes the first ones are carried out. */
struct disk {
	unsigned writes, most;
};

static bool write_page(void *ctx, uint64_t off, const uint8_t *page, struct cv_err *err)
{
	struct disk *d = ctx;

	(void)err;
	assert_true(off % PAGE == 0 && off + PAGE <= FILE_LEN);
	if (d->writes++ < d->most)
		memcpy(image + off, page, PAGE);
	return true;
}

/* headers: how many of them come to disk. Returns how many pages there were. */
static unsigned replay(unsigned most, unsigned headers)
{
	struct cv_source *source = image_source(FILE_LEN);
	struct disk d = { 0, most };
	struct cv_vhdx_replay r;
	struct cv_err err = { CV_OK };

	if (!cv_vhdx_replay_open(&r, source, &err) || !cv_vhdx_replay_pages(&r, write_page, &d, &err))
		fail_msg("%s", err.text);
	assert_true(r.size == FILE_LEN);
	for (unsigned i = 0; i < headers; i++)
		memcpy(image + r.headers[i].off, &r.headers[i].disk, PAGE);
	cv_vhdx_replay_fini(&r);
	cv_source_close(source);
	return d.writes;
}

static void assert_is_applied(void)
{
	assert_memory_equal(image + MIB + LOG_LEN, applied + MIB + LOG_LEN, FILE_LEN - MIB - LOG_LEN);
}

static void assert_no_replay(const char *why)
{
	struct cv_source *source = image_source(FILE_LEN);
	struct cv_vhdx_replay r;
	struct cv_err err = { CV_OK };

	assert_false(cv_vhdx_replay_open(&r, source, &err));
	assert_int_equal(err.code, CV_EREFUSED);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
	cv_vhdx_replay_fini(&r);
	cv_source_close(source);
}

static void put_random_log(uint32_t *seed)
{
	static struct change changes[40];
	struct entry e = { .sequence = 7, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	uint32_t at = cv_test_random(seed, LOG_SECTORS);

	e.tail = at;
	for (uint32_t i = 0, entries = 1 + cv_test_random(seed, 3); i < entries; i++, e.sequence++) {
		uint32_t count = cv_test_random(seed, 40);

		for (uint32_t k = 0; k < count; k++)
			changes[k] = random_change(seed);
		apply(changes, count);
		at = put_log(at, &e, changes, count);
	}
}

static void what_a_log_changes_is_in_the_file_then(void **state)
{
	uint32_t seed = 4;

	(void)state;
	for (int round = 0; round < 40; round++) {
		start_over();
		put_random_log(&seed);
		replay(UINT_MAX, 2);
		assert_is_applied();
		assert_no_replay("its log is empty");
	}
}

/* Pages in part, then the log is read through as before; with one header it is done, and that header counts. */
static void it_may_be_cut_short_anywhere_and_done_once_more(void **state)
{
	uint32_t seed = 5;

	(void)state;
	for (int round = 0; round < 40; round++) {
		unsigned pages;

		start_over();
		put_random_log(&seed);
		pages = replay(0, 0);
		replay(cv_test_random(&seed, pages + 1), 0);
		assert_reads_as_applied(FILE_LEN, &seed);
		replay(UINT_MAX, 0);
		assert_is_applied();
		assert_int_equal(replay(UINT_MAX, 1), 0);
		assert_no_replay("its log is empty");
		assert_is_applied();
	}
}

static void put_one(struct change c, uint64_t flushed, uint64_t last)
{
	const struct entry e = { .sequence = 3, .guid = LOG_TAG, .flushed = flushed, .last = last };

	start_over();
	put_log(0, &e, &c, 1);
}

static void what_would_change_headers_or_the_log_is_refused(void **state)
{
	static const uint64_t places[] = { 0, 64 * KIB, 128 * KIB, LOG_AT, LOG_AT + LOG_LEN - PAGE };

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		put_one((struct change){ .off = places[i], .page = "x" }, FILE_LEN, FILE_LEN);
		assert_no_replay("would change the headers or the log itself");
	}
	put_one((struct change){ .off = FIRST_BLOCK, .page = "x" }, FILE_LEN, FILE_LEN);
	replay(UINT_MAX, 2);
	assert_memory_equal(image + FIRST_BLOCK, "x", 2);
}

static void hostile_lengths_are_refused(void **state)
{
	(void)state;
	put_one((struct change){ .off = FIRST_BLOCK, .zeros = UINT64_C(1) << 40 }, FILE_LEN, FILE_LEN);
	assert_no_replay("its log changes 1099511627776 B of the file");
	put_one((struct change){ .off = FIRST_BLOCK, .page = "x" }, FILE_LEN, UINT64_C(1) << 60);
	assert_no_replay("its log asks for a file of 1152921504606846976 B");
	put_one((struct change){ .off = FIRST_BLOCK, .page = "x" }, FILE_LEN + 1, FILE_LEN + 1);
	assert_no_replay("it was cut");
}

/* What cannot be kept for undo is counted. */
static void too_many_pages_are_refused_with_their_number(void **state)
{
	CV_AUTO(cv_auto_arena) struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_fix fix = { .verdict = CV_FIX_SAFE, .arena = arena };
	struct cv_fix_job job = { .arena = arena };
	struct cv_err err = { CV_OK };

	(void)state;
	put_one((struct change){ .off = FIRST_BLOCK, .zeros = 3 * MIB }, FILE_LEN, FILE_LEN);
	memset(image + FIRST_BLOCK, 1, 2 * MIB);
	memset(image + FIRST_BLOCK + 2 * MIB, 0, MIB);
	job.source = image_source(FILE_LEN);
	assert_true(cv_fix_vhdx_log(&job, &fix, &err));
	assert_int_equal(fix.verdict, CV_FIX_REFUSED);
	assert_non_null(strstr(fix.why, "its log changes 512 pages of the file, more than the 510 "));
	cv_source_close(job.source);
	free(fix.patches.at);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_image, drop_image)
	const struct CMUnitTest tests[] = {
		T(what_a_log_changes_is_in_the_file_then),
		T(it_may_be_cut_short_anywhere_and_done_once_more),
		T(what_would_change_headers_or_the_log_is_refused),
		T(hostile_lengths_are_refused),
		T(too_many_pages_are_refused_with_their_number),
	};

	return cmocka_run_group_tests_name("vhdx_replay", tests, NULL, NULL) ? 1 : 0;
}
