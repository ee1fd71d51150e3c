/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The accounting of space for commands: to its end, with progress, until a signal comes. */
#ifndef TUI_COMMAND_SURVEY_H
#define TUI_COMMAND_SURVEY_H

#include <chainview/space.h>

#include "tui/command/session.h"

/* What was done before a signal came is there all the same. */
struct cv_space *cv_session_survey(struct cv_session *s, const struct cv_space_options *how, struct cv_err *err);

#endif
