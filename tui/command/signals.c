/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * SIGINT, SIGTERM and SIGHUP as a flag. The only state here is what a signal handler can reach.
 */
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "tui/command/signals.h"

/* What comes sooner after the first signal is the same wish, sent twice. */
#define SAME_WISH_MS 500

static volatile sig_atomic_t stopped;
static int64_t first_ms;         /* only the handler looks at it, and it is not interrupted by itself */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void note(int number)
{
	if (!stopped) {
		first_ms = now_ms();
		stopped = 1;
	} else if (now_ms() - first_ms >= SAME_WISH_MS) {
		/* whoever presses Ctrl-C again means it */
		signal(number, SIG_DFL);
		raise(number);
	}
}

void cv_signals_catch(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	enum { COUNT = sizeof numbers / sizeof numbers[0] };
	struct sigaction action = { .sa_handler = note }, before;

	sigemptyset(&action.sa_mask);
	for (int i = 0; i < COUNT; i++)
		sigaddset(&action.sa_mask, numbers[i]);
	for (int i = 0; i < COUNT; i++)
		if (numbers[i] != SIGHUP || sigaction(SIGHUP, NULL, &before) || before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

bool cv_signals_stop(void)
{
	return stopped != 0;
}
