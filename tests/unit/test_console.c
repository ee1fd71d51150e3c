/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The console without a terminal: golden screens of every view, key scripts, rescans, hostile names. GOLDEN=write in
 * the environment writes the screens in tests/golden/ anew.
 */
#include "tests/unit/test_console.h"
#include "tests/support/handmade.h"
#include "tui/console_model.h"

static void every_screen_is_as_it_was(void **state)
{
	struct handmade h;

	(void)state;
	handmade_house(&h);
	for (size_t i = 0; i < CV_COUNT(screens); i++)
		for (size_t s = 0; s < CV_COUNT(sizes); s++)
			for (int ascii = 0; ascii < 2; ascii++) {
				struct cv_console *c = console_of(&h, sizes[s].w, sizes[s].h, ascii);

				send(c, screens[i].script);
				compare_screen(c, screens[i].name);
				cv_console_free(c);
			}
	handmade_fini(&h);
}

static void an_ascii_screen_holds_ascii_only(void **state)
{
	struct handmade h;
	struct cv_text t = { 0 };

	(void)state;
	handmade_house(&h);
	for (size_t i = 0; i < CV_COUNT(screens); i++) {
		struct cv_console *c = console_of(&h, 120, 40, true);

		send(c, screens[i].script);
		picture(c, &t);
		for (size_t k = 0; k < t.len; k++)
			assert_true(t.at[k] == '\n' || (t.at[k] >= 0x20 && t.at[k] < 0x7f));
		cv_console_free(c);
	}
	cv_text_fini(&t);
	handmade_fini(&h);
}

static void what_is_advisory_is_called_so(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 120, 40, true);
	send(c, "f");
	assert_shows(c, "advisory: ", false);
	cv_console_free(c);
	for (size_t i = 0; i < h.finding_count; i++)
		h.findings[i].advisory = h.findings[i].image != CV_NO_IMAGE;
	c = console_of(&h, 120, 40, true);
	send(c, "f");
	assert_shows(c, "advisory: ", true);
	send(c, "<Enter>");
	assert_shows(c, "advisory: ", true);
	cv_console_free(c);
	handmade_fini(&h);
}

static void a_search_says_which_of_how_many_and_goes_round(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	send(c, "<Enter>-/web01<Enter>");
	assert_shows(c, "\"web01\": 1 of 4", true);
	assert_string_equal(row_name(c), "web01-base.vhd");
	send(c, "nn");
	assert_shows(c, "\"web01\": 3 of 4", true);
	/* it was folded away: the search has unfolded what it hangs on */
	assert_string_equal(row_name(c), "web01-nightly.vhd");
	send(c, "nn");
	assert_string_equal(row_name(c), "web01-base.vhd");
	send(c, "N");
	assert_string_equal(row_name(c), "web01-root.vhd");
	send(c, "/no such thing<Enter>");
	assert_shows(c, "not found", true);
	assert_string_equal(row_name(c), "web01-root.vhd");
	send(c, "/abc<Esc>");
	assert_string_equal(row_name(c), "web01-root.vhd");
	cv_console_free(c);
	handmade_fini(&h);
}

static const struct { const char *filter; size_t matches;
} filters[] = {
	{ "flag:O", 1 },
	{ "depth>=25", 2 },
	{ "depth>5 flag:H", 20 },
	{ "web01", 4 },
	{ "!web01 depth=0", 2 },
	{ "format:vpc", 33 },
	{ "format:qcow2", 0 },
	{ "role:orphan", 1 },
	{ "alloc>30G", 2 },
	{ "finding:orphan", 1 },
	{ "severity:error", 1 },
	{ "parent:missing", 1 },
	{ "refs=0 flag:C", 1 },
	{ "nothing-has-this-name", 0 },
	{ "", 33 },
	{ "  ", 33 },
	{ "size:96G", 33 },
	{ "children>1", 1 },
};

static void filters_let_through_what_they_say(void **state)
{
	struct handmade h;

	(void)state;
	handmade_house(&h);
	for (size_t i = 0; i < CV_COUNT(filters); i++) {
		struct cv_console *c = console_of(&h, 80, 24, true);
		char script[128];
		size_t matches = 0;

		snprintf(script, sizeof script, "<Enter>\\%s<Enter>", filters[i].filter);
		send(c, script);
		for (size_t r = 0; r < c->tree_rows.len; r++)
			matches += !c->tree_rows.at[r].context;
		if (matches != filters[i].matches)
			fail_msg("%s: %zu", filters[i].filter, matches);
		cv_console_free(c);
	}
	handmade_fini(&h);
}

