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

/* Runs in a new process, whose descriptor 0 is the other end of the socket; what it returns is the status. */
typedef int cv_process_main(const void *ctx);
/* type: of the socket pair. The process ends when the program does. On failure nothing is left behind. */
bool cv_process_fork(struct cv_process *p, int type, cv_process_main *run, const void *ctx, struct cv_err *err);
/* A worker of a pool. Its shared memory is for it alone: no process that is started later has it. */
bool cv_process_start(struct cv_process *p, const struct cv_pool_options *options, struct cv_err *err);
/* Kills it unless it is dead already, and returns its wait status. Its results can still be read. */
int cv_process_kill(struct cv_process *p);
/* Says in err how a process ended by itself. */
void cv_process_status(int status, unsigned cpu_seconds, struct cv_err *err);
/* Gives its memory and socket back. */
void cv_process_release(struct cv_process *p);
/* Moves its limit of processor time to seconds from now. */
void cv_process_grant(const struct cv_process *p, unsigned seconds);

#endif
