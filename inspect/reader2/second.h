/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The second reader of one image as those see it who wait for it: a process with a library in it, and another one
 * behind the bad range when the library takes the first one down, a few times.
 */
#ifndef CV_INSPECT_READER2_SECOND_H
#define CV_INSPECT_READER2_SECOND_H

#include "inspect/reader2/tasks.h"
#include <chainview/verify.h>

struct cv_second_options {
	cv_task_function *function;  /* NULL: cv_check_task */
	unsigned stall_seconds;      /* so long may a library think about one request; 0: 60 */
};

struct cv_second;

/* Starts it on an image with its whole chain. result is filled when it is done and must stay where it is. */
struct cv_second *cv_second_start(const struct cv_graph *g, uint32_t image, const struct cv_second_options *options,
				  struct cv_second_result *result, struct cv_err *err);
/* Hears what it has to say now; true while there is more to come. */
bool cv_second_listen(struct cv_second *s);
int cv_second_poll_fd(const struct cv_second *s);
/* Bytes of the disk so far. */
uint64_t cv_second_done(const struct cv_second *s);
/* NULL is fine. The result's trouble goes with it. */
void cv_second_free(struct cv_second *s);

/* The files of a chain for a task; all of it or nothing. */
struct cv_chain_files;
bool cv_second_open(const struct cv_graph *g, uint32_t image, struct cv_chain_files *files, struct cv_err *err);

#endif
