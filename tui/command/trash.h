/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which images of a trash are meant, for the commands trash and undo and for the console. */
#ifndef TUI_COMMAND_TRASH_H
#define TUI_COMMAND_TRASH_H

#include "tui/command/command.h"
#include "tui/write/flow.h"

/* For so long the trash is kept, if nothing else is said. */
#define CV_TRASH_KEEP_SECONDS (7 * 86400)

/* One image of the trash, by what it never changes. */
struct cv_trash_pick {
	uint8_t operation[16];
	uint32_t index;
};

struct cv_trash_call {
	char *path;                  /* of the repository */
	char *const *words;          /* which images; none: those that the options say */
	size_t word_count;
	const char *operation;       /* undo: all of this one */
	const struct cv_trash_pick *picks;   /* these, and nothing else is asked for */
	size_t pick_count;
	bool purge;
};

/* The plan that this is, for the commands and for the console. c is borrowed. */
struct cv_write_call cv_trash_call_of(struct cv_trash_call *c);

#endif
