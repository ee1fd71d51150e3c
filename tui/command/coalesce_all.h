/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* coalesce --all: the command's part of it; how they are done is tui/write/merges.h. */
#ifndef TUI_COMMAND_COALESCE_ALL_H
#define TUI_COMMAND_COALESCE_ALL_H

#include "tui/command/command.h"

/* All merges of the repository that the word names; the exit status. */
int cv_coalesce_all(struct cv_session *s, const char *word);

#endif
