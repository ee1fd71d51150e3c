/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Conversions of whole trees in the console: golden screens of the form, and what is wished for at its end. That it works on
 * real images is in tests/cli.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_scene.h"

#include "tui/command/session.h"

static void begin(struct scene *s, int w, int h, bool ascii)
{
	scene_begin(s, w, h, ascii, NULL);
}

static void show_form(struct scene *s)
{
	go_to(s, "web01-root");
	send(s->c, "T");
}

static void show_vhd(struct scene *s)
{
	show_form(s);
	send(s->c, "ljljl");
}

static const struct show shows[] = { { "tree-form", show_form }, { "tree-form-vhd", show_vhd } };

static const struct gallery gallery = GALLERY_OF(shows, false);

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void every_key_is_safe_in_the_form(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, 1);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	gallery_bears_every_size(&gallery);
}

static void a_folder_goes_with_the_format_until_it_is_typed(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_form(&s);
	assert_string_equal(cv_form_get(&s.c->form, "folder"), "/srv/images/sr-ssd-qcow2");
	send(s.c, "jl");
	assert_string_equal(cv_form_get(&s.c->form, "format"), "vhd");
	assert_string_equal(cv_form_get(&s.c->form, "folder"), "/srv/images/sr-ssd-vhd");
	send(s.c, "j<Enter><C-u>/tmp/mine<Enter>kl");
	assert_string_equal(cv_form_get(&s.c->form, "format"), "vhdx");
	assert_string_equal(cv_form_get(&s.c->form, "folder"), "/tmp/mine");
	end(&s);
}

/* /tmp is there, what is in it is not. */
static void a_tree_is_wished_for_and_a_repository(void **state)
{
	static const struct { const char *keys; bool all; const char *title; } cases[] = {
		{ "jj<Enter><C-u>/tmp/cv-no-such-folder<Enter>p", false, "convert the tree of web01-root.vhd to /tmp/cv-no-such-folder (qcow2)" },
		{ "ljj<Enter><C-u>/tmp/cv-no-such-folder<Enter>p", true, "convert all images to /tmp/cv-no-such-folder (qcow2)" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		const struct cv_wish *wish;
		struct scene s;

		begin(&s, 80, 24, true);
		show_form(&s);
		send(s.c, cases[i].keys);
		assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
		wish = s.c->plan.wish;
		assert_string_equal(wish->title, cases[i].title);
		assert_int_equal(wish->tree.settings->to, CV_FORMAT_QCOW2);
		assert_string_equal(wish->tree.repository, "/tmp/cv-no-such-folder");
		assert_string_equal(wish->tree.folder, "");
		assert_false(wish->tree.made);
		assert_null(wish->place);
		if (cases[i].all)
			assert_string_equal(wish->tree.source, s.h.repository_list[0]->path);
		else
			assert_true(!wish->tree.source && wish->tree.image.by_inode);
		end(&s);
	}
}

/* What lies in it already has to be known. */
static void a_folder_that_is_there_is_looked_at(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_form(&s);
	send(s.c, "jj<Enter><C-u>/tmp<Enter>p");
	assert_string_equal(s.c->plan.wish->place, "/tmp");
	end(&s);
}

static void a_wrong_folder_is_said_in_the_form(void **state)
{
	static const struct { const char *keys, *text; } cases[] = {
		{ "jj<Enter><C-u>relative<Enter>p", "give the folder as an absolute path" },
		{ "jj<Enter><C-u><Enter>p", "give the folder as an absolute path" },
		{ "jj<Enter><C-u>/no/such/folder/at/all<Enter>p", "cannot open the folder of /no/such/folder/at/all" },
		{ "jj<Enter><C-u>/dev/null<Enter>p", "/dev/null is no folder" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct scene s;

		begin(&s, 80, 24, true);
		show_form(&s);
		send(s.c, cases[i].keys);
		assert_int_equal(cv_top(s.c), CV_VIEW_FORM);
		assert_shows(s.c, cases[i].text, true);
		assert_null(s.c->plan.wish);
		end(&s);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(every_key_is_safe_in_the_form),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(a_folder_goes_with_the_format_until_it_is_typed),
		cmocka_unit_test(a_tree_is_wished_for_and_a_repository),
		cmocka_unit_test(a_folder_that_is_there_is_looked_at),
		cmocka_unit_test(a_wrong_folder_is_said_in_the_form),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_tree", tests, NULL, NULL) ? 1 : 0;
}
