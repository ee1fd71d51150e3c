/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Forms in the console: golden screens of the form of conversions, of the choice of another parent and of a plan that is
 * being made; what keys do in them, and what is wished for at the end. That it works on real images is in tests/cli.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_scene.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tui/command/session.h"

#define GIB ((uint64_t)1 << 30)

/* Images know that they have parents, and who they are. */
static void add_facts(struct handmade *h)
{
	for (uint32_t i = 0; i < h->count; i++) {
		h->facts[i].flags |= h->images[i].parent != CV_NO_IMAGE ? CV_FACT_PARENT | CV_FACT_UUID : CV_FACT_UUID;
		h->facts[i].uuid[0] = (uint8_t)(i + 1);
		h->files[i].state = CV_FILE_READ;
	}
}

static void begin(struct scene *s, int w, int h, bool ascii)
{
	scene_begin(s, w, h, ascii, add_facts);
}

/* What is asked for between keys, up to its end. */
static void settle(struct scene *s)
{
	unsigned fx = 0;

	while (cv_parents_tick(s->c, 1000, &fx))
		;
}

static void show_convert(struct scene *s)
{
	go_to(s, "web01-root");
	send(s->c, "C");
}

/* Every option of QCOW2 but the default, and a name that is too long. */
static void show_filled_in(struct scene *s)
{
	show_convert(s);
	send(s->c, "j<Enter><C-u>/srv/images/a folder with quite a long name/and another one/web01-root.new.qcow2<Enter>");
	send(s->c, "j<Enter>128K<Enter>jlljllj<Right>jlllljlllllljl");
}

static void show_typing(struct scene *s)
{
	show_convert(s);
	send(s->c, "j<Enter>.bak");
}

static void show_parents(struct scene *s)
{
	go_to(s, "web01-root");
	send(s->c, "B");
	settle(s);
	send(s->c, "j");
}

static void show_no_parents(struct scene *s)
{
	go_to(s, "x-orphan");
	send(s->c, "B");
	settle(s);
}

/* A plan for which 57 % are compared. */
static void show_making(struct scene *s)
{
	struct cv_plan_view *v = &s->c->plan;
	struct cv_board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(board, MAP_FAILED);
	show_parents(s);
	cv_board_say(board, "compare");
	cv_board_count(board, 55 * GIB, 96 * GIB, false);
	v->maker.child.board = board;
	v->state = CV_JOB_RUNNING;
	snprintf(v->heading, sizeof v->heading, "rebase web01-root.vhd onto web01-base.vhd in /srv/images/sr-ssd");
	cv_push_view(s->c, CV_VIEW_PLAN);
	cv_settle(s->c);
}

static const struct show shows[] = {
	{ "convert", show_convert }, { "convert-filled", show_filled_in }, { "convert-typing", show_typing },
	{ "parents", show_parents }, { "parents-none", show_no_parents }, { "plan-making", show_making },
};

static const struct gallery gallery = GALLERY_OF(shows, false);

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void every_key_is_safe_in_every_form(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, 1);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	gallery_bears_every_size(&gallery);
}

/* The names that are proposed, and that one that was typed is kept. */
static void a_name_goes_with_the_format_until_it_is_typed(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_convert(&s);
	assert_string_equal(cv_form_get(&s.c->form, "name"), "web01-root.qcow2");
	send(s.c, "<Right>");
	assert_string_equal(cv_form_get(&s.c->form, "name"), "web01-root.raw");
	/* web01-root.vhd is there: it is what is converted */
	send(s.c, "<Right>");
	assert_string_equal(cv_form_get(&s.c->form, "name"), "web01-root-2.vhd");
	send(s.c, "<Right><Right><Right>");
	assert_string_equal(cv_form_get(&s.c->form, "format"), "vhdx");
	assert_string_equal(cv_form_get(&s.c->form, "name"), "web01-root.vhdx");
	send(s.c, "j<Enter><C-u>other<Enter>k<Left>");
	assert_string_equal(cv_form_get(&s.c->form, "format"), "vhd");
	assert_string_equal(cv_form_get(&s.c->form, "name"), "other");
	send(s.c, "j<Enter>thing<Esc>");
	assert_string_equal(cv_form_get(&s.c->form, "name"), "other");
	end(&s);
}

static void each_format_has_its_own_options(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_convert(&s);
	assert_shows(s.c, "cluster_size", true);
	assert_shows(s.c, "compress  ", true);
	send(s.c, "<Right>");
	assert_shows(s.c, "cluster_size", false);
	assert_shows(s.c, "compress  ", false);
	assert_shows(s.c, "[default] off  metadata  falloc  full", true);
	send(s.c, "<Right><Right>");
	assert_shows(s.c, "log_size", true);
	assert_shows(s.c, "block_size", true);
	end(&s);
}

