/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * SIGINT, SIGTERM and SIGHUP as a flag that loops ask for. A further one that comes half a second or more after the
 * first ends the program at once: timeout(1) and service managers may send the same one twice.
 */
#ifndef TUI_COMMAND_SIGNALS_H
#define TUI_COMMAND_SIGNALS_H

#include <stdbool.h>

/* From now on the first of them only sets the flag. A SIGHUP that is ignored (nohup) stays so. */
void cv_signals_catch(void);
/* True once one has arrived. */
bool cv_signals_stop(void);

#endif
