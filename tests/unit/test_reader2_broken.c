/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Libraries that hang, crash or fail over some bytes of a file: the process is replaced by one that goes on behind
 * them, a few times, and what was lost is said. A process that leaves nonsense behind is not believed.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>
#include <chainview/bytes.h>
#include "inspect/reader2/second.h"
#include "repair/sample/maker.h"
#include "tests/support/run.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK (2 * MIB)
#define DISK (48 * MIB)
/* So much is asked of a library at a time. */
#define ASKED MIB

enum fault { HANGS, CRASHES, FAILS, LIES };

/* Read by the processes: they are started after it is filled. */
static struct { struct cv_range at; enum fault fault; } faults[32];
static size_t fault_count;

static char *folder;
static struct cv_scan *scan;
static struct cv_references *refs;
static struct cv_graph *graph;
/* Where the data of each block of the disk lie in the file. */
static uint64_t place_of_block[DISK / BLOCK];

static void fail_on(bool ok, const struct cv_err *err)
{
	if (!ok)
		fail_msg("%s", err->text);
}

static void find_blocks(void)
{
	CV_AUTO(cv_auto_free) char *path = NULL;
	uint8_t entry[4];
	int fd;

	assert_true(asprintf(&path, "%s/disk.vhd", folder) > 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < CV_COUNT(place_of_block); i++) {
		cv_be32 sector;

		assert_int_equal(pread(fd, entry, 4, (off_t)(1536 + 4 * i)), 4);
		memcpy(&sector, entry, 4);
		place_of_block[i] = (uint64_t)cv_be32_get(sector) * 512 + 512;
	}
	close(fd);
}

static int make_house(void **state)
{
	struct cv_place place = { 0 };
	struct cv_err err = { .code = CV_OK };
	int root;

	(void)state;
	place.path = folder = cv_test_folder();
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fail_on(cv_maker_run(&cv_io_real, root, "test", "vhd disk.vhd dynamic size=48M blocks=0-23 pattern=all\n", &err),
		&err);
	close(root);
	find_blocks();
	scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);
	fail_on(scan, &err);
	while (cv_scan_step(scan, -1))
		;
	refs = cv_references_read("none", scan, &err);
	fail_on(refs, &err);
	graph = cv_graph_build(scan, refs, NULL, NULL, &err);
	fail_on(graph && graph->image_count == 1, &err);
	return 0;
}

static int remove_house(void **state)
{
	(void)state;
	cv_graph_free(graph);
	cv_references_free(refs);
	cv_scan_free(scan);
	cv_test_folder_remove(folder);
	return 0;
}

static int no_faults(void **state)
{
	(void)state;
	fault_count = 0;
	return 0;
}

/* From a guest offset on; within one block. */
static void add_fault(uint64_t off, uint64_t len, enum fault fault)
{
	faults[fault_count].at = (struct cv_range){ place_of_block[off / BLOCK] + off % BLOCK, len };
	faults[fault_count++].fault = fault;
}

/* --- a source with faults, in the process ----------------------------------------------------------------------- */

struct faulty {
	struct cv_source source;
	struct cv_source *under;
	struct cv_check_mark *mark;
};

static void act(enum fault fault, struct cv_check_mark *mark)
{
	volatile bool for_ever = true;

	switch (fault) {
	case HANGS:
		while (for_ever)
			;
		break;
	case LIES:
		mark->states[mark->current].compared += 512;
		abort();
	case CRASHES:
		abort();
	case FAILS:
		break;
	}
}

static ssize_t faulty_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct faulty *f = (struct faulty *)self;

	for (size_t i = 0; i < fault_count; i++) {
		if (off >= faults[i].at.off + faults[i].at.len || off + len <= faults[i].at.off)
			continue;
		act(faults[i].fault, f->mark);
		errno = EIO;
		return -1;
	}
	return f->under->ops->pread(f->under, buf, len, off);
}

static void faulty_close(struct cv_source *self)
{
	cv_source_close(((struct faulty *)self)->under);
	free(self);
}

