/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Tasks: records arrive whole and in order; a function that crashes, stalls, floods, lies or tries to get out ends its
 * task with a reason and nothing else. The functions here do on purpose what an image might make a real one do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "inspect/sandbox/task_link.h"
#include "tests/support/run.h"

#define MANY 500
#define TEXT "what is in the file"

#define FUNCTION(name) \
	static bool name(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, \
			 size_t count, const void *request, size_t request_len, struct cv_task_out *out, \
			 struct cv_err *err)
#define UNUSED ((void)sources, (void)data, (void)images, (void)count, (void)request, (void)request_len, (void)out, \
		(void)err)

FUNCTION(echo)
{
	UNUSED;
	return cv_task_send(out, 7, request, request_len) && cv_task_send(out, 8, NULL, 0) && cv_task_alive(out);
}

FUNCTION(read_all)
{
	UNUSED;
	for (size_t i = 0; i < count; i++) {
		char bytes[64];
		struct cv_source *s = cv_take(sources[i]);

		if (!cv_source_read(s, bytes, s->size, 0, err) || !cv_task_send(out, (uint32_t)i, bytes, s->size))
			return false;
		cv_source_close(s);
		if (data[i] && (!cv_source_read(data[i], bytes, data[i]->size, 0, err) ||
				!cv_task_send(out, (uint32_t)i, bytes, data[i]->size)))
			return false;
	}
	return true;
}

FUNCTION(crash)
{
	UNUSED;
	cv_task_send(out, 1, "x", 1);
	raise(SIGSEGV);
	return true;
}

FUNCTION(spin)
{
	UNUSED;
	for (volatile int i = 0; i >= 0; i += i < INT32_MAX / 2)
		;
	return true;
}

FUNCTION(go_out)
{
	UNUSED;
	return open("/etc/passwd", O_RDONLY) >= 0;
}

FUNCTION(write_image)
{
	UNUSED;
	return pwrite(images[0].fd, "X", 1, 0) == 1;
}

FUNCTION(leave)
{
	UNUSED;
	_exit(7);
}

FUNCTION(fail_with_reason)
{
	UNUSED;
	return cv_fail(err, CV_EFORMAT, "the table at %d\033[31m is odd", 7);
}

FUNCTION(fail_without_reason)
{
	UNUSED;
	return false;
}

FUNCTION(flood)
{
	static uint8_t bytes[CV_TASK_RECORD_MAX];

	UNUSED;
	while (cv_task_send(out, 1, bytes, sizeof bytes))
		;
	return false;
}

FUNCTION(too_long)
{
	static uint8_t bytes[CV_TASK_RECORD_MAX + 1];

	UNUSED;
	return cv_task_send(out, 1, bytes, sizeof bytes) || cv_fail(err, CV_ELIMIT, "refused");
}

/* The socket is descriptor 0 there; sendmsg() is the only call that may use it. */
static bool say(struct cv_task_head head)
{
	struct iovec part = { &head, sizeof head };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	return sendmsg(0, &m, MSG_NOSIGNAL) >= 0;
}

FUNCTION(lie_about_length)
{
	UNUSED;
	return say((struct cv_task_head){ CV_TASK_IS_RECORD, 1, UINT32_MAX });
}

FUNCTION(lie_about_type)
{
	UNUSED;
	return say((struct cv_task_head){ 99, 1, 0 });
}

FUNCTION(lie_about_error)
{
	UNUSED;
	return say((struct cv_task_head){ CV_TASK_IS_ERROR, 1, 0 });
}

FUNCTION(promise_too_much)
{
	UNUSED;
	say((struct cv_task_head){ CV_TASK_IS_RECORD, 1, 100 });
	_exit(0);
}

FUNCTION(use_send)
{
	UNUSED;
	return send(0, "x", 1, MSG_NOSIGNAL) >= 0;
}

FUNCTION(eat_memory)
{
	UNUSED;
	for (size_t i = 0; i < 1024; i++) {
		volatile char *p = malloc((size_t)1 << 20);

		if (!p)
			return cv_fail(err, CV_ENOMEM, "out of memory");
		for (size_t at = 0; at < (size_t)1 << 20; at += 4096)
			p[at] = 1;
	}
	return true;
}

