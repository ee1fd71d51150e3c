/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merges in the console: golden screens of their plans, what is wished for from which view, and the way from a plan to the
 * depth map and back. That it works on real images is in tests/cli.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_scene.h"

#include "tui/command/session.h"

#define GIB ((uint64_t)1 << 30)
/* Where they are in the house. */
enum { WEB01_BASE = 27, WEB01_MID, WEB01_NIGHTLY, WEB01_ROOT };

static const struct cv_plan_item items[] = {
	{ .path = "web01-mid.vhd", .allocated = 9 * GIB, .parent = "web01-base.vhd" },
	{ .path = "web01-base.vhd", .allocated = 38 * GIB },
	{ .path = "web01-root.vhd", .allocated = 6 * GIB, .parent = "web01-mid.vhd" },
};
static const struct cv_plan_step steps[] = {
	{ "merge", "web01-base.vhd", 9 * GIB, "what web01-mid.vhd has goes into it" },
	{ "relink", "web01-root.vhd", 3 << 10, "it stands on web01-base.vhd then" },
	{ "move", "web01-mid.vhd", 9 * GIB, "to the trash" },
};
static const struct cv_plan_check good[] = {
	{ "may-be-merged", true, "web01-mid.vhd: it is the only child of web01-base.vhd" },
	{ "space-known", true, "how much web01-base.vhd grows by was counted block by block" },
};
static const struct cv_plan_check bad[] = {
	{ "may-be-merged", false, "web01-root.vhd: its parent web01-mid.vhd has 2 other children" },
};
static const char *const searched[] = { "/srv/images/sr-ssd", "/srv/images/libvirt" };

static void begin(struct scene *s, int w, int h, bool ascii)
{
	scene_begin(s, w, h, ascii, NULL);
}

/* M, and the plan that would come of it. */
static void put_plan(struct scene *s, const char *image, const struct cv_plan *plan)
{
	go_to(s, image);
	send(s->c, "M");
	s->plan = *plan;
	s->plan.kind = CV_PLAN_COALESCE;
	s->plan.repository = "/srv/images/sr-ssd";
	s->plan.searched = searched;
	s->plan.searched_count = CV_COUNT(searched);
	s->c->plan.plan = &s->plan;
	s->c->plan.state = CV_JOB_DONE;
	snprintf(s->c->plan.heading, sizeof s->c->plan.heading, "%s in /srv/images/sr-ssd", s->c->plan.wish->title);
	cv_touch(s->c, 1u << CV_VIEW_PLAN);
	cv_settle(s->c);
}

static void show_plan(struct scene *s)
{
	const struct cv_plan plan = {
		.items = items, .item_count = CV_COUNT(items), .steps = steps, .step_count = CV_COUNT(steps),
		.checks = good, .check_count = CV_COUNT(good), .confirm = "web01-mid.vhd",
		.space = { .free_now = 312 * GIB, .lowest_free = 309 * GIB, .peak = 3 * GIB, .reserve = 100 * GIB,
			   .net = 6 * (int64_t)GIB, .fits = true },
	};

	put_plan(s, "web01-mid", &plan);
}

static void show_refused(struct scene *s)
{
	const struct cv_plan plan = {
		.items = &items[2], .item_count = 1, .checks = bad, .check_count = CV_COUNT(bad), .refused = true,
		.confirm = "web01-root.vhd", .space = { .free_now = 312 * GIB, .lowest_free = 312 * GIB, .fits = true },
	};

	put_plan(s, "web01-root", &plan);
}

static const struct show shows[] = {
	{ "merge", show_plan }, { "merge-refused", show_refused },
};

static const struct gallery gallery = GALLERY_OF(shows, true);

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void every_key_is_safe_in_a_plan_of_a_merge(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, 1);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	gallery_bears_every_size(&gallery);
}

