/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which images could be the parent of another: for the view that lets one be chosen (parents.c, parents_job.c). */
#ifndef TUI_VIEW_PARENTS_H
#define TUI_VIEW_PARENTS_H

#include "tui/view/map.h"

/* An image (CV_NO_IMAGE: none at all), and why it cannot be the parent (static); NULL: as far as the graph knows it can. */
struct cv_candidate {
	uint32_t image;
	const char *reason;
};
CV_VEC(cv_candidates, struct cv_candidate);

struct cv_parents_view {
	enum cv_job_state state;
	struct cv_ident ident;           /* the image that is to get another parent */
	uint32_t image;                  /* the same, while it is there */
	struct cv_candidates good, bad;
	uint32_t *order;                 /* all images: its own chain first, then none, then in the order of the graph */
	size_t next, count;              /* of order: the first that was not looked at yet, and all */
	uint64_t next_ms;
	char why[600];                   /* FAILED: escaped */
};

/* Row of the list: good ones first. NULL: there is none. */
const struct cv_candidate *cv_parents_row(const struct cv_parents_view *v, size_t row);
/* Begins for the image at hand in the view on top; false if none is, which is said. */
bool cv_parents_begin(struct cv_console *c);
bool cv_parents_tick(struct cv_console *c, int budget_ms, unsigned *fx);
void cv_parents_forget(struct cv_console *c);
void cv_parents_end(struct cv_console *c);

#endif
