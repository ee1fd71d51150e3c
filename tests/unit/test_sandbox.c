/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The reading processes: one that crashes, hangs, eats memory or tries to get out costs one image. The readers here
 * do on purpose what an image might make a real one do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <chainview/format.h>
#include "inspect/sandbox/lane.h"
#include "tests/support/run.h"

#define SUCCEEDED 666
#define BIG_TEXTS 150
#define BIG_TEXT 5000
#define MOST_IMAGES 1000
#define FORBIDDEN "the reading process was killed by signal 31: it tried what it must not do"

/* What a reader does to an image whose text begins with the word. True: it worked, which it must not. */
static bool do_open(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool do_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st) == 0;
}

static bool do_write(void)
{
	bool worked = false;

	for (int fd = 0; fd < 80; fd++)
		worked = write(fd, "XXXX", 4) == 4 || worked;
#ifdef __SANITIZE_ADDRESS__
	worked = false;   /* descriptor 2 is left open there; whether the image was written to is looked at later */
#endif
	return worked;
}

static bool do_pwrite(void)
{
	bool worked = false;

	for (int fd = 0; fd < 80; fd++)
		worked = pwrite(fd, "XXXX", 4, 0) == 4 || worked;
	return worked;
}

static bool do_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) >= 0;
}

static bool do_fork(void)
{
	return syscall(SYS_fork) >= 0;
}

static bool do_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL) == 0;
}

static bool do_kill(void)
{
	return kill(getppid(), 0) == 0;
}

static bool do_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool do_limit(void)
{
	return setrlimit(RLIMIT_CPU, &(struct rlimit){ 1000, 1000 }) == 0;
}

static bool do_crash(void)
{
	raise(SIGSEGV);
	return true;
}

static bool do_loop(void)
{
	volatile bool forever = true;

	while (forever)
		;
	return true;
}

static bool do_exit(void)
{
	_exit(7);
}

/* Looks dead to the pool and is not. */
static bool do_hide(void)
{
	close(0);
	return do_loop();
}

static bool do_bomb(void)
{
	for (size_t got = 0; got < (size_t)2 << 30; got += 1 << 20) {
		void *p = malloc(1 << 20);

		if (!p)
			return false;
		memset(p, 1, 1 << 20);
	}
	return true;
}

static const struct deed {
	const char *word;
	bool (*act)(void);
	const char *text;      /* what is said about the image */
	enum cv_status code;
	bool lenient;          /* with AddressSanitizer it ends otherwise: calls fail, and it reports crashes itself */
} deeds[] = {
	{ "open", do_open, FORBIDDEN, CV_EREFUSED, true },
	{ "stat", do_stat, FORBIDDEN, CV_EREFUSED, true },
	{ "write", do_write, FORBIDDEN, CV_EREFUSED, true },
	{ "pwrite", do_pwrite, FORBIDDEN, CV_EREFUSED, false },
	{ "socket", do_socket, FORBIDDEN, CV_EREFUSED, false },
	{ "fork", do_fork, FORBIDDEN, CV_EREFUSED, false },
	{ "exec", do_exec, FORBIDDEN, CV_EREFUSED, false },
	{ "kill", do_kill, FORBIDDEN, CV_EREFUSED, false },
	{ "code", do_code, FORBIDDEN, CV_EREFUSED, false },
	{ "limit", do_limit, FORBIDDEN, CV_EREFUSED, true },
	{ "crash", do_crash, "the reading process was killed by signal 11 (Segmentation fault)", CV_EIO, true },
	{ "exit", do_exit, "the reading process ended with status 7", CV_EIO, false },
	{ "hide", do_hide, "the reading process was killed by signal 9 (Killed)", CV_EIO, false },
	{ "loop", do_loop, "no answer within 800 ms", CV_ELIMIT, false },
	{ "bomb", do_bomb, "refused", CV_EREFUSED, false },
};

