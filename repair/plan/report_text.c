/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A plan as text: what is done, what it needs, what was looked at. The dry run and the prompt show the same. */
#include "repair/plan/report.h"

/* Its other items are those that stand on the image. */
static void merged(struct cv_page *o, const struct cv_plan *plan)
{
	CV_AUTO(cv_text_fini) struct cv_text parent = { 0 };

	cv_page_str(o, CV_PAINT_BOLD, plan->kind == CV_PLAN_LEAF ? "plan: coalesce 1 leaf" : "plan: coalesce 1 image");
	if (plan->item_count < 2)
		return;
	cv_text_escape(&parent, cv_bytes_of(plan->items[1].path));
	cv_page_str(o, CV_PAINT_BOLD, " into ");
	cv_page_elided(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&parent)), 30);
}

static void heading(struct cv_page *o, const struct cv_plan *plan)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	if (plan->kind == CV_PLAN_COALESCE || plan->kind == CV_PLAN_LEAF)
		merged(o, plan);
	else if (plan->kind == CV_PLAN_REPAIR && !plan->item_count)
		cv_page_str(o, CV_PAINT_BOLD, "plan: repair nothing");
	else
		cv_page_addf(o, CV_PAINT_BOLD, "plan: %s %zu image%s", cv_plan_kind_name(plan->kind), plan->item_count,
			     plan->item_count == 1 ? "" : "s");
	cv_text_escape(&path, cv_bytes_of(plan->repository));
	cv_page_str(o, CV_PAINT_BOLD, " in ");
	cv_page_elided(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&path)), cv_page_left(o));
	cv_page_end(o);
}

/* Kinds of repairs are longer than others, and their reasons need a line of their own. */
static void fix_steps(struct cv_page *o, const struct cv_plan *plan)
{
	size_t width = 0;

	for (size_t i = 0; i < plan->step_count; i++)
		width = strlen(plan->steps[i].kind) > width ? strlen(plan->steps[i].kind) : width;
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct cv_plan_step *s = &plan->steps[i];
		CV_AUTO(cv_text_fini) struct cv_text target = { 0 };

		cv_text_escape(&target, cv_bytes_of(s->target));
		cv_page_addf(o, CV_PAINT_PLAIN, "  %3zu %-*s", i + 1, (int)width, s->kind);
		cv_page_right(o, CV_PAINT_BOLD, cv_size_short(s->bytes).s, (unsigned)width + 12);
		cv_page_str(o, CV_PAINT_PLAIN, "  ");
		cv_page_elided(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&target)), cv_page_left(o));
		cv_page_end(o);
		cv_page_str(o, CV_PAINT_PLAIN, "      ");
		cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(s->why), 6);
		cv_page_end(o);
	}
}

static void steps(struct cv_page *o, const struct cv_plan *plan)
{
	if (plan->kind == CV_PLAN_REPAIR) {
		fix_steps(o, plan);
		return;
	}
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct cv_plan_step *s = &plan->steps[i];
		CV_AUTO(cv_text_fini) struct cv_text target = { 0 };

		cv_text_escape(&target, cv_bytes_of(s->target));
		cv_page_addf(o, CV_PAINT_PLAIN, "  %3zu %-7s", i + 1, s->kind);
		cv_page_right(o, CV_PAINT_BOLD, cv_size_short(s->bytes).s, 22);
		cv_page_str(o, CV_PAINT_PLAIN, "  ");
		cv_page_elided(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&target)),
			       cv_page_left(o) > 60 ? cv_page_left(o) - strlen(s->why) - 3 : cv_page_left(o));
		if (cv_page_left(o) > strlen(s->why) + 2)
			cv_page_addf(o, CV_PAINT_DIM, "  %s", s->why);
		cv_page_end(o);
	}
}

void cv_plan_page_space(struct cv_page *o, const struct cv_plan_space *s)
{
	struct cv_plan_sum rows[CV_PLAN_SUMS];
	size_t count = cv_plan_sums(s, rows);

	cv_page_str(o, CV_PAINT_PLAIN, "space  ");
	for (size_t i = 0; i < count; i++) {
		enum cv_paint paint = rows[i].bad ? CV_PAINT_ERROR : CV_PAINT_PLAIN;

		cv_page_addf(o, paint, "%s%s %s", i ? ", " : " ", rows[i].label, cv_size_short(rows[i].bytes).s);
		if (rows[i].note)
			cv_page_addf(o, paint, ": %s", rows[i].note);
	}
	cv_page_end(o);
}

static void checks(struct cv_page *o, const struct cv_plan *plan)
{
	for (size_t i = 0; i < plan->check_count; i++) {
		const struct cv_plan_check *c = &plan->checks[i];

		cv_page_str(o, c->ok ? CV_PAINT_PLAIN : CV_PAINT_ERROR, c->ok ? "  ok  " : "  !!  ");
		cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(c->text), 6);
		cv_page_end(o);
	}
}

/* Of a repair: what stays as it is, and why. */
static void left(struct cv_page *o, const struct cv_plan *plan)
{
	bool any = false;

	for (size_t i = 0; i < plan->fix_count; i++) {
		const struct cv_plan_fix *f = &plan->fixes[i];
		CV_AUTO(cv_text_fini) struct cv_text line = { 0 };

		if (f->chosen)
			continue;
		if (!any) {
			cv_page_str(o, CV_PAINT_PLAIN, "left as it is");
			cv_page_end(o);
		}
		any = true;
		cv_text_escape(&line, cv_bytes_of(f->image));
		cv_text_addf(&line, ": %s: %s%s", cv_problem_by_id(f->problem)->name, f->verdict == CV_FIX_REFUSED ? "" : "not wanted: ", f->why);
		cv_page_str(o, CV_PAINT_PLAIN, "  --  ");
		cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&line)), 6);
		cv_page_end(o);
	}
}

void cv_plan_page_searched(struct cv_page *o, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

		cv_text_escape(&path, cv_bytes_of(paths[i]));
		cv_page_str(o, CV_PAINT_DIM, i ? "         " : "searched ");
		cv_page_elided(o, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&path)), cv_page_left(o));
		cv_page_end(o);
	}
}

bool cv_report_plan(const struct cv_plan *plan, const struct cv_style *style, const struct cv_sink *sink)
{
	struct cv_page page, *o = &page;

	cv_page_init(o, style, sink);
	heading(o, plan);
	steps(o, plan);
	if (plan->item_count || plan->kind != CV_PLAN_REPAIR) {
		cv_plan_page_space(o, &plan->space);
		cv_page_str(o, CV_PAINT_PLAIN, "checks");
		cv_page_end(o);
	}
	checks(o, plan);
	left(o, plan);
	cv_plan_page_searched(o, plan->searched, plan->searched_count);
	return cv_page_fini(o);
}
