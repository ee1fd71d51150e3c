/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plans, operations at work, journal and trash in the console: golden screens of models that are filled by hand, what
 * keys do and do not do, and the process that an operation runs in. That they work on real images is in tests/cli.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_scene.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tui/command/clock.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static const struct cv_plan_item items[] = {
	{ .path = "x-orphan.vhd", .allocated = 58 * GIB, .uuid = { 0x9c, 0x1d, 0x44, 0xe0 }, .parent = "web01-base.vhd" },
	{ .path = "old/b\033[2J.vhd", .allocated = 4 * GIB, .uuid = { 1 } },
};
static const struct cv_plan_step steps[] = {
	{ "move", "x-orphan.vhd", 58 * GIB, "hidden base copy without children" },
	{ "move", "old/b\033[2J.vhd", 4 * GIB, "hidden base copy without children" },
};
static const struct cv_plan_check good[] = {
	{ "references-complete", true, "every source of references was read" },
	{ "search-complete", true, "all places and all files in them could be looked at" },
};
static const struct cv_plan_check bad[] = {
	{ "search-complete", true, "all places and all files in them could be looked at" },
	{ "references-complete", false, "no source knows every reference: give one that does (--refs=list:FILE)" },
	{ "not-needed", false, "web01-base.vhd: web01-mid.vhd stands on it" },
};
static const char *const searched[] = { "/srv/images/sr-ssd", "/srv/images/libvirt" };

static struct cv_plan plan_of(const struct cv_plan_check *checks, size_t count, bool refused)
{
	return (struct cv_plan){ .kind = CV_PLAN_TRASH, .repository = "/srv/images/sr-ssd", .searched = searched,
				 .searched_count = 2, .items = items, .item_count = 2, .steps = steps, .step_count = 2,
				 .checks = checks, .check_count = count, .refused = refused, .confirm = "sr-ssd",
				 .space = { .free_now = 312 * GIB, .lowest_free = 308 * GIB, .peak = 4 * GIB, .reserve = 100 * GIB,
					    .net = 62 * (int64_t)GIB, .fits = true } };
}

static void begin(struct scene *s, int w, int h, bool ascii)
{
	scene_begin(s, w, h, ascii, NULL);
	s->c->options.session = NULL;
}

static void put_plan(struct scene *s, const struct cv_plan *plan)
{
	s->plan = *plan;
	s->c->plan.plan = &s->plan;
	s->c->plan.state = CV_JOB_DONE;
	snprintf(s->c->plan.heading, sizeof s->c->plan.heading, "trash 2 images in /srv/images/sr-ssd");
	cv_push_view(s->c, CV_VIEW_PLAN);
	cv_settle(s->c);
}

static void show_plan(struct scene *s)
{
	struct cv_plan plan = plan_of(good, CV_COUNT(good), false);

	put_plan(s, &plan);
}

static void show_refused(struct scene *s)
{
	struct cv_plan plan = plan_of(bad, CV_COUNT(bad), true);

	put_plan(s, &plan);
}

static void show_full(struct scene *s)
{
	struct cv_plan plan = plan_of(good, CV_COUNT(good), true);

	plan.space = (struct cv_plan_space){ .free_now = 90 * GIB, .lowest_free = 88 * GIB, .peak = 2 * GIB, .reserve = 100 * GIB,
					     .net = -2 * (int64_t)GIB };
	put_plan(s, &plan);
}

static void show_consent(struct scene *s)
{
	show_plan(s);
	s->c->writing = true;
	send(s->c, "Ysr-s");
}

static void add_line(struct cv_board *board, uint64_t at_ms, const char *text)
{
	unsigned n = atomic_load(&board->lines);

	board->line[n] = (struct cv_board_line){ .at = 1764240000 + n, .at_ms = at_ms };
	snprintf(board->line[n].text, sizeof board->line[n].text, "%s", text);
	atomic_store(&board->lines, n + 1);
}

