/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan for the console, made in a process of its own: maps may have to be walked and images compared for it, and keys
 * are not to wait for that.
 */
#ifndef TUI_WRITE_PLAN_CHILD_H
#define TUI_WRITE_PLAN_CHILD_H

#include "tui/write/child.h"
#include "tui/write/flow.h"

struct cv_plan_child {
	struct cv_child child;
	int out;                     /* the file in memory that the plan is left in; 0: none */
};

/* session: with what was scanned; place: another repository that has to be looked at for it, then all is scanned anew, or
 * NULL; tables: those of all images have to be checked for it, which takes a scan, too. */
bool cv_plan_child_start(struct cv_plan_child *p, const struct cv_session *session, const struct cv_write_call *call,
			 const char *place, bool tables, struct cv_err *err);
/* Once its process does not run any more: the plan, or why there is none. */
struct cv_plan *cv_plan_child_take(struct cv_plan_child *p, struct cv_err *err);
/* Ends it, whatever it does. */
void cv_plan_child_end(struct cv_plan_child *p);

#endif