static void the_image_under_the_cursor_is_wished_for(void **state)
{
	static const struct { const char *image; uint32_t index; const char *title; } cases[] = {
		{ "web01-mid", WEB01_MID, "coalesce web01-mid.vhd into web01-base.vhd" },
		{ "web01-root", WEB01_ROOT, "coalesce the leaf web01-root.vhd into web01-mid.vhd" },
		{ "web01-base", WEB01_BASE, "coalesce web01-base.vhd" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct scene s;

		begin(&s, 80, 24, true);
		go_to(&s, cases[i].image);
		send(s.c, "M");
		assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
		assert_string_equal(s.c->plan.wish->title, cases[i].title);
		assert_true(s.c->plan.wish->coalesce.image.by_inode);
		assert_int_equal(s.c->plan.wish->coalesce.image.inode, s.h.files[cases[i].index].inode);
		end(&s);
	}
}

/* The chain of web01-root and the merge that is possible in it, as the job would have found it. */
static void fill_map(struct cv_console *c)
{
	static const uint32_t layers[] = { WEB01_ROOT, WEB01_MID, WEB01_BASE };
	struct cv_map_grid grid = cv_map_grid_of(c->w, c->h);
	struct cv_map_job *job = &c->map;
	struct cv_err err = { 0 };

	assert_true(cv_map_model_init(&job->model, (struct cv_range){ 0, 96 * GIB }, 3, grid.columns * grid.lines, UINT32_MAX,
				      &err));
	job->layers = calloc(3, sizeof *job->layers);
	job->merges = calloc(2, sizeof *job->merges);
	assert_non_null(job->layers);
	assert_non_null(job->merges);
	memcpy(job->layers, layers, sizeof layers);
	job->layer_count = 3;
	job->merges[0] = 1;
	job->merge_count = 1;
	job->columns = grid.columns;
	job->lines = grid.lines;
	job->size = job->done = 96 * GIB;
	job->state = CV_JOB_DONE;
}

static void the_map_plans_the_merge_that_it_shows(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	go_to(&s, "web01-root");
	send(s.c, "d");
	fill_map(s.c);
	send(s.c, "M");
	assert_string_equal(s.c->plan.wish->title, "coalesce the leaf web01-root.vhd into web01-mid.vhd");
	send(s.c, "q");
	assert_int_equal(cv_top(s.c), CV_VIEW_MAP);
	send(s.c, "wM");
	assert_string_equal(s.c->plan.wish->title, "coalesce web01-mid.vhd into web01-base.vhd");
	end(&s);
}

static void a_plan_leads_to_the_map_of_a_reader_and_back(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_plan(&s);
	send(s.c, "w");
	assert_int_equal(cv_top(s.c), CV_VIEW_MAP);
	assert_int_equal(s.c->map.state, CV_JOB_WANTED);
	/* the first of those that stand on web01-mid */
	assert_int_equal(s.c->map.image, WEB01_NIGHTLY);
	assert_int_equal(s.c->map.planned.b, s.h.files[WEB01_MID].inode);
	send(s.c, "q");
	assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
	assert_ptr_equal(s.c->plan.plan, &s.plan);
	end(&s);
}

/* From the map to a plan and to a map again: on the way back none is empty. */
static void there_is_one_map(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	go_to(&s, "web01-root");
	send(s.c, "d");
	fill_map(s.c);
	send(s.c, "wMwq");
	assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
	send(s.c, "q");
	assert_int_equal(cv_top(s.c), CV_VIEW_TREE);
	end(&s);
}

static void what_cannot_be_merged_is_not_shown_in_the_map(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_refused(&s);
	send(s.c, "w");
	assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
	assert_shows(s.c, "it cannot be merged: there is nothing to show", true);
	end(&s);
	begin(&s, 80, 24, true);
	go_to(&s, "x-orphan");
	send(s.c, "pw");
	assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
	assert_shows(s.c, "only the plan of a merge can be shown", true);
	end(&s);
}

static void a_merge_is_confirmed_with_the_name_of_the_image(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_plan(&s);
	send(s.c, "Y");
	assert_shows(s.c, "this console is read-only", true);
	s.c->writing = true;
	send(s.c, "Y");
	assert_int_equal(s.c->mode, CV_MODE_CONFIRM);
	send(s.c, "web01-base.vhd<Enter>");
	assert_shows(s.c, "that is another name: nothing was done", true);
	assert_false(s.c->run.active);
	end(&s);
}

static void without_an_image_nothing_is_wished_for(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	go_to(&s, "web01-mid");
	send(s.c, "\\no such image<Enter>M");
	assert_int_equal(cv_top(s.c), CV_VIEW_TREE);
	assert_shows(s.c, "no image is selected", true);
	assert_null(s.c->plan.wish);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(every_key_is_safe_in_a_plan_of_a_merge),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(the_image_under_the_cursor_is_wished_for),
		cmocka_unit_test(the_map_plans_the_merge_that_it_shows),
		cmocka_unit_test(a_plan_leads_to_the_map_of_a_reader_and_back),
		cmocka_unit_test(there_is_one_map),
		cmocka_unit_test(what_cannot_be_merged_is_not_shown_in_the_map),
		cmocka_unit_test(a_merge_is_confirmed_with_the_name_of_the_image),
		cmocka_unit_test(without_an_image_nothing_is_wished_for),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_merge", tests, NULL, NULL) ? 1 : 0;
}