/* 32 seconds after it began, 24 into copying 9.6 GiB, of which 57 % are done. */
static void put_run(struct scene *s)
{
	struct cv_run_view *v = &s->c->run;
	uint64_t now = cv_clock_ticks() + 100000;

	v->child.board = mmap(NULL, sizeof *v->child.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(v->child.board, MAP_FAILED);
	add_line(v->child.board, now - 32000, "lock the repository");
	add_line(v->child.board, now - 31000, "scan again");
	add_line(v->child.board, now - 24000, "copy");
	s->plan = plan_of(good, CV_COUNT(good), false);
	v->plan = &s->plan;
	v->active = true;
	v->line = 3;
	v->samples = 2;
	v->sample[0].at_ms = now - 1000;
	v->sample[0].done = 5418 * MIB;
	v->sample[1].at_ms = now;
	v->sample[1].done = 5600 * MIB;
	/* so that the second does not change while it is drawn */
	v->began_ms = cv_clock_ticks() - 32400;
	snprintf(v->badge, sizeof v->badge, "[RUNNING 57%%]");
	snprintf(v->heading, sizeof v->heading, "trash 2 images in /srv/images/sr-ssd");
	cv_board_count(v->child.board, 5600 * MIB, 9830 * MIB, false);
	s->c->writing = true;
	cv_push_view(s->c, CV_VIEW_RUN);
	cv_touch(s->c, 1u << CV_VIEW_RUN);
	cv_settle(s->c);
}

static void put_end(struct scene *s, enum cv_result_state state, const char *why, const char *told)
{
	struct cv_run_view *v = &s->c->run;

	put_run(s);
	v->active = false;
	v->ended_ms = v->began_ms + 56000;
	v->child.board->result.state = state;
	if (*why)
		cv_fail(&v->child.board->err, CV_EREFUSED, "%s", why);
	snprintf(v->child.board->told, sizeof v->child.board->told, "%s", told);
	atomic_store(&v->child.board->ended, true);
	cv_touch(s->c, 1u << CV_VIEW_RUN);
	cv_settle(s->c);
}

static void show_done(struct scene *s)
{
	put_end(s, CV_RESULT_DONE, "", "moved 2 images to the trash: operation 9c1d44e0");
}

static void show_too_late(struct scene *s)
{
	put_end(s, CV_RESULT_REFUSED, "the repository changed while the plan was looked at: look at the new one", "");
}

/* Something on the heap, as the library would give it. */
static void *on_heap(const void *from, size_t size)
{
	void *copy = malloc(size);

	assert_non_null(copy);
	return memcpy(copy, from, size);
}

static struct cv_operation_list *operations(void)
{
	static const enum cv_plan_kind kinds[] = { CV_PLAN_TRASH, CV_PLAN_RESTORE, CV_PLAN_PURGE, CV_PLAN_TRASH, CV_PLAN_TRASH };
	static const enum cv_operation_state states[] = { CV_OPERATION_DONE, CV_OPERATION_ABORTED, CV_OPERATION_DAMAGED,
							  CV_OPERATION_PENDING, CV_OPERATION_PENDING };

	struct cv_operation_entry entries[5];
	struct cv_operation_list list;

	for (size_t i = 0; i < CV_COUNT(entries); i++)
		entries[i] = (struct cv_operation_entry){
			.id = { (uint8_t)(0xa0 + i), 0x44 }, .state = states[i], .kind = kinds[i], .own = i != 3, .pid = 1200 + (unsigned)i,
			.created_ns = (1764150000 + i * 3600) * (uint64_t)1000000000, .command = "chainview gc --yes /srv/images/sr-ssd",
			.items = items, .item_count = i == 2 ? 0 : 2, .running = i == 4,
			.archived = i < 3,
			.trouble = i == 2 ? "records follow behind one that is not valid" : NULL,
		};
	list = (struct cv_operation_list){ .entries = on_heap(entries, sizeof entries), .count = CV_COUNT(entries) };
	return on_heap(&list, sizeof list);
}

static void put_records(struct scene *s)
{
	struct cv_trash_entry entries[3];
	struct cv_trash trash;

	for (size_t i = 0; i < CV_COUNT(entries); i++)
		entries[i] = (struct cv_trash_entry){ .operation = { (uint8_t)(0xa0 + i) }, .index = (uint32_t)i, .item = &items[i % 2],
						      .since = 1764150000 - (int64_t)i * 300000, .allocated = (i + 1) * GIB };
	trash = (struct cv_trash){ on_heap(entries, sizeof entries), CV_COUNT(entries), operations() };
	s->c->records.repository = cv_repository_ident(s->c->snap.repositories[0]);
	s->c->records.trash = on_heap(&trash, sizeof trash);
	s->c->records.state = CV_JOB_DONE;
	s->c->records.now = 1764150000 + 7260;
	s->c->records.unsettled = true;
	s->c->records.next_ms = UINT64_MAX;
}

static void put_view(struct scene *s, enum cv_view_id view)
{
	put_records(s);
	cv_push_view(s->c, view);
	cv_touch(s->c, ~0u);
	cv_settle(s->c);
}

static void show_journal(struct scene *s)
{
	put_view(s, CV_VIEW_JOURNAL);
	send(s->c, "j");
}

static void show_operation(struct scene *s)
{
	show_journal(s);
	send(s->c, "G<Enter>");
}

static void show_trash(struct scene *s)
{
	put_view(s, CV_VIEW_TRASH);
	send(s->c, " ");
}

static void show_recover(struct scene *s)
{
	put_records(s);
	s->c->plan.unfinished = operations();
	s->c->plan.state = CV_JOB_DONE;
	snprintf(s->c->plan.heading, sizeof s->c->plan.heading, "settle 3 unfinished operations in /srv/images/sr-ssd");
	snprintf(s->c->plan.confirm, sizeof s->c->plan.confirm, "sr-ssd");
	cv_push_view(s->c, CV_VIEW_PLAN);
	cv_settle(s->c);
}

static const struct show shows[] = {
	{ "plan", show_plan }, { "plan-refused", show_refused }, { "plan-full", show_full }, { "plan-consent", show_consent },
	{ "plan-recover", show_recover }, { "run", put_run }, { "run-done", show_done }, { "run-refused", show_too_late },
	{ "journal", show_journal }, { "operation", show_operation }, { "trash", show_trash },
};

static const struct gallery gallery = GALLERY_OF(shows, false);

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void every_key_is_safe_in_every_view(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, 1);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	gallery_bears_every_size(&gallery);
}

