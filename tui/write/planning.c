/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See planning.h. */
#include "tui/command/signals.h"
#include "tui/write/planning.h"

struct cv_planning cv_planning_begin(const struct cv_session *s, const char *what)
{
	return (struct cv_planning){ s, what, cv_progress_begin(&s->settings) };
}

bool cv_planning_tick(void *planning, uint64_t done, uint64_t total)
{
	struct cv_planning *p = planning;

	if (p->session->watch_plan)
		p->session->watch_plan(p->session->watch_ctx, p->what, done, total);
	else
		cv_progress_show_bytes(&p->line, p->what, done, total);
	return !cv_signals_stop();
}

void cv_planning_end(struct cv_planning *p)
{
	cv_progress_end(&p->line);
}
