/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of tasks: what passes over the socket, and what the new process is given. Both sides are one program. */
#ifndef CV_INSPECT_SANDBOX_TASK_LINK_H
#define CV_INSPECT_SANDBOX_TASK_LINK_H

#include "inspect/sandbox/process.h"
#include "inspect/sandbox/task.h"

#define CV_TASK_RECORD_MAX ((uint32_t)1 << 20)

enum cv_task_type { CV_TASK_IS_RECORD = 1, CV_TASK_IS_SIGN, CV_TASK_IS_END, CV_TASK_IS_ERROR };

/* In front of each record; kind is the function's own. */
struct cv_task_head {
	uint32_t type, kind, len;
};

/* CV_TASK_IS_ERROR: the text follows. */
struct cv_task_error {
	int32_t code, os_errno;
};

struct cv_task_work {
	const struct cv_task_image *images;
	size_t count;
	cv_task_function *function;
	const void *request;
	size_t request_len;
	uint64_t memory_bytes;
	bool libraries;
};

/* task_work.c: the whole life of the process. */
cv_process_main cv_task_work;

#endif