static int backwards(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

FUNCTION(sort_much)
{
	static uint64_t numbers[4096];

	UNUSED;
	for (size_t i = 0; i < CV_COUNT(numbers); i++)
		numbers[i] = i;
	qsort(numbers, CV_COUNT(numbers), sizeof numbers[0], backwards);
	return numbers[0] == CV_COUNT(numbers) - 1 && cv_task_send(out, 1, numbers, sizeof numbers);
}

static int temporary(const char *folder, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/image", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* Runs a function on one image to its end; the number of records. */
static size_t run(cv_task_function *function, const char *request, struct cv_task_options options,
		  enum cv_task_state *state, struct cv_err *err)
{
	char *folder = cv_test_folder();
	struct cv_task_image image = { temporary(folder, TEXT), -1, 0, strlen(TEXT), CV_FORMAT_RAW, false };
	struct cv_task *task = cv_task_start(&image, 1, function, request, strlen(request), &options, err);
	struct cv_task_record record;
	size_t count = 0;

	cv_test_folder_remove(folder);
	assert_non_null(task);
	while ((*state = cv_task_next(task, -1, &record, err)) == CV_TASK_RECORD)
		count++;
	cv_task_free(task);
	return count;
}

static void records_arrive_whole_and_in_order(void **unused)
{
	static uint8_t much[CV_TASK_RECORD_MAX];
	struct cv_err err = { 0 };
	struct cv_task_record record;
	struct cv_task *task;

	(void)unused;
	for (size_t i = 0; i < sizeof much; i++)
		much[i] = (uint8_t)(i * 7 >> 3);
	task = cv_task_start(NULL, 0, echo, much, sizeof much, NULL, &err);
	assert_non_null(task);
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_RECORD);
	assert_int_equal(record.kind, 7);
	assert_int_equal(record.len, sizeof much);
	assert_memory_equal(record.bytes, much, sizeof much);
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_RECORD);
	assert_int_equal(record.kind, 8);
	assert_int_equal(record.len, 0);
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_DONE);
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_DONE);
	cv_task_free(task);
	cv_task_free(NULL);
}

static void an_end_has_a_reason(void **unused)
{
	static const struct row {
		const char *name;
		cv_task_function *function;
		size_t records;
		enum cv_task_state state;
		enum cv_status code;
		const char *text;
	} rows[] = {
		{ "crash", crash, 1, CV_TASK_FAILED, CV_EIO, "killed by signal 11" },
		{ "open", go_out, 0, CV_TASK_FAILED, CV_EREFUSED, "tried what it must not do" },
		{ "write", write_image, 0, CV_TASK_FAILED, CV_EREFUSED, "tried what it must not do" },
		{ "send", use_send, 0, CV_TASK_FAILED, CV_EREFUSED, "tried what it must not do" },
		{ "exit", leave, 0, CV_TASK_FAILED, CV_EIO, "ended with status 7" },
		{ "reason", fail_with_reason, 0, CV_TASK_FAILED, CV_EFORMAT, "the table at 7\\x1b[31m is odd" },
		{ "no reason", fail_without_reason, 0, CV_TASK_FAILED, CV_EFORMAT, "no reason is known" },
		{ "too long", too_long, 0, CV_TASK_FAILED, CV_ELIMIT, "refused" },
		{ "length", lie_about_length, 0, CV_TASK_FAILED, CV_EFORMAT, "damaged answer: a record that is too" },
		{ "type", lie_about_type, 0, CV_TASK_FAILED, CV_EFORMAT, "damaged answer: a record of no type" },
		{ "error", lie_about_error, 0, CV_TASK_FAILED, CV_EFORMAT, "damaged answer: an error of a wrong" },
		{ "half", promise_too_much, 0, CV_TASK_FAILED, CV_EIO, "ended with status 0" },
		{ "sort", sort_much, 1, CV_TASK_DONE, CV_OK, "" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_task_options options = { 0 };
		enum cv_task_state state;
		struct cv_err err = { 0 };
		size_t records = run(rows[i].function, "x", options, &state, &err);

#ifdef __SANITIZE_ADDRESS__
		/* The sanitizer turns a crash into an exit, and has to be allowed to try opening files. */
		if (rows[i].function == crash || rows[i].function == go_out)
			continue;
#endif
		if (state != rows[i].state || err.code != rows[i].code || !strstr(err.text, rows[i].text))
			print_message("%s: state %d, code %d: %s\n", rows[i].name, (int)state, (int)err.code, err.text);
		assert_int_equal(records, rows[i].records);
		assert_int_equal(state, rows[i].state);
		assert_int_equal(err.code, rows[i].code);
		assert_non_null(strstr(err.text, rows[i].text));
	}
}

static void a_stall_is_noticed(void **unused)
{
	struct cv_task_options options = { .stall_seconds = 1 };
	enum cv_task_state state;
	struct cv_err err = { 0 };

	(void)unused;
	run(spin, "x", options, &state, &err);
	assert_int_equal(state, CV_TASK_FAILED);
	assert_string_equal(err.text, "no answer within 1 s");
}

static void a_wait_ends_in_time_and_the_process_with_its_task(void **unused)
{
	struct cv_err err = { 0 };
	struct cv_task_record record;
	struct cv_task *task = cv_task_start(NULL, 0, spin, NULL, 0, NULL, &err);

	(void)unused;
	assert_non_null(task);
	assert_int_equal(cv_task_next(task, 0, &record, &err), CV_TASK_WAIT);
	assert_int_equal(cv_task_next(task, 50, &record, &err), CV_TASK_WAIT);
	cv_task_free(task);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_flood_is_taken_record_by_record(void **unused)
{
	struct cv_err err = { 0 };
	struct cv_task_record record;
	struct cv_task *task = cv_task_start(NULL, 0, flood, NULL, 0, NULL, &err);
	struct rusage before, after;

	(void)unused;
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_RECORD);
		assert_int_equal(record.len, CV_TASK_RECORD_MAX);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8 * 1024);
	cv_task_free(task);
}