static bool add_big(struct cv_facts *facts)
{
	char text[BIG_TEXT];

	memset(text, 'b', sizeof text);
	for (uint32_t i = 0; i < BIG_TEXTS; i++)
		if (!cv_facts_text(facts, CV_ATTR_QCOW2_SNAPSHOT_NAME, i, (struct cv_bytes){ text, sizeof text },
				   (struct cv_range){ 0 }))
			return false;
	return true;
}

/* Does what the image says: one of the deeds, or "fail", "big", "wrong", "slow". Everything else gives its length and
 * our process id. */
static bool odd_reader(struct cv_source *s, enum cv_format_id declared, struct cv_facts *facts, struct cv_err *err)
{
	char word[16] = "";
	size_t len = s->size < sizeof word - 1 ? s->size : sizeof word - 1;

	if (!cv_source_read(s, word, len, 0, err))
		return false;
	facts->format = declared;
	facts->virtual_size = s->size;
	for (size_t i = 0; i < CV_COUNT(deeds); i++)
		if (!strcmp(word, deeds[i].word)) {
			if (!deeds[i].act())
				return cv_fail(err, CV_EREFUSED, "refused");
			facts->virtual_size = SUCCEEDED;
		}
	if (!strcmp(word, "wrong"))
		facts->variant = (enum cv_variant)77;
	if (!strcmp(word, "fail"))
		return cv_fail(err, CV_EIO, "it \\x1b failed");
	if (!strcmp(word, "slow"))
		for (int i = 0; i < 50000000; i++)
			__asm__ volatile("");
	if (!strcmp(word, "big") && !add_big(facts))
		return cv_fail(err, CV_ENOMEM, "no room");
	return cv_facts_number(facts, CV_ATTR_VHD_TYPE, 0, (uint64_t)getpid(), (struct cv_range){ 0 });
}

/* Results by tag. */
struct result {
	unsigned times;
	struct cv_facts *facts;
	struct cv_err why;
};
struct results {
	struct result at[MOST_IMAGES];
	size_t total;
};

static void keep(void *ctx, uint64_t tag, struct cv_facts *facts, const struct cv_err *why)
{
	struct results *r = ctx;

	assert_true(tag < MOST_IMAGES);
	assert_true(facts || why);
	cv_facts_free(r->at[tag].facts);
	r->at[tag].facts = facts;
	r->at[tag].times++;
	if (why)
		r->at[tag].why = *why;
	r->total++;
}

static void forget(struct results *r)
{
	for (size_t i = 0; i < MOST_IMAGES; i++)
		cv_facts_free(r->at[i].facts);
	memset(r, 0, sizeof *r);
}

static struct results results;

static int image_of(const char *text)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void submit(struct cv_pool *pool, uint64_t tag, int fd)
{
	struct cv_job job = { .fd = fd, .declared = CV_FORMAT_RAW, .tag = tag };
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	job.length = (uint64_t)st.st_size;
	while (!cv_pool_room(pool))
		cv_pool_collect(pool, 100, keep, &results);
	assert_true(cv_pool_submit(pool, &job));
}

static void finish(struct cv_pool *pool)
{
	while (cv_pool_outstanding(pool))
		cv_pool_collect(pool, -1, keep, &results);
}

static const struct cv_pool_options quick = {
	.workers = 2, .wall_ms = 800, .memory_bytes = 64 << 20, .read = odd_reader,
};

static struct cv_pool *pool_of(struct cv_pool_options options)
{
	struct cv_err err = { 0 };
	struct cv_pool *pool = cv_pool_new(&options, &err);

