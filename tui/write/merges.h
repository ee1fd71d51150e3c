/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * All merges of a repository, one operation after the other: each is planned anew from a fresh scan, since the one before
 * changed the graph. What is done is what was shown, and nothing else; one that is refused or stops takes only those with
 * it that come after it in its own chain.
 */
#ifndef TUI_WRITE_MERGES_H
#define TUI_WRITE_MERGES_H

#include <chainview/merges.h>

#include "tui/write/flow.h"

/* The merges of what the session has scanned: with its reserve and --purge-merged. repository: as the scan calls it. */
struct cv_merges *cv_merges_of(struct cv_session *s, const char *repository, struct cv_err *err);

struct cv_merges_run {
	struct cv_session *session;
	const struct cv_merges *shown;       /* that were consented to */
	struct cv_merge_outcome *outcomes;   /* one for each step; filled in */
	const char *command;
	/* The monitor of step number (from 0), for it and for its purge. */
	const struct cv_monitor *(*begin)(void *ctx, size_t number);
	/* It has ended, well or not. */
	void (*ended)(void *ctx, size_t number);
	bool (*stopped)(void *ctx);          /* the user wants no more */
	void *ctx;
	/* Its own. */
	size_t current;              /* the step that is being done; SIZE_MAX: none */
	char *not_purged;            /* why what an earlier run merged was not removed; the caller frees it; NULL: it was */
	bool over;                   /* there was none left that could be done */
};

/* Does them. False with err set if something stopped it that is about none of the steps. */
bool cv_merges_carry_out(struct cv_merges_run *r, struct cv_err *err);
void cv_merge_outcomes_free(struct cv_merge_outcome *outcomes, size_t count);

#endif