static bool check_faulty(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images,
			 size_t count, const void *request, size_t request_len, struct cv_task_out *out,
			 struct cv_err *err)
{
	static const struct cv_source_ops ops = { .pread = faulty_pread, .close = faulty_close };
	struct faulty *f = malloc(sizeof *f);

	*f = (struct faulty){ { &ops, sources[0]->size }, sources[0], ((const struct cv_check_request *)request)->mark };
	sources[0] = &f->source;
	return cv_check_task(sources, data, images, count, request, request_len, out, err);
}

/* --- what comes of it ------------------------------------------------------------------------------------------- */

static struct cv_second_result result;
static struct cv_second *second;

static void run_second(void)
{
	const struct cv_second_options options = { check_faulty, 1 };
	struct cv_err err = { .code = CV_OK };
	uint64_t done = 0;

	result = (struct cv_second_result){ .name = "libvhdi" };
	second = cv_second_start(graph, 0, &options, &result, &err);
	fail_on(second, &err);
	while (cv_second_listen(second)) {
		struct pollfd fd = { cv_second_poll_fd(second), POLLIN, 0 };

		assert_true(cv_second_done(second) >= done);
		done = cv_second_done(second);
		poll(&fd, 1, 200);
	}
}

static void end_second(void)
{
	cv_second_free(second);
	second = NULL;
}

static uint64_t bytes_of(enum cv_gate_id id)
{
	for (size_t i = 0; i < result.gap_count; i++)
		if (result.gaps[i].reason == cv_gate_rows[id].reason)
			return result.gaps[i].bytes;
	return 0;
}

static void assert_verdict(enum cv_second_verdict verdict)
{
	if (result.verdict == verdict)
		return;
	for (size_t i = 0; i < result.gap_count; i++)
		print_message("%" PRIu64 " B: %s\n", result.gaps[i].bytes, result.gaps[i].reason);
	fail_msg("%s, compared %" PRIu64 ": %s", cv_second_verdict_name(result.verdict), result.compared,
		 result.trouble ? result.trouble : "no trouble");
}

static void assert_adds_up(void)
{
	uint64_t sum = result.compared;

	for (size_t i = 0; i < result.gap_count; i++)
		sum += result.gaps[i].bytes;
	assert_true(sum == DISK);
}

static void without_a_fault_all_is_compared(void **state)
{
	(void)state;
	run_second();
	assert_verdict(CV_SECOND_AGREE);
	assert_true(result.compared == DISK && !result.gap_count && !result.trouble);
	end_second();
}

static void behind_a_hang_another_process_goes_on(void **state)
{
	(void)state;
	add_fault(5 * MIB + 4096, 512, HANGS);
	run_second();
	assert_verdict(CV_SECOND_PARTIAL);
	assert_true(bytes_of(CV_GATE_HANG) == ASKED && result.compared == DISK - ASKED);
	assert_string_equal(result.trouble, "no answer within 1 s");
	end_second();
}

static void behind_crashes_another_process_goes_on(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < CV_CHECK_RESTARTS; i++)
		add_fault(2 * i * BLOCK + 77 * 512, 512, CRASHES);
	run_second();
	assert_verdict(CV_SECOND_PARTIAL);
	assert_true(bytes_of(CV_GATE_CRASH) == CV_CHECK_RESTARTS * ASKED);
	assert_non_null(strstr(result.trouble, "killed by signal 6"));
	assert_adds_up();
	end_second();
}

static void who_crashes_too_often_is_given_up(void **state)
{
	(void)state;
	for (uint64_t i = 0; i <= CV_CHECK_RESTARTS; i++)
		add_fault(2 * i * BLOCK, 512, CRASHES);
	run_second();
	assert_verdict(CV_SECOND_FAILED);
	assert_true(bytes_of(CV_GATE_CRASH) == CV_CHECK_RESTARTS * ASKED);
	assert_true(bytes_of(CV_GATE_REST) == DISK - 2 * CV_CHECK_RESTARTS * BLOCK);
	assert_adds_up();
	end_second();
}

