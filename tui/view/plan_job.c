/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plans of the console: what is asked for becomes a wish, and a wish becomes a plan when the scan is done, and again
 * after every other one. Nothing is drawn here, and nothing is written.
 */
#include "tui/command/clock.h"
#include "tui/command/recover.h"
#include "tui/console_model.h"

struct cv_wish *cv_wish_new(const char *repository)
{
	struct cv_wish *wish = calloc(1, sizeof *wish);

	if (wish)
		wish->repository = strdup(repository);
	if (wish && wish->repository)
		return wish;
	free(wish);
	return NULL;
}

void cv_wish_free(struct cv_wish *wish)
{
	if (!wish)
		return;
	for (size_t i = 0; i < wish->only_count; i++)
		free(wish->only[i]);
	for (size_t i = 0; i < CV_COUNT(wish->words); i++)
		free(wish->words[i]);
	cv_convert_call_fini(&wish->convert);
	cv_convert_tree_fini(&wish->tree);
	cv_repairs_fini(&wish->repairs);
	free(wish->only);
	free(wish->picks);
	free(wish->repository);
	free(wish);
}

static void drop(struct cv_plan_view *v)
{
	cv_plan_depths_end(v);
	cv_plan_child_end(&v->maker);
	cv_wish_free(v->wish);
	cv_plan_free(v->plan);
	cv_operation_list_free(v->unfinished);
	*v = (struct cv_plan_view){ 0 };
}

void cv_plan_view_end(struct cv_console *c)
{
	drop(&c->plan);
	cv_touch(c, 1u << CV_VIEW_PLAN);
}

void cv_plan_view_touch(struct cv_console *c)
{
	cv_plan_depths_end(&c->plan);
	cv_plan_child_end(&c->plan.maker);
	if (c->plan.state != CV_JOB_NONE)
		c->plan.state = CV_JOB_WANTED;
	cv_touch(c, 1u << CV_VIEW_PLAN);
}

void cv_plan_view_show(struct cv_console *c, struct cv_wish *wish)
{
	if (!wish) {
		cv_console_say(c, "not enough memory for a plan");
		return;
	}
	if (!c->options.session) {
		cv_console_say(c, "what is shown here is only a record: nothing can be planned");
		cv_wish_free(wish);
		return;
	}
	drop(&c->plan);
	c->plan.wish = wish;
	c->plan.state = CV_JOB_WANTED;
	cv_drop_view(c, CV_VIEW_PLAN);
	cv_push_view(c, CV_VIEW_PLAN);
}

/* The set of marks that counts in the view on top; NULL: it has none, or nothing is marked. */
static struct cv_ident_set *marks_at_hand(struct cv_console *c)
{
	struct cv_ident_set *marks = cv_top(c) == CV_VIEW_TREE    ? &c->marked
				     : cv_top(c) == CV_VIEW_SPACE ? &c->space.marked
								  : NULL;

	return marks && marks->len ? marks : NULL;
}

/* Rows of the space view stand for images, some of them for the same; those of the tree are images. */
static bool choose_marked(const struct cv_console *c, struct cv_numbers *chosen)
{
	bool ok = true;

	if (cv_top(c) == CV_VIEW_SPACE)
		for (size_t row = 0; ok && row < c->space.count; row++)
			ok = !cv_ident_set_has(&c->space.marked, cv_view_space.ident(c, row)) ||
			     cv_numbers_push(chosen, c->space.rows[row].image);
	else
		for (uint32_t i = 0; ok && c->shown && i < c->snap.graph->image_count; i++)
			ok = !cv_ident_set_has(&c->marked, cv_image_ident(&c->snap.graph->images[i])) ||
			     cv_numbers_push(chosen, i);
	return ok;
}

/* The images that are meant: what is marked, else what is selected. */
static bool choose(struct cv_console *c, struct cv_numbers *chosen)
{
	if (marks_at_hand(c))
		return choose_marked(c, chosen) && chosen->len;
	return cv_image_at(c, cv_current_image(c)) && cv_numbers_push(chosen, cv_current_image(c));
}

static bool same_repository(const struct cv_console *c, const struct cv_numbers *chosen)
{
	for (size_t i = 1; i < chosen->len; i++)
		if (c->snap.graph->images[chosen->at[i]].repository != c->snap.graph->images[chosen->at[0]].repository)
			return false;
	return true;
}

static struct cv_wish *wish_of(struct cv_console *c, const struct cv_repository *repository,
			       const struct cv_numbers *chosen)
{
	struct cv_wish *wish = cv_wish_new(repository->path);
	bool ok = wish && (wish->only = calloc(chosen->len + 1, sizeof *wish->only));

	for (size_t i = 0; ok && i < chosen->len; i++) {
		wish->only[i] = strdup(c->snap.graph->images[chosen->at[i]].id);
		ok = wish->only[i] != NULL;
		wish->only_count += ok;
	}
	if (!ok) {
		cv_wish_free(wish);
		return NULL;
	}
	wish->gc = (struct cv_gc_call){ wish->repository, (const char *const *)wish->only, wish->only_count };
	wish->call = cv_gc_call_of(&wish->gc);
	wish->marks = marks_at_hand(c);
	return wish;
}