	if (!pool)
		print_message("%s\n", err.text);
	assert_non_null(pool);
	return pool;
}

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing_is_left(size_t descriptors)
{
	forget(&results);
	assert_int_equal(open_descriptors(), descriptors);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_thousand_images_come_back_once_each(void **state)
{
	size_t before = open_descriptors();
	struct cv_pool *pool = pool_of(quick);
	char text[2000];

	(void)state;
	for (unsigned i = 0; i < MOST_IMAGES; i++) {
		memset(text, 'x', sizeof text);
		text[i] = '\0';
		submit(pool, i, image_of(text));
		assert_in_range(open_descriptors(), before, before + 3 * 64 + 8);
	}
	finish(pool);
	assert_int_equal(results.total, MOST_IMAGES);
	for (unsigned i = 0; i < MOST_IMAGES; i++) {
		assert_int_equal(results.at[i].times, 1);
		assert_int_equal(results.at[i].why.code, CV_OK);
		assert_int_equal(results.at[i].facts->virtual_size, i);
		assert_int_equal(results.at[i].facts->format, CV_FORMAT_RAW);
	}
	cv_pool_free(pool);
	nothing_is_left(before);
}

static void check_neighbours(size_t bad, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(results.at[i].times, 1);
		if (i == bad)
			continue;
		assert_int_equal(results.at[i].why.code, CV_OK);
		assert_int_equal(results.at[i].facts->virtual_size, 4);
	}
}

static void what_one_image_does_costs_that_image_only(void **state)
{
	size_t before = open_descriptors();
	struct cv_pool *pool = pool_of(quick);
	char written[16] = "";

	(void)state;
	for (size_t d = 0; d < CV_COUNT(deeds); d++) {
		int fd = image_of(deeds[d].word), copy = dup(fd);
		const struct result *bad = &results.at[7];

#ifdef __SANITIZE_ADDRESS__
		if (deeds[d].act == do_bomb) {
			print_message("skipped: no limit on memory with AddressSanitizer\n");
			close(fd);
			close(copy);
			continue;
		}
#endif
		for (uint64_t i = 0; i < 20; i++)
			submit(pool, i, i == 7 ? fd : image_of("good"));
		finish(pool);
		check_neighbours(7, 20);
#ifdef __SANITIZE_ADDRESS__
		if (deeds[d].lenient)
			assert_int_not_equal(bad->why.code, CV_OK);
		else
#endif
		{
			assert_string_equal(bad->why.text, deeds[d].text);
			assert_int_equal(bad->why.code, deeds[d].code);
		}
		if (bad->facts)
			assert_int_not_equal(bad->facts->virtual_size, SUCCEEDED);
		assert_int_equal(pread(copy, written, sizeof written, 0), strlen(deeds[d].word));
		assert_memory_equal(written, deeds[d].word, strlen(deeds[d].word));
		close(copy);
		forget(&results);
	}
	cv_pool_free(pool);
	nothing_is_left(before);
}

static void a_batch_of_nothing_but_crashes_ends(void **state)
{
	size_t before = open_descriptors();
	struct cv_pool *pool = pool_of(quick);

	(void)state;
	for (uint64_t i = 0; i < 150; i++)
		submit(pool, i, image_of(i % 10 == 9 ? "good" : "crash"));
	finish(pool);
	for (size_t i = 0; i < 150; i++) {
		assert_int_equal(results.at[i].times, 1);
		assert_int_equal(results.at[i].why.code, i % 10 == 9 ? CV_OK : CV_EIO);
	}
	cv_pool_free(pool);
	nothing_is_left(before);
}

static void processor_time_is_bounded_too(void **state)
{
	struct cv_pool_options options = quick;
	struct cv_pool *pool;

	(void)state;
	options.wall_ms = 30000;
	options.cpu_seconds = 1;
	pool = pool_of(options);
	submit(pool, 0, image_of("loop"));
	submit(pool, 1, image_of("good"));
	finish(pool);
	assert_string_equal(results.at[0].why.text, "used more than 1 s of processor time");
	assert_int_equal(results.at[1].why.code, CV_OK);
	cv_pool_free(pool);
	forget(&results);
}

/* The limit is for one image, not for the life of a worker. */
static void a_worker_may_work_for_long_if_no_image_takes_long(void **state)
{
	struct cv_pool_options options = quick;
	uint64_t pid = 0;
	struct cv_pool *pool;

	(void)state;
	options.workers = 1;
	options.wall_ms = 2000;
	/* on a busy machine the program may come late to tell the kernel of the next image */
	options.cpu_seconds = 2;
	pool = pool_of(options);
	for (uint64_t i = 0; i < 240; i++)
		submit(pool, i, image_of("slow"));
	finish(pool);
	for (size_t i = 0; i < 240; i++) {
		assert_string_equal(results.at[i].why.text, "");
		if (!pid)
			pid = results.at[i].facts->attrs[0].number;
		assert_int_equal(results.at[i].facts->attrs[0].number, pid);
	}
	cv_pool_free(pool);
	forget(&results);
}

