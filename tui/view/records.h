/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What lies in .chainview of a repository, as the views of the journal, of one operation and of the trash show it.
 * It is read between keys (journal_job.c).
 */
#ifndef TUI_VIEW_RECORDS_H
#define TUI_VIEW_RECORDS_H

#include <chainview/operation.h>

#include "tui/view/space.h"

struct cv_records {
	enum cv_job_state state;
	struct cv_ident repository;      /* which one is shown */
	struct cv_trash *trash;          /* with all operations; NULL before and after a failure */
	bool unsettled;                  /* some operation is pending or runs: it is read again from time to time */
	struct cv_ident_set marked;      /* images in the trash */
	uint8_t operation[16];           /* that is open in its view */
	int64_t now;                     /* Unix seconds, when it was read */
	uint64_t next_ms;
	char why[512];                   /* of a failure */
};

/* Opens a view of them for the repository at hand. */
void cv_records_want(struct cv_console *c, enum cv_view_id view);
/* Another repository. */
void cv_records_step(struct cv_console *c, int direction);
/* They are read again as soon as there is time. */
void cv_records_touch(struct cv_console *c);
bool cv_records_tick(struct cv_console *c, int budget_ms, unsigned *fx);
void cv_records_end(struct cv_console *c);

/* Rows of both lists: newest first. NULL: there is none. */
const struct cv_operation_entry *cv_records_operation(const struct cv_console *c, size_t row);
const struct cv_trash_entry *cv_records_trashed(const struct cv_console *c, size_t row);
/* The operation that is open in its view. */
const struct cv_operation_entry *cv_records_open(const struct cv_console *c);
/* Appends "REPOSITORY: what". */
void cv_records_title(const struct cv_console *c, struct cv_text *out, const char *what);
/* Draws what is said while there is no list; false if there is one. */
bool cv_records_draw_none(const struct cv_console *c, struct cv_cells *out, struct cv_area area, const char *none);

/* One word for the state, and a letter that marks it in lists (' ': nothing to do about it). */
const char *cv_entry_state(const struct cv_operation_entry *e);
char cv_entry_mark(const struct cv_operation_entry *e);
/* Appends which images it was about: "a.vhd and 2 more", escaped. */
void cv_entry_images(struct cv_text *out, const struct cv_operation_entry *e);
/* Appends who did it. */
void cv_entry_who(struct cv_text *out, const struct cv_operation_entry *e);

#endif