void cv_plan_view_want(struct cv_console *c)
{
	CV_AUTO(cv_auto_free) uint32_t *list = NULL;
	struct cv_numbers chosen = { 0 };
	uint32_t repository = cv_repository_by_ident(c, cv_repository_at_hand(c));
	bool all = cv_top(c) == CV_VIEW_REPOSITORIES, any;

	if (c->doing != CV_ACT_MAKE_PLAN) {
		(c->doing == CV_ACT_COALESCE ? cv_merge_want : cv_repair_want)(c);
		return;
	}
	any = all || choose(c, &chosen);
	list = chosen.at;
	if (chosen.len)
		repository = c->snap.graph->images[chosen.at[0]].repository;
	if (!any || repository >= c->snap.repository_count)
		cv_console_say(c, "nothing is selected that could be planned for");
	else if (!same_repository(c, &chosen))
		cv_console_say(c, "a plan is about one repository, and images of several are marked (u unmarks)");
	else
		cv_plan_view_show(c, wish_of(c, c->snap.repositories[repository], &chosen));
}

static void fail(struct cv_plan_view *v, const char *why)
{
	cv_plan_free(v->plan);
	v->plan = NULL;
	v->state = CV_JOB_FAILED;
	cv_copy_text(v->why, sizeof v->why, why);
}

static void put_heading(struct cv_plan_view *v, const char *what, size_t count, const char *noun)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_add(&t, v->wish->title[0] ? v->wish->title : what);
	if (count && !v->wish->title[0])
		cv_text_addf(&t, " %zu %s%s", count, noun, cv_plural(count));
	cv_text_add(&t, " in ");
	cv_text_escape(&t, cv_bytes_of(v->wish->repository));
	cv_copy_text(v->heading, sizeof v->heading, cv_text_str(&t));
}

/* The session of the command line, as if the scan that is shown were its own; plans only read it. */
static struct cv_session session_of(const struct cv_console *c)
{
	struct cv_session s = *c->options.session;

	s.graph = (struct cv_graph *)(uintptr_t)c->snap.graph;
	s.scan = (struct cv_scan *)(uintptr_t)s.graph->scan;
	s.refs = (struct cv_references *)(uintptr_t)s.graph->refs;
	return s;
}

static void start(struct cv_console *c)
{
	struct cv_plan_view *v = &c->plan;
	struct cv_session s = session_of(c);
	struct cv_err err = { .code = CV_OK };

	if (!cv_plan_child_start(&v->maker, &s, &v->wish->call, v->wish->place, v->wish->tables, &err)) {
		fail(v, err.text);
		return;
	}
	if (v->wish->title[0])
		put_heading(v, "", 0, "");
	v->state = CV_JOB_RUNNING;
	v->began_ms = cv_clock_ticks();
}

static void take(struct cv_plan_view *v)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_plan *plan = cv_plan_child_take(&v->maker, &err);

	if (!plan) {
		fail(v, err.text);
		return;
	}
	cv_plan_free(v->plan);
	v->plan = plan;
	v->state = CV_JOB_DONE;
	put_heading(v, cv_plan_kind_name(plan->kind), plan->item_count, "image");
	if (!plan->item_count && !plan->refused && !plan->fix_count)
		fail(v, v->wish->call.nothing);
}

/* What is done about it now; true if there is something new to be seen. */
static bool watch(struct cv_plan_view *v)
{
	bool runs = cv_child_runs(&v->maker.child);

	if (runs && cv_clock_ticks() < v->next_ms)
		return false;
	v->next_ms = cv_clock_ticks() + CV_FRAME_MS;
	if (!runs)
		take(v);
	return true;
}

void cv_plan_view_cancel(struct cv_console *c)
{
	cv_plan_child_end(&c->plan.maker);
	fail(&c->plan, "cancelled: R reads everything again and makes the plan, too");
	cv_touch(c, 1u << CV_VIEW_PLAN);
}

/* What recovery would settle, and the repository's name as what is typed. */
static void look_for_unfinished(struct cv_plan_view *v)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_err err = { .code = CV_OK };
	const char *slash = strrchr(v->wish->repository, '/');
	size_t count = 0;

	cv_operation_list_free(v->unfinished);
	v->unfinished = cv_operation_list_read(v->wish->repository, &err);
	v->confirm[0] = '\0';
	if (!v->unfinished) {
		fail(v, err.text);
		return;
	}
	for (size_t i = 0; i < v->unfinished->count; i++)
		count += cv_recover_concerns(&v->unfinished->entries[i]);
	cv_text_escape(&name, cv_bytes_of(slash && slash[1] ? slash + 1 : v->wish->repository));
	cv_copy_text(v->confirm, sizeof v->confirm, cv_text_str(&name));
	v->state = CV_JOB_DONE;
	put_heading(v, "settle", count, "unfinished operation");
	if (!count)
		fail(v, "nothing is unfinished here");
}

/* False: it is not wanted, or not yet. */
static bool begin(struct cv_console *c)
{
	struct cv_plan_view *v = &c->plan;

	if (v->state != CV_JOB_WANTED || c->run.active || c->scanning || !c->shown)
		return false;
	if (v->wish->recover)
		look_for_unfinished(v);
	else if (c->snap.graph->partial)
		fail(v, "the scan was stopped, and what was not read may need it: R reads everything");
	else
		start(c);
	return true;
}

bool cv_plan_view_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_plan_view *v = &c->plan;

	if (v->state == CV_JOB_NONE)
		return false;
	if (!cv_on_stack(c, CV_VIEW_PLAN)) {
		cv_plan_view_end(c);
		return false;
	}
	if (v->state == CV_JOB_RUNNING ? !watch(v) : !begin(c))
		return cv_plan_depths_tick(c, budget_ms, fx);
	cv_touch(c, 1u << CV_VIEW_PLAN);
	cv_settle(c);
	*fx |= FX_REDRAW;
	return false;
}