static const char *const bad_filters[] = { "depth>many",        "flag:",           "depth:", "flag>3",
					   "a b c d e f g h i", "size>9999999999T" };

static void a_filter_that_is_not_understood_changes_nothing(void **state)
{
	struct handmade h;

	(void)state;
	handmade_house(&h);
	for (size_t i = 0; i < CV_COUNT(bad_filters); i++) {
		struct cv_console *c = console_of(&h, 80, 24, true);
		char script[128];

		snprintf(script, sizeof script, "<Enter>\\%s<Enter>", bad_filters[i]);
		send(c, script);
		assert_shows(c, "filter: ", true);
		assert_int_equal(c->tree_rows.len, 33);
		cv_console_free(c);
	}
	handmade_fini(&h);
}

static void folding_keeps_the_cursor_on_its_image(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	send(c, "<Enter>/web01-mid<Enter>h");
	assert_string_equal(row_name(c), "web01-mid.vhd");
	assert_shows(c, "(2 below)", true);
	assert_shows(c, "web01-root", false);
	send(c, "l");
	assert_shows(c, "web01-root", true);
	send(c, "l");
	assert_string_equal(row_name(c), "web01-nightly.vhd");
	send(c, "hhP");
	assert_string_equal(row_name(c), "web01-base.vhd");
	send(c, "<Enter>");
	assert_shows(c, "(3 below)", true);
	send(c, "-");
	assert_int_equal(c->tree_rows.len, 4);
	send(c, "+");
	assert_int_equal(c->tree_rows.len, 33);
	assert_string_equal(row_name(c), "web01-base.vhd");
	cv_console_free(c);
	handmade_fini(&h);
}

static void marks_add_up_and_go(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	send(c, "<Enter>/x-orphan<Enter> /web01-root<Enter> g");
	assert_shows(c, "2 marked, 64G", true);
	send(c, "/x-orphan<Enter> g");
	assert_shows(c, "1 marked, 6G", true);
	send(c, "u");
	assert_shows(c, "marked", false);
	cv_console_free(c);
	handmade_fini(&h);
}

static void selection_folds_and_marks_survive_a_rescan_and_a_resize(void **state)
{
	struct handmade first, second;
	struct cv_console *c;

	(void)state;
	handmade_house(&first);
	rescan_house(&second);
	c = console_of(&first, 80, 24, true);
	send(c, "<Enter>/web01-root<Enter> /web01-root<Enter>");
	assert_int_equal(send(c, "R") & FX_RESCAN, FX_RESCAN);
	assert_true(cv_console_show(c, &second.snapshot));
	assert_string_equal(row_name(c), "web01-renamed.vhd");
	assert_shows(c, "aaa-new", true);
	send(c, "<Resize 120x40><Resize 20x5><Resize 61x17>");
	assert_string_equal(row_name(c), "web01-renamed.vhd");
	assert_int_equal(c->marked.len, 1);
	assert_true(c->marked_bytes == 6ull << 30);
	send(c, "Ph");
	assert_shows(c, "(1 below)", true);
	assert_true(cv_console_show(c, &first.snapshot));
	assert_string_equal(row_name(c), "web01-mid.vhd");
	assert_shows(c, "(2 below)", true);
	cv_console_free(c);
	handmade_fini(&first);
	handmade_fini(&second);
}

static void a_selection_waits_for_its_image_while_a_scan_runs(void **state)
{
	struct handmade all, part;
	struct cv_console *c;

	(void)state;
	handmade_house(&all);
	handmade_init(&part, 2, 8);
	handmade_add(&part, 0, "build-ci-00.vhd", CV_NO_IMAGE, 1);
	part.graph.partial = true;
	handmade_finish(&part);
	part.graph.partial = true;
	c = console_of(&all, 80, 24, true);
	send(c, "<Enter>/x-orphan<Enter>");
	assert_true(cv_console_show(c, &part.snapshot));
	assert_string_equal(row_name(c), "build-ci-00.vhd");
	assert_shows(c, ">1 image", true);
	assert_true(cv_console_show(c, &all.snapshot));
	assert_string_equal(row_name(c), "x-orphan.vhd");
	cv_console_free(c);
	handmade_fini(&all);
	handmade_fini(&part);
}

