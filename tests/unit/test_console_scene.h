/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A console over the house of handmade.h, with a plan that it must not free, and pictures of it as rows of a table. */
#ifndef TESTS_UNIT_TEST_CONSOLE_SCENE_H
#define TESTS_UNIT_TEST_CONSOLE_SCENE_H

#include "tests/support/handmade.h"
#include "tests/unit/test_console_gallery.h"
#include "tui/command/session.h"

struct scene {
	struct handmade h;
	struct cv_session session;
	struct cv_console *c;
	struct cv_plan plan;
};

/* house: what is added to it before the console sees it; or NULL. */
static inline void scene_begin(struct scene *s, int w, int h, bool ascii, void (*house)(struct handmade *h))
{
	static char *no_arguments;

	*s = (struct scene){ 0 };
	handmade_house(&s->h);
	if (house)
		house(&s->h);
	s->c = console_of(&s->h, w, h, ascii);
	cv_session_init(&s->session, 0, &no_arguments);
	s->c->options.session = &s->session;
}

static inline void end(struct scene *s)
{
	if (s->c->plan.plan == &s->plan)
		s->c->plan.plan = NULL;
	if (s->c->run.plan == &s->plan)
		s->c->run.plan = NULL;
	s->c->run.active = false;
	cv_console_free(s->c);
	cv_session_fini(&s->session);
	handmade_fini(&s->h);
}

static inline void go_to(struct scene *s, const char *name)
{
	send(s->c, "<Enter>/");
	send(s->c, name);
	send(s->c, "<Enter>");
}

/* --- a gallery of a test's own table --------------------------------------------------------------------- */

struct show { const char *name; void (*show)(struct scene *s); };

static struct scene shown_scene;

static inline const char *show_name(const struct gallery *g, size_t i)
{
	return g->shows[i].name;
}

static inline struct cv_console *show_open(const struct gallery *g, size_t i, int w, int h, bool ascii)
{
	g->begin(&shown_scene, g->resized ? 80 : w, g->resized ? 24 : h, ascii);
	g->shows[i].show(&shown_scene);
	if (g->resized) {
		cv_console_resize(shown_scene.c, w, h);
		cv_settle(shown_scene.c);
	}
	/* there is nothing behind it to plan with */
	shown_scene.c->options.session = NULL;
	return shown_scene.c;
}

static inline void show_close(void)
{
	end(&shown_scene);
}

#define GALLERY_OF(rows, larger) \
	{ .count = CV_COUNT(rows), .name = show_name, .open = show_open, .close = show_close, .shows = rows, .begin = begin, .resized = larger }

#endif
