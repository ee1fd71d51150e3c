/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan: what would be done, what it needs, what was looked at to allow it, and where. It says what the dry run of the
 * command line says. Whatever kind of plan it is.
 */
#include "tui/command/journal.h"
#include "tui/command/recover.h"
#include "tui/console_model.h"
#include "tui/view/scroll.h"

/* Kinds of repairs are longer than others. */
static int kind_width(const struct cv_plan *plan)
{
	size_t width = 8;

	for (size_t i = 0; i < plan->step_count; i++)
		width = strlen(plan->steps[i].kind) > width ? strlen(plan->steps[i].kind) : width;
	return (int)cv_smaller(width, 20);
}

static void write_step(struct cv_paper *p, const struct cv_plan_step *s, size_t number, int width)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	char label[64];

	snprintf(label, sizeof label, "%2zu %-*.*s%6s", number, width, width, s->kind, cv_size_short(s->bytes).s);
	cv_text_escape(&t, cv_bytes_of(s->target));
	cv_text_addf(&t, "  %s", s->why);
	cv_paper_field(p, width + 11, label, CV_INK_TEXT, cv_text_str(&t));
}

void cv_plan_view_write_steps(const struct cv_plan *plan, struct cv_paper *p)
{
	cv_paper_open(p, "steps");
	for (size_t i = 0; i < plan->step_count; i++)
		write_step(p, &plan->steps[i], i + 1, kind_width(plan));
	if (!plan->step_count)
		cv_paper_text(p, CV_INK_TEXT, "none");
	cv_paper_close(p);
}

static void write_space(struct cv_paper *p, const struct cv_plan *plan)
{
	struct cv_plan_sum rows[CV_PLAN_SUMS];
	size_t count = cv_plan_sums(&plan->space, rows);

	cv_paper_open(p, "space");
	for (size_t i = 0; i < count; i++) {
		char label[32];

		snprintf(label, sizeof label, "%c %s", rows[i].sign, rows[i].label);
		cv_paper_fieldf(p, 26, label, rows[i].bad ? CV_INK_ERROR : CV_INK_TEXT, "%7s%s%s",
				cv_size_short(rows[i].bytes).s, rows[i].note ? "   " : "",
				rows[i].note ? rows[i].note : "");
	}
	cv_paper_close(p);
}

/* What is not as it must be comes first: that is what one looks for. */
static void write_checks(struct cv_paper *p, const struct cv_plan *plan)
{
	if (!plan->check_count)
		return;
	cv_paper_open(p, "checks");
	for (int ok = 0; ok < 2; ok++)
		for (size_t i = 0; i < plan->check_count; i++)
			if (plan->checks[i].ok == ok)
				cv_paper_field(p, 4, ok ? "ok" : "!!", ok ? CV_INK_TEXT : CV_INK_ERROR,
					       plan->checks[i].text);
	cv_paper_close(p);
}

static void write_searched(struct cv_paper *p, const struct cv_plan *plan)
{
	if (!plan->searched_count)
		return;
	cv_paper_open(p, "searched for images that need them");
	for (size_t i = 0; i < plan->searched_count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		cv_text_escape(&t, cv_bytes_of(plan->searched[i]));
		cv_paper_text(p, CV_INK_TEXT, cv_text_str(&t));
	}
	cv_paper_close(p);
}

static void write_plan(const struct cv_console *c, struct cv_paper *p)
{
	const struct cv_plan_view *v = &c->plan;
	const struct cv_plan *plan = v->plan;
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	if (plan->refused) {
		cv_text_add(&why, "refused: ");
		cv_plan_refusal(plan, &why);
		cv_paper_text(p, CV_INK_ERROR, cv_text_str(&why));
	}
	if (plan->fix_count)
		cv_repair_write_fixes(v, p);
	else
		cv_plan_view_write_steps(plan, p);
	if (plan->item_count || plan->refused)
		write_space(p, plan);
	cv_plan_depths_write(c, p);
	write_checks(p, plan);
	write_searched(p, plan);
}

static void write_unfinished(struct cv_paper *p, const struct cv_operation_list *list)
{
	cv_paper_open(p, "unfinished");
	for (size_t i = 0; i < list->count; i++) {
		const struct cv_operation_entry *e = &list->entries[i];
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		if (!cv_recover_concerns(e))
			continue;
		cv_text_addf(&t, "%s  ", cv_entry_state(e));
		if (e->trouble)
			cv_text_add(&t, e->trouble);
		else
			cv_entry_images(&t, e);
		cv_paper_fieldf(p, 28, cv_minute((int64_t)(e->created_ns / 1000000000)).s, CV_INK_TEXT, "%-8s %s",
				cv_journal_what(e), cv_text_str(&t));
	}
	cv_paper_close(p);
	cv_paper_text(p, CV_INK_TEXT,
		      "Each is finished or put back, whichever its journal says is right. What another host "
		      "left is not touched: chainview recover --adopt does that.");
}

