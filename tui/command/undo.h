/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How a finished operation is taken back, for the command and for the console. */
#ifndef TUI_COMMAND_UNDO_H
#define TUI_COMMAND_UNDO_H

#include "tui/command/trash.h"

/* An operation as it can be taken back. */
struct cv_undo_call {
	struct cv_trash_call trash;
	char *path;                  /* of the repository; borrowed */
	struct cv_uuid_text id;
};

/* What takes it back; false with CV_EREFUSED if nothing does. repository and undo are borrowed by call. */
bool cv_undo_call_of(const struct cv_operation_entry *e, char *repository, struct cv_undo_call *undo,
		     struct cv_write_call *call, struct cv_err *err);

#endif