/* How often consent was given; stands in for what would be carried out. */
static bool is_asked(const struct cv_console *c)
{
	return c->mode == CV_MODE_CONFIRM;
}

static void nothing_is_done_in_a_read_only_console(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_plan(&s);
	send(s.c, "Y");
	assert_false(is_asked(s.c));
	assert_shows(s.c, "this console is read-only: W allows writing", true);
	send(s.c, "Wn");
	assert_shows(s.c, "[READ-ONLY]", true);
	send(s.c, "W<Enter>");
	assert_false(s.c->writing);
	send(s.c, "Wy");
	assert_shows(s.c, "[WRITING]", true);
	send(s.c, "<F8>");
	assert_true(is_asked(s.c));
	send(s.c, "<Esc>W");
	assert_false(s.c->writing);
	end(&s);
}

static void a_refused_plan_says_why_and_cannot_be_confirmed(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	show_refused(&s);
	s.c->writing = true;
	assert_shows(s.c, "refused: no source knows every reference", true);
	send(s.c, "Y");
	assert_false(is_asked(s.c));
	assert_shows(s.c, "the plan is refused", true);
	end(&s);
	begin(&s, 80, 24, true);
	show_full(&s);
	assert_shows(s.c, "refused: it does not fit: 12884901888 bytes (12G) are missing", true);
	end(&s);
}

