/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Tasks without processes: the function of a task runs where it is started, and what it sends is kept until somebody
 * asks. It is linked instead of inspect/sandbox/task*.c, for tests that start thousands of them.
 */
#ifndef TESTS_SUPPORT_INLINE_TASK_H
#define TESTS_SUPPORT_INLINE_TASK_H

#include "inspect/sandbox/task.h"

/* How many were started so far. */
uint64_t inline_task_count(void);

#endif