static void details_follow_their_image(void **state)
{
	struct handmade first, second;
	struct cv_console *c;

	(void)state;
	handmade_house(&first);
	rescan_house(&second);
	c = console_of(&first, 100, 40, true);
	send(c, "<Enter>/web01-root<Enter>i");
	assert_shows(c, "/srv/images/sr-ssd/web01-root.vhd", true);
	assert_true(cv_console_show(c, &second.snapshot));
	assert_shows(c, "/srv/images/sr-ssd/web01-renamed.vhd", true);
	send(c, "P");
	assert_shows(c, "/srv/images/sr-ssd/web01-mid.vhd", true);
	send(c, "[");
	assert_shows(c, "/srv/images/sr-ssd/web01-base.vhd", true);
	send(c, "?q");
	assert_shows(c, "/srv/images/sr-ssd/web01-base.vhd", true);
	cv_console_free(c);
	handmade_fini(&first);
	handmade_fini(&second);
}

static void a_finding_leads_to_its_image_and_back(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	send(c, "j<Enter>qf/orphaned<Enter><Enter>");
	assert_string_equal(row_name(c), "x-orphan.vhd");
	send(c, "q");
	assert_shows(c, "CV-SPC-0001", true);
	assert_int_equal(send(c, "q") & FX_QUIT, 0);
	assert_int_equal(send(c, "q") & FX_QUIT, FX_QUIT);
	/* the first view is where everything begins: nothing lies below it */
	send(c, "tfi1");
	assert_int_equal(send(c, "q") & FX_QUIT, FX_QUIT);
	cv_console_free(c);
	handmade_fini(&h);
}

static void a_pane_scrolls_to_its_end_and_no_further(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 60, 16, true);
	send(c, "f<Tab>");
	assert_shows(c, "1-3 of", true);
	send(c, "jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjk");
	assert_int_equal(c->pane[0].top, c->pane[0].paper.lines.len - 4);
	assert_int_equal(c->view[CV_VIEW_FINDINGS].list.cursor, 0);
	send(c, "<Tab>j");
	assert_int_equal(c->view[CV_VIEW_FINDINGS].list.cursor, 1);
	assert_int_equal(c->pane[0].top, 0);
	cv_console_free(c);
	handmade_fini(&h);
}

static void progress_is_on_the_status_line(void **state)
{
	struct handmade h;
	struct cv_scan_progress p = { .files_found = 1204,
				      .files_read = 734,
				      .bytes_found = 3ull << 40,
				      .walking = true,
				      .current = "/srv/x\033y" };
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	cv_console_progress(c, &p, 1000);
	cv_console_progress(c, &p, 3000);
	assert_shows(c, "Scanning 734 of >1204, >3T, 367/s", true);
	assert_shows(c, "/srv/x\\x1by", true);
	assert_int_equal(send(c, "z") & FX_STOP, FX_STOP);
	assert_int_equal(send(c, "R") & FX_RESCAN, 0);
	cv_console_progress(c, NULL, 0);
	assert_int_equal(send(c, "z") & FX_STOP, 0);
	cv_console_free(c);
	handmade_fini(&h);
}

static void a_small_terminal_is_told_what_is_needed(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 40, 8, true);
	assert_shows(c, "60x16 needed, this is 40x8; q quits", true);
	send(c, "<Resize 80x24><Enter>j");
	assert_string_equal(row_name(c), "build-ci-01.vhd");
	cv_console_free(c);
	handmade_fini(&h);
}

static void what_cannot_be_seen_is_not_done(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	send(c, "<Enter>j<Resize 50x10>");
	assert_int_equal(send(c, "jj<Enter>fR/web<Enter>s ~<Esc><C-z><Resize 50x12>1"), FX_REDRAW);
	assert_int_equal(send(c, "q"), FX_QUIT);
	assert_int_equal(send(c, "<C-q>"), FX_QUIT);
	send(c, "<Resize 80x24>");
	assert_string_equal(row_name(c), "build-ci-01.vhd");
	cv_console_free(c);
	handmade_fini(&h);
}

/* Ctrl-C ends with another status than leaving does; in a prompt it only leaves the prompt. */
static void breaking_off_is_not_leaving(void **state)
{
	static const struct { const char *script; int w; unsigned fx; } rows[] = {
		{ "q", 80, FX_QUIT }, { "<C-q>", 80, FX_QUIT }, { "<C-c>", 80, FX_QUIT | FX_INTERRUPT },
		{ "<C-c>", 40, FX_QUIT | FX_INTERRUPT }, { "/<C-c>", 80, FX_REDRAW },
	};
	struct handmade h;

	(void)state;
	handmade_house(&h);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_screen_text s = { .script = rows[i].script, .w = rows[i].w, .h = 24 };
		struct cv_console *c = console_of(&h, rows[i].w, 24, true);

		assert_int_equal(send(c, rows[i].script), rows[i].fx);
		cv_console_free(c);
		c = console_of(&h, rows[i].w, 24, true);
		/* the end of a script is the end of the terminal */
		assert_int_equal(cv_console_run(c, NULL, &cv_screen_text_ops, &s), rows[i].fx == FX_QUIT);
		cv_screen_text_fini(&s);
		cv_console_free(c);
	}
	handmade_fini(&h);
}

