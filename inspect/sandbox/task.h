/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A task: one long piece of work on the blocks of some images, in a process of its own that can do nothing
 * else (confine.h), with results that stream out as records. For maps, verification and space accounting; the
 * pool (pool.h) is for the short reading of metadata.
 */
#ifndef CV_INSPECT_SANDBOX_TASK_H
#define CV_INSPECT_SANDBOX_TASK_H

#include <chainview/extent.h>

/* One image for a task, in the order in which the task's function gets them. */
struct cv_task_image {
	int fd;                  /* taken, also when starting fails */
	int data_fd;             /* external data file, or -1; taken */
	uint64_t offset, length; /* of the image inside the file */
	enum cv_format_id format;
	bool damaged;            /* to be opened by cv_layer_open_damaged() */
};

/* In the task's process. Records are at most 1 MiB; false when the other side is gone. */
struct cv_task_out;
bool cv_task_send(struct cv_task_out *out, uint32_t kind, const void *bytes, size_t len);
/* How this process is fenced in, as the kernel answered: "Landlock ABI 7, seccomp, 256 MiB, 604800 s CPU". */
struct cv_confined;
const struct cv_confined *cv_task_confined(const struct cv_task_out *out, struct cv_text *line);
/* A sign of life, for work that goes on for long without a record; about once a second is enough. */
bool cv_task_alive(struct cv_task_out *out);

/* The work. sources[i] (and data[i], NULL if there is none) belong to image i and are owned by the function once it
 * takes them (sets them to NULL); request is what was given to cv_task_start. What it puts into err reaches
 * the other side as the task's error. */
typedef bool cv_task_function(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images,
			      size_t count, const void *request, size_t request_len, struct cv_task_out *out,
			      struct cv_err *err);

struct cv_task_options {
	uint64_t memory_bytes;   /* 0 = 256 MiB */
	unsigned stall_seconds;  /* no record and no sign of life for so long ends it; 0 = 60 */
	bool libraries;          /* libvhdi and libqcow run in it: what they need is allowed, nothing more */
};

/* Raises our limit of open descriptors, as far as that is allowed, so that so many images (and data files) can be
 * opened at once for a task. Returns how many can be now. */
size_t cv_task_room(size_t images);

struct cv_task;
struct cv_task *cv_task_start(const struct cv_task_image *images, size_t count, cv_task_function *function,
			      const void *request, size_t request_len, const struct cv_task_options *options,
			      struct cv_err *err);

enum cv_task_state { CV_TASK_RECORD, CV_TASK_WAIT, CV_TASK_DONE, CV_TASK_FAILED };
struct cv_task_record { uint32_t kind; const uint8_t *bytes; size_t len; };
/* The next record (valid until the next call), or why there is none: WAIT after timeout_ms (-1 waits for ever), DONE
 * when the function returned true, FAILED with err set when it returned false, died or stalled. */
enum cv_task_state cv_task_next(struct cv_task *task, int timeout_ms, struct cv_task_record *record,
				struct cv_err *err);
/* Becomes readable when cv_task_next() has something, once that has said WAIT. */
int cv_task_poll_fd(const struct cv_task *task);
/* Ends it, whether it is done or not; NULL is fine. */
void cv_task_free(struct cv_task *task);

#endif
