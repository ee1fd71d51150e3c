/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What check looks at besides the findings of the graph: fingerprints of parents, and the space that nobody can read.
 */
#ifndef TUI_COMMAND_CLOSER_H
#define TUI_COMMAND_CLOSER_H

#include <chainview/space.h>

#include "tui/command/session.h"

/* Adds to the graph of a session that has run. What cannot be done is said on standard error, and is no reason to stop.
 * whole: gets the accounting of all images, for the caller to free before the graph; NULL if it was cancelled. NULL: it
 * is not wanted. */
bool cv_session_look_closer(struct cv_session *s, struct cv_space **whole, struct cv_err *err);

#endif
