/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the console must bear: every key everywhere, every size, a long walk, rings, large graphs, its own loop. */
#include "tests/unit/test_console.h"
#include "tests/support/handmade.h"
#include "tui/console_model.h"

/* Keys that open every view, and then every key there is, twice. */
static void press_everything(const struct handmade *h)
{
	static const char *const ways[] = { "", "t", "f", "<Enter>i", "?", "?<Tab>" };
	struct cv_text t = { 0 };

	for (size_t way = 0; way < CV_COUNT(ways); way++)
		for (int key = 1; key < 256; key++)
			for (int special = 0; special < 2; special++) {
				struct cv_console *c = console_of(h, 80, 24, true);
				int code = special ? CV_KEY_UP + key % 24 : key;

				send(c, ways[way]);
				cv_console_key(c, code);
				picture(c, &t);
				cv_console_key(c, code);
				cv_console_key(c, CV_KEY_ENTER);
				picture(c, &t);
				cv_console_free(c);
			}
	cv_text_fini(&t);
}

static void every_key_is_safe_without_any_image(void **state)
{
	struct handmade h;

	(void)state;
	press_everything(NULL);
	handmade_init(&h, 0, 0);
	handmade_finish(&h);
	press_everything(&h);
	handmade_fini(&h);
	handmade_init(&h, 1, 0);
	handmade_finish(&h);
	press_everything(&h);
	handmade_fini(&h);
}

static void every_key_is_safe_with_one_image(void **state)
{
	struct handmade h;

	(void)state;
	handmade_init(&h, 1, 1);
	handmade_add(&h, 0, "only.vhd", CV_NO_IMAGE, 5);
	handmade_find(&h, CV_GEN_IMAGE_UNREADABLE, 0, cv_arg_text("x"), (struct cv_arg){ 0 });
	handmade_finish(&h);
	press_everything(&h);
	handmade_fini(&h);
}

static void every_size_can_be_drawn(void **state)
{
	struct handmade h;

	(void)state;
	handmade_house(&h);
	for (size_t i = 0; i < CV_COUNT(screens); i++) {
		struct cv_console *c = console_of(&h, 80, 24, i & 1);

		send(c, screens[i].script);
		for (int w = 1; w <= 130; w += w < 62 && w > 55 ? 1 : 3)
			for (int height = 1; height <= 45; height += 2) {
				struct cv_cells frame;

				/* a frame of a size that the model does not know of yet, then one that it does */
				assert_true(cv_cells_init(&frame, w, height, false));
				cv_console_draw(c, &frame);
				cv_console_resize(c, w, height);
				cv_console_draw(c, &frame);
				cv_cells_fini(&frame);
			}
		cv_console_free(c);
	}
	handmade_fini(&h);
}

/* A random walk finds what scripts do not think of; the seed is fixed. */
static void a_long_walk_over_the_keys_is_safe(void **state)
{
	static const char keys[] = "jjjkkghlhl-+ \t[]PqtfiR123?s\\/nNuG<~\r\r\r\x1bz:abm";
	struct handmade first, second;
	uint32_t random = 12345;
	struct cv_console *c;
	struct cv_text t = { 0 };

	(void)state;
	handmade_house(&first);
	rescan_house(&second);
	c = console_of(&first, 80, 24, false);
	for (int i = 0; i < 20000; i++) {
		random = random * 1664525 + 1013904223;
		cv_console_key(c, keys[(random >> 16) % (sizeof keys - 1)]);
		if (random >> 24 == 7)
			assert_true(cv_console_show(c, random & 1 << 20 ? &first.snapshot : &second.snapshot));
		if (random >> 24 == 9)
			cv_console_resize(c, 30 + (int)(random >> 12 & 127), 5 + (int)(random >> 12 & 63));
		if (i % 16 == 0)
			picture(c, &t);
	}
	cv_text_fini(&t);
	cv_console_free(c);
	handmade_fini(&first);
	handmade_fini(&second);
}

