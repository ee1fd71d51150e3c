/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The operation that the console has begun: its process is started, watched ten times a second, paused and cancelled.
 * Nothing is drawn here.
 */
#include <stdio.h>
#include <sys/wait.h>

#include "tui/command/clock.h"
#include "tui/command/recover.h"
#include "tui/console_model.h"

/* What the new process is told; all of it is a copy of its own there. */
struct start {
	struct cv_session *session;
	struct cv_run_view *run;
};

static void say(void *ctx, const char *what)
{
	cv_board_say(ctx, what);
}

static void settle(struct cv_board *board, const struct cv_wish *wish)
{
	struct cv_monitor monitor = cv_board_monitor(board);
	struct cv_recover_options how = { .monitor = &monitor };
	bool ok;

	cv_board_say(board, "settle");
	ok = cv_recover_repository(wish->repository, &how, &board->settled, &board->err);
	board->result.state = ok ? CV_RESULT_DONE : cv_flow_state_of(&board->err);
	snprintf(board->told, sizeof board->told, "settled %zu operation%s", board->settled, cv_plural(board->settled));
}

static void carry_out(struct cv_board *board, struct cv_session *s, struct cv_run_view *run)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 }, told = { 0 };
	struct cv_monitor monitor = cv_board_monitor(board);
	struct cv_flow flow = {
		.session = s, .call = &run->wish->call, .monitor = &monitor, .stage = say, .stage_ctx = board
	};

	monitor.rate = s->settings.write.rate;
	monitor.exclusive = s->settings.write.exclusive;
	s->tables |= run->wish->tables;
	cv_text_addf(&line, "chainview console: %s", run->heading);
	flow.command = cv_text_str(&line);
	if (run->wish->place && !cv_session_add(s, run->wish->place, true, &board->err)) {
		board->result.state = cv_flow_state_of(&board->err);
		return;
	}
	if (!(run->wish->carry_out ? run->wish->carry_out(flow.call->ctx, &flow, &run->plan, &board->result, &board->err)
				   : cv_flow_carry_out(&flow, &run->plan, &board->result, &board->err)))
		return;
	run->wish->call.tell(run->plan, &board->result, &told);
	cv_copy_text(board->told, sizeof board->told, cv_text_str(&told));
}

/* In the new process. */
static void work(struct cv_board *board, void *ctx)
{
	struct start *start = ctx;
	struct cv_session *s = start->session;

	cv_board_watch(board, s);
	if (start->run->wish->recover)
		settle(board, start->run->wish);
	else
		carry_out(board, s, start->run);
}

static void drop(struct cv_run_view *v)
{
	cv_child_forget(&v->child);
	cv_wish_free(v->wish);
	cv_plan_free(v->plan);
	free(v->repository);
	*v = (struct cv_run_view){ 0 };
}

void cv_run_end(struct cv_console *c)
{
	drop(&c->run);
}

/* Maps and sums have images open, and an image that is open is not given to an operation. */
static void close_images(struct cv_console *c)
{
	cv_plan_depths_end(&c->plan);
	for (int i = 0; i < CV_VIEW_COUNT; i++)
		if (i != CV_VIEW_PLAN && cv_views[i]->forget)
			cv_views[i]->forget(c);
}

void cv_run_start(struct cv_console *c)
{
	struct cv_run_view *v = &c->run;
	struct start start = { c->options.session, v };
	struct cv_err err = { .code = CV_OK };

	drop(v);
	close_images(c);
	v->wish = cv_take(c->plan.wish);
	v->plan = cv_take(c->plan.plan);
	v->repository = strdup(v->wish->repository);
	v->marks = v->wish->marks;
	cv_copy_text(v->heading, sizeof v->heading, c->plan.heading);
	v->began_ms = cv_clock_ticks();
	v->active = cv_child_start(&v->child, work, &start, &err);
	snprintf(v->badge, sizeof v->badge, "[RUNNING]");
	c->plan.wish = cv_take(v->wish);
	if (!v->active) {
		cv_console_say(c, "%s", err.text);
		drop(v);
		cv_plan_view_touch(c);
		return;
	}
	cv_plan_view_touch(c);
	cv_push_view(c, CV_VIEW_RUN);
}

void cv_run_pause(struct cv_console *c)
{
	struct cv_run_view *v = &c->run;

	if (v->active && !v->cancelling)
		atomic_store(&v->child.board->pause, !atomic_load(&v->child.board->pause));
}

