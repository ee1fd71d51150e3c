/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What an operation is called in lists of them, for the command and for the console. */
#ifndef TUI_COMMAND_JOURNAL_H
#define TUI_COMMAND_JOURNAL_H

#include <chainview/operation.h>

/* "rebase", and "flatten" where it was begun as that. */
const char *cv_journal_what(const struct cv_operation_entry *e);
/* Columns that these words need: those of the heading, "WHAT", at least. */
size_t cv_journal_what_width(const struct cv_operation_list *list);

#endif