static void memory_is_limited(void **unused)
{
	struct cv_task_options options = { .memory_bytes = (uint64_t)64 << 20 };
	enum cv_task_state state;
	struct cv_err err = { 0 };

	(void)unused;
#ifdef __SANITIZE_ADDRESS__
	print_message("with AddressSanitizer there is no limit of memory\n");
	skip();
#endif
	run(eat_memory, "x", options, &state, &err);
	assert_int_equal(state, CV_TASK_FAILED);
	assert_int_equal(err.code, CV_ENOMEM);
}

static void an_image_is_a_part_of_a_file(void **unused)
{
	char *folder = cv_test_folder();
	struct cv_task_image image = { temporary(folder, TEXT), temporary(folder, TEXT), 8, 2, CV_FORMAT_RAW, false };
	struct cv_err err = { 0 };
	struct cv_task_record record;
	struct cv_task *task = cv_task_start(&image, 1, read_all, NULL, 0, NULL, &err);

	(void)unused;
	cv_test_folder_remove(folder);
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_RECORD);
	assert_int_equal(record.len, 2);
	assert_memory_equal(record.bytes, TEXT + 8, 2);
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_RECORD);
	assert_int_equal(record.len, strlen(TEXT));
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_DONE);
	assert_int_equal(fcntl(image.fd, F_GETFD), -1);
	assert_int_equal(fcntl(image.data_fd, F_GETFD), -1);
	cv_task_free(task);
}

static void five_hundred_images_fit_into_one_task(void **unused)
{
	static struct cv_task_image images[MANY];
	char *folder = cv_test_folder();
	struct rlimit limit;
	struct cv_err err = { 0 };
	struct cv_task_record record;
	struct cv_task *task;

	(void)unused;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &limit);
	cv_task_room(MANY * 2);
	for (size_t i = 0; i < MANY; i++)
		images[i] = (struct cv_task_image){ temporary(folder, TEXT), temporary(folder, TEXT), 0, strlen(TEXT),
						    CV_FORMAT_RAW, false };
	cv_test_folder_remove(folder);
	task = cv_task_start(images, MANY, read_all, NULL, 0, NULL, &err);
	assert_non_null(task);
	for (size_t i = 0; i < MANY * 2; i++) {
		assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_RECORD);
		assert_int_equal(record.kind, i / 2);
		assert_memory_equal(record.bytes, TEXT, strlen(TEXT));
	}
	assert_int_equal(cv_task_next(task, -1, &record, &err), CV_TASK_DONE);
	cv_task_free(task);
}

static void a_program_without_standard_input_can_start_one(void **unused)
{
	pid_t child = fork();
	int status;

	(void)unused;
	if (child == 0) {
		char *folder = cv_test_folder();
		struct cv_err err = { 0 };
		struct cv_task_record record;
		struct cv_task_image image = { .data_fd = -1, .length = strlen(TEXT) };
		struct cv_task *task;

		close(0);
		image.fd = temporary(folder, TEXT);
		cv_test_folder_remove(folder);
		task = cv_task_start(&image, 1, read_all, NULL, 0, NULL, &err);
		_exit(task && image.fd == 0 && cv_task_next(task, -1, &record, &err) == CV_TASK_RECORD &&
		      record.len == strlen(TEXT) && !memcmp(record.bytes, TEXT, record.len) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_arrive_whole_and_in_order),
		cmocka_unit_test(an_end_has_a_reason),
		cmocka_unit_test(a_stall_is_noticed),
		cmocka_unit_test(a_wait_ends_in_time_and_the_process_with_its_task),
		cmocka_unit_test(a_flood_is_taken_record_by_record),
		cmocka_unit_test(memory_is_limited),
		cmocka_unit_test(an_image_is_a_part_of_a_file),
		cmocka_unit_test(five_hundred_images_fit_into_one_task),
		cmocka_unit_test(a_program_without_standard_input_can_start_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
