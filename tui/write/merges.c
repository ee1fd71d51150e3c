/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See merges.h. */
#include "tui/command/survey.h"
#include "tui/command/trash.h"
#include "tui/write/merges.h"

/* --- what an earlier run merged, and did not come to remove ------------------------------------------------ */

/* The word is in the line that began it. */
static bool was_to_be_purged(const struct cv_trash *trash, const struct cv_trash_entry *e)
{
	static const char word[] = " --purge-merged";

	for (size_t i = 0; e->index == 0 && i < trash->operations->count; i++) {
		const struct cv_operation_entry *op = &trash->operations->entries[i];
		const char *at = op->command ? strstr(op->command, word) : NULL;

		if (!memcmp(op->id, e->operation, sizeof op->id))
			return op->kind == CV_PLAN_COALESCE && at && (at[sizeof word - 1] == ' ' || !at[sizeof word - 1]);
	}
	return false;
}

/* Which of the trash these are; the caller frees them. */
static struct cv_trash_pick *left_behind(const char *repository, size_t *count, uint64_t *bytes, struct cv_err *err)
{
	struct cv_trash *trash = cv_trash_read(repository, err);
	struct cv_trash_pick *picks = trash ? calloc(trash->count + 1, sizeof *picks) : NULL;

	*count = 0;
	*bytes = 0;
	if (trash && !picks)
		cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; picks && i < trash->count; i++) {
		const struct cv_trash_entry *e = &trash->entries[i];

		if (!was_to_be_purged(trash, e))
			continue;
		memcpy(picks[*count].operation, e->operation, sizeof e->operation);
		picks[(*count)++].index = e->index;
		if (__builtin_add_overflow(*bytes, e->allocated, bytes))
			*bytes = UINT64_MAX;
	}
	cv_trash_free(trash);
	return picks;
}

/* --- planning ---------------------------------------------------------------------------------------------- */

/* way: of what was shown; BEST: it is about to be. */
static struct cv_merges *merges_of(struct cv_session *s, const char *repository, enum cv_merges_way way, struct cv_err *err)
{
	const struct cv_space_options how = { .chains_only = true, .processes = s->settings.workers, .reserve = cv_session_reserve(s) };
	struct cv_merges_options o = { .repository = cv_flow_repository(s, repository), .purge = s->settings.write.purge_merged,
				       .full = s->settings.write.undo_full,
				       .way = way, .reserve = how.reserve };
	CV_AUTO(cv_auto_free) struct cv_trash_pick *picks = NULL;
	struct cv_space *space;
	struct cv_merges *made = NULL;

	if (o.repository == UINT32_MAX) {
		cv_fail(err, CV_EUSAGE, "the repository was not scanned");
		return NULL;
	}
	if (way == CV_MERGES_BEST && o.purge && !(picks = left_behind(repository, &o.purged_first, &o.purged_first_bytes, err)))
		return NULL;
	space = cv_session_survey(s, &how, err);
	if (space && space->cancelled)
		cv_fail(err, CV_ECANCELLED, "cancelled");
	else if (space)
		made = cv_merges_plan(s->graph, space, &o, err);
	cv_space_free(space);
	return made;
}

struct cv_merges *cv_merges_of(struct cv_session *s, const char *repository, struct cv_err *err)
{
	return merges_of(s, repository, CV_MERGES_BEST, err);
}

static void set_why(struct cv_merge_outcome *out, const char *text)
{
	free((void *)(uintptr_t)out->why);
	out->why = strdup(text);
}

static void end_as(struct cv_merge_outcome *out, enum cv_result_state state, const char *why)
{
	out->tried = true;
	out->result.state = state;
	set_why(out, why);
}

/* --- which comes next -------------------------------------------------------------------------------------- */

