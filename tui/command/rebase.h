/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Another parent for an image, for the command and for the console. */
#ifndef TUI_COMMAND_REBASE_H
#define TUI_COMMAND_REBASE_H

#include "tui/command/target.h"
#include "tui/write/flow.h"

struct cv_rebase_call {
	struct cv_image_word image, onto;
	bool flatten;                /* onto none */
};

/* The plan that this is. c is borrowed. */
struct cv_write_call cv_rebase_call_of(struct cv_rebase_call *c);

#endif