static void a_form_becomes_a_wish(void **state)
{
	const struct cv_wish *wish;
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_convert(&s);
	send(s.c, "j<Enter><C-u>/tmp/new.qcow2<Enter>j<Enter>128K<Enter>jllp");
	wish = s.c->plan.wish;
	assert_non_null(wish);
	assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
	assert_string_equal(wish->title, "convert web01-root.vhd to /tmp/new.qcow2 (qcow2)");
	assert_int_equal(wish->convert_settings.to, CV_FORMAT_QCOW2);
	assert_string_equal(wish->convert_settings.options, "cluster_size=128K,compat=1.1");
	assert_false(wish->convert_settings.compress);
	assert_false(wish->convert_settings.keep_zeros);
	assert_string_equal(wish->convert.path, "/tmp/new.qcow2");
	assert_string_equal(wish->place, "/tmp");
	/* back in the form everything is as it was */
	send(s.c, "q");
	assert_int_equal(cv_top(s.c), CV_VIEW_FORM);
	assert_shows(s.c, "128K", true);
	end(&s);
}

static void a_name_that_cannot_be_is_said(void **state)
{
	static const struct { const char *name, *why; } bad[] = {
		{ "", "give the new image a name" },
		{ "/nowhere/at all/x", "cannot open the folder of /nowhere/at all/x" },
		{ "/tmp/", "is no name for a new file" },
		{ "/tmp/..", "is no name for a new file" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++) {
		struct scene s;

		begin(&s, 120, 40, true);
		show_convert(&s);
		send(s.c, "j<Enter><C-u>");
		send(s.c, bad[i].name);
		send(s.c, "<Enter>p");
		assert_int_equal(cv_top(s.c), CV_VIEW_FORM);
		assert_shows(s.c, bad[i].why, true);
		assert_null(s.c->plan.wish);
		end(&s);
	}
}

static void its_own_chain_is_offered_first(void **state)
{
	const struct cv_candidate *first, *second;
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_parents(&s);
	first = cv_parents_row(&s.c->parents, 0);
	second = cv_parents_row(&s.c->parents, 1);
	assert_string_equal(s.h.images[first->image].id, "web01-mid.vhd");
	assert_null(first->reason);
	assert_string_equal(s.h.images[second->image].id, "web01-base.vhd");
	assert_null(second->reason);
	assert_shows(s.c, "its parent now", true);
	/* QCOW2 is no parent for a VHD, and the reason is the last row's */
	send(s.c, "G");
	assert_shows(s.c, "the parent of a VHD is a VHD or a raw disk", true);
	send(s.c, "<Enter>");
	assert_int_equal(cv_top(s.c), CV_VIEW_PARENTS);
	assert_null(s.c->plan.wish);
	end(&s);
}

static void the_one_that_is_chosen_is_wished_for(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_parents(&s);
	send(s.c, "<Enter>");
	assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
	assert_string_equal(s.c->plan.wish->title, "rebase web01-root.vhd onto web01-base.vhd");
	assert_int_equal(s.c->plan.wish->rebase.image.inode, s.h.files[30].inode);
	assert_int_equal(s.c->plan.wish->rebase.onto.inode, s.h.files[27].inode);
	end(&s);
}

static void an_image_that_vanishes_is_said_to_be_gone(void **state)
{
	struct handmade other;
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_parents(&s);
	rescan_house(&other);
	other.files[3].inode = 4000;
	assert_true(cv_console_show(s.c, &other.snapshot));
	settle(&s);
	assert_shows(s.c, "The image is not there any more", true);
	send(s.c, "<Enter>");
	assert_null(s.c->plan.wish);
	send(s.c, "q");
	handmade_fini(&s.h);
	s.h = other;
	end(&s);
}

static void think(struct cv_board *board, void *ctx)
{
	(void)ctx;
	cv_board_say(board, "think");
	for (;;)
		pause();
}

static void what_is_thought_about_is_left_when_it_is_cancelled(void **state)
{
	struct cv_err err = { 0 };
	struct scene s;
	int pid;

	(void)state;
	begin(&s, 80, 24, true);
	show_parents(&s);
	assert_true(cv_child_think(&s.c->plan.maker.child, think, NULL, &err));
	pid = s.c->plan.maker.child.pid;
	s.c->plan.state = CV_JOB_RUNNING;
	cv_push_view(s.c, CV_VIEW_PLAN);
	send(s.c, "Y");
	assert_shows(s.c, "the plan is being made: c cancels that", true);
	send(s.c, "c");
	assert_shows(s.c, "cancelled: R reads everything", true);
	assert_int_equal(kill(pid, 0), -1);
	send(s.c, "c");
	assert_shows(s.c, "the plan is not being made now", true);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(every_key_is_safe_in_every_form),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(a_name_goes_with_the_format_until_it_is_typed),
		cmocka_unit_test(each_format_has_its_own_options),
		cmocka_unit_test(a_form_becomes_a_wish),
		cmocka_unit_test(a_name_that_cannot_be_is_said),
		cmocka_unit_test(its_own_chain_is_offered_first),
		cmocka_unit_test(the_one_that_is_chosen_is_wished_for),
		cmocka_unit_test(an_image_that_vanishes_is_said_to_be_gone),
		cmocka_unit_test(what_is_thought_about_is_left_when_it_is_cancelled),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_forms", tests, NULL, NULL) ? 1 : 0;
}
