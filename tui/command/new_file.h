/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A report into a new file, or in the place of an old one. */
#ifndef TUI_COMMAND_NEW_FILE_H
#define TUI_COMMAND_NEW_FILE_H

#include <sys/types.h>

#include "tui/command/output.h"

/* Runs the report into a file that must not exist yet ("-": standard output). Gives status, or more when it could not
 * be written; then no file is left. */
int cv_new_file(const char *path, struct cv_report_call call, int status);

/* Writes a report beside a file and puts it in its place when all of it is on the disk. A link of that name is replaced,
 * not followed. */
bool cv_replace_file(const char *path, mode_t mode, struct cv_report_call call, struct cv_err *err);
/* The same in a folder that is open. */
bool cv_replace_file_at(int folder, const char *name, mode_t mode, struct cv_report_call call, struct cv_err *err);
/* The same for a path that the user gave: only over nothing, an empty file, or one that begins like an earlier report.
 * A device, a link or a disk image of that name stays what it is. */
bool cv_replace_own_file(const char *path, const char *beginning, struct cv_report_call call, struct cv_err *err);

#endif
