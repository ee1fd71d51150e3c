/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How bad findings are, as an exit status. */
#ifndef TUI_COMMAND_CHECK_H
#define TUI_COMMAND_CHECK_H

#include "tui/command/session.h"

int cv_check_status(const struct cv_session *s);

#endif
