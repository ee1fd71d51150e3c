/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The side of a task that starts it and hears what it says. Nothing that comes from the process is trusted:
 * every length is checked, every text is escaped anew. The other side is task_work.c.
 */
#include "inspect/sandbox/lane.h"
#include "inspect/sandbox/task_link.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define USUAL_MEMORY ((uint64_t)256 << 20)
#define USUAL_STALL 60
#define FIRST_BUFFER ((size_t)256 << 10)
/* Descriptors that are left for everything else when many images are opened. */
#define OTHER_DESCRIPTORS 128

struct cv_task {
	struct cv_process process;
	unsigned stall_seconds;
	int64_t looked_ms, still_ms;  /* when somebody looked; time without a sign while somebody did */
	uint8_t *buffer;
	size_t cap, from, to;         /* what was received and not given on yet */
	enum cv_task_state state;     /* DONE and FAILED are final */
	struct cv_err err;
};

size_t cv_task_room(size_t images)
{
	rlim_t need = (rlim_t)images + OTHER_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return images;
	if (limit.rlim_cur < need) {
		limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return images;
	return limit.rlim_cur > OTHER_DESCRIPTORS ? (size_t)(limit.rlim_cur - OTHER_DESCRIPTORS) : 0;
}

static void close_all(const struct cv_task_image *images, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int fds[] = { images[i].fd, images[i].data_fd };

		cv_auto_close(&fds[0]);
		cv_auto_close(&fds[1]);
	}
}

/* The first numbers are wanted for the socket and for reports of sanitizers. */
static bool lift(int *fd)
{
	int high;

	if (*fd < 0 || *fd > STDERR_FILENO)
		return true;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	cv_auto_close(fd);
	*fd = high;
	return high >= 0;
}

static struct cv_task_image *own_list(const struct cv_task_image *images, size_t count, struct cv_err *err)
{
	struct cv_task_image *list = calloc(count + 1, sizeof *list);

	if (!list) {
		close_all(images, count);
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		list[i] = images[i];
		if (!lift(&list[i].fd) || !lift(&list[i].data_fd))
			cv_fail_errno(err, "cannot start a reading process");
	}
	return list;
}

static struct cv_task *start(struct cv_task_work *work, unsigned stall_seconds, struct cv_err *err)
{
	struct cv_task *task = calloc(1, sizeof *task);

	if (task) {
		*task = (struct cv_task){ .process.socket = -1, .stall_seconds = stall_seconds, .cap = FIRST_BUFFER,
					  .looked_ms = cv_pool_now_ms() };
		task->buffer = malloc(task->cap);
	}
	if (!task || !task->buffer)
		cv_fail(err, CV_ENOMEM, "out of memory");
	else if (cv_process_fork(&task->process, SOCK_STREAM, cv_task_work, work, err))
		return task;
	cv_task_free(task);
	return NULL;
}

struct cv_task *cv_task_start(const struct cv_task_image *images, size_t count, cv_task_function *function,
			      const void *request, size_t request_len, const struct cv_task_options *options,
			      struct cv_err *err)
{
	static const struct cv_task_options usual = { 0 };
	const struct cv_task_options *o = options ? options : &usual;
	struct cv_task_image *list = own_list(images, count, err);
	struct cv_task_work work = {
		.images = list, .count = count, .function = function, .request = request,
		.request_len = request_len, .libraries = o->libraries,
		.memory_bytes = o->memory_bytes ? o->memory_bytes : USUAL_MEMORY,
	};
	struct cv_task *task = NULL;

	if (!list)
		return NULL;
	if (err->code == CV_OK)
		task = start(&work, o->stall_seconds ? o->stall_seconds : USUAL_STALL, err);
	close_all(list, count);
	free(list);
	return task;
}

/* For ever: the process is not needed any more. */
static enum cv_task_state settle(struct cv_task *task, enum cv_task_state state)
{
	cv_process_kill(&task->process);
	task->state = state;
	return state;
}

static enum cv_task_state damaged(struct cv_task *task, const char *how)
{
	cv_fail(&task->err, CV_EFORMAT, "the reading process gave a damaged answer: %s", how);
	return settle(task, CV_TASK_FAILED);
}

/* The text was escaped where it was made, unless somebody else wrote it: undoing and doing it again changes
 * nothing in the first case. */
static enum cv_task_state hear_error(struct cv_task *task, const uint8_t *bytes, size_t len)
{
	CV_AUTO(cv_text_fini) struct cv_text plain = { 0 }, escaped = { 0 };
	struct cv_task_error error;
	size_t text;

	if (len < sizeof error || len - sizeof error >= sizeof task->err.text)
		return damaged(task, "an error of a wrong length");
	memcpy(&error, bytes, sizeof error);
	text = len - sizeof error;
	if (error.code <= CV_OK || error.code > CV_ELIMIT)
		return damaged(task, "an error of no kind");
	cv_text_unescape(&plain, (struct cv_bytes){ (const char *)bytes + sizeof error, text });
	cv_text_escape(&escaped, (struct cv_bytes){ cv_text_str(&plain), plain.len });
	cv_fail(&task->err, (enum cv_status)error.code, "%s",
		plain.failed || escaped.failed ? "out of memory" : cv_text_str(&escaped));
	task->err.os_errno = error.os_errno;
	return settle(task, CV_TASK_FAILED);
}

