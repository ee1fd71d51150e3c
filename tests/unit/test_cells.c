/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The cell buffer: widths, clipping, elision, frames, bars, the theme, paper. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tui/cell/paper.h"

static void assert_dump(const struct cv_cells *c, const char *expected)
{
	struct cv_text t = { 0 };

	cv_cells_dump(c, &t);
	assert_string_equal(cv_text_str(&t), expected);
	cv_text_fini(&t);
}

static const struct width_case { const char *name, *text; int utf8, ascii; } widths[] = {
	{ "plain", "abc", 3, 3 },
	{ "wide", "\xe4\xb8\xad\xe6\x96\x87", 4, 16 },
	{ "combining", "e\xcc\x81", 1, 9 },
	{ "a mark alone stands on a circle", "\xcc\x81x", 2, 9 },
	{ "three marks on one character", "a\xcc\x81\xcc\x81\xcc\x81", 1, 25 },
	{ "not UTF-8", "\xff", 4, 4 },
	{ "control", "\x1b", 8, 8 },
	{ "empty", "", 0, 0 },
};

static void widths_are_what_the_terminal_uses(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(widths); i++) {
		if (cv_text_columns(widths[i].text, false) != widths[i].utf8 ||
		    cv_text_columns(widths[i].text, true) != widths[i].ascii)
			fail_msg("%s: %d, %d", widths[i].name, cv_text_columns(widths[i].text, false),
				 cv_text_columns(widths[i].text, true));
	}
}

static void no_control_character_ever_gets_into_a_cell(void **state)
{
	struct cv_cells c;

	(void)state;
	assert_true(cv_cells_init(&c, 20, 1, false));
	cv_cells_put(&c, 0, 0, 20, CV_INK_TEXT, "a\x1b[2J\x7f\n\xc2\x9b");
	for (int i = 0; i < 20; i++)
		assert_true(c.at[i].ch >= 0x20 && c.at[i].ch < 0x7f);
	cv_cells_fini(&c);
}

static void a_wide_character_is_never_cut_in_half(void **state)
{
	struct cv_cells c;

	(void)state;
	assert_true(cv_cells_init(&c, 5, 4, false));
	assert_int_equal(cv_cells_put(&c, 0, 0, 5, CV_INK_TEXT, "ab\xe4\xb8\xad\xe6\x96\x87"), 4);
	assert_int_equal(cv_cells_put(&c, 0, 1, 3, CV_INK_TEXT, "ab\xe4\xb8\xad"), 2);
	cv_cells_put(&c, 0, 2, 5, CV_INK_TEXT, "\xe4\xb8\xad\xe6\x96\x87");
	cv_cells_put(&c, 1, 2, 1, CV_INK_TEXT, "x");
	cv_cells_put(&c, 0, 3, 5, CV_INK_TEXT, "\xe4\xb8\xad\xe6\x96\x87");
	cv_cells_put(&c, 2, 3, 1, CV_INK_TEXT, "y");
	assert_dump(&c, "ab\xe4\xb8\xad\nab\n x\xe6\x96\x87\n\xe4\xb8\xady\n");
	cv_cells_fini(&c);
}

static void combining_marks_stay_on_their_character(void **state)
{
	struct cv_cells c;

	(void)state;
	assert_true(cv_cells_init(&c, 8, 1, false));
	cv_cells_put(&c, 0, 0, 8, CV_INK_TEXT, "re\xcc\x81sume\xcc\x81");
	assert_int_equal(c.at[1].mark[0], 0x301);
	assert_dump(&c, "re\xcc\x81sume\xcc\x81\n");
	cv_cells_fini(&c);
}

static const struct elide_case { const char *text; int w; bool ascii; const char *expected; } elisions[] = {
	{ "short", 8, true, "short\n" },
	{ "0123456789abcdef", 9, true, "0123~cdef\n" },
	{ "0123456789abcdef", 16, true, "0123456789abcdef\n" },
	{ "0123456789abcdef", 9, false, "0123\xe2\x80\xa6" "cdef\n" },
	{ "0123456789", 2, true, "01\n" },
	{ "\xe4\xb8\xad\xe6\x96\x87\xe7\xa3\x81\xe7\x9b\x98", 6, false, "\xe4\xb8\xad\xe2\x80\xa6 \xe7\x9b\x98\n" },
	{ "", 4, true, "\n" },
};

