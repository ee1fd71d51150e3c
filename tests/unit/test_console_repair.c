/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Repairs in the console: golden screens of their plans and questions, what is wished for from which view, and what an answer
 * does. That it works on real images is in tests/cli.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_scene.h"

#include "tui/command/session.h"

#define GIB ((uint64_t)1 << 30)
/* Where they are in the house. */
enum { WEB01_MID = 28, ORPHAN = 31, LOST };

static const struct cv_plan_item items[] = { { .path = "x-orphan.vhd", .allocated = 58 * GIB } };
static const struct cv_plan_step steps[] = {
	{ "restore-footer", "x-orphan.vhd", 512, "vhd-footer-missing: written again" },
};
static const struct cv_plan_check good[] = {
	{ "as-foreseen", true, "each image was read with what will change" },
};
static const struct cv_plan_fix fixes[] = {
	{ CV_SPC_ORPHANED_BASE_COPY, "x-orphan.vhd", NULL, CV_FIX_REFUSED, false, "there is no repair for it here", 0, 0 },
	{ CV_VHD_FOOTER_KILLED, "web01-mid.vhd", "restore-footer", CV_FIX_ASKS, false, "only if no other host has it open", 0, 512 },
	{ CV_VHD_FOOTER_MISSING, "x-orphan.vhd", "restore-footer", CV_FIX_SAFE, true, "written again at offset 4096", 4096, 512 },
	{ CV_VHD_FOOTER_KILLED, "web01-root.vhd", "restore-footer", CV_FIX_ASKS, false, "only if no other host has it open", 0, 512 },
	{ CV_CHN_BASE_NOT_HIDDEN, "y-lost.vhd", "set-hidden", CV_FIX_ASKS, false, "marked hidden in both footers", 0, 1024 },
};
/* Nothing that could be done of it without an answer. */
static const struct cv_plan_fix questions[] = {
	{ CV_CHN_PARENT_MISSING, "y-lost.vhd", "relink", CV_FIX_ASKS, false, "one image of this name, of another size", 0, 1536 },
	{ CV_GEN_IMAGE_TRUNCATED, "y-lost.vhd", NULL, CV_FIX_REFUSED, false, "what is missing is nowhere", 0, 0 },
};

static void begin(struct scene *s, int w, int h, bool ascii)
{
	scene_begin(s, w, h, ascii, NULL);
}

/* The plan that would come of what was wished for. */
static void put_plan(struct scene *s, const struct cv_plan *plan)
{
	s->plan = *plan;
	s->plan.kind = CV_PLAN_REPAIR;
	s->plan.repository = "/srv/images/sr-ssd";
	s->plan.space = (struct cv_plan_space){ .free_now = 312 * GIB, .lowest_free = 312 * GIB, .fits = true };
	s->c->plan.plan = &s->plan;
	s->c->plan.state = CV_JOB_DONE;
	snprintf(s->c->plan.heading, sizeof s->c->plan.heading, "%s in /srv/images/sr-ssd", s->c->plan.wish->title);
	cv_touch(s->c, 1u << CV_VIEW_PLAN);
	cv_settle(s->c);
}

static const struct cv_plan mixed = {
	.items = items, .item_count = CV_COUNT(items), .steps = steps, .step_count = CV_COUNT(steps), .checks = good,
	.check_count = CV_COUNT(good), .fixes = fixes, .fix_count = CV_COUNT(fixes), .confirm = "x-orphan.vhd",
};
static const struct cv_plan undecided = { .fixes = questions, .fix_count = CV_COUNT(questions), .confirm = "yes" };

static void show_repository(struct scene *s)
{
	send(s->c, "F");
	put_plan(s, &mixed);
}

static void show_question(struct scene *s)
{
	show_repository(s);
	send(s->c, "a");
}

static void show_finding(struct scene *s)
{
	send(s->c, "fF");
	put_plan(s, &undecided);
}

static const struct show shows[] = {
	{ "repair", show_repository }, { "repair-question", show_question }, { "repair-finding", show_finding },
};

