/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A command is one const struct in one file, and one row in commands.def. The parser, --help and completion
 * are made of these.
 */
#ifndef TUI_COMMAND_COMMAND_H
#define TUI_COMMAND_COMMAND_H

#include "tui/command/exit.h"
#include "tui/command/output.h"
#include "tui/command/session.h"

enum cv_command_flag {
	CV_COMMAND_RAW = 1,          /* takes its words as they are, options and all */
	CV_COMMAND_HIDDEN = 2,       /* not in help */
	CV_COMMAND_NO_CONFIG = 4,    /* works without the configuration file */
	CV_COMMAND_WRITES = 8,
	CV_COMMAND_NO_JSON = 16,     /* has nothing to say in JSON */
};

struct cv_command {
	const char *name, *args, *what;
	unsigned flags;
	const struct cv_option_row *options;         /* of its own; may be NULL */
	int (*run)(struct cv_session *s, int argc, char **argv);   /* the words; returns the exit status */
};

/* All commands, in the order of commands.def; NULL-ended. */
extern const struct cv_command *const cv_commands[];
/* By name; NULL if there is none. */
const struct cv_command *cv_command_find(const char *name);

/* Says what is wrong on standard error, with a hint for usage errors, and gives the exit status for it. */
int cv_command_fail(const struct cv_session *s, const struct cv_err *err);
/* The same for a usage error with a text of its own. */
int cv_command_usage(const struct cv_session *s, const char *text);
/* Appends what --help prints; NULL is the whole program. */
void cv_help_add(struct cv_text *out, const struct cv_command *command);
/* Writes text to standard output; gives status, or 8 if it could not be written. */
int cv_command_print(const struct cv_text *text, int status);

/* The whole program but for main(): parses the line, runs the command, returns the exit status. */
int cv_program_run(int argc, char **argv);
/* Appends the version and those of libraries. */
void cv_program_version(struct cv_text *out);

#endif