const char *cv_run_doing(const struct cv_run_view *v)
{
	unsigned n = v->child.board ? atomic_load(&v->child.board->lines) : 0;

	return n ? v->child.board->line[n - 1].text : "";
}

static void take_sample(struct cv_run_view *v)
{
	struct cv_board *board = v->child.board;
	unsigned line = atomic_load(&board->lines);

	if (line != v->line) {
		v->line = line;
		v->samples = 0;
		v->idle_ms = 0;
	}
	if (v->samples && atomic_load(&board->waits))
		v->idle_ms += cv_clock_ticks() - v->sample[(v->samples - 1) % CV_RATE_SAMPLES].at_ms;
	v->sample[v->samples % CV_RATE_SAMPLES].at_ms = cv_clock_ticks();
	v->sample[v->samples % CV_RATE_SAMPLES].done = atomic_load(&board->done);
	v->samples++;
}

static uint64_t per_second(uint64_t done, uint64_t ms)
{
	uint64_t thousandfold;

	if (!ms)
		return 0;
	return __builtin_mul_overflow(done, 1000u, &thousandfold) ? done / ms * 1000 : thousandfold / ms;
}

struct cv_rate cv_run_rate(const struct cv_run_view *v)
{
	const struct cv_board *board = v->child.board;
	struct cv_rate rate = { 0 };
	size_t newest, oldest;
	uint64_t began;

	if (v->samples < 2 || !v->line || !board)
		return rate;
	newest = (v->samples - 1) % CV_RATE_SAMPLES;
	oldest = v->samples > CV_RATE_SAMPLES ? v->samples % CV_RATE_SAMPLES : 0;
	began = board->line[v->line - 1].at_ms;
	if (v->sample[newest].done >= v->sample[oldest].done)
		rate.now = per_second(v->sample[newest].done - v->sample[oldest].done,
				      v->sample[newest].at_ms - v->sample[oldest].at_ms);
	if (v->sample[newest].at_ms > began + v->idle_ms)
		rate.mean = per_second(v->sample[newest].done, v->sample[newest].at_ms - began - v->idle_ms);
	return rate;
}

static void put_badge(struct cv_run_view *v)
{
	uint64_t done = atomic_load(&v->child.board->done), total = atomic_load(&v->child.board->total);

	if (v->cancelling)
		snprintf(v->badge, sizeof v->badge, "[CANCELLING]");
	else if (atomic_load(&v->child.board->pause))
		snprintf(v->badge, sizeof v->badge, atomic_load(&v->child.board->waits) ? "[PAUSED]" : "[PAUSING]");
	else if (total)
		snprintf(v->badge, sizeof v->badge, "[RUNNING %u%%]",
			 (unsigned)(100.0 * (double)cv_smaller(done, total) / (double)total));
	else
		snprintf(v->badge, sizeof v->badge, "[RUNNING]");
}

/* It is over: what it changed is read again, and the plan that is done is gone. */
static void finish(struct cv_console *c, unsigned *fx)
{
	struct cv_run_view *v = &c->run;
	const struct cv_board *board = v->child.board;
	bool ended = atomic_load(&board->ended), done = ended && board->result.state == CV_RESULT_DONE;

	v->active = false;
	v->ended_ms = cv_clock_ticks();
	if (done && v->marks) {
		cv_ident_set_clear(v->marks);
		c->marked_bytes = c->marked.len ? c->marked_bytes : 0;
	}
	for (int i = 0; done && i < CV_VIEW_COUNT; i++)
		if (1u << i & CV_ASKING_VIEWS)
			cv_drop_view(c, (enum cv_view_id)i);
	cv_records_touch(c);
	cv_plan_view_touch(c);
	if (cv_top(c) != CV_VIEW_RUN)
		cv_console_say(c, "the operation is over (%s): b shows how",
			       ended ? cv_result_state_name(board->result.state) : "its process died");
	*fx |= FX_RESCAN | FX_REDRAW;
}

bool cv_run_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_run_view *v = &c->run;
	bool runs;

	(void)budget_ms;
	if (!v->active)
		return false;
	runs = cv_child_runs(&v->child);
	if (runs && cv_clock_ticks() < v->next_ms)
		return false;
	v->next_ms = cv_clock_ticks() + CV_FRAME_MS;
	take_sample(v);
	put_badge(v);
	if (!runs)
		finish(c, fx);
	cv_touch(c, 1u << CV_VIEW_RUN);
	cv_settle(c);
	*fx |= FX_REDRAW;
	return false;
}