static enum cv_task_state hear(struct cv_task *task, const struct cv_task_head *head, struct cv_task_record *record)
{
	const uint8_t *bytes = task->buffer + task->from + sizeof *head;

	task->from += sizeof *head + head->len;
	switch (head->type) {
	case CV_TASK_IS_RECORD:
		*record = (struct cv_task_record){ head->kind, bytes, head->len };
		return CV_TASK_RECORD;
	case CV_TASK_IS_SIGN:
		return CV_TASK_WAIT;
	case CV_TASK_IS_END:
		return settle(task, CV_TASK_DONE);
	case CV_TASK_IS_ERROR:
		return hear_error(task, bytes, head->len);
	default:
		return damaged(task, "a record of no type");
	}
}

/* Takes the next complete record out of the buffer; WAIT if there is none. Signs of life are swallowed. */
static enum cv_task_state take(struct cv_task *task, struct cv_task_record *record)
{
	enum cv_task_state state = CV_TASK_WAIT;

	while (state == CV_TASK_WAIT && task->to - task->from >= sizeof(struct cv_task_head)) {
		struct cv_task_head head;

		memcpy(&head, task->buffer + task->from, sizeof head);
		if (head.len > CV_TASK_RECORD_MAX)
			return damaged(task, "a record that is too long");
		if (task->to - task->from - sizeof head < head.len)
			break;
		state = hear(task, &head, record);
	}
	return state;
}

/* Makes room for the record that is not complete, of which the head may have been seen. */
static bool make_room(struct cv_task *task)
{
	size_t held = task->to - task->from, most = sizeof(struct cv_task_head) + CV_TASK_RECORD_MAX;

	memmove(task->buffer, task->buffer + task->from, held);
	task->from = 0;
	task->to = held;
	if (held < task->cap)
		return true;
	if (task->cap < most) {
		uint8_t *grown = realloc(task->buffer, most);

		if (grown) {
			task->buffer = grown;
			task->cap = most;
			return true;
		}
	}
	return cv_fail(&task->err, CV_ENOMEM, "out of memory");
}

/* RECORD: something came, though maybe not a whole one. WAIT: nothing is there now. */
static enum cv_task_state receive(struct cv_task *task)
{
	ssize_t n;

	if (!make_room(task))
		return settle(task, CV_TASK_FAILED);
	n = recv(task->process.socket, task->buffer + task->to, task->cap - task->to, MSG_DONTWAIT);
	if (n > 0) {
		task->to += (size_t)n;
		task->still_ms = 0;
		task->looked_ms = cv_pool_now_ms();
		return CV_TASK_RECORD;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CV_TASK_WAIT;
	cv_process_status(cv_process_kill(&task->process), 0, &task->err);
	return settle(task, CV_TASK_FAILED);
}

/* Counts the time in which somebody waited; when nobody looked for long the whole program may have been stopped,
 * the process with it. */
static bool stalled(struct cv_task *task)
{
	int64_t now = cv_pool_now_ms(), passed = now - task->looked_ms, most = task->stall_seconds * 500 + 1;

	task->looked_ms = now;
	task->still_ms += passed < most ? passed : most;
	if (task->still_ms <= (int64_t)task->stall_seconds * 1000)
		return false;
	cv_fail(&task->err, CV_ELIMIT, "no answer within %u s", task->stall_seconds);
	settle(task, CV_TASK_FAILED);
	return true;
}

/* How long to wait in one piece; -1 for ever is never, since a stall has to be noticed. */
static int patience(const struct cv_task *task, int64_t deadline)
{
	int64_t left = deadline < 0 ? INT64_MAX : deadline - task->looked_ms, most = task->stall_seconds * 250 + 1;

	return (int)(left < 0 ? 0 : left < most ? left : most);
}

static enum cv_task_state advance(struct cv_task *task, int64_t deadline, struct cv_task_record *record)
{
	enum cv_task_state state = take(task, record);

	while (state == CV_TASK_WAIT) {
		struct pollfd wait = { .fd = task->process.socket, .events = POLLIN };

		state = receive(task);
		if (state == CV_TASK_RECORD)
			state = take(task, record);
		else if (state == CV_TASK_WAIT && stalled(task))
			state = CV_TASK_FAILED;
		else if (state == CV_TASK_WAIT && deadline >= 0 && task->looked_ms >= deadline)
			break;
		else if (state == CV_TASK_WAIT && poll(&wait, 1, patience(task, deadline)) < 0)
			break;
	}
	return state;
}

enum cv_task_state cv_task_next(struct cv_task *task, int timeout_ms, struct cv_task_record *record, struct cv_err *err)
{
	enum cv_task_state state = task->state;

	*record = (struct cv_task_record){ 0 };
	if (state != CV_TASK_DONE && state != CV_TASK_FAILED)
		state = advance(task, timeout_ms < 0 ? -1 : cv_pool_now_ms() + timeout_ms, record);
	if (state == CV_TASK_FAILED)
		*err = task->err;
	return state;
}

int cv_task_poll_fd(const struct cv_task *task)
{
	return task->process.socket;
}

void cv_task_free(struct cv_task *task)
{
	if (!task)
		return;
	cv_process_kill(&task->process);
	cv_process_release(&task->process);
	free(task->buffer);
	free(task);
}
