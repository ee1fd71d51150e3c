/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The journal itself: what is written is read again, what is torn ends it, what somebody else wrote is known as such, and
 * bytes of any kind do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "repair/operation/work.h"
#include "tests/support/sim_host.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

struct bench {
	struct sim *s;
	struct sim_host host;
	int root;
	struct cv_journal j;
	struct cv_err err;
};

static const uint8_t repository[16] = { 7 };

static void begin(struct bench *b, uint32_t more)
{
	*b = (struct bench){ .s = sim_new() };
	sim_host_init(&b->host, 1, 1, 1, 42);
	b->root = sim_root(b->s);
	assert_true(cv_journal_create(&b->j, &b->s->io, &b->host.host, b->root, repository, CV_PLAN_TRASH, "prepared", 8, more, 0,
				      &b->err));
}

static void end(struct bench *b)
{
	cv_journal_close(&b->j);
	sim_free(b->s);
}

static struct cv_journal_log read_as(struct bench *b, const struct cv_host *host)
{
	struct cv_journal_log log;

	cv_err_clear(&b->err);
	if (!cv_journal_read(&log, &b->s->io, host, b->root, cv_journal_name(b->j.op).s, &b->err))
		fail_msg("%s", b->err.text);
	return log;
}

static void what_is_written_is_read_again(void **state)
{
	struct bench b;
	struct cv_journal_log log;
	uint8_t big[10000];

	(void)state;
	memset(big, 0xab, sizeof big);
	begin(&b, 8);
	assert_true(cv_journal_add(&b.j, CV_RECORD_UNDO, big, sizeof big, &b.err));
	assert_true(cv_journal_add(&b.j, CV_RECORD_PROGRESS, "7", 1, &b.err));
	assert_true(cv_journal_barrier(&b.j, &b.err));
	log = read_as(&b, &b.host.host);
	assert_true(log.own && !log.damaged);
	assert_int_equal(log.records.len, 3);
	assert_int_equal(log.records.at[0].len, 8);
	assert_memory_equal(log.records.at[0].payload, "prepared", 8);
	assert_int_equal(log.records.at[1].len, sizeof big);
	assert_memory_equal(log.records.at[1].payload, big, sizeof big);
	assert_int_equal(cv_journal_last(&log, CV_RECORD_PROGRESS)->number, 3);
	assert_null(cv_journal_last(&log, CV_RECORD_DONE));
	cv_journal_log_fini(&log);
	end(&b);
}

static void a_full_journal_takes_no_more_and_stays_whole(void **state)
{
	struct bench b;
	struct cv_journal_log log;

	(void)state;
	begin(&b, 1);
	assert_true(cv_journal_add(&b.j, CV_RECORD_PROGRESS, NULL, 0, &b.err));
	assert_false(cv_journal_add(&b.j, CV_RECORD_PROGRESS, NULL, 0, &b.err));
	assert_int_equal(b.err.code, CV_ELIMIT);
	log = read_as(&b, &b.host.host);
	assert_int_equal(log.records.len, 2);
	assert_false(log.damaged);
	cv_journal_log_fini(&log);
	end(&b);
}

static void poke(struct bench *b, uint64_t off, uint8_t flip)
{
	struct cv_file_out file;
	uint8_t byte;

	assert_true(cv_out_open(&file, &b->s->io, b->root, cv_journal_name(b->j.op).s, &b->err));
	assert_true(cv_out_read(&file, &byte, 1, off, &b->err));
	byte ^= flip;
	assert_true(cv_out_write(&file, &byte, 1, off, &b->err));
	assert_true(cv_out_close(&file, true, &b->err));
}

static void a_torn_last_record_is_as_if_it_had_not_been(void **state)
{
	struct bench b;
	struct cv_journal_log log;

	(void)state;
	begin(&b, 4);
	assert_true(cv_journal_add(&b.j, CV_RECORD_PROGRESS, "one", 3, &b.err));
	assert_true(cv_journal_add(&b.j, CV_RECORD_DONE, "two", 3, &b.err));
	poke(&b, 4 * CV_JOURNAL_SLOT + 3000, 1);
	log = read_as(&b, &b.host.host);
	assert_int_equal(log.records.len, 2);
	assert_false(log.damaged);
	assert_null(cv_journal_last(&log, CV_RECORD_DONE));
	cv_journal_log_fini(&log);
	end(&b);
}

