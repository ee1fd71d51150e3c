/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Starting and ending one worker process; nothing here knows what it works on. */
#ifndef CV_INSPECT_SANDBOX_PROCESS_H
#define CV_INSPECT_SANDBOX_PROCESS_H

#include "inspect/sandbox/link.h"

struct cv_process {
	pid_t pid;                 /* 0: not running */
	int socket;                /* our end */
	struct cv_shared *shared;  /* NULL: not running */
};

/* Wait status of a process that could not be waited for. */
#define CV_STATUS_UNKNOWN (-1)

/* stride: distance in bytes of the count processes that start at first, this one among them. A new process must
 * not keep the shared memory of the others: it could answer in their name. */
bool cv_process_start(struct cv_process *p, const void *first, size_t count, size_t stride,
		      const struct cv_pool_options *options, struct cv_err *err);
/* Kills it unless it is dead already, and returns its wait status. Its results can still be read. */
int cv_process_kill(struct cv_process *p);
/* Gives its memory and socket back. */
void cv_process_release(struct cv_process *p);
/* Moves its limit of processor time to seconds from now. */
void cv_process_grant(const struct cv_process *p, unsigned seconds);

#endif
