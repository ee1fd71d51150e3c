/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A report into a new file. */
#ifndef TUI_COMMAND_NEW_FILE_H
#define TUI_COMMAND_NEW_FILE_H

#include "tui/command/output.h"

/* Runs the report into a file that must not exist yet ("-": standard output). Gives status, or more when it could not
 * be written; then no file is left. */
int cv_new_file(const char *path, struct cv_report_call call, int status);

#endif