static void a_record_behind_a_broken_one_is_damage_and_not_the_end(void **state)
{
	struct bench b;
	struct cv_journal_log log;
	struct cv_journal taken;

	(void)state;
	begin(&b, 4);
	assert_true(cv_journal_add(&b.j, CV_RECORD_PROGRESS, "one", 3, &b.err));
	assert_true(cv_journal_add(&b.j, CV_RECORD_PROGRESS, "two", 3, &b.err));
	poke(&b, 3 * CV_JOURNAL_SLOT + 100, 1);
	log = read_as(&b, &b.host.host);
	assert_true(log.damaged);
	assert_false(cv_journal_take_over(&taken, &log, &b.s->io, &b.host.host, b.root, cv_journal_name(b.j.op).s, true,
					  &b.err));
	assert_int_equal(b.err.code, CV_EREFUSED);
	cv_journal_log_fini(&log);
	end(&b);
}

static void zeros_are_never_valid(void **state)
{
	static const uint8_t zeros[16 * CV_JOURNAL_SLOT];
	struct bench b;
	struct cv_journal_log log;
	struct cv_file_out file;

	(void)state;
	begin(&b, 1);
	assert_true(cv_out_create(&file, &b.s->io, b.root, "zeros.cvj", &b.err));
	assert_true(cv_out_write(&file, zeros, sizeof zeros, 0, &b.err));
	assert_true(cv_out_close(&file, true, &b.err));
	assert_false(cv_journal_read(&log, &b.s->io, &b.host.host, b.root, "zeros.cvj", &b.err));
	assert_int_equal(b.err.code, CV_EFORMAT);
	end(&b);
}

/* Every byte of superblocks and records, one after the other. */
static void no_byte_can_change_unnoticed(void **state)
{
	struct bench b;
	struct cv_journal_log log;

	(void)state;
	begin(&b, 2);
	assert_true(cv_journal_add(&b.j, CV_RECORD_PROGRESS, "one", 3, &b.err));
	for (uint64_t off = 0; off < 4 * CV_JOURNAL_SLOT; off += off % CV_JOURNAL_SLOT < 200 ? 1 : 97) {
		unsigned slot = (unsigned)(off / CV_JOURNAL_SLOT);

		poke(&b, off, 0x10);
		log = read_as(&b, &b.host.host);
		/* One superblock is enough; a broken PREPARE is damage, since a record follows. */
		if (slot < 2)
			assert_true(log.own && log.records.len == 2);
		else if (slot == 2)
			assert_true(log.damaged && !log.records.len);
		else
			assert_true(log.records.len == 1);
		cv_journal_log_fini(&log);
		poke(&b, off, 0x10);
	}
	end(&b);
}

static void only_the_owner_is_believed(void **state)
{
	struct bench b;
	struct sim_host other, reboot, forger;
	struct cv_journal_log log;
	struct cv_journal j;
	char name[64];

	(void)state;
	begin(&b, 4);
	snprintf(name, sizeof name, "%s", cv_journal_name(b.j.op).s);
	sim_host_init(&other, 9, 2, 2, 43);
	log = read_as(&b, &other.host);
	assert_false(log.own);
	assert_false(cv_journal_take_over(&j, &log, &b.s->io, &other.host, b.root, name, false, &b.err));
	cv_journal_log_fini(&log);

	/* The same host with another key: somebody else wrote this in its name. */
	sim_host_init(&forger, 9, 1, 2, 43);
	forger.host.key[0] ^= 1;
	log = read_as(&b, &forger.host);
	assert_false(log.own);
	cv_journal_log_fini(&log);

	/* Its process still runs. */
	sim_host_init(&reboot, 9, 1, 1, 43);
	reboot.alive = 42;
	log = read_as(&b, &reboot.host);
	assert_true(log.own);
	assert_false(cv_journal_take_over(&j, &log, &b.s->io, &reboot.host, b.root, name, true, &b.err));
	assert_non_null(strstr(b.err.text, "still running: process 42"));
	cv_journal_log_fini(&log);

	/* It does not: the epoch grows, and records go on where they ended. */
	reboot.alive = 0;
	log = read_as(&b, &reboot.host);
	assert_true(cv_journal_take_over(&j, &log, &b.s->io, &reboot.host, b.root, name, false, &b.err));
	cv_journal_log_fini(&log);
	assert_true(cv_journal_add(&j, CV_RECORD_PROGRESS, "more", 4, &b.err));
	cv_journal_close(&j);
	log = read_as(&b, &reboot.host);
	assert_true(log.own && !log.damaged);
	assert_int_equal(log.epoch, 2);
	assert_int_equal(log.records.len, 2);
	assert_int_equal(log.pid, 43);
	cv_journal_log_fini(&log);
	end(&b);
}