/* The number of a step as it was shown; SIZE_MAX: it was not. */
static size_t shown_number(const struct cv_merges_run *r, const struct cv_merge_step *step)
{
	for (size_t i = 0; i < r->shown->count; i++)
		if (!strcmp(r->shown->steps[i].name, step->name) && !strcmp(r->shown->steps[i].into_name, step->into_name))
			return i;
	return SIZE_MAX;
}

static bool is_there(const struct cv_session *s, const char *repository, const char *name)
{
	uint32_t number = cv_flow_repository(s, repository);

	for (uint32_t i = 0; i < s->graph->image_count; i++)
		if (s->graph->images[i].repository == number && !strcmp(s->graph->images[i].id, name))
			return true;
	return false;
}

/* Why a step that was shown cannot be done any more. */
static void give_up(struct cv_merges_run *r, const struct cv_merges *now, size_t number)
{
	const struct cv_merge_step *step = &r->shown->steps[number];
	struct cv_merge_outcome *out = &r->outcomes[number];
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	if (!is_there(r->session, r->shown->repository, step->name)) {
		end_as(out, CV_RESULT_REFUSED, "it is not there any more");
		return;
	}
	if (step->after != SIZE_MAX && r->outcomes[step->after].result.state != CV_RESULT_DONE) {
		cv_text_add(&why, "it comes after ");
		cv_text_escape(&why, cv_bytes_of(r->shown->steps[step->after].name));
		cv_text_add(&why, ", which was not merged");
	}
	for (size_t i = 0; !why.len && i < now->left_count; i++)
		if (!strcmp(now->left[i].name, step->name))
			cv_text_add(&why, now->left[i].reason);
	end_as(out, CV_RESULT_REFUSED, why.len ? cv_text_str(&why) : "the repository changed meanwhile: call this again");
}

/* Of the steps that can be done now and were not tried yet, the one that was shown first; one that does not fit as things
 * are comes last. NULL: there is none. */
static struct cv_merge_step *choose(struct cv_merges_run *r, struct cv_merges *now)
{
	struct cv_merge_step *best = NULL;

	for (size_t i = 0; i < now->count; i++) {
		struct cv_merge_step *step = &now->steps[i];
		size_t number = step->plan ? shown_number(r, step) : SIZE_MAX;

		if (number == SIZE_MAX || r->outcomes[number].tried)
			continue;
		if (best && (step->plan->refused != best->plan->refused ? step->plan->refused : number > r->current))
			continue;
		best = step;
		r->current = number;
	}
	return best;
}

/* Called with the repository locked and scanned anew. */
static struct cv_plan *plan_next(struct cv_session *s, void *ctx, struct cv_err *err)
{
	struct cv_merges_run *r = ctx;
	struct cv_merges *now = merges_of(s, r->shown->repository, r->shown->way, err);
	struct cv_merge_step *next = now ? choose(r, now) : NULL;
	struct cv_plan *plan = next ? next->plan : NULL;

	if (next)
		next->plan = NULL;
	for (size_t i = 0; now && !plan && i < r->shown->count; i++)
		if (!r->outcomes[i].tried)
			give_up(r, now, i);
	if (now && !plan) {
		r->over = true;
		cv_fail(err, CV_EREFUSED, "nothing is left to do");
	}
	cv_merges_free(now);
	return plan;
}

/* --- one after the other ----------------------------------------------------------------------------------- */

/* Who watches is asked for when it is known which step it is. */
static bool tick(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct cv_merges_run *r = ctx;
	const struct cv_monitor *m = r->begin(r->ctx, r->current);

	return m->tick(m->ctx, what, done, total);
}

static struct cv_flow flow_of(const struct cv_merges_run *r, const struct cv_write_call *call, const struct cv_monitor *monitor)
{
	return (struct cv_flow){ .session = r->session, .call = call, .command = r->command, .monitor = monitor,
				 .repository = r->shown->repository };
}

