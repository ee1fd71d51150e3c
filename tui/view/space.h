/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The space view of the console: the result of the space model, and the rows of one repository. Computing is one
 * call that cannot be cut in pieces; a key ends it early while it waits for a tree that takes long (space_job.c).
 */
#ifndef TUI_VIEW_SPACE_H
#define TUI_VIEW_SPACE_H

#include <chainview/space.h>
#include <chainview/vec.h>

#include "tui/view/map.h"

enum cv_space_kind {
	CV_SPACE_ROW_ORPHAN, CV_SPACE_ROW_SHADOWED, CV_SPACE_ROW_MERGE, CV_SPACE_ROW_LEAKED, CV_SPACE_ROW_SNAPSHOT
};

struct cv_space_line {
	uint64_t bytes;
	uint32_t image;
	enum cv_space_kind kind;
};
CV_VEC(cv_space_lines, struct cv_space_line);

struct cv_space_job {
	enum cv_job_state state;
	const struct cv_space *space;    /* what is shown; NULL before and after a failure */
	struct cv_space *owned;          /* the same if it was computed here */
	struct cv_ident repository;      /* which one is shown */
	struct cv_space_lines lines;     /* its rows, largest first */
	char why[512];                   /* of a failure */
};

/* Opens the view for the repository at hand; in the view itself: computes anew. */
void cv_space_want(struct cv_console *c);
void cv_space_end(struct cv_console *c);
/* To be called before the old graph goes. */
void cv_space_forget(struct cv_console *c);
bool cv_space_tick(struct cv_console *c, unsigned *fx);

/* Index of the repository that is shown, or UINT32_MAX. */
uint32_t cv_space_repository(const struct cv_console *c);

/* The rows of a repository, largest first, into c->space.lines. */
bool cv_space_lines_make(struct cv_console *c);
const char *cv_space_kind_name(enum cv_space_kind kind);
/* Why a row takes space, and what frees it; escaped. */
void cv_space_why(const struct cv_console *c, const struct cv_space_line *line, struct cv_text *out);
void cv_space_cure(const struct cv_console *c, const struct cv_space_line *line, struct cv_text *out);

#endif