static const struct gallery gallery = GALLERY_OF(shows, true);

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void every_key_is_safe_in_a_plan_of_a_repair(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, 1);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	gallery_bears_every_size(&gallery);
}

static const struct cv_repairs *wished(const struct scene *s)
{
	assert_non_null(s->c->plan.wish);
	assert_true(s->c->plan.wish->tables);
	assert_ptr_equal(s->c->plan.wish->carry_out, cv_repairs_carry_out);
	return &s->c->plan.wish->repairs;
}

static void a_finding_an_image_and_a_repository_are_wished_for(void **state)
{
	static const struct { const char *keys; uint32_t image; enum cv_problem_id problem; const char *title; } cases[] = {
		{ "F", CV_NO_IMAGE, CV_NO_PROBLEM, "repair all images" },
		{ "<Enter>/x-orphan<Enter>F", ORPHAN, CV_NO_PROBLEM, "repair x-orphan.vhd" },
		{ "<Enter>/web01-mid<Enter>iF", WEB01_MID, CV_NO_PROBLEM, "repair web01-mid.vhd" },
		{ "f/orphan<Enter>F", ORPHAN, CV_SPC_ORPHANED_BASE_COPY, "repair orphaned-base-copy of x-orphan.vhd" },
		{ "fF", LOST, CV_CHN_PARENT_MISSING, "repair parent-missing of y-lost.vhd" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		const struct cv_repairs *r;
		struct scene s;

		begin(&s, 80, 24, true);
		send(s.c, cases[i].keys);
		assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
		r = wished(&s);
		assert_string_equal(s.c->plan.wish->title, cases[i].title);
		assert_string_equal(r->repository, s.h.repository_list[0]->path);
		assert_int_equal(r->problem, cases[i].problem);
		assert_int_equal(r->only_count, cases[i].image != CV_NO_IMAGE);
		if (r->only_count)
			assert_int_equal(r->only[0].inode, s.h.files[cases[i].image].inode);
		end(&s);
	}
}

/* From a finding to its image, from that to the repository, and no further. */
static void a_plan_can_be_made_wider(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	send(s.c, "f/orphan<Enter>FF");
	assert_string_equal(s.c->plan.wish->title, "repair x-orphan.vhd");
	assert_int_equal(wished(&s)->problem, CV_NO_PROBLEM);
	send(s.c, "F");
	assert_string_equal(s.c->plan.wish->title, "repair all images");
	assert_null(wished(&s)->only);
	send(s.c, "F");
	assert_shows(s.c, "this is all of the repository", true);
	assert_string_equal(s.c->plan.wish->title, "repair all images");
	send(s.c, "q");
	assert_int_equal(cv_top(s.c), CV_VIEW_FINDINGS);
	end(&s);
}

static void only_what_asks_is_asked_about(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_repository(&s);
	assert_int_equal(cv_repair_open_questions(&s.c->plan), 3);
	assert_shows(s.c, "a answers 3 questions", true);
	send(s.c, "a");
	assert_int_equal(s.c->mode, CV_MODE_ANSWER);
	assert_int_equal(s.c->plan.asking, 1);
	/* no key but those that are named is an answer */
	send(s.c, "xYN<Enter> ");
	assert_int_equal(s.c->plan.asking, 1);
	assert_int_equal(wished(&s)->answers.len, 0);
	send(s.c, "y");
	assert_int_equal(s.c->plan.asking, 3);
	send(s.c, "n");
	assert_int_equal(s.c->plan.asking, 4);
	send(s.c, "y");
	assert_int_equal(s.c->mode, CV_MODE_NORMAL);
	assert_int_equal(s.c->plan.state, CV_JOB_WANTED);
	assert_true(cv_repairs_answered(wished(&s), &fixes[1])->wanted);
	assert_false(cv_repairs_answered(wished(&s), &fixes[3])->wanted);
	assert_true(cv_repairs_answered(wished(&s), &fixes[4])->wanted);
	assert_null(cv_repairs_answered(wished(&s), &fixes[2]));
	end(&s);
}

static void one_answer_may_be_for_all_of_a_kind(void **state)
{
	static const struct { const char *key; bool wanted; } cases[] = { { "a", true }, { "s", false } };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct scene s;

		begin(&s, 80, 24, true);
		show_repository(&s);
		send(s.c, "a");
		send(s.c, cases[i].key);
		assert_int_equal(s.c->plan.asking, 4);
		assert_int_equal(cv_repairs_answered(wished(&s), &fixes[1])->wanted, cases[i].wanted);
		assert_int_equal(cv_repairs_answered(wished(&s), &fixes[3])->wanted, cases[i].wanted);
		assert_null(cv_repairs_answered(wished(&s), &fixes[4]));
		end(&s);
	}
}

