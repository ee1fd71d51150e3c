/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The files that dump writes: the document with its checksum, and the maps. None is ever written over. */
#ifndef TUI_COMMAND_DUMP_FILES_H
#define TUI_COMMAND_DUMP_FILES_H

#include <chainview/dump.h>

#include "tui/command/output.h"

/* The folder of --maps; made if it is not there. */
struct cv_maps_folder {
	const char *path;
	int dirfd, fd;               /* fd: the file being written; -1 */
	struct cv_output *output;
};
bool cv_maps_folder_open(struct cv_maps_folder *folder, const char *path, struct cv_err *err);
void cv_maps_folder_close(struct cv_maps_folder *folder);
struct cv_dump_files cv_maps_folder_files(struct cv_maps_folder *folder);

/* True if neither FILE nor FILE.sha256 is there. */
bool cv_dump_file_is_free(const char *path, struct cv_err *err);
/* Writes the document into path, and its SHA-256 into path.sha256 as sha256sum -c reads it. Gives status, or more. */
int cv_dump_file(const char *path, struct cv_report_call call, int status);

#endif