static void a_cycle_is_shown_once(void **state)
{
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_init(&h, 1, 3);
	handmade_add(&h, 0, "a.vhd", 2, 1);
	handmade_add(&h, 0, "b.vhd", 0, 1);
	handmade_add(&h, 0, "c.vhd", 1, 1);
	handmade_finish(&h);
	c = console_of(&h, 80, 24, true);
	send(c, "<Enter>");
	assert_int_equal(c->tree_rows.len, 3);
	send(c, "iPPPP]][[q-+G");
	cv_console_free(c);
	handmade_fini(&h);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_hundred_thousand_images_stay_fluid(void **state)
{
	enum { COUNT = 100000, KEYS = 400 };
	struct handmade h;
	struct cv_console *c;
	struct cv_cells frame;
	char name[32];
	double began, shown;

	(void)state;
	handmade_init(&h, 1, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "image-%06u.vhd", i);
		handmade_add(&h, 0, name, i % 10 ? i - 1 : CV_NO_IMAGE, i);
	}
	handmade_finish(&h);
	began = seconds();
	c = console_of(&h, 120, 40, false);
	send(c, "<Enter>");
	shown = seconds() - began;
	assert_true(cv_cells_init(&frame, 120, 40, false));
	began = seconds();
	for (int i = 0; i < KEYS; i++) {
		cv_console_key(c, i % 3 ? CV_KEY_PAGE_DOWN : CV_KEY_DOWN);
		cv_console_draw(c, &frame);
	}
	print_message("100,000 images: shown in %.0f ms, %.2f ms a key\n", shown * 1e3,
		      (seconds() - began) * 1e3 / KEYS);
	/* generous: sanitizers and a busy machine have to pass too */
	assert_true(shown < 5.0 && (seconds() - began) / KEYS < 0.05);
	cv_cells_fini(&frame);
	cv_console_free(c);
	handmade_fini(&h);
}

static void large_trees_begin_folded_and_stay_as_the_user_leaves_them(void **state)
{
	struct cv_console_options options = { .ascii = true };
	struct cv_console *c = cv_console_new(&options);
	struct handmade h;

	(void)state;
	assert_non_null(c);
	handmade_house(&h);
	cv_console_resize(c, 80, 40);
	assert_true(cv_console_show(c, &h.snapshot));
	send(c, "<Enter>");
	assert_shows(c, " below)", true);
	assert_shows(c, "web01-mid", true);
	send(c, "+");
	assert_shows(c, " below)", false);
	assert_true(cv_console_show(c, &h.snapshot));
	assert_shows(c, " below)", false);
	cv_console_free(c);
	handmade_fini(&h);
}

static void the_loop_draws_resizes_and_ends(void **state)
{
	struct cv_screen_text s = { .script = "<Enter><Resize 100x30>j<C-z><Shot><C-q>jjj", .w = 80, .h = 24 };
	struct handmade h;
	struct cv_console *c;

	(void)state;
	handmade_house(&h);
	c = console_of(&h, 80, 24, true);
	assert_true(cv_console_run(c, NULL, &cv_screen_text_ops, &s));
	assert_string_equal(s.script, "jjj");
	assert_int_equal(s.suspended, 1);
	assert_int_equal(c->w, 100);
	assert_non_null(strstr(cv_text_str(&s.out), "build-ci-01"));
	s.script = "j";
	assert_false(cv_console_run(c, NULL, &cv_screen_text_ops, &s));
	cv_screen_text_fini(&s);
	cv_console_free(c);
	handmade_fini(&h);
}

static void sets_find_what_was_added_and_nothing_else(void **state)
{
	struct cv_ident_set s = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 3000; i++)
		assert_true(cv_ident_set_add(&s, (struct cv_ident){ i * 64, i % 7, 0 }));
	for (uint64_t i = 0; i < 3000; i += 3)
		cv_ident_set_remove(&s, (struct cv_ident){ i * 64, i % 7, 0 });
	assert_int_equal(s.len, 2000);
	for (uint64_t i = 0; i < 3000; i++)
		assert_int_equal(cv_ident_set_has(&s, (struct cv_ident){ i * 64, i % 7, 0 }), i % 3 != 0);
	cv_ident_set_clear(&s);
	assert_false(cv_ident_set_has(&s, (struct cv_ident){ 64, 1, 0 }));
	cv_ident_set_fini(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_safe_without_any_image),
		cmocka_unit_test(every_key_is_safe_with_one_image),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(a_long_walk_over_the_keys_is_safe),
		cmocka_unit_test(a_cycle_is_shown_once),
		cmocka_unit_test(a_hundred_thousand_images_stay_fluid),
		cmocka_unit_test(large_trees_begin_folded_and_stay_as_the_user_leaves_them),
		cmocka_unit_test(the_loop_draws_resizes_and_ends),
		cmocka_unit_test(sets_find_what_was_added_and_nothing_else),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_bears", tests, NULL, NULL) ? 1 : 0;
}