static void answers_may_wait_and_be_given_anew(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_repository(&s);
	send(s.c, "a<Esc>");
	assert_int_equal(s.c->mode, CV_MODE_NORMAL);
	assert_int_equal(s.c->plan.state, CV_JOB_DONE);
	send(s.c, "ay<Esc>");
	assert_int_equal(s.c->plan.state, CV_JOB_WANTED);
	s.c->plan.state = CV_JOB_DONE;
	assert_int_equal(cv_repair_open_questions(&s.c->plan), 2);
	send(s.c, "as");
	send(s.c, "n");
	assert_int_equal(s.c->mode, CV_MODE_NORMAL);
	s.c->plan.state = CV_JOB_DONE;
	assert_int_equal(cv_repair_open_questions(&s.c->plan), 0);
	send(s.c, "a");
	assert_int_equal(s.c->mode, CV_MODE_ANSWER);
	assert_int_equal(s.c->plan.asking, 1);
	assert_int_equal(wished(&s)->answers.len, 0);
	end(&s);
}

static void answers_stay_when_a_plan_is_made_wider(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_finding(&s);
	send(s.c, "ay");
	s.c->plan.plan = NULL;
	send(s.c, "F");
	assert_string_equal(s.c->plan.wish->title, "repair y-lost.vhd");
	assert_true(cv_repairs_answered(wished(&s), &questions[0])->wanted);
	end(&s);
}

static void without_an_answer_nothing_can_be_done(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_finding(&s);
	s.c->writing = true;
	send(s.c, "Y");
	assert_int_equal(s.c->mode, CV_MODE_NORMAL);
	assert_shows(s.c, "nothing can be done without an answer (a)", true);
	end(&s);
}

static void other_plans_ask_nothing(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	go_to(&s, "x-orphan");
	send(s.c, "pa");
	assert_int_equal(s.c->mode, CV_MODE_NORMAL);
	assert_shows(s.c, "this plan is about no repair", true);
	send(s.c, "F");
	assert_shows(s.c, "this plan is about no repair", true);
	assert_null(s.c->plan.wish->repairs.repository);
	end(&s);
}

static void without_a_finding_nothing_is_wished_for(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	send(s.c, "f\\no such finding<Enter>F");
	assert_int_equal(cv_top(s.c), CV_VIEW_FINDINGS);
	assert_shows(s.c, "nothing is selected that could be repaired", true);
	assert_null(s.c->plan.wish);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(every_key_is_safe_in_a_plan_of_a_repair),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(a_finding_an_image_and_a_repository_are_wished_for),
		cmocka_unit_test(a_plan_can_be_made_wider),
		cmocka_unit_test(only_what_asks_is_asked_about),
		cmocka_unit_test(one_answer_may_be_for_all_of_a_kind),
		cmocka_unit_test(answers_may_wait_and_be_given_anew),
		cmocka_unit_test(answers_stay_when_a_plan_is_made_wider),
		cmocka_unit_test(without_an_answer_nothing_can_be_done),
		cmocka_unit_test(other_plans_ask_nothing),
		cmocka_unit_test(without_a_finding_nothing_is_wished_for),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_repair", tests, NULL, NULL) ? 1 : 0;
}
