/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Files that are written to, as byte sources for the parsers: what these say of an image is the truth, also here. */
#ifndef CV_REPAIR_IO_SOURCE_H
#define CV_REPAIR_IO_SOURCE_H

#include "repair/io/io.h"
#include <chainview/source.h>

/* Borrows the descriptor. */
struct cv_source *cv_io_source(const struct cv_io *io, int fd, struct cv_err *err);

#endif
