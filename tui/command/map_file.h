/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A report into a new file, for pictures. */
#ifndef TUI_COMMAND_MAP_FILE_H
#define TUI_COMMAND_MAP_FILE_H

#include "tui/command/output.h"

/* Runs the report into a file that must not exist yet ("-": standard output). Gives status, or more when it could not
 * be written; then no file is left. */
int cv_map_file(const char *path, struct cv_report_call call, int status);

#endif
