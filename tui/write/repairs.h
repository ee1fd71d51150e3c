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
	enum cv_problem_id problem;  /* nothing but this one; CV_NO_PROBLEM: all */
	/* Asks about one. all: the answer is for every one of its kind. NULL: what is safe, and what was answered so. */
	bool (*ask)(void *ctx, const struct cv_plan_fix *fix, bool *all);
	void *ctx;
	struct cv_repairs_answers answers;
};

/* The plan of what is wanted, from the session's graph, for which the tables of all images are to be checked. r is borrowed by
 * the call. */
struct cv_write_call cv_repairs_call(struct cv_repairs *r);
void cv_repairs_fini(struct cv_repairs *r);

/* Keeps an answer; all: for every one of its kind. False when memory is short. */
bool cv_repairs_answer(struct cv_repairs *r, const struct cv_plan_fix *fix, bool wanted, bool all);
/* Everything is open again. */
void cv_repairs_forget(struct cv_repairs *r);
/* What was answered about it; NULL: nothing yet. */
const struct cv_repairs_answer *cv_repairs_answered(const struct cv_repairs *r, const struct cv_plan_fix *fix);

/* Carries *plan out and looks again (the session is scanned anew). CV_EIO if it did not do what it should: then it is taken
 * back, or err says why not. r: struct cv_repairs. */
bool cv_repairs_carry_out(void *r, const struct cv_flow *flow, struct cv_plan **plan,
			  struct cv_operation_result *result, struct cv_err *err);

#endif