static void long_text_loses_its_middle(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(elisions); i++) {
		struct cv_cells c;

		assert_true(cv_cells_init(&c, 20, 1, elisions[i].ascii));
		assert_true(cv_cells_elide(&c, 0, 0, elisions[i].w, CV_INK_TEXT, elisions[i].text) <= elisions[i].w);
		assert_dump(&c, elisions[i].expected);
		cv_cells_fini(&c);
	}
}

static void long_sentences_lose_their_last_words(void **state)
{
	static const struct elide_case rows[] = {
		{ "its child has written", 22, true, "its child has written\n" },
		{ "its child has written", 20, true, "its child has~\n" },
		{ "its child has written", 14, true, "its child has~\n" },
		{ "its child has written", 13, true, "its child~\n" },
		{ "its child  has written", 12, false, "its child\xe2\x80\xa6\n" },
		{ "unreadable words", 8, true, "unreada~\n" },
		{ " unreadable", 6, true, " unre~\n" },
		{ "\xe4\xb8\xad\xe6\x96\x87\xe7\xa3\x81", 4, false, "\xe4\xb8\xad\xe2\x80\xa6\n" },
		{ "words", 2, true, "wo\n" },
		{ "", 4, true, "\n" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_cells c;

		assert_true(cv_cells_init(&c, 24, 1, rows[i].ascii));
		assert_true(cv_cells_words(&c, 0, 0, rows[i].w, CV_INK_TEXT, rows[i].text) <= rows[i].w);
		assert_dump(&c, rows[i].expected);
		cv_cells_fini(&c);
	}
}

/* The buffer lies between two guards, and AddressSanitizer watches the rest. */
static void drawing_outside_touches_nothing(void **state)
{
	(void)state;
	for (int w = 1; w < 12; w++) {
		struct cv_cells c;

		assert_true(cv_cells_init(&c, w, 3, false));
		for (int x = -9; x < 15; x++)
			for (int y = -3; y < 6; y++) {
				cv_cells_put(&c, x, y, 30, CV_INK_TEXT, "wide \xe4\xb8\xad\xe6\x96\x87 text");
				cv_cells_elide(&c, x, y, 7, CV_INK_TEXT, "something rather long");
				cv_cells_words(&c, x, y, 7, CV_INK_TEXT, "something rather long");
				cv_cells_right(&c, x, y, 6, CV_INK_TEXT, "9.6G");
				cv_cells_box(&c, (struct cv_area){ x, y, 12, 4 }, "title");
				cv_cells_bar(&c, x, y, 9, 3, 7);
				cv_cells_cursor(&c, x, y, 20);
				cv_cells_paint(&c, x, y, 20, CV_INK_ERROR);
			}
		cv_cells_fini(&c);
	}
}

static void a_frame_has_corners_sides_and_a_title(void **state)
{
	struct cv_cells c;

	(void)state;
	assert_true(cv_cells_init(&c, 16, 3, true));
	cv_cells_box(&c, (struct cv_area){ 0, 0, 16, 3 }, "image");
	assert_dump(&c, "+-- image -----+\n|              |\n+--------------+\n");
	cv_cells_fini(&c);
}

static const struct bar_case { uint64_t part, total; const char *expected;
} bars[] = {
	{ 0, 10, "[........]\n" },
	{ 5, 10, "[####....]\n" },
	{ 10, 10, "[########]\n" },
	{ 20, 10, "[########]\n" },
	{ 1, 0, "[........]\n" },
	{ UINT64_MAX / 2, UINT64_MAX, "[####....]\n" },
	{ UINT64_MAX, UINT64_MAX, "[########]\n" },
};

static void bars_show_parts_of_any_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(bars); i++) {
		struct cv_cells c;

		assert_true(cv_cells_init(&c, 12, 1, true));
		cv_cells_bar(&c, 0, 0, 10, bars[i].part, bars[i].total);
		assert_dump(&c, bars[i].expected);
		cv_cells_fini(&c);
	}
}

