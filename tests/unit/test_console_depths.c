/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the plan of a merge says about the disks that stand on it: golden screens, how far it is, and that nothing of it is left
 * when the plan is. That it reads real images is in tests/cli.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_scene.h"

#include "tui/command/session.h"

#define GIB ((uint64_t)1 << 30)
/* Where they are in the house. */
enum { WEB01_BASE = 27, WEB01_MID, WEB01_NIGHTLY, WEB01_ROOT };

static const struct cv_plan_step steps[] = {
	{ "merge", "web01-mid.vhd", 9 * GIB, "what it has of its own goes into web01-base.vhd" },
};
static const struct cv_plan_item items[] = {
	{ .path = "web01-mid.vhd", .allocated = 9 * GIB, .parent = "web01-base.vhd" },
	{ .path = "web01-base.vhd", .allocated = 38 * GIB },
};

static void begin(struct scene *s, int w, int h, bool ascii)
{
	scene_begin(s, w, h, ascii, NULL);
}

static void show_plan(struct scene *s)
{
	go_to(s, "web01-mid");
	send(s->c, "M");
	s->plan = (struct cv_plan){
		.kind = CV_PLAN_COALESCE, .repository = "/srv/images/sr-ssd", .items = items, .item_count = CV_COUNT(items),
		.steps = steps, .step_count = CV_COUNT(steps), .confirm = "web01-mid.vhd",
		.space = { .free_now = 312 * GIB, .lowest_free = 309 * GIB, .peak = 3 * GIB, .net = 6 * (int64_t)GIB, .fits = true },
	};
	s->c->plan.plan = &s->plan;
	s->c->plan.state = CV_JOB_DONE;
	snprintf(s->c->plan.heading, sizeof s->c->plan.heading, "%s in /srv/images/sr-ssd", s->c->plan.wish->title);
}

static void settle(struct scene *s)
{
	cv_touch(s->c, 1u << CV_VIEW_PLAN);
	cv_settle(s->c);
}

/* A chain of three, of which the second is merged; what its map would say. */
static void fill(struct cv_plan_reader *r, uint32_t image, enum cv_job_state state)
{
	static const struct cv_extent extents[] = {
		{ .at = { 0, 6 * GIB }, .kind = CV_EXTENT_DATA, .layer = 0 }, { .at = { 6 * GIB, 9 * GIB }, .kind = CV_EXTENT_DATA, .layer = 1 },
		{ .at = { 15 * GIB, 30 * GIB }, .kind = CV_EXTENT_DATA, .layer = 2 }, { .at = { 45 * GIB, 3 * GIB }, .kind = CV_EXTENT_ZERO, .layer = 1 },
	};
	struct cv_err err = { 0 };

	*r = (struct cv_plan_reader){ .image = image, .state = state, .size = 96 * GIB, .done = 48 * GIB };
	if (state != CV_JOB_DONE && state != CV_JOB_RUNNING)
		return;
	assert_true(cv_map_model_init(&r->now, (struct cv_range){ 0, 96 * GIB }, 3, 1, UINT32_MAX, &err));
	assert_true(cv_map_model_init(&r->after, (struct cv_range){ 0, 96 * GIB }, 3, 1, 1, &err));
	cv_map_model_add(&r->now, extents, CV_COUNT(extents));
	cv_map_model_add(&r->after, extents, CV_COUNT(extents));
}

static void show_done(struct scene *s)
{
	struct cv_plan_depths *d = &s->c->plan.depths;

	show_plan(s);
	d->begun = true;
	fill(&d->reader[0], WEB01_NIGHTLY, CV_JOB_DONE);
	fill(&d->reader[1], WEB01_ROOT, CV_JOB_DONE);
	d->count = 2;
	settle(s);
}

static void show_reading(struct scene *s)
{
	struct cv_plan_depths *d = &s->c->plan.depths;

	show_plan(s);
	d->begun = true;
	fill(&d->reader[0], WEB01_NIGHTLY, CV_JOB_RUNNING);
	fill(&d->reader[1], WEB01_ROOT, CV_JOB_WANTED);
	fill(&d->reader[2], 0, CV_JOB_FAILED);
	d->count = 3;
	d->others = 94;
	settle(s);
}

static const struct show shows[] = { { "depths", show_done }, { "depths-reading", show_reading } };

static const struct gallery gallery = GALLERY_OF(shows, true);

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void every_key_is_safe(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, 1);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	gallery_bears_every_size(&gallery);
}

static void it_says_how_far_it_is_and_what_comes_out(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 120, 40, true);
	show_reading(&s);
	/* 9 + 3 of 48 at depth 1, 30 at depth 2: 72/48; then all of it one nearer that was deeper than 1 */
	assert_shows(s.c, "web01-nightly.vhd: mean depth of its reads 1.50 -> 0.88, deepest 2 -> 1 (50% looked at)", true);
	assert_shows(s.c, "web01-root.vhd: not looked at yet", true);
	assert_shows(s.c, "its map cannot be read", true);
	assert_shows(s.c, "94 more disks on it are not looked at", true);
	end(&s);
}

static void nothing_of_it_is_left_when_the_plan_is_made_anew(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_done(&s);
	cv_plan_view_touch(s.c);
	assert_int_equal(s.c->plan.depths.count, 0);
	assert_false(s.c->plan.depths.begun);
	cv_settle(s.c);
	assert_shows(s.c, "mean depth", false);
	end(&s);
}

/* Without files there is nothing to read, and other plans move nothing. */
static void it_begins_only_for_a_merge_of_what_is_there(void **state)
{
	struct scene s;
	unsigned fx = 0;

	(void)state;
	begin(&s, 80, 24, true);
	show_plan(&s);
	assert_false(cv_plan_depths_tick(s.c, 10, &fx));
	assert_true(s.c->plan.depths.begun);
	assert_int_equal(s.c->plan.depths.count, 0);
	end(&s);
	begin(&s, 80, 24, true);
	show_plan(&s);
	s.c->run.active = true;
	assert_false(cv_plan_depths_tick(s.c, 10, &fx));
	assert_false(s.c->plan.depths.begun);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(every_key_is_safe),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(it_says_how_far_it_is_and_what_comes_out),
		cmocka_unit_test(nothing_of_it_is_left_when_the_plan_is_made_anew),
		cmocka_unit_test(it_begins_only_for_a_merge_of_what_is_there),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_depths", tests, NULL, NULL) ? 1 : 0;
}