/* "The plan is being made: compare 57%, 5.5G of 9.6G" */
static void write_making(struct cv_paper *p, const struct cv_plan_child *maker)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const struct cv_board *board = maker->child.board;
	unsigned lines = board ? atomic_load(&board->lines) : 0;

	cv_text_add(&t, "The plan is being made");
	if (lines) {
		cv_text_addf(&t, ": %s ", board->line[lines - 1].text);
		cv_run_add_progress(board, &t);
	}
	cv_paper_text(p, CV_INK_INFO, cv_text_str(&t));
}

static bool rebuild(struct cv_console *c)
{
	const struct cv_plan_view *v = &c->plan;
	struct cv_paper *p = &c->paper;

	cv_paper_begin(p, c->w, c->ascii);
	if (v->heading[0])
		cv_paper_text(p, CV_INK_PROMPT, v->heading);
	if (v->state == CV_JOB_RUNNING)
		write_making(p, &v->maker);
	else if (v->state == CV_JOB_WANTED)
		cv_paper_text(p, CV_INK_INFO,
			      c->scanning ? "The plan is made when the scan is done." : "The plan is being made.");
	else if (v->state == CV_JOB_FAILED)
		cv_paper_text(p, CV_INK_TEXT, v->why);
	if (v->plan && v->state != CV_JOB_FAILED)
		write_plan(c, p);
	if (v->unfinished && v->state != CV_JOB_FAILED)
		write_unfinished(p, v->unfinished);
	c->view[CV_VIEW_PLAN].list.count = p->lines.len;
	return !p->failed;
}

/* Why F8 does not ask for the name now, or NULL. */
static const char *hindrance(const struct cv_console *c)
{
	if (c->run.active)
		return "another operation is at work: b shows it";
	if (c->scanning)
		return "a scan is running: it must be done first";
	if (c->plan.state == CV_JOB_RUNNING)
		return "the plan is being made: c cancels that";
	if (c->plan.plan && c->plan.plan->refused)
		return "the plan is refused: nothing can be done of it";
	if (!cv_plan_view_confirm(&c->plan))
		return cv_repair_open_questions(&c->plan) ? "nothing can be done without an answer (a)" : "there is nothing to do";
	return c->writing ? NULL : "this console is read-only: W allows writing";
}

/* z stops a scan first, if one runs. */
static bool cancel(struct cv_console *c, enum cv_action action)
{
	if (c->plan.state == CV_JOB_RUNNING)
		cv_plan_view_cancel(c);
	else if (action == CV_ACT_STOP)
		return false;
	else
		cv_console_say(c, "the plan is not being made now");
	return true;
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	const char *why = hindrance(c);

	(void)fx;
	if (action == CV_ACT_CANCEL_PLAN || action == CV_ACT_STOP)
		return cancel(c, action);
	if (action == CV_ACT_PLANNED_MAP) {
		cv_merge_show_map(c);
		return true;
	}
	if (action == CV_ACT_ANSWER || action == CV_ACT_REPAIR_MORE) {
		(action == CV_ACT_ANSWER ? cv_repair_ask : cv_repair_want_more)(c);
		return true;
	}
	if (action != CV_ACT_RUN_PLAN)
		return false;
	if (why)
		cv_console_say(c, "%s", why);
	else
		cv_input_begin(c, CV_MODE_CONFIRM);
	return true;
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	cv_text_addf(out, "plan%s: nothing has been written",
		     c->plan.plan && c->plan.plan->refused ? " (refused)" : "");
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	const char *why = hindrance(c);

	cv_scroll_hint(c, out);
	if (why)
		cv_text_addf(out, "%c%s.", why[0] & ~32, why + 1);
	else
		cv_text_add(out, "Y asks for a name, and then does it.");
	if (c->plan.plan && (c->plan.plan->kind == CV_PLAN_COALESCE || c->plan.plan->kind == CV_PLAN_LEAF) && !c->plan.plan->refused)
		cv_text_add(out, " w: the depth map after it.");
}

const struct cv_view cv_view_plan = {
	.name = "plan",
	CV_SCROLL_OPS,
	.rebuild = rebuild,
	.act = act,
	.title = title,
	.hint = hint,
	.want = cv_plan_view_want,
	.work = cv_plan_view_tick,
	.forget = cv_plan_view_touch,
	.end = cv_plan_view_end,
	.question = cv_repair_write_question,
	.answered = cv_repair_answered,
	.confirmed = cv_run_start,
};