static void only_the_very_name_is_consent(void **state)
{
	static const char *const wrong[] = { "<Enter>", "sr-ss<Enter>", "sr-ssd <Enter>", "SR-SSD<Enter>", "y<Enter>",
					     "sr-ssd<Esc>", "sr-ssd<C-c>" };
	struct scene s;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(wrong); i++) {
		begin(&s, 80, 24, true);
		show_plan(&s);
		s.c->writing = true;
		send(s.c, "Y");
		send(s.c, wrong[i]);
		assert_int_equal(s.c->mode, CV_MODE_NORMAL);
		assert_int_equal(cv_top(s.c), CV_VIEW_PLAN);
		assert_ptr_equal(s.c->plan.plan, &s.plan);
		assert_false(s.c->run.active);
		end(&s);
	}
}

/* Names are typed as they are shown, escapes and all, however long they are. */
static void a_name_of_any_length_can_be_typed(void **state)
{
	struct scene s;
	char name[1021];

	(void)state;
	memset(name, 'x', sizeof name - 1);
	memcpy(name, "\\x1b[2J", 7 - 1);
	name[sizeof name - 1] = '\0';
	begin(&s, 60, 16, true);
	show_plan(&s);
	s.plan.confirm = name;
	s.c->writing = true;
	send(s.c, "Y");
	send(s.c, name);
	assert_string_equal(s.c->input.text, name);
	assert_shows(s.c, "consent", true);
	end(&s);
}

static void what_is_at_work_is_not_left_without_asking(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	put_run(&s);
	assert_int_equal(send(s.c, "<C-q>") & FX_QUIT, 0);
	assert_shows(s.c, "goes on without the console. Leave? y/n", true);
	assert_int_equal(send(s.c, "n<C-c>x") & FX_QUIT, 0);
	assert_int_equal(send(s.c, "<C-c>y") & FX_QUIT, FX_QUIT);
	assert_int_equal(send(s.c, "<C-q><C-q>") & FX_QUIT, FX_QUIT);
	assert_int_equal(send(s.c, "qq") & FX_QUIT, 0);
	assert_shows(s.c, "Leave? y/n", true);
	/* what is said meanwhile does not hide the question */
	cv_console_say(s.c, "something else");
	assert_shows(s.c, "Leave? y/n", true);
	assert_int_equal(send(s.c, "y") & FX_QUIT, FX_QUIT);
	end(&s);
}

static void nothing_is_read_while_an_operation_is_at_work(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	put_run(&s);
	assert_int_equal(send(s.c, "R") & FX_RESCAN, 0);
	assert_shows(s.c, "must be alone", true);
	send(s.c, "b");
	assert_int_equal(cv_top(s.c), CV_VIEW_RUN);
	send(s.c, "p");
	assert_true(atomic_load(&s.c->run.child.board->pause));
	send(s.c, " ");
	assert_false(atomic_load(&s.c->run.child.board->pause));
	send(s.c, "cn");
	assert_false(s.c->run.cancelling);
	send(s.c, "cy");
	assert_true(s.c->run.cancelling);
	send(s.c, "c");
	assert_shows(s.c, "it stops at the next safe point", true);
	end(&s);
}

static void rates_are_told_only_when_they_are_known(void **state)
{
	struct scene s;
	struct cv_rate rate;

	(void)state;
	begin(&s, 80, 24, true);
	put_run(&s);
	rate = cv_run_rate(&s.c->run);
	assert_int_equal(rate.now, 182 * MIB);
	assert_int_equal(rate.mean, 5600 * MIB / 24);
	s.c->run.idle_ms = 12000;
	assert_int_equal(cv_run_rate(&s.c->run).mean, 5600 * MIB / 12);
	s.c->run.idle_ms = 24000;
	assert_int_equal(cv_run_rate(&s.c->run).mean, 0);
	s.c->run.samples = 1;
	assert_int_equal(cv_run_rate(&s.c->run).now, 0);
	s.c->run.samples = 2;
	s.c->run.sample[0].at_ms = s.c->run.sample[1].at_ms;
	assert_int_equal(cv_run_rate(&s.c->run).now, 0);
	end(&s);
}

static void nothing_can_be_planned_without_a_session(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	send(s.c, "<Enter>p");
	assert_shows(s.c, "nothing can be planned", true);
	send(s.c, "1p");
	assert_shows(s.c, "nothing can be planned", true);
	end(&s);
}