static void a_stopped_scan_is_not_called_running(void **state)
{
	struct cv_scan_progress p = { .files_found = 9, .files_read = 4 };
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	h.graph.partial = true;
	h.repositories[0].complete = false;
	c = console_of(&h, 80, 40, true);
	cv_console_progress(c, &p, 1000);
	assert_true(cv_console_show(c, &h.snapshot));
	assert_shows(c, "metadata only, still running", true);
	cv_console_progress(c, NULL, 0);
	assert_true(cv_console_show(c, &h.snapshot));
	assert_shows(c, "still running", false);
	assert_shows(c, "metadata only, stopped", true);
	cv_console_free(c);
	handmade_fini(&h);
}

static void one_is_not_many(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 100, 40, true);
	send(c, "<Enter>/web01-mid<Enter>i");
	assert_shows(c, "2 images stand on it", true);
	h.graph.images[c->details_image].below = 1;
	cv_touch(c, ~0u);
	cv_settle(c);
	assert_shows(c, "; 1 image stands on it", true);
	cv_console_free(c);
	handmade_fini(&h);
}

static void no_key_means_two_things(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_action_count; i++) {
		assert_true(cv_actions[i].help[0] && cv_actions[i].shown[0] && cv_actions[i].views);
		assert_true(!cv_actions[i].rank == !cv_actions[i].label[0]);
		for (size_t j = 0; j < i; j++)
			for (int a = 0; a < 9; a++)
				if (cv_actions[i].views & cv_actions[j].views && cv_actions[i].key[a / 3] &&
				    cv_actions[i].key[a / 3] == cv_actions[j].key[a % 3])
					fail_msg("%s and %s", cv_actions[i].help, cv_actions[j].help);
	}
}

static bool is_seen(const struct cv_console *c, const char *text)
{
	for (size_t i = 0; i < c->paper.lines.len; i++) {
		struct cv_text t = { 0 };
		bool found;

		cv_paper_line_text(&c->paper, i, &t);
		found = strstr(cv_text_str(&t), text) != NULL;
		cv_text_fini(&t);
		if (found)
			return true;
	}
	return false;
}

static void the_help_names_every_key_flag_and_word(void **state)
{
	struct cv_console *c = console_of(NULL, 120, 40, true);

	(void)state;
	send(c, "?");
	for (size_t i = 0; i < cv_action_count; i++)
		if (!is_seen(c, cv_actions[i].help))
			fail_msg("%s", cv_actions[i].help);
	send(c, "<Tab>");
	for (const struct cv_flag_row *row = cv_flags; row->letter; row++)
		assert_true(is_seen(c, row->help));
	send(c, "<Tab>");
	for (const struct cv_filter_word *w = cv_filter_words; w->name; w++)
		assert_true(is_seen(c, w->name));
	cv_console_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(an_ascii_screen_holds_ascii_only),
		cmocka_unit_test(what_is_advisory_is_called_so),
		cmocka_unit_test(a_search_says_which_of_how_many_and_goes_round),
		cmocka_unit_test(filters_let_through_what_they_say),
		cmocka_unit_test(a_filter_that_is_not_understood_changes_nothing),
		cmocka_unit_test(folding_keeps_the_cursor_on_its_image),
		cmocka_unit_test(marks_add_up_and_go),
		cmocka_unit_test(selection_folds_and_marks_survive_a_rescan_and_a_resize),
		cmocka_unit_test(a_selection_waits_for_its_image_while_a_scan_runs),
		cmocka_unit_test(details_follow_their_image),
		cmocka_unit_test(a_finding_leads_to_its_image_and_back),
		cmocka_unit_test(a_pane_scrolls_to_its_end_and_no_further),
		cmocka_unit_test(progress_is_on_the_status_line),
		cmocka_unit_test(a_small_terminal_is_told_what_is_needed),
		cmocka_unit_test(what_cannot_be_seen_is_not_done),
		cmocka_unit_test(breaking_off_is_not_leaving),
		cmocka_unit_test(a_stopped_scan_is_not_called_running),
		cmocka_unit_test(one_is_not_many),
		cmocka_unit_test(no_key_means_two_things),
		cmocka_unit_test(the_help_names_every_key_flag_and_word),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console", tests, NULL, NULL) ? 1 : 0;
}
