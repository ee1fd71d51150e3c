/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which images of a trash are meant, for the commands trash and undo. */
#ifndef TUI_COMMAND_TRASH_H
#define TUI_COMMAND_TRASH_H

#include "tui/command/write.h"

struct cv_trash_call {
	char *path;                  /* of the repository */
	char *const *words;          /* which images; none: those that the options say */
	size_t word_count;
	const char *operation;       /* undo: all of this one */
	bool purge;
};

/* Puts back what is meant; gives the exit status. */
int cv_trash_restore(struct cv_session *s, struct cv_trash_call *c);

#endif