static void marks_of_two_repositories_are_no_plan(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	send(s.c, "t");
	for (uint32_t i = 0; i < s.h.graph.image_count; i += s.h.graph.image_count - 1)
		assert_true(cv_ident_set_add(&s.c->marked, cv_image_ident(&s.h.images[i])));
	send(s.c, "p");
	assert_shows(s.c, "a plan is about one repository", true);
	end(&s);
}

static void the_journal_says_what_can_be_done(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 80, 24, true);
	put_view(&s, CV_VIEW_JOURNAL);
	assert_shows(s.c, "5 operations, 3 unfinished", true);
	assert_shows(s.c, "it is at work", true);
	send(s.c, "j");
	assert_shows(s.c, "unfinished: v finishes it or puts it back", true);
	send(s.c, "u");
	assert_shows(s.c, "it is unfinished: v settles it", true);
	send(s.c, "jj");
	assert_shows(s.c, "a restore cannot be undone", true);
	send(s.c, "u");
	assert_int_equal(cv_top(s.c), CV_VIEW_JOURNAL);
	send(s.c, "/x-orphan<Enter>");
	assert_shows(s.c, "of 4", true);
	end(&s);
}

static void the_cursor_stays_on_its_operation(void **state)
{
	struct scene s;
	uint8_t id[16];

	(void)state;
	begin(&s, 80, 24, true);
	put_view(&s, CV_VIEW_JOURNAL);
	send(s.c, "jjj");
	memcpy(id, cv_records_operation(s.c, 3)->id, sizeof id);
	/* the newest is gone */
	s.c->records.trash->operations->count--;
	cv_touch(s.c, ~0u);
	cv_settle(s.c);
	assert_int_equal(s.c->view[CV_VIEW_JOURNAL].list.cursor, 2);
	assert_memory_equal(cv_records_operation(s.c, 2)->id, id, sizeof id);
	end(&s);
}

static void run_to_the_end(struct cv_board *board, void *ctx)
{
	struct cv_monitor monitor = cv_board_monitor(board);

	(void)ctx;
	cv_board_say(board, "begin");
	for (uint64_t i = 0; i <= 100; i++)
		if (!monitor.tick(monitor.ctx, "copy", i, 100))
			cv_fail(&board->err, CV_ECANCELLED, "cancelled at %" PRIu64, i);
	board->result.state = CV_RESULT_DONE;
}

/* As operations do: where it may be left it asks, and waits as long as it is paused. */
static void run_for_ever(struct cv_board *board, void *ctx)
{
	struct cv_monitor monitor = cv_board_monitor(board);

	(void)ctx;
	for (uint64_t i = 0; monitor.tick(monitor.ctx, "copy", i, UINT64_MAX); i += !monitor.paused(monitor.ctx))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	board->result.state = CV_RESULT_CANCELLED;
}

static void wait_for(struct cv_child *child, bool (*what)(const struct cv_board *board))
{
	for (int i = 0; i < 1000 && !what(child->board); i++)
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	assert_true(what(child->board));
}

static void wait_for_end(struct cv_child *child)
{
	for (int i = 0; i < 1000 && cv_child_runs(child); i++)
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	assert_false(cv_child_runs(child));
}

static bool is_going(const struct cv_board *board)
{
	return atomic_load(&board->done) > 5;
}

static bool is_waiting(const struct cv_board *board)
{
	return atomic_load(&board->waits);
}

static void an_operation_tells_what_it_does_and_how_it_ended(void **state)
{
	struct cv_child child = { 0 };
	struct cv_err err = { 0 };

	(void)state;
	assert_true(cv_child_start(&child, run_to_the_end, NULL, &err));
	wait_for_end(&child);
	assert_true(atomic_load(&child.board->ended));
	assert_int_equal(child.status, 0);
	assert_int_equal(child.board->result.state, CV_RESULT_DONE);
	assert_int_equal(child.board->err.code, CV_OK);
	assert_int_equal(atomic_load(&child.board->lines), 2);
	assert_string_equal(child.board->line[0].text, "begin");
	assert_string_equal(child.board->line[1].text, "copy");
	assert_int_equal(atomic_load(&child.board->done), 100);
	cv_child_forget(&child);
	assert_null(child.board);
}

