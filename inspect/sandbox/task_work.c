/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The process of a task: keeps the descriptors of its images, locks itself in, runs the function. It has no way
 * out but the socket.
 */
#include "inspect/sandbox/task_link.h"
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Landlock needs a free number while it is set up. */
#define SPARE_DESCRIPTORS 8
/* Nobody moves this limit: the other side ends a process that shows no sign of life. */
#define CPU_SECONDS 604800

enum { BROKEN_LINK = 4, NO_MEMORY };

struct cv_task_out {
	int socket;
	struct cv_confine_limits limits;
	struct cv_confined confined;
};

/* The other side may take its time: this waits for it. */
static bool push(const struct cv_task_out *out, struct iovec *parts, size_t count)
{
	while (count) {
		struct msghdr m = { .msg_iov = parts, .msg_iovlen = count };
		ssize_t n = sendmsg(out->socket, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		while (count && (size_t)n >= parts->iov_len) {
			n -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count) {
			parts->iov_base = (uint8_t *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return true;
}

static bool give(const struct cv_task_out *out, enum cv_task_type type, uint32_t kind, const void *bytes, size_t len)
{
	struct cv_task_head head = { type, kind, (uint32_t)len };
	struct iovec parts[] = { { &head, sizeof head }, { (void *)(uintptr_t)bytes, len } };

	return push(out, parts, len ? 2 : 1);
}

bool cv_task_send(struct cv_task_out *out, uint32_t kind, const void *bytes, size_t len)
{
	return len <= CV_TASK_RECORD_MAX && give(out, CV_TASK_IS_RECORD, kind, bytes, len);
}

bool cv_task_alive(struct cv_task_out *out)
{
	return give(out, CV_TASK_IS_SIGN, 0, NULL, 0);
}

static bool give_error(const struct cv_task_out *out, const struct cv_err *err)
{
	struct { struct cv_task_error head; char text[sizeof err->text]; } error = {
		.head = { err->code ? (int32_t)err->code : CV_EFORMAT, err->os_errno },
	};
	int len = snprintf(error.text, sizeof error.text, "%s",
			   err->code ? err->text : "it cannot be read, and no reason is known");

	return give(out, CV_TASK_IS_ERROR, 0, &error, sizeof error.head + (size_t)len);
}

/* What lies behind the end of the file reads as an error, where it is read. */
static struct cv_source *image_source(const struct cv_task_image *image, struct cv_err *err)
{
	struct cv_source_extent part = { image->offset, image->length };
	struct cv_source *s;
	uint64_t end;

	if (__builtin_add_overflow(part.off, part.len, &end))
		end = UINT64_MAX;
	s = cv_source_fd_adopt(image->fd, end, err);
	return s && part.off ? cv_source_extents(&s, &part, 1, err) : s;
}

static struct cv_source *data_source(const struct cv_task_image *image, struct cv_err *err)
{
	off_t size = lseek(image->data_fd, 0, SEEK_END);

	if (size >= 0)
		return cv_source_fd_adopt(image->data_fd, (uint64_t)size, err);
	cv_fail_errno(err, "cannot find out the size of the data file");
	return NULL;
}

static bool make_sources(const struct cv_task_work *work, struct cv_source **sources, struct cv_source **data,
			 struct cv_err *err)
{
	for (size_t i = 0; i < work->count; i++) {
		sources[i] = image_source(&work->images[i], err);
		if (!sources[i])
			return cv_wrap(err, "image %zu", i);
		if (work->images[i].data_fd < 0)
			continue;
		data[i] = data_source(&work->images[i], err);
		if (!data[i])
			return cv_wrap(err, "data file of image %zu", i);
	}
	return true;
}

const struct cv_confined *cv_task_confined(const struct cv_task_out *out, struct cv_text *line)
{
	cv_confined_text(line, &out->confined, &out->limits);
	return &out->confined;
}

static bool lock_in(const struct cv_task_work *work, struct cv_task_out *out)
{
	unsigned descriptors = SPARE_DESCRIPTORS + 2 * (unsigned)work->count;
	int *kept = calloc(work->count * 2 + 1, sizeof *kept);

	if (!kept)
		return false;
	for (size_t i = 0; i < work->count; i++) {
		kept[2 * i] = work->images[i].fd;
		kept[2 * i + 1] = work->images[i].data_fd;
	}
	cv_confine_close_all_but(kept, work->count * 2);
	free(kept);
	out->limits = (struct cv_confine_limits){ work->memory_bytes, CPU_SECONDS, descriptors, work->libraries };
	out->confined = cv_confine(&out->limits);
	return true;
}

int cv_task_work(const void *ctx)
{
	const struct cv_task_work *work = ctx;
	struct cv_source **sources = calloc(work->count * 2 + 1, sizeof(struct cv_source *));
	struct cv_task_out out = { 0 };
	struct cv_err err = { 0 };
	bool good;

	if (!sources || !lock_in(work, &out))
		return NO_MEMORY;
	good = make_sources(work, sources, sources + work->count, &err) &&
	       work->function(sources, sources + work->count, work->images, work->count, work->request,
			      work->request_len, &out, &err);
	good = good ? give(&out, CV_TASK_IS_END, 0, NULL, 0) : give_error(&out, &err);
	return good ? 0 : BROKEN_LINK;
}
