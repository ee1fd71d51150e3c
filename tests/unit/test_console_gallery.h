/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pictures of a console that a test can make, and what holds for all of them. */
#ifndef TESTS_UNIT_TEST_CONSOLE_GALLERY_H
#define TESTS_UNIT_TEST_CONSOLE_GALLERY_H

#include "tests/unit/test_console.h"

struct scene;
struct show;

struct gallery {
	size_t count;
	const char *(*name)(const struct gallery *g, size_t i);      /* of its golden texts */
	/* The console with the i-th picture, until close(). One is open at a time. */
	struct cv_console *(*open)(const struct gallery *g, size_t i, int w, int h, bool ascii);
	void (*close)(void);
	/* For test_console_scene.h: rows, and how a scene begins; resized: keys want a larger screen than the picture. */
	const struct show *shows;
	void (*begin)(struct scene *s, int w, int h, bool ascii);
	bool resized;
};

static inline void gallery_is_as_it_was(const struct gallery *g)
{
	for (size_t i = 0; i < g->count; i++)
		for (size_t k = 0; k < CV_COUNT(sizes); k++)
			for (int ascii = 0; ascii < 2; ascii++) {
				compare_screen(g->open(g, i, sizes[k].w, sizes[k].h, ascii), g->name(g, i));
				g->close();
			}
}

/* Each key twice and Enter behind it, on every step-th picture. */
static inline void gallery_bears_every_key(const struct gallery *g, size_t step)
{
	struct cv_text t = { 0 };

	for (size_t i = 0; i < g->count; i += step)
		for (int key = 1; key < 256 + 24; key++) {
			int code = key < 256 ? key : CV_KEY_UP + key - 256;
			struct cv_console *c = g->open(g, i, 80, 24, true);

			cv_console_key(c, code);
			picture(c, &t);
			cv_console_key(c, code);
			cv_console_key(c, CV_KEY_ENTER);
			picture(c, &t);
			g->close();
		}
	cv_text_fini(&t);
}

static inline void gallery_bears_every_size(const struct gallery *g)
{
	struct cv_text t = { 0 };

	for (size_t i = 0; i < g->count; i++)
		for (int w = 40; w < 130; w += 7)
			for (int h = 8; h < 44; h += 3) {
				picture(g->open(g, i, w, h, w % 2), &t);
				g->close();
			}
	cv_text_fini(&t);
}

#endif
