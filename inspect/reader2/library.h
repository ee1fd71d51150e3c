/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * libvhdi and libqcow as one kind of reader: a chain of their files over our byte sources. What they can be trusted
 * with is not known here (gate.h). Runs in a task's process only: libqcow can hang and crash.
 */
#ifndef CV_INSPECT_READER2_LIBRARY_H
#define CV_INSPECT_READER2_LIBRARY_H

#include "inspect/source/bfio.h"
#include <chainview/facts.h>

struct cv_library;

struct cv_library_file {
	intptr_t *file;              /* libvhdi_file_t or libqcow_file_t */
	libbfio_handle_t *handle;
	struct cv_source *view;      /* owned: what the library is shown */
};

struct cv_library_chain {
	const struct cv_library *library;
	struct cv_library_file *files;
	size_t count;
};

/* Room for count files of a format; they are then opened from the image (0) to the lowest. */
bool cv_library_init(struct cv_library_chain *c, enum cv_format_id format, size_t count, struct cv_err *err);
/* Takes *view. size: of the disk, as the library sees it. */
bool cv_library_open(struct cv_library_chain *c, size_t i, struct cv_source **view, uint64_t *size, struct cv_err *err);
/* After all are open. */
bool cv_library_link(struct cv_library_chain *c, struct cv_err *err);
bool cv_library_read(struct cv_library_chain *c, void *buf, size_t len, uint64_t off, struct cv_err *err);
/* Children first, then their handles. */
void cv_library_fini(struct cv_library_chain *c);

#endif
