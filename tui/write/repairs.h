/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Repairs of one repository: which fixes are wanted, doing them, and looking again whether what was mended is gone and nothing
 * new has come; if not so, it is taken back.
 */
#ifndef TUI_WRITE_REPAIRS_H
#define TUI_WRITE_REPAIRS_H

#include "tui/command/target.h"
#include "tui/write/flow.h"

enum cv_repairs_how { CV_REPAIRS_SHOW, CV_REPAIRS_SAFE, CV_REPAIRS_ALL, CV_REPAIRS_ASK };

/* What was answered, so that it is not asked again. */
struct cv_repairs_answer {
	char *image;
	enum cv_problem_id problem;
	uint64_t off;
	bool wanted;
};
CV_VEC(cv_repairs_answers, struct cv_repairs_answer);

struct cv_repairs {
	struct cv_session *session;
	char *repository;            /* as the scan calls it; owned */
	enum cv_repairs_how how;
	const struct cv_image_word *only;    /* these images; NULL: all */
	size_t only_count;
	/* Asks about one. all: the answer is for every one of its kind. */
	bool (*ask)(void *ctx, const struct cv_plan_fix *fix, bool *all);
	void *ctx;
	struct cv_repairs_answers answers;
};

/* The plan of what is wanted, from the session's graph. r is borrowed by the call. */
struct cv_write_call cv_repairs_call(struct cv_repairs *r);
void cv_repairs_fini(struct cv_repairs *r);

/* Carries *plan out and looks again (the session is scanned anew). CV_EIO if it did not do what it should: then it is taken
 * back, or err says why not. */
bool cv_repairs_carry_out(struct cv_repairs *r, const struct cv_flow *flow, struct cv_plan **plan,
			  struct cv_operation_result *result, struct cv_err *err);

#endif
