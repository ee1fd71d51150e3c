/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The loop: keys in, effects carried out, frames out, the scan stepped in between. Any screen will do. */
#include "tui/cell/cells.h"
#include "tui/console.h"

#define STEP_MS 25               /* how long a key may have to wait for a step of the scan */

struct loop {
	struct cv_console *console;
	struct cv_feed *feed;
	const struct cv_screen_ops *screen;
	void *self;
	struct cv_cells frame;
};

static bool fit(struct loop *l)
{
	struct cv_cells bigger;
	int w, h;

	l->screen->size(l->self, &w, &h);
	if (l->frame.at && l->frame.w == w && l->frame.h == h)
		return true;
	if (!cv_cells_init(&bigger, w, h, false))
		return l->frame.at != NULL;
	cv_cells_fini(&l->frame);
	l->frame = bigger;
	cv_console_resize(l->console, l->frame.w, l->frame.h);
	return true;
}

/* Does what the last key asked for; returns false when that was the end. */
static bool carry_out(struct loop *l, unsigned fx)
{
	struct cv_err err = { 0 };

	if (fx & (FX_SUSPEND | FX_REPAINT))
		l->screen->suspend(l->self, !(fx & FX_SUSPEND));
	if (fx & FX_RESCAN && l->feed && !cv_feed_restart(l->feed, &err))
		cv_console_say(l->console, "%s", err.text);
	if (fx & FX_STOP && l->feed)
		cv_feed_stop(l->feed);
	return !(fx & FX_QUIT);
}

bool cv_console_run(struct cv_console *c, struct cv_feed *feed, const struct cv_screen_ops *screen, void *self)
{
	struct loop l = { .console = c, .feed = feed, .screen = screen, .self = self };
	unsigned fx = FX_REDRAW;

	while (fit(&l) && carry_out(&l, fx)) {
		bool busy;

		if (fx & FX_REDRAW) {
			cv_console_draw(c, &l.frame);
			screen->flush(self, &l.frame);
		}
		fx = 0;
		busy = feed && cv_console_tick(c, feed, STEP_MS, &fx);
		busy |= cv_console_work(c, STEP_MS, &fx);
		/* with nothing to do this waits; a new frame is not held back by waiting for a key */
		fx |= cv_console_key(c, screen->key(self, busy || fx ? 0 : cv_console_wait(c)));
	}
	cv_cells_fini(&l.frame);
	return !(fx & FX_INTERRUPT);
}