static void results_larger_than_the_buffer_come_in_pieces(void **state)
{
	struct cv_pool *pool = pool_of(quick);

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		submit(pool, i, image_of(i % 4 ? "big" : "good"));
	finish(pool);
	for (size_t i = 0; i < 40; i++) {
		const struct cv_facts *f = results.at[i].facts;

		assert_int_equal(results.at[i].times, 1);
		assert_int_equal(results.at[i].why.code, CV_OK);
		assert_int_equal(f->attr_count, i % 4 ? BIG_TEXTS + 1 : 1);
		for (uint32_t k = 0; k + 1 < f->attr_count; k++) {
			assert_int_equal(f->attrs[k].text.len, BIG_TEXT);
			assert_int_equal(f->attrs[k].text.at[BIG_TEXT - 1], 'b');
		}
	}
	cv_pool_free(pool);
	forget(&results);
}

static void facts_before_an_error_stay_and_lies_do_not(void **state)
{
	struct cv_pool *pool = pool_of(quick);

	(void)state;
	submit(pool, 0, image_of("fail"));
	submit(pool, 1, image_of("wrong"));
	submit(pool, 2, image_of("good"));
	finish(pool);
	assert_non_null(results.at[0].facts);
	assert_int_equal(results.at[0].facts->virtual_size, 4);
	assert_int_equal(results.at[0].why.code, CV_EIO);
	assert_string_equal(results.at[0].why.text, "it \\x1b failed");
	assert_null(results.at[1].facts);
	assert_string_equal(results.at[1].why.text, "the reading process gave a damaged answer: an unknown variant");
	assert_int_equal(results.at[2].facts->virtual_size, 4);
	cv_pool_free(pool);
	forget(&results);
}