static void an_operation_pauses_goes_on_and_is_cancelled(void **state)
{
	struct cv_child child = { 0 };
	struct cv_err err = { 0 };
	uint64_t done;

	(void)state;
	assert_true(cv_child_start(&child, run_for_ever, NULL, &err));
	wait_for(&child, is_going);
	atomic_store(&child.board->pause, true);
	wait_for(&child, is_waiting);
	done = atomic_load(&child.board->done);
	nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
	assert_int_equal(atomic_load(&child.board->done), done);
	atomic_store(&child.board->pause, false);
	for (int i = 0; i < 1000 && atomic_load(&child.board->done) == done; i++)
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	assert_true(atomic_load(&child.board->done) > done);
	/* also one that is paused can be cancelled */
	atomic_store(&child.board->pause, true);
	wait_for(&child, is_waiting);
	cv_child_cancel(&child);
	wait_for_end(&child);
	assert_int_equal(child.board->result.state, CV_RESULT_CANCELLED);
	cv_child_forget(&child);
}

static void an_operation_that_is_killed_is_noticed(void **state)
{
	struct cv_child child = { 0 };
	struct cv_err err = { 0 };

	(void)state;
	assert_true(cv_child_start(&child, run_for_ever, NULL, &err));
	wait_for(&child, is_going);
	kill(child.pid, SIGKILL);
	wait_for_end(&child);
	assert_false(atomic_load(&child.board->ended));
	assert_true(WIFSIGNALED(child.status));
	assert_int_equal(WTERMSIG(child.status), SIGKILL);
	cv_child_forget(&child);
}

/* Neither a signal to the whole terminal nor the end of the console ends it, and it has nothing of ours open. */
static void an_operation_stands_on_its_own(void **state)
{
	struct cv_child child = { 0 };
	struct cv_err err = { 0 };
	char path[64], target[256];
	ssize_t len;

	(void)state;
	assert_true(cv_child_start(&child, run_for_ever, NULL, &err));
	wait_for(&child, is_going);
	assert_int_equal(getsid(child.pid), child.pid);
	kill(child.pid, SIGHUP);
	kill(child.pid, SIGPIPE);
	nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
	assert_true(cv_child_runs(&child));
	for (int fd = 0; fd < 20; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", child.pid, fd);
		len = readlink(path, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		if (fd < 3)
			assert_string_equal(target, "/dev/null");
		else
			assert_true(len < 0);
	}
	cv_child_cancel(&child);
	wait_for_end(&child);
	cv_child_forget(&child);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(every_key_is_safe_in_every_view),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(nothing_is_done_in_a_read_only_console),
		cmocka_unit_test(a_refused_plan_says_why_and_cannot_be_confirmed),
		cmocka_unit_test(only_the_very_name_is_consent),
		cmocka_unit_test(a_name_of_any_length_can_be_typed),
		cmocka_unit_test(what_is_at_work_is_not_left_without_asking),
		cmocka_unit_test(nothing_is_read_while_an_operation_is_at_work),
		cmocka_unit_test(rates_are_told_only_when_they_are_known),
		cmocka_unit_test(nothing_can_be_planned_without_a_session),
		cmocka_unit_test(marks_of_two_repositories_are_no_plan),
		cmocka_unit_test(the_journal_says_what_can_be_done),
		cmocka_unit_test(the_cursor_stays_on_its_operation),
		cmocka_unit_test(an_operation_tells_what_it_does_and_how_it_ended),
		cmocka_unit_test(an_operation_pauses_goes_on_and_is_cancelled),
		cmocka_unit_test(an_operation_that_is_killed_is_noticed),
		cmocka_unit_test(an_operation_stands_on_its_own),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_work", tests, NULL, NULL) ? 1 : 0;
}
