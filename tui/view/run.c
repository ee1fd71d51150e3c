/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The operation that is at work, or was last: how far it is, how fast, what is left to do, what was done when, and how
 * it ended.
 */
#include <signal.h>
#include <sys/wait.h>

#include "tui/command/clock.h"
#include "tui/console_model.h"
#include "tui/view/scroll.h"

enum { HEAD = 4 }; /* rows above the paper */

static const struct cv_board *board_of(const struct cv_console *c)
{
	return c->run.child.board;
}

static void add_end(const struct cv_run_view *v, struct cv_text *out)
{
	const struct cv_board *board = v->child.board;

	if (!atomic_load(&board->ended)) {
		cv_text_add(out, "its process died");
		if (WIFSIGNALED(v->child.status))
			cv_text_addf(out, " (signal %d, %s)", WTERMSIG(v->child.status),
				     strsignal(WTERMSIG(v->child.status)));
		cv_text_add(out, "; J shows what is unfinished, and v there settles it");
		return;
	}
	cv_text_add(out, cv_result_state_name(board->result.state));
	if (board->err.code && strcmp(board->err.text, cv_result_state_name(board->result.state)) != 0)
		cv_text_addf(out, ": %s", board->err.text);
	else if (board->result.state == CV_RESULT_CANCELLED)
		cv_text_add(out, ": what was begun was put back");
	if (board->told[0])
		cv_text_addf(out, "\n%s", board->told);
}

/* What does not fit into the line above. */
static void write_end(const struct cv_run_view *v, struct cv_paper *p)
{
	const struct cv_board *board = v->child.board;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	bool done = atomic_load(&board->ended) && board->result.state == CV_RESULT_DONE;

	add_end(v, &t);
	cv_paper_open(p, "result");
	cv_paper_text(p, done ? CV_INK_TEXT : CV_INK_ERROR, done && board->told[0] ? board->told : cv_text_str(&t));
	cv_paper_close(p);
}

static void write_log(const struct cv_board *board, struct cv_paper *p)
{
	unsigned lines = atomic_load(&board->lines);

	cv_paper_open(p, "log (UTC)");
	for (unsigned i = 0; i < lines; i++) {
		struct cv_time_text at = cv_time_utc(board->line[i].at);

		/* only the time of day of 2026-11-20T10:42:01Z */
		at.s[19] = '\0';
		cv_paper_field(p, 10, at.s + 11, CV_INK_TEXT, board->line[i].text);
	}
	if (!lines)
		cv_paper_text(p, CV_INK_TEXT, "nothing yet");
	cv_paper_close(p);
}

static bool rebuild(struct cv_console *c)
{
	struct cv_paper *p = &c->paper;

	cv_paper_begin(p, c->w, c->ascii);
	if (board_of(c)) {
		if (!c->run.active)
			write_end(&c->run, p);
		write_log(board_of(c), p);
		if (c->run.plan)
			cv_plan_view_write_steps(c->run.plan, p);
	}
	c->view[CV_VIEW_RUN].list.count = p->lines.len;
	return !p->failed;
}

static int page(const struct cv_console *c)
{
	return cv_scroll_page(c) - HEAD;
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	(void)fx;
	if (action != CV_ACT_PAUSE && action != CV_ACT_CANCEL)
		return false;
	if (!c->run.active) {
		cv_console_say(c, "it is over");
	} else if (action == CV_ACT_PAUSE) {
		cv_run_pause(c);
	} else if (c->run.cancelling) {
		cv_console_say(c, "it stops at the next safe point");
	} else if (!c->sure) {
		cv_ask(c, CV_ACT_CANCEL, "Cancel? It stops at the next safe point, and nothing is lost.");
	} else {
		c->run.cancelling = true;
		cv_child_cancel(&c->run.child);
	}
	return true;
}

static void add_clock(struct cv_text *t, const char *label, uint64_t seconds)
{
	cv_text_addf(t, "%s %" PRIu64 ":%02u", label, seconds / 60, (unsigned)(seconds % 60));
}