static void an_image_may_be_a_part_of_a_file(void **state)
{
	struct cv_pool *pool = pool_of(quick);
	static const struct { uint64_t offset, length; enum cv_status code; uint64_t size; } rows[] = {
		{ 5, 4, CV_OK, 4 }, { 0, 9, CV_OK, 9 }, { 5, 400, CV_EIO, 0 }, { 2, UINT64_MAX, CV_EUSAGE, 0 },
		{ UINT64_MAX, 2, CV_EUSAGE, 0 }, { 9, 0, CV_OK, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		assert_true(cv_pool_submit(pool, &(struct cv_job){ image_of("crashgood"), CV_FORMAT_VHD, i,
								   rows[i].offset, rows[i].length }));
	finish(pool);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		assert_int_equal(results.at[i].why.code, rows[i].code);
		if (!rows[i].code)
			assert_int_equal(results.at[i].facts->virtual_size, rows[i].size);
	}
	cv_pool_free(pool);
	forget(&results);
}

/* What a terminal, timeout(1) or a service manager sends to the whole process group. */
static void workers_leave_signals_to_the_program(void **state)
{
	static const int numbers[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct cv_pool_options options = quick;
	struct cv_pool *pool;
	pid_t pid;

	(void)state;
	options.workers = 1;
	pool = pool_of(options);
	submit(pool, 0, image_of("good"));
	finish(pool);
	pid = (pid_t)results.at[0].facts->attrs[0].number;
	for (size_t i = 0; i < CV_COUNT(numbers); i++)
		assert_int_equal(kill(pid, numbers[i]), 0);
	submit(pool, 1, image_of("good"));
	finish(pool);
	assert_int_equal(results.at[1].facts->attrs[0].number, pid);
	cv_pool_free(pool);
	forget(&results);
}

/* A worker in the hands of an image can write what it likes into the shared memory; here it is done in its name. */
static void lies_about_progress_do_not_keep_a_worker_alive(void **state)
{
	struct cv_pool_options options = quick;
	struct cv_pool *pool;

	(void)state;
	options.workers = 1;
	options.wall_ms = 200;
	pool = pool_of(options);
	submit(pool, 0, image_of("loop"));
	submit(pool, 1, image_of("good"));
	for (uint32_t n = 0; n < 200 && !results.at[0].times; n++) {
		struct cv_shared *sh = pool->lanes[0].process.shared;

		if (sh) {
			sh->started = n % 3 == 0 ? 1 : n % 3 == 1 ? UINT32_MAX - n : 0;
			sh->used = n;
		}
		cv_pool_collect(pool, 20, keep, &results);
	}
	assert_int_equal(results.at[0].times, 1);
	assert_int_equal(results.at[0].why.code, CV_ELIMIT);
	finish(pool);
	assert_int_equal(results.at[1].why.code, CV_OK);
	cv_pool_free(pool);
	forget(&results);
}

static void an_idle_worker_that_dies_is_replaced_without_loss(void **state)
{
	struct cv_pool_options options = quick;
	struct cv_pool *pool;

	(void)state;
	options.workers = 1;
	pool = pool_of(options);
	submit(pool, 0, image_of("good"));
	finish(pool);
	assert_int_equal(kill((pid_t)results.at[0].facts->attrs[0].number, SIGKILL), 0);
	usleep(20000);
	cv_pool_collect(pool, 0, keep, &results);
	submit(pool, 1, image_of("good"));
	finish(pool);
	assert_int_equal(results.at[1].why.code, CV_OK);
	assert_int_not_equal(results.at[1].facts->attrs[0].number, results.at[0].facts->attrs[0].number);
	cv_pool_free(pool);
	forget(&results);
}

static void a_pool_can_be_freed_with_work_in_it(void **state)
{
	size_t before = open_descriptors();
	struct cv_pool *pool = pool_of(quick);

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		submit(pool, i, image_of(i ? "good" : "loop"));
	cv_pool_flush(pool);
	assert_int_equal(cv_pool_outstanding(pool) + results.total, 100);
	cv_pool_free(pool);
	cv_pool_free(NULL);
	nothing_is_left(before);
}

static void the_descriptor_to_poll_becomes_readable(void **state)
{
	struct cv_pool *pool = pool_of(quick);
	int rounds = 0;

	(void)state;
	submit(pool, 0, image_of("good"));
	submit(pool, 1, image_of("loop"));
	cv_pool_flush(pool);
	for (; cv_pool_outstanding(pool) && rounds < 200; rounds++) {
		fd_set ready;

		FD_ZERO(&ready);
		FD_SET(cv_pool_poll_fd(pool), &ready);
		assert_int_equal(select(cv_pool_poll_fd(pool) + 1, &ready, NULL, NULL, &(struct timeval){ 5, 0 }), 1);
		cv_pool_collect(pool, 0, keep, &results);
	}
	assert_int_equal(cv_pool_outstanding(pool), 0);
	assert_in_range(rounds, 1, 20);
	assert_int_equal(cv_pool_collect(pool, -1, keep, &results), 0);
	cv_pool_free(pool);
	forget(&results);
}

/* What follows changes the process for good, so it is done in a child. 0 is success. */
static int in_child(int (*act)(void))
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (int number = 1; number < 32; number++)
			signal(number, SIG_DFL);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int without_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct cv_pool_options options = quick;
	struct cv_err err = { 0 };
	struct cv_pool *pool;

	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SYS_landlock_create_ruleset, 0) ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SYS_close_range, 0) || seccomp_load(filter))
		return 10;
	pool = cv_pool_new(&options, &err);
	if (!pool || cv_pool_sandbox_complete(pool))
		return 11;
	if (strncmp(cv_pool_sandbox_text(pool), "no Landlock (Function not implemented), ", 40))
		return 12;
	cv_pool_free(pool);
	options.require_sandbox = true;
	pool = cv_pool_new(&options, &err);
	if (pool || err.code != CV_EREFUSED || !strstr(err.text, "no Landlock"))
		return 13;
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? 0 : 14;
}

