/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The space view of the console: the survey that the loop steps (space_job.c), its result, and the rows of one
 * repository.
 */
#ifndef TUI_VIEW_SPACE_H
#define TUI_VIEW_SPACE_H

#include <chainview/space.h>

#include "tui/view/map.h"

/* A set of identities, of console_model.h. */
struct cv_ident_set {
	struct cv_ident *at;
	uint8_t *used;
	size_t cap, len;
};

struct cv_space_view {
	enum cv_job_state state;
	struct cv_survey *survey;        /* only while it runs */
	const struct cv_space *space;    /* what is shown; NULL before and after a failure */
	struct cv_space *owned;          /* the same if it was computed here */
	struct cv_ident repository;      /* which one is shown */
	struct cv_space_row *rows;       /* of that repository, as they are sorted */
	size_t count;
	struct cv_ident_set marked;      /* rows of all repositories */
	uint64_t next_ms;                /* no frame before */
	char why[512];                   /* of a failure */
};

/* Opens the view for the repository at hand; in the view itself: computes anew. */
void cv_space_want(struct cv_console *c);
void cv_space_end(struct cv_console *c);
/* To be called before the old graph goes. */
void cv_space_forget(struct cv_console *c);
/* Works for about budget_ms; true while there is more to do. */
bool cv_space_tick(struct cv_console *c, int budget_ms, unsigned *fx);
/* Ends the survey that runs, and shows what is known. */
void cv_space_stop(struct cv_console *c);
/* Makes c->space.rows anew. */
bool cv_space_list(struct cv_console *c);

/* Index of the repository that is shown, or UINT32_MAX. */
uint32_t cv_space_repository(const struct cv_console *c);

#endif
