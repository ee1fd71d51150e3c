/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Claims on real files, with real programs that have them open or come to open them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "repair/operation/work.h"
#include "tests/support/alloc.h"
#include "tests/support/run.h"
#include "tests/support/sim_host.h"

#define NAME "disk.qcow2"
#define NOBODY 65534

struct scene {
	char *folder, path[PATH_MAX], socket[PATH_MAX];
	int root;
	struct cv_plan_source source;
	struct cv_plan_item item;
	struct cv_writing w;
	struct cv_work work;
	struct cv_monitor monitor;
	struct cv_err err;
};

static int make_scene(void **state)
{
	struct scene *c = calloc(1, sizeof *c);
	struct stat st;
	int fd;

	c->folder = cv_test_folder();
	snprintf(c->path, sizeof c->path, "%s/" NAME, c->folder);
	snprintf(c->socket, sizeof c->socket, "%s/socket", c->folder);
	if (!cv_test_has("qemu-img") || cv_test_do(c->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", NAME, "8M"))
		assert_true((fd = open(c->path, O_RDWR | O_CREAT, 0600)) >= 0 && !ftruncate(fd, 65536) && !close(fd));
	if (cv_test_has("qemu-io"))
		cv_test_do(c->folder, NULL, "qemu-io", "-c", "write -P 7 0 1M", NAME);
	assert_int_equal(stat(c->path, &st), 0);
	c->root = open(c->folder, O_RDONLY | O_DIRECTORY);
	c->source = (struct cv_plan_source){ c->path, st.st_dev, st.st_ino, (uint64_t)st.st_size,
					     (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	c->item = (struct cv_plan_item){ .path = NAME, .device = st.st_dev, .inode = st.st_ino,
					 .size = (uint64_t)st.st_size, .mtime_ns = c->source.mtime_ns };
	c->w = (struct cv_writing){ .io = &cv_io_real, .root = c->root };
	c->work = (struct cv_work){ .w = &c->w, .items = &c->item, .item_count = 1, .sources = &c->source, .source_count = 1,
				    .monitor = &c->monitor };
	*state = c;
	return 0;
}

static int end_scene(void **state)
{
	struct scene *c = *state;

	cv_work_release(&c->work);
	cv_work_step_forward(&c->work);
	close(c->root);
	cv_test_folder_remove(c->folder);
	free(c);
	return 0;
}

/* Another program, until its end is awaited; it dies with us. */
static pid_t start(const struct scene *c, const char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (chdir(c->folder) == 0)
			execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}
#define begin_program(c, ...) start(c, (const char *const[]){ __VA_ARGS__, NULL })

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void stop_program(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool claim_reader(struct scene *c, bool exclusive)
{
	int fd = open(c->path, O_RDONLY | O_CLOEXEC);
	bool ok;

	cv_err_clear(&c->err);
	cv_work_release(&c->work);
	c->monitor.exclusive = exclusive;
	ok = cv_work_claim(&c->work, false, &c->err) && cv_work_claim_reader(&c->work, fd, 0, &c->err);
	close(fd);
	return ok;
}

static bool claim_item(struct scene *c)
{
	cv_err_clear(&c->err);
	cv_work_release(&c->work);
	return cv_work_claim(&c->work, true, &c->err);
}

static void sleep_ms(unsigned ms)
{
	cv_io_real.nap(&cv_io_real, ms);
}

/* QEMU has it: seen without being in its way. */
static void wait_until_held(const struct scene *c)
{
	int fd = open(c->path, O_RDONLY | O_CLOEXEC);

	for (int i = 0; cv_io_real.locked(&cv_io_real, fd, 100, 1) == F_UNLCK; i++) {
		sleep_ms(20);
		if (i > 1000)
			fail_msg("the holder never opened it");
	}
	close(fd);
}

/* how: "is in use"; the holder is named as this program with this pid. */
static void expect_named(const struct scene *c, const char *how, const char *program, pid_t pid)
{
	char want[200];

	snprintf(want, sizeof want, NAME " %s by %s (pid %ld)", how, program, (long)pid);
	if (c->err.code != CV_EREFUSED || !strstr(c->err.text, want))
		fail_msg("%d: %s\nnot: %s", (int)c->err.code, c->err.text, want);
}

static void refuses_all(struct scene *c, const char *program, pid_t pid)
{
	assert_false(claim_item(c));
	expect_named(c, "is in use", program, pid);
	assert_false(claim_reader(c, false));
	expect_named(c, "is open for writing", program, pid);
	assert_false(claim_reader(c, true));
	expect_named(c, "is open for writing", program, pid);
}

static void a_qemu_that_writes_is_named(void **state)
{
	struct scene *c = *state;
	pid_t pid;

	if (!cv_test_has("qemu-io") || !cv_test_has("qemu-nbd"))
		skip();
	pid = begin_program(c, "qemu-io", "-c", "sleep 60000", NAME);
	wait_until_held(c);
	refuses_all(c, "qemu-io", pid);
	stop_program(pid);
	pid = begin_program(c, "qemu-nbd", "-t", "-k", c->socket, NAME);
	wait_until_held(c);
	refuses_all(c, "qemu-nbd", pid);
	stop_program(pid);
	assert_true(claim_item(c));
}

static void a_qemu_that_reads_stands_beside_a_reader_that_is_not_exclusive(void **state)
{
	struct scene *c = *state;
	pid_t pid;

	if (!cv_test_has("qemu-io"))
		skip();
	pid = begin_program(c, "qemu-io", "-r", "-c", "sleep 60000", NAME);
	wait_until_held(c);
	if (!claim_reader(c, false))
		fail_msg("%s", c->err.text);
	assert_int_equal(cv_test_do(c->folder, NULL, "qemu-io", "-r", "-c", "read -P 7 0 1M", NAME), 0);
	assert_false(claim_reader(c, true));
	expect_named(c, "is locked", "qemu-io", pid);
	assert_false(claim_item(c));
	expect_named(c, "is in use", "qemu-io", pid);
	stop_program(pid);
}

/* A process of ours that has it only mapped. */
static pid_t map_it(const struct scene *c, bool writes)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(c->path, writes ? O_RDWR : O_RDONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mmap(NULL, 4096, writes ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
			_exit(1);
		close(fd);
		if (write(ends[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static void who_has_it_only_mapped_is_named(void **state)
{
	struct scene *c = *state;
	pid_t pid = map_it(c, true);

	refuses_all(c, "test_claim_live", pid);
	stop_program(pid);
	pid = map_it(c, false);
	assert_false(claim_item(c));
	expect_named(c, "is in use", "test_claim_live", pid);
	assert_true(claim_reader(c, false));
	stop_program(pid);
}

static void a_loop_device_is_named(void **state)
{
	struct scene *c = *state;
	CV_AUTO(cv_text_fini) struct cv_text device = { 0 };
	char want[200];

	if (geteuid() || cv_test_do(c->folder, &device, "losetup", "--show", "-f", NAME))
		skip();
	device.at[strcspn(device.at, "\n")] = '\0';
	snprintf(want, sizeof want, NAME " is in use by the loop device %s", device.at);
	assert_false(claim_item(c));
	assert_string_equal(c->err.text, want);
	assert_false(claim_reader(c, false));
	assert_non_null(strstr(c->err.text, device.at));
	cv_test_do(c->folder, NULL, "losetup", "-d", device.at);
}

/* Batches as an operation has them, until it stops or the program has ended; *longest: how long it took them, ms. */
static bool work_beside(struct scene *c, pid_t pid, int *status, uint64_t *longest)
{
	const struct cv_io *io = &cv_io_real;
	uint64_t since = io->clock_ms(io);
	bool ended = false;

	*longest = 0;
	while (!ended) {
		if (!cv_work_batch(&c->work, "copying", 1, 2, &c->err))
			return false;
		ended = waitpid(pid, status, WNOHANG) == pid;
		sleep_ms(20);
		*longest = io->clock_ms(io) - since;
		if (*longest > 30000)
			fail_msg("it never came");
	}
	*status = WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
	return true;
}

static void a_guest_that_comes_gets_a_source_and_reads_the_same(void **state)
{
	struct scene *c = *state;
	uint64_t longest;
	int status;
	pid_t pid;

	if (!cv_test_has("qemu-io"))
		skip();
	assert_true(claim_reader(c, false));
	pid = begin_program(c, "qemu-io", "-c", "read -P 7 0 1M", "-c", "write -P 8 0 1M", NAME);
	assert_false(work_beside(c, pid, &status, &longest));
	assert_int_equal(c->err.code, CV_ECANCELLED);
	assert_non_null(strstr(c->err.text, "stopped for a guest that opened /"));
	/* Not released yet, and it runs all the same. */
	assert_int_equal(end_of(pid), 0);
	assert_false(claim_reader(c, false));
	assert_non_null(strstr(c->err.text, "was written to since the plan was made"));
}

static void a_guest_that_comes_gets_an_item_when_it_is_released(void **state)
{
	struct scene *c = *state;
	uint64_t longest;
	int status;
	pid_t pid;

	if (!cv_test_has("qemu-io"))
		skip();
	assert_true(claim_item(c));
	pid = begin_program(c, "qemu-io", "-r", "-c", "read -P 7 0 1M", NAME);
	assert_false(work_beside(c, pid, &status, &longest));
	assert_int_equal(c->err.code, CV_ECANCELLED);
	sleep_ms(100);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	cv_work_release(&c->work);
	assert_int_equal(end_of(pid), 0);
}

/* A program that could open it ends with 0, or serves it until it is stopped. */
static void would_go(struct scene *c, const char *const argv[])
{
	pid_t pid = start(c, argv);

	if (!strcmp(argv[0], "qemu-nbd")) {
		wait_until_held(c);
		stop_program(pid);
	} else {
		assert_int_equal(end_of(pid), 0);
	}
}

static void an_exclusive_claim_turns_every_qemu_away(void **state)
{
	struct scene *c = *state;
	const char *const programs[][7] = {
		{ "qemu-io", "-c", "quit", NAME }, { "qemu-io", "-r", "-c", "quit", NAME },
		{ "qemu-io", "-r", "-U", "-c", "quit", NAME }, { "qemu-img", "info", NAME }, { "qemu-img", "check", NAME },
		{ "qemu-nbd", "-t", "-k", c->socket, NAME }, { "qemu-nbd", "-r", "-t", "-k", c->socket, NAME },
	};
	uint64_t longest, all = 0;

	if (!cv_test_has("qemu-io") || !cv_test_has("qemu-nbd"))
		skip();
	for (size_t i = 0; i < CV_COUNT(programs); i++)
		would_go(c, programs[i]);
	for (int item = 0; item < 2; item++) {
		c->monitor.exclusive = true;
		if (item ? !claim_item(c) : !claim_reader(c, true))
			fail_msg("%s", c->err.text);
		for (size_t i = 0; i < CV_COUNT(programs); i++) {
			int status;

			if (!work_beside(c, start(c, programs[i]), &status, &longest))
				fail_msg("%s: %s", programs[i][0], c->err.text);
			if (status != 1)
				fail_msg("%s %s ended with %d", programs[i][0], programs[i][1], status);
			all = longest > all ? longest : all;
		}
	}
	print_message("the longest took %d ms\n", (int)all);
	assert_true(all < 20000);            /* lease-break-time is 45 s */
}

static void who_stays_ends_an_exclusive_operation_and_is_named(void **state)
{
	struct scene *c = *state;
	uint64_t longest;
	char want[100];
	int status;
	pid_t pid;

	assert_true(claim_reader(c, true));
	pid = begin_program(c, "sh", "-c", "exec sleep 60 >>" NAME);
	assert_false(work_beside(c, pid, &status, &longest));
	snprintf(want, sizeof want, ", which was opened by sleep (pid %ld), who does not ask", (long)pid);
	assert_int_equal(c->err.code, CV_ECANCELLED);
	if (!strstr(c->err.text, want))
		fail_msg("%s", c->err.text);
	stop_program(pid);
}

/* In a process of its own, as nobody: 0 if it is said. */
static int said_to_nobody(struct scene *c, const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		bool said = setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && !claim_reader(c, false) &&
			    strstr(c->err.text, text);

		if (!said)
			print_message("%s\n", c->err.text);
		_exit(!said);
	}
	return end_of(pid);
}

static void an_ordinary_user_claims_what_is_theirs(void **state)
{
	struct scene *c = *state;
	pid_t holder;

	if (geteuid())
		skip();
	assert_true(chmod(c->folder, 0755) == 0 && chmod(c->path, 0644) == 0);
	assert_int_equal(said_to_nobody(c, "is not yours: only its owner and root"), 0);
	assert_int_equal(chown(c->path, NOBODY, NOBODY), 0);
	holder = map_it(c, true);
	assert_int_equal(said_to_nobody(c, "is open for writing by somebody who cannot be seen from here ("), 0);
	assert_int_equal(said_to_nobody(c, " processes could not be looked at)"), 0);
	stop_program(holder);
	holder = fork();
	if (holder == 0)
		_exit(!(setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && claim_reader(c, true) && claim_item(c)));
	assert_int_equal(end_of(holder), 0);
}

static size_t descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static bool at_home(const struct scene *c)
{
	return access(c->path, F_OK) == 0;
}

/* gc of the image with little memory: done or as before, or left to recovery; true if memory ran short. */
static bool trash_with_little_memory(struct scene *c, struct sim_host *host, uint64_t at, bool persistent, bool held)
{
	struct cv_plan plan = { .kind = CV_PLAN_TRASH, .items = &c->item, .item_count = 1 };
	struct cv_operation_result result;
	struct cv_recover_options none = { 0 };
	size_t before = descriptors(), settled;
	bool short_of, ok;

	cv_err_clear(&c->err);
	assert_true(cv_writing_open(&c->w, &cv_io_real, &host->host, c->root, &c->err));
	alloc_fail_at(at, persistent);
	ok = cv_work_run(&c->w, &plan, "gc", &c->monitor, &result, &c->err);
	short_of = alloc_fail_end();
	assert_int_equal(ok, result.state == CV_RESULT_DONE);
	assert_true(ok ? !at_home(c) : c->err.code != CV_OK && c->err.text[0]);
	assert_true(!held || (!ok && at_home(c)));
	cv_err_clear(&c->err);
	if (!cv_recover(&c->w, &none, &settled, &c->err))
		fail_msg("allocation %d: %s", (int)at, c->err.text);
	cv_store_close(&c->w.store);
	if (!at_home(c))
		assert_int_equal(cv_test_do(c->folder, NULL, "sh", "-c", "mv .chainview/trash/*/0-* " NAME), 0);
	assert_int_equal(cv_test_do(c->folder, NULL, "rm", "-r", ".chainview"), 0);
	assert_int_equal(descriptors(), before);
	return short_of;
}

static void memory_may_run_short_at_every_allocation(void **state)
{
	struct scene *c = *state;
	struct sim_host host;
	unsigned runs = 0;

	if (!alloc_can_fail())
		skip();
	sim_host_init(&host, 5, 1, 1, (uint32_t)getpid());
	for (int way = 0; way < 4; way++) {
		pid_t holder = way & 2 ? map_it(c, true) : 0;

		for (uint64_t at = 1; trash_with_little_memory(c, &host, at, way & 1, holder); at++)
			runs++;
		if (holder)
			stop_program(holder);
	}
	print_message("%u runs in which memory ran short\n", runs);
	assert_true(runs > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_qemu_that_writes_is_named, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(a_qemu_that_reads_stands_beside_a_reader_that_is_not_exclusive, make_scene,
						end_scene),
		cmocka_unit_test_setup_teardown(who_has_it_only_mapped_is_named, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(a_loop_device_is_named, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(a_guest_that_comes_gets_a_source_and_reads_the_same, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(a_guest_that_comes_gets_an_item_when_it_is_released, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(an_exclusive_claim_turns_every_qemu_away, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(who_stays_ends_an_exclusive_operation_and_is_named, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(an_ordinary_user_claims_what_is_theirs, make_scene, end_scene),
		cmocka_unit_test_setup_teardown(memory_may_run_short_at_every_allocation, make_scene, end_scene),
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests_name("claims on real files", tests, NULL, NULL);
}
