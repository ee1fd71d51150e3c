/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Merging an image into its parent, for the command and for the console. */
#ifndef TUI_COMMAND_COALESCE_H
#define TUI_COMMAND_COALESCE_H

#include "tui/command/target.h"
#include "tui/write/flow.h"

struct cv_coalesce_call {
	struct cv_image_word image;
	bool leaf;                   /* with its name */
	bool full;                   /* what the parent was is kept */
};

/* The plan that this is. c is borrowed. */
struct cv_write_call cv_coalesce_call_of(struct cv_coalesce_call *c);

#endif