/* The bad range is met again right behind: larger steps. */
static void a_long_bad_range_is_passed_in_larger_steps(void **state)
{
	(void)state;
	for (uint64_t off = 10 * MIB; off < 26 * MIB; off += BLOCK)
		add_fault(off, BLOCK, CRASHES);
	run_second();
	assert_verdict(CV_SECOND_PARTIAL);
	assert_true(bytes_of(CV_GATE_CRASH) >= 16 * MIB && bytes_of(CV_GATE_CRASH) <= 17 * MIB + ASKED);
	assert_adds_up();
	end_second();
}

static void errors_cost_what_was_asked_for(void **state)
{
	(void)state;
	add_fault(3 * MIB, 1536, FAILS);
	add_fault(9 * MIB, 512, FAILS);
	run_second();
	assert_verdict(CV_SECOND_PARTIAL);
	assert_true(bytes_of(CV_GATE_ERROR) == 2 * ASKED && result.compared == DISK - 2 * ASKED);
	assert_non_null(strstr(result.trouble, "guest offset 3145728"));
	end_second();
}

static void nothing_but_errors_is_a_failure(void **state)
{
	(void)state;
	for (uint64_t off = 0; off < DISK; off += BLOCK)
		add_fault(off, BLOCK, FAILS);
	run_second();
	assert_verdict(CV_SECOND_FAILED);
	assert_true(bytes_of(CV_GATE_ERROR) == DISK && !result.compared);
	assert_non_null(strstr(result.trouble, "libvhdi cannot read"));
	end_second();
}

/* A table that leads nowhere for the library kills nothing, but it cannot begin. */
static void death_before_the_first_byte_is_a_failure(void **state)
{
	(void)state;
	faults[0].at = (struct cv_range){ 1536, 1 };
	faults[fault_count++].fault = CRASHES;
	run_second();
	assert_verdict(CV_SECOND_FAILED);
	assert_true(!result.compared && !result.gap_count && result.trouble);
	end_second();
}

static void what_a_dead_process_leaves_must_add_up(void **state)
{
	(void)state;
	add_fault(6 * MIB, 512, LIES);
	run_second();
	assert_verdict(CV_SECOND_FAILED);
	assert_true(!result.compared && !result.gap_count);
	assert_non_null(strstr(result.trouble, "killed by signal 6"));
	end_second();
}

/* The bitmap of one block is damaged behind the back of the batmap, so the readers disagree; later it crashes. */
static void a_difference_is_not_forgotten_over_a_crash(void **state)
{
	CV_AUTO(cv_auto_free) char *path = NULL;
	uint8_t bits, none = 0;
	off_t at = (off_t)place_of_block[1] - 512 + 3;
	int fd;

	(void)state;
	assert_true(asprintf(&path, "%s/disk.vhd", folder) > 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &bits, 1, at), 1);
	assert_int_equal(pwrite(fd, &none, 1, at), 1);
	add_fault(BLOCK + MIB, 512, CRASHES);
	run_second();
	assert_int_equal(pwrite(fd, &bits, 1, at), 1);
	close(fd);
	assert_verdict(CV_SECOND_DIFFER);
	assert_true(result.differing == 8 * 512 && result.difference_count == 1);
	assert_true(result.differences[0].off == BLOCK + 24 * 512 && result.differences[0].len == 8 * 512);
	assert_true(bytes_of(CV_GATE_CRASH) == ASKED);
	assert_adds_up();
	end_second();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, no_faults)
	const struct CMUnitTest tests[] = {
		T(without_a_fault_all_is_compared),
		T(behind_a_hang_another_process_goes_on),
		T(behind_crashes_another_process_goes_on),
		T(who_crashes_too_often_is_given_up),
		T(a_long_bad_range_is_passed_in_larger_steps),
		T(errors_cost_what_was_asked_for),
		T(nothing_but_errors_is_a_failure),
		T(death_before_the_first_byte_is_a_failure),
		T(what_a_dead_process_leaves_must_add_up),
		T(a_difference_is_not_forgotten_over_a_crash),
	};

	return cmocka_run_group_tests_name("reader2_broken", tests, make_house, remove_house) ? 1 : 0;
}
