/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a plan that was shown and consented to, to its result: the repository locked, what a crash left there settled,
 * scanned again, the same plan found again, and only then carried out. The command line and the console go this way, and there is no other.
 */
#ifndef TUI_WRITE_FLOW_H
#define TUI_WRITE_FLOW_H

#include <chainview/operation.h>

#include "tui/command/session.h"

/* What is wanted, as something that plans can be made of, now and again. */
struct cv_write_call {
	/* Makes the plan of what the session has scanned. NULL with err set if there can be none. */
	struct cv_plan *(*plan)(struct cv_session *s, void *ctx, struct cv_err *err);
	void *ctx;
	bool scans;                  /* the plan needs a scan; otherwise it is made without one */
	const char *nothing;         /* what to say when there is nothing to do */
	/* Appends what to say when it is done. */
	void (*tell)(const struct cv_plan *plan, const struct cv_operation_result *result, struct cv_text *out);
};

struct cv_flow {
	struct cv_session *session;
	const struct cv_write_call *call;
	const char *command;         /* what the journal keeps as the line that began it */
	/* Of several operations that were consented to together: each plan is made first when the repository is locked, and
	 * the call answers for it that it is one of them. *plan is NULL then. */
	const char *repository;      /* NULL: the plan that was shown says it */
	const struct cv_monitor *monitor;    /* may be NULL */
	/* Told what is done before the operation begins ("scan again"); may be NULL. */
	void (*stage)(void *ctx, const char *what);
	void *stage_ctx;
};

/* The number of the repository that the scan calls so, or of the first that is reported on (NULL); UINT32_MAX if there is
 * none. */
uint32_t cv_flow_repository(const struct cv_session *s, const char *path);

/* How something ended that was no operation yet, or none of its own. */
enum cv_result_state cv_flow_state_of(const struct cv_err *err);

/* Carries out *plan. What it is replaced by is the plan as it was made again, also when that is another one and nothing
 * was done (CV_EREFUSED). result says how it ended in any case. */
bool cv_flow_carry_out(const struct cv_flow *f, struct cv_plan **plan, struct cv_operation_result *result,
		       struct cv_err *err);

#endif