/* By the rules of trash purge: what somebody refers to stays. */
static bool purge(struct cv_merges_run *r, const struct cv_trash_pick *picks, size_t count, const struct cv_monitor *monitor,
		  struct cv_err *err)
{
	struct cv_trash_call trash = { .path = (char *)(uintptr_t)r->shown->repository, .picks = picks, .pick_count = count,
				       .purge = true };
	struct cv_write_call call = cv_trash_call_of(&trash);
	struct cv_flow flow = flow_of(r, &call, monitor);
	struct cv_operation_result result;
	struct cv_plan *plan = NULL;
	bool ok = cv_flow_carry_out(&flow, &plan, &result, err);

	cv_plan_free(plan);
	return ok;
}

static void purge_merged(struct cv_merges_run *r, const struct cv_monitor *monitor)
{
	struct cv_merge_outcome *out = &r->outcomes[r->current];
	struct cv_trash_pick pick = { .index = 0 };
	struct cv_err err = { .code = CV_OK };

	memcpy(pick.operation, out->result.id, sizeof pick.operation);
	out->purged = purge(r, &pick, 1, monitor, &err);
	if (!out->purged)
		set_why(out, err.text);
}

static bool purge_first(struct cv_merges_run *r, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct cv_trash_pick *picks = NULL;
	size_t count;
	uint64_t bytes;

	if (!r->shown->purged_first)
		return true;
	picks = left_behind(r->shown->repository, &count, &bytes, err);
	return picks && (!count || purge(r, picks, count, r->begin(r->ctx, SIZE_MAX), err) ||
			 cv_wrap(err, "what an earlier run merged cannot be removed"));
}

/* False: there is no other to try, or no way to. */
static bool do_next(struct cv_merges_run *r, struct cv_err *err)
{
	const struct cv_monitor *outer = r->begin(r->ctx, SIZE_MAX);
	struct cv_monitor monitor = *outer;
	struct cv_write_call call = { .plan = plan_next, .ctx = r, .scans = true };
	struct cv_flow flow = flow_of(r, &call, &monitor);
	struct cv_operation_result result;
	struct cv_plan *plan = NULL;
	struct cv_merge_outcome *out;
	bool ok;

	monitor.tick = tick;
	monitor.ctx = r;
	r->current = SIZE_MAX;
	ok = cv_flow_carry_out(&flow, &plan, &result, err);
	if (r->current == SIZE_MAX) {
		cv_plan_free(plan);
		if (r->over)
			cv_err_clear(err);
		return false;
	}
	out = &r->outcomes[r->current];
	*out = (struct cv_merge_outcome){ .tried = true, .plan = plan, .result = result };
	if (!ok)
		set_why(out, err->text);
	cv_err_clear(err);
	if (ok && r->shown->purge)
		purge_merged(r, &monitor);
	r->ended(r->ctx, r->current);
	return true;
}

static bool any_untried(const struct cv_merges_run *r)
{
	for (size_t i = 0; i < r->shown->count; i++)
		if (!r->outcomes[i].tried)
			return true;
	return false;
}

bool cv_merges_carry_out(struct cv_merges_run *r, struct cv_err *err)
{
	if (!purge_first(r, err) && err->code == CV_EREFUSED) {
		r->not_purged = strdup(err->text);
		cv_err_clear(err);
	}
	while (!err->code && any_untried(r) && !r->stopped(r->ctx) && do_next(r, err))
		;
	for (size_t i = 0; i < r->shown->count; i++)
		if (!r->outcomes[i].tried)
			end_as(&r->outcomes[i], err->code && err->code != CV_ECANCELLED ? CV_RESULT_FAILED : CV_RESULT_CANCELLED,
			       err->code ? err->text : "not begun");
	return !err->code || err->code == CV_ECANCELLED;
}

void cv_merge_outcomes_free(struct cv_merge_outcome *outcomes, size_t count)
{
	for (size_t i = 0; outcomes && i < count; i++) {
		cv_plan_free(outcomes[i].plan);
		free((void *)(uintptr_t)outcomes[i].why);
	}
	free(outcomes);
}
