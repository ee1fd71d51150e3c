/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * SIGINT and SIGTERM as a flag. The only state here is what a signal handler can reach: one flag.
 */
#include <signal.h>
#include <stddef.h>

#include "tui/command/signals.h"

static volatile sig_atomic_t stopped;

static void note(int number)
{
	(void)number;
	stopped = 1;
}

void cv_signals_catch(void)
{
	/* SA_RESETHAND: whoever presses Ctrl-C twice means it. */
	struct sigaction action = { .sa_handler = note, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool cv_signals_stop(void)
{
	return stopped != 0;
}