static void a_weaker_sandbox_is_told_and_can_be_refused(void **state)
{
	struct cv_pool *pool = pool_of(quick);

	(void)state;
	print_message("here: %s\n", cv_pool_sandbox_text(pool));
	assert_non_null(strstr(cv_pool_sandbox_text(pool), "64 MiB, 10 s CPU"));
	assert_null(strpbrk(cv_pool_sandbox_text(pool), "\n"));
	cv_pool_free(pool);
	assert_int_equal(in_child(without_landlock), 0);
}

static void drop(void *ctx, uint64_t tag, struct cv_facts *facts, const struct cv_err *why)
{
	(void)ctx, (void)tag, (void)why;
	cv_facts_free(facts);
}

static int with_few_descriptors(void)
{
	struct cv_pool_options options = quick;
	struct cv_err err = { 0 };
	struct cv_pool *pool;
	size_t total = 0;

	if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 64, 64 }) < 0)
		return 10;
	pool = cv_pool_new(&options, &err);
	if (!pool || cv_pool_room(pool) != 10)
		return 11;
	for (unsigned i = 0; i < 100; i++) {
		while (!cv_pool_room(pool))
			total += cv_pool_collect(pool, 1000, drop, NULL);
		if (!cv_pool_submit(pool, &(struct cv_job){ .fd = image_of("good"), .length = 4 }))
			return 12;
	}
	if (cv_pool_submit(pool, &(struct cv_job){ .fd = -1 }) && cv_pool_room(pool) > 10)
		return 13;
	while (total < 100)
		total += cv_pool_collect(pool, 1000, drop, NULL);
	cv_pool_free(pool);
	return 0;
}

static void a_low_limit_of_descriptors_makes_batches_small(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_few_descriptors), 0);
}

/* A program with two workers, one in an endless loop, is killed; nobody may be left. */
static int kill_the_program(void)
{
	struct cv_pool_options options = quick;
	struct cv_err err = { 0 };
	pid_t program;
	int ready[2], gone = 0;
	char c;

	options.wall_ms = 60000;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe(ready) < 0)
		return 10;
	program = fork();
	if (program == 0) {
		struct cv_pool *pool = cv_pool_new(&options, &err);

		if (!pool || !cv_pool_submit(pool, &(struct cv_job){ .fd = image_of("loop"), .length = 4 }))
			_exit(1);
		cv_pool_flush(pool);
		usleep(50000);
		if (write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], &c, 1) != 1 || kill(program, SIGKILL) < 0)
		return 11;
	for (int i = 0; i < 500 && gone < 3; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			gone++;
		usleep(10000);
	}
	return gone == 3 ? 0 : 12;
}

static void workers_end_with_the_program(void **state)
{
	(void)state;
	assert_int_equal(in_child(kill_the_program), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_images_come_back_once_each),
		cmocka_unit_test(what_one_image_does_costs_that_image_only),
		cmocka_unit_test(a_batch_of_nothing_but_crashes_ends),
		cmocka_unit_test(processor_time_is_bounded_too),
		cmocka_unit_test(a_worker_may_work_for_long_if_no_image_takes_long),
		cmocka_unit_test(results_larger_than_the_buffer_come_in_pieces),
		cmocka_unit_test(facts_before_an_error_stay_and_lies_do_not),
		cmocka_unit_test(an_image_may_be_a_part_of_a_file),
		cmocka_unit_test(workers_leave_signals_to_the_program),
		cmocka_unit_test(lies_about_progress_do_not_keep_a_worker_alive),
		cmocka_unit_test(an_idle_worker_that_dies_is_replaced_without_loss),
		cmocka_unit_test(a_pool_can_be_freed_with_work_in_it),
		cmocka_unit_test(the_descriptor_to_poll_becomes_readable),
		cmocka_unit_test(a_weaker_sandbox_is_told_and_can_be_refused),
		cmocka_unit_test(a_low_limit_of_descriptors_makes_batches_small),
		cmocka_unit_test(workers_end_with_the_program),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL) ? 1 : 0;
}
