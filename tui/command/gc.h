/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What gc takes away, for the command and for the console. */
#ifndef TUI_COMMAND_GC_H
#define TUI_COMMAND_GC_H

#include "tui/write/flow.h"

struct cv_gc_call {
	const char *repository;      /* as the scan calls it; NULL: the one that is reported on */
	const char *const *only;     /* ids of images: these, leaves that no reference names too; none: all orphans */
	size_t only_count;
};

/* c is borrowed. */
struct cv_write_call cv_gc_call_of(struct cv_gc_call *c);

#endif
