/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Settling what a crash left, for the command and for the console. */
#ifndef TUI_COMMAND_RECOVER_H
#define TUI_COMMAND_RECOVER_H

#include "tui/write/flow.h"

/* True if recovery would look at it. */
bool cv_recover_concerns(const struct cv_operation_entry *e);
/* Settles everything that is unfinished there. Counts what it settled, also when another one failed. */
bool cv_recover_repository(const char *path, const struct cv_recover_options *how, size_t *settled,
			   struct cv_err *err);

#endif
