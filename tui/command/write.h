/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How every command that writes goes: a plan from a scan, shown; consent; and then the way of tui/write/flow.h. Without
 * consent it was a dry run.
 */
#ifndef TUI_COMMAND_WRITE_H
#define TUI_COMMAND_WRITE_H

#include "tui/command/command.h"
#include "tui/command/progress.h"
#include "tui/write/flow.h"

int cv_write_run(struct cv_session *s, const struct cv_write_call *call);
/* The same with something that is left to do when it is done: it gives the exit status. ctx: the call's. */
typedef int cv_write_after(const struct cv_session *s, void *ctx, const struct cv_plan *done);
int cv_write_run_then(struct cv_session *s, const struct cv_write_call *call, cv_write_after *after);

/* Rows for --yes and what else all writers take. */
#define CV_WRITE_OPTIONS \
	{ "yes", 0, NULL, NULL, "do it; without it (or typed consent) a dry run", CV_ON(write.yes) }
/* And for those that hold images for as long as they copy. */
#define CV_COPY_OPTIONS \
	{ "exclusive", 0, NULL, NULL, "turn guests away that open an image meanwhile", CV_ON(write.exclusive) }

/* Who watches an operation for a command: progress on stderr, stopped by SIGINT, SIGTERM and SIGHUP at a safe point. */
struct cv_write_watch {
	struct cv_progress_line line;
	struct cv_monitor monitor;
};
void cv_write_watch_begin(struct cv_write_watch *watch, const struct cv_session *s);
void cv_write_watch_end(struct cv_write_watch *watch);

/* Asks at the terminal for the name, if there is one to ask at. */
bool cv_write_consents(const struct cv_session *s, const char *name);
/* The command line as it was typed, for the journal. */
void cv_write_line(const struct cv_session *s, struct cv_text *out);
/* Appends "4.2 s": tenths are enough. */
void cv_write_add_seconds(struct cv_text *out, uint32_t ms);

/* The one repository that the words name, as an absolute path in *path (the caller's); CV_EUSAGE if there is not exactly
 * one. Its place is added to the session. */
bool cv_write_repository(struct cv_session *s, const char *word, char **path, struct cv_err *err);

#endif