/* A journal that leads out of the repository. */
static void names_that_lead_out_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/../b", "../a", "/etc/passwd", "a//b", "a/", "a/." };
	CV_AUTO(cv_auto_arena) struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	const struct cv_plan_item *items = NULL;
	const char *command;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++) {
		struct cv_plan_item item = { .path = bad[i] };
		struct cv_pack p = { 0 };
		struct cv_err err = { .code = CV_OK };
		struct cv_record r;

		assert_true(cv_items_pack(&p, "x", &item, 1));
		r = (struct cv_record){ CV_RECORD_PREPARE, 1, 0, p.at, p.len };
		assert_false(cv_items_unpack(arena, &r, &command, &items, &count, &err));
		assert_int_equal(err.code, CV_EFORMAT);
		/* What is listed of a journal must not go over images without a path. */
		assert_null(items);
		assert_int_equal(count, 0);
		cv_pack_fini(&p);
	}
}

/* Whatever a PREPARE record is cut to or filled with. */
static void payloads_of_any_kind_do_no_harm(void **state)
{
	struct cv_plan_item item = { .path = "sub/image.vhd", .parent = "base.vhd" };
	struct cv_pack p = { 0 };
	uint64_t seed = 3;

	(void)state;
	assert_true(cv_items_pack(&p, "command", &item, 1));
	for (unsigned round = 0; round < 20000; round++) {
		CV_AUTO(cv_auto_arena) struct cv_arena *arena = cv_arena_new(1 << 20);
		CV_AUTO(cv_auto_free) uint8_t *bytes = malloc(p.len);
		struct cv_err err = { .code = CV_OK };
		const struct cv_plan_item *items;
		const char *command;
		struct cv_record r;
		size_t count;

		memcpy(bytes, p.at, p.len);
		for (unsigned k = 0; k < round % 5; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			bytes[(seed >> 33) % p.len] = (uint8_t)(seed >> 56);
		}
		r = (struct cv_record){ CV_RECORD_PREPARE, 1, 0, bytes, round % 3 ? p.len : (seed >> 40) % p.len };
		if (!cv_items_unpack(arena, &r, &command, &items, &count, &err))
			assert_true(err.code != CV_OK);
	}
	cv_pack_fini(&p);
}

/* One that was killed is gone, whether or not its parent asks for it; one that is there is not. */
static void a_process_that_was_killed_does_not_run(void **state)
{
	struct cv_host here, there;
	struct cv_err err = { .code = CV_OK };
	siginfo_t dead;
	int ends[2];
	pid_t pid;

	(void)state;
	assert_true(cv_host_here(&here, false, &err));
	assert_true(here.alive(&here, here.pid, here.pid_start));
	assert_false(here.alive(&here, here.pid, here.pid_start + 1));
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!cv_host_here(&there, false, &err) || write(ends[1], &there, sizeof there) != sizeof there)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &there, sizeof there), sizeof there);
	assert_true(here.alive(&here, there.pid, there.pid_start));
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &dead, WEXITED | WNOWAIT), 0);
	assert_int_equal(kill(pid, 0), 0);
	assert_false(here.alive(&here, there.pid, there.pid_start));
	waitpid(pid, NULL, 0);
	assert_false(here.alive(&here, there.pid, there.pid_start));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_full_journal_takes_no_more_and_stays_whole),
		cmocka_unit_test(a_torn_last_record_is_as_if_it_had_not_been),
		cmocka_unit_test(a_record_behind_a_broken_one_is_damage_and_not_the_end),
		cmocka_unit_test(zeros_are_never_valid),
		cmocka_unit_test(no_byte_can_change_unnoticed),
		cmocka_unit_test(only_the_owner_is_believed),
		cmocka_unit_test(names_that_lead_out_are_refused),
		cmocka_unit_test(payloads_of_any_kind_do_no_harm),
		cmocka_unit_test(a_process_that_was_killed_does_not_run),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