/* "now 182M/s  mean 176M/s  elapsed 0:32  ETA 0:24" */
static void add_speed(const struct cv_run_view *v, struct cv_text *t)
{
	const struct cv_board *board = v->child.board;
	uint64_t done = atomic_load(&board->done), total = atomic_load(&board->total);
	uint64_t until = v->active ? cv_clock_ticks() : v->ended_ms;
	struct cv_rate rate = cv_run_rate(v);

	if (!v->active)
		rate = (struct cv_rate){ 0 };
	if (rate.mean && !atomic_load(&board->counts))
		cv_text_addf(t, "now %s/s  mean ", cv_size_short(rate.now).s);
	if (rate.mean && !atomic_load(&board->counts))
		cv_text_addf(t, "%s/s  ", cv_size_short(rate.mean).s);
	add_clock(t, v->active ? "elapsed" : "took", (until - v->began_ms) / 1000);
	if (rate.mean && total > done && !atomic_load(&board->pause))
		add_clock(t, "  ETA", (total - done) / rate.mean);
}

/* "move: 57%  5.5G of 9.6G" */
void cv_run_add_progress(const struct cv_board *board, struct cv_text *t)
{
	uint64_t done = atomic_load(&board->done), total = atomic_load(&board->total);

	if (!total)
		return;
	done = done < total ? done : total;
	cv_text_addf(t, "%u%%  ", (unsigned)(100.0 * (double)done / (double)total));
	if (atomic_load(&board->counts)) {
		cv_text_addf(t, "%" PRIu64 " of %" PRIu64 " files", done, total);
		return;
	}
	cv_text_addf(t, "%s of ", cv_size_short(done).s);
	cv_text_add(t, cv_size_short(total).s);
}

static void draw_head(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_run_view *v = &c->run;
	const struct cv_board *board = v->child.board;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	int bar = a.w >= CV_WIDE_W ? 60 : 34;

	cv_cells_elide(out, 1, a.y, a.w - 1, CV_INK_PROMPT, v->heading);
	if (v->active && atomic_load(&board->total)) {
		cv_cells_bar(out, 1, a.y + 1, bar, atomic_load(&board->done), atomic_load(&board->total));
		cv_run_add_progress(board, &t);
		cv_cells_elide(out, bar + 2, a.y + 1, a.w - bar - 2, CV_INK_TEXT, cv_text_str(&t));
	} else if (!v->active) {
		cv_cells_put(out, 1, a.y + 1, a.w - 1, CV_INK_PROMPT,
			     atomic_load(&board->ended) ? cv_result_state_name(board->result.state)
							: "its process died");
	}
	cv_text_clear(&t);
	if (v->active)
		cv_text_addf(&t, "%s%s   ",
			     v->cancelling                ? "cancelling: "
			     : atomic_load(&board->waits) ? "paused: "
			     : atomic_load(&board->pause) ? "pausing: "
							  : "",
			     cv_run_doing(v));
	add_speed(v, &t);
	cv_cells_elide(out, 1, a.y + 2, a.w - 1, CV_INK_TEXT, cv_text_str(&t));
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	if (!board_of(c)) {
		cv_cells_put(out, 1, a.y, a.w - 1, CV_INK_TEXT, "No operation was begun in this console.");
		return;
	}
	draw_head(c, out, a);
	cv_scroll_draw(c, out, (struct cv_area){ a.x, a.y + HEAD, a.w, a.h - HEAD });
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	cv_text_add(out, c->run.active ? "operation at work" : "operation");
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	cv_text_add(out, c->run.active ? "q leaves this view: it goes on, even without the console."
			 : board_of(c) ? "It is over. J shows the journal: it may be undone there."
				       : "p in other views makes a plan.");
}

static void want(struct cv_console *c)
{
	cv_drop_view(c, CV_VIEW_RUN);
	cv_push_view(c, CV_VIEW_RUN);
}

const struct cv_view cv_view_run = {
	.name = "operation at work",
	.scrolls = true,
	.rebuild = rebuild,
	.ident = cv_scroll_ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.want = want,
	.work = cv_run_tick,
	.end = cv_run_end,
	.places = cv_scroll_places,
	.place_text = cv_scroll_place_text,
	.place_now = cv_scroll_place_now,
	.place_go = cv_list_go,
};
