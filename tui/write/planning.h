/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plans that take long, because maps are walked or images compared for them: how far they are is shown, on the command
 * line or by whoever watches the session, and a signal stops them.
 */
#ifndef TUI_WRITE_PLANNING_H
#define TUI_WRITE_PLANNING_H

#include "tui/command/progress.h"
#include "tui/command/session.h"

struct cv_planning {
	const struct cv_session *session;
	const char *what;            /* one word, static */
	struct cv_progress_line line;
};

struct cv_planning cv_planning_begin(const struct cv_session *s, const char *what);
/* For the tick of a planner; planning: a struct cv_planning. */
bool cv_planning_tick(void *planning, uint64_t done, uint64_t total);
void cv_planning_end(struct cv_planning *p);

#endif