static void every_ink_has_a_look_on_every_terminal(void **state)
{
	static const int colors[] = { 0, 8, 16, 88, 256, 1 << 24 };

	(void)state;
	for (int ink = 0; ink < CV_INK_COUNT; ink++) {
		assert_true(cv_ink_name((enum cv_ink)ink)[0]);
		for (size_t i = 0; i < CV_COUNT(colors); i++) {
			struct cv_look look = cv_theme_look((enum cv_ink)ink, colors[i]);

			/* a colour that the terminal does not have came out black on black once */
			assert_true(look.color >= -1 && look.color < (colors[i] >= 8 ? colors[i] : 1));
			assert_true(colors[i] >= 8 || look.color == -1);
			assert_true(look.attributes <= 7);
		}
	}
	/* on a terminal without colours errors and warnings still stand out */
	assert_true(cv_theme_look(CV_INK_ERROR, 0).attributes);
	assert_true(cv_theme_look(CV_INK_WARNING, 0).attributes);
	assert_int_equal(cv_theme_look(CV_INK_ERROR, 256).color, 160);
	assert_int_equal(cv_theme_look(CV_INK_WARNING, 256).color, 214);
}

static void paper_wraps_fields_below_themselves(void **state)
{
	struct cv_paper p = { 0 };
	struct cv_cells c;

	(void)state;
	assert_true(cv_cells_init(&c, 24, 6, true));
	cv_paper_begin(&p, 24, true);
	cv_paper_open(&p, "state");
	cv_paper_field(&p, 6, "Merge", CV_INK_TEXT, "possible into its parent");
	cv_paper_field(&p, 6, "Id", CV_INK_TEXT, "0123456789abcdef");
	cv_paper_close(&p);
	cv_paper_draw(&p, &c, (struct cv_area){ 0, 0, 24, 6 }, 0);
	assert_dump(&c, "+-- state -------------+\n| Merge possible into  |\n|       its parent     |\n"
			"| Id    0123456789abcd |\n|       ef             |\n+----------------------+\n");
	cv_paper_fini(&p);
	cv_cells_fini(&c);
}

static void paper_breaks_paths_between_their_names(void **state)
{
	static const struct { const char *value, *lines[3]; } rows[] = {
		{ "/srv/images/20260301T020000Z.vhd", { "/srv/images/", "20260301T020000Z.vhd" } },
		{ "found in /srv/images/day/one.vhd", { "found in", "/srv/images/day/", "one.vhd" } },
		{ "/a-name-that-is-longer-than-that", { "/a-name-that-is-long", "er-than-that" } },
		{ "/srv/a/\\x2f/b/cdefghijklmnop", { "/srv/a/\\x2f/b/", "cdefghijklmnop" } },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_text want = { 0 }, got = { 0 };
		struct cv_paper p = { 0 };

		cv_paper_begin(&p, 22, true);
		cv_paper_text(&p, CV_INK_TEXT, rows[i].value);
		for (size_t n = 0; n < CV_COUNT(rows[i].lines) && rows[i].lines[n]; n++)
			cv_text_addf(&want, " %s\n", rows[i].lines[n]);
		for (size_t n = 0; n < p.lines.len; n++) {
			cv_paper_line_text(&p, n, &got);
			cv_text_add(&got, "\n");
		}
		assert_string_equal(cv_text_str(&got), cv_text_str(&want));
		cv_text_fini(&want);
		cv_text_fini(&got);
		cv_paper_fini(&p);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths_are_what_the_terminal_uses),
		cmocka_unit_test(no_control_character_ever_gets_into_a_cell),
		cmocka_unit_test(a_wide_character_is_never_cut_in_half),
		cmocka_unit_test(combining_marks_stay_on_their_character),
		cmocka_unit_test(long_text_loses_its_middle),
		cmocka_unit_test(long_sentences_lose_their_last_words),
		cmocka_unit_test(drawing_outside_touches_nothing),
		cmocka_unit_test(a_frame_has_corners_sides_and_a_title),
		cmocka_unit_test(bars_show_parts_of_any_size),
		cmocka_unit_test(every_ink_has_a_look_on_every_terminal),
		cmocka_unit_test(paper_wraps_fields_below_themselves),
		cmocka_unit_test(paper_breaks_paths_between_their_names),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("cells", tests, NULL, NULL) ? 1 : 0;
}
