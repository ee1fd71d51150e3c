/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * SIGINT and SIGTERM as a flag that loops ask for. The second signal of a kind ends the program at once.
 */
#ifndef TUI_COMMAND_SIGNALS_H
#define TUI_COMMAND_SIGNALS_H

#include <stdbool.h>

/* From now on the first SIGINT or SIGTERM only sets the flag. */
void cv_signals_catch(void);
/* True once one has arrived. */
bool cv_signals_stop(void);

#endif
