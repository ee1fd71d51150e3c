/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See inline_task.h. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "inspect/sandbox/confine.h"
#include "tests/support/inline_task.h"
#include <chainview/text.h>

struct head {
	uint32_t kind, len;
};

struct cv_task {
	struct cv_text records;
	size_t at;
	bool ok;
	struct cv_err err;
	int event;                   /* always readable: there is never anything to wait for */
};

struct cv_task_out {
	struct cv_task *task;
	struct cv_confined confined;
};

static uint64_t started;

uint64_t inline_task_count(void)
{
	return started;
}

size_t cv_task_room(size_t images)
{
	return images;
}

bool cv_task_send(struct cv_task_out *out, uint32_t kind, const void *bytes, size_t len)
{
	const struct head head = { kind, (uint32_t)len };

	cv_text_add_bytes(&out->task->records, (const char *)&head, sizeof head);
	cv_text_add_bytes(&out->task->records, bytes, len);
	return !out->task->records.failed;
}

bool cv_task_alive(struct cv_task_out *out)
{
	(void)out;
	return true;
}

const struct cv_confined *cv_task_confined(const struct cv_task_out *out, struct cv_text *line)
{
	cv_text_add(line, "not at all");
	return &out->confined;
}

static struct cv_source *take(int *fd, uint64_t end, struct cv_err *err)
{
	int taken = *fd;

	*fd = -1;
	return taken < 0 ? NULL : cv_source_fd_adopt(taken, end, err);
}

static void run(struct cv_task *task, const struct cv_task_image *images, size_t count, cv_task_function *function,
		const void *request, size_t request_len)
{
	struct cv_source **sources = calloc(count * 2 + 1, sizeof *sources), **data = sources + count;
	struct cv_task_image *own = calloc(count + 1, sizeof *own);
	struct cv_task_out out = { .task = task };

	if (!sources || !own)
		abort();
	task->ok = true;
	for (size_t i = 0; i < count; i++) {
		own[i] = images[i];
		if (images[i].offset)
			abort();
		sources[i] = take(&own[i].fd, images[i].length, &task->err);
		data[i] = own[i].data_fd < 0 ? NULL : take(&own[i].data_fd, (uint64_t)lseek(own[i].data_fd, 0, SEEK_END), &task->err);
		task->ok &= sources[i] != NULL;
	}
	task->ok = task->ok && function(sources, data, own, count, request, request_len, &out, &task->err);
	for (size_t i = 0; i < 2 * count; i++)
		cv_source_close(sources[i]);
	free(sources);
	free(own);
}

struct cv_task *cv_task_start(const struct cv_task_image *images, size_t count, cv_task_function *function,
			      const void *request, size_t request_len, const struct cv_task_options *options,
			      struct cv_err *err)
{
	struct cv_task *task = calloc(1, sizeof *task);

	(void)options;
	(void)err;
	if (!task)
		abort();
	started++;
	task->event = eventfd(1, EFD_CLOEXEC);
	run(task, images, count, function, request, request_len);
	if (!task->ok && !task->err.code)
		cv_fail(&task->err, CV_EFORMAT, "it cannot be read, and no reason is known");
	return task;
}

enum cv_task_state cv_task_next(struct cv_task *task, int timeout_ms, struct cv_task_record *record, struct cv_err *err)
{
	struct head head;

	(void)timeout_ms;
	*record = (struct cv_task_record){ 0 };
	if (task->at == task->records.len) {
		if (!task->ok)
			*err = task->err;
		return task->ok ? CV_TASK_DONE : CV_TASK_FAILED;
	}
	memcpy(&head, task->records.at + task->at, sizeof head);
	*record = (struct cv_task_record){ head.kind, (const uint8_t *)task->records.at + task->at + sizeof head, head.len };
	task->at += sizeof head + head.len;
	return CV_TASK_RECORD;
}

int cv_task_poll_fd(const struct cv_task *task)
{
	return task->event;
}

void cv_task_free(struct cv_task *task)
{
	if (!task)
		return;
	cv_text_fini(&task->records);
	close(task->event);
	free(task);
}
