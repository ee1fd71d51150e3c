/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the tests of the console share: a console over a graph made by hand, key scripts, what is on the screen. */
#ifndef CV_TESTS_UNIT_TEST_CONSOLE_H
#define CV_TESTS_UNIT_TEST_CONSOLE_H

#include <ctype.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/handmade.h"
#include "tui/console_model.h"
#include "tui/screen_text.h"

static const struct cv_place one_place[] = { { .path = "/srv/images/sr-ssd" }, { .path = "/srv/images/libvirt" } };

static inline struct cv_console *console_of(const struct handmade *h, int w, int height, bool ascii)
{
	struct cv_console_options options = { .program = "chainview 1.0", .title = "xen07", .ascii = ascii,
		.scan = { .places = one_place, .place_count = 2 } };
	struct cv_console *c = cv_console_new(&options);

	assert_non_null(c);
	cv_console_resize(c, w, height);
	if (h)
		assert_true(cv_console_show(c, &h->snapshot));
	/* large trees begin folded; here every row is wanted */
	cv_ident_set_clear(&c->folded);
	cv_touch(c, ~0u);
	cv_settle(c);
	return c;
}

/* Sends a script; <Resize> works, frames are not drawn. Returns the effects of all keys. */
static inline unsigned send(struct cv_console *c, const char *script)
{
	struct cv_screen_text s = { .script = script, .w = c->w, .h = c->h };
	unsigned fx = 0;

	while (*s.script) {
		int key = cv_script_key(&s);

		cv_console_resize(c, s.w, s.h);
		fx |= cv_console_key(c, key);
	}
	cv_screen_text_fini(&s);
	return fx;
}

static inline void picture(const struct cv_console *c, struct cv_text *out)
{
	struct cv_cells frame;

	assert_true(cv_cells_init(&frame, c->w, c->h, c->ascii));
	cv_console_draw(c, &frame);
	cv_text_clear(out);
	cv_cells_dump(&frame, out);
	cv_cells_fini(&frame);
}

static inline void assert_shows(const struct cv_console *c, const char *text, bool wanted)
{
	struct cv_text t = { 0 };

	picture(c, &t);
	if ((strstr(cv_text_str(&t), text) != NULL) != wanted)
		fail_msg("the screen should %sshow \"%s\":\n%s", wanted ? "" : "not ", text, cv_text_str(&t));
	cv_text_fini(&t);
}

/* Compares with tests/golden/NAME.txt, or writes it. */
static inline void compare_golden(const char *name, const struct cv_text *t)
{
	const char *mode = getenv("GOLDEN");
	char path[256], *old = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof path, "tests/golden/%s.txt", name);
	if (mode && !strcmp(mode, "write")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(cv_text_str(t), f);
		fclose(f);
		return;
	}
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s is missing; GOLDEN=write makes it", path);
	if (getdelim(&old, &size, '\0', f) < 0)
		fail_msg("%s is empty", path);
	fclose(f);
	if (strcmp(old, cv_text_str(t)) != 0) {
		print_message("%s\nis not %s:\n%s", cv_text_str(t), path, old);
		free(old);
		fail_msg("%s differs", path);
	}
	free(old);
}

/* Compares what is on the screen with its golden text. */
static inline void compare_screen(const struct cv_console *c, const char *name)
{
	struct cv_text t = { 0 };
	char full[64];

	picture(c, &t);
	for (size_t n = 0; c->ascii && n < t.len; n++)
		assert_true(t.at[n] == '\n' || (t.at[n] >= 0x20 && t.at[n] < 0x7f));
	snprintf(full, sizeof full, "%s-%dx%d%s", name, c->w, c->h, c->ascii ? "-ascii" : "");
	compare_golden(full, &t);
	cv_text_fini(&t);
}

/* The text of the row under the cursor. */
static inline const char *row_name(const struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));

	return image ? image->id : "";
}

static const struct { const char *name, *script; } screens[] = {
	{ "repositories", "" },
	{ "tree", "<Enter>Gkkkk" },
	{ "folded", "<Enter>-" },
	{ "deep", "<Enter>+gjjjjjjjjjjjjjjjjjjjjjjjj" },
	{ "hostile", "j<Enter>j" },
	{ "marks", "<Enter>G <Up> " },
	{ "sort", "<Enter>s" },
	{ "filter", "<Enter>\\flag:H depth>3<Enter>" },
	{ "prompt", "<Enter>/web" },
	{ "details", "<Enter>/web01-mid<Enter>i" },
	{ "lost", "f<Enter>i" },
	{ "findings", "fj" },
	{ "help", "?" },
	{ "symbols", "?<Tab>" },
	{ "words", "?<Tab><Tab>" },
};
static const struct { int w, h; } sizes[] = { { 60, 16 }, { 80, 24 }, { 120, 40 } };

/* A second scan: other indexes, one image gone, one new, the same inodes for the rest. */
static inline void rescan_house(struct handmade *h)
{
	handmade_init(h, 2, 64);
	handmade_add(h, 0, "aaa-new.vhd", CV_NO_IMAGE, 1 << 30);
	h->files[0].inode = 5000;
	handmade_add(h, 0, "web01-base.vhd", CV_NO_IMAGE, 38ull << 30);
	h->files[1].inode = 1027;
	handmade_add(h, 0, "web01-mid.vhd", 1, 9ull << 30);
	h->files[2].inode = 1028;
	handmade_add(h, 0, "web01-renamed.vhd", 2, 6ull << 30);
	h->files[3].inode = 1030;
	handmade_finish(h);
}

#endif
