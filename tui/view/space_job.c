/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The job behind the space view: a survey that is begun, stepped between keys and ended, and the rows of its result.
 * Nothing is drawn here.
 */
#include <time.h>

#include "tui/console_model.h"

#define FRAME_EVERY_MS 100

enum { BY_SIZE, BY_FREED, BY_NAME, BY_WHAT, BY_PEAK };

static void drop(struct cv_space_view *v)
{
	cv_survey_free(v->survey);
	cv_space_free(v->owned);
	free(v->rows);
	v->survey = NULL;
	v->owned = NULL;
	v->space = NULL;
	v->rows = NULL;
	v->count = 0;
	v->why[0] = '\0';
}

/* Marks stay: they are there again when the view is opened again. */
void cv_space_end(struct cv_console *c)
{
	drop(&c->space);
	c->space = (struct cv_space_view){ .marked = c->space.marked };
	cv_touch(c, 1u << CV_VIEW_SPACE);
}

void cv_space_forget(struct cv_console *c)
{
	if (c->space.state == CV_JOB_NONE)
		return;
	drop(&c->space);
	c->space.state = CV_JOB_WANTED;
}

static int64_t freed(const struct cv_space_row *r)
{
	return r->known && r->net_bytes > 0 ? r->net_bytes : 0;
}

static uint64_t peak(const struct cv_space_row *r)
{
	return r->known ? r->peak_bytes : UINT64_MAX;
}

/* What frees most comes first, what needs least does. Ties stay as the model has them, by size. */
static int compare_rows(const void *a, const void *b, void *context)
{
	const struct cv_console *c = context;
	const struct cv_space_row *x = *(const struct cv_space_row *const *)a;
	const struct cv_space_row *y = *(const struct cv_space_row *const *)b;
	int order = 0;

	switch (c->view[CV_VIEW_SPACE].sort) {
	case BY_FREED: order = (freed(x) < freed(y)) - (freed(x) > freed(y)); break;
	case BY_NAME: order = (x->image > y->image) - (x->image < y->image); break;
	case BY_WHAT: order = (x->kind > y->kind) - (x->kind < y->kind); break;
	case BY_PEAK: order = (peak(x) > peak(y)) - (peak(x) < peak(y)); break;
	default: break;
	}
	return order ? order : (x > y) - (x < y);
}

/* Sorted by where they are now, which is their order by size. */
static bool sort(struct cv_console *c, struct cv_space_row *rows, size_t count)
{
	const struct cv_space_row **order = calloc(count + 1, sizeof(struct cv_space_row *));
	struct cv_space_row *sorted = calloc(count + 1, sizeof *sorted);
	bool ok = order && sorted;

	for (size_t i = 0; ok && i < count; i++)
		order[i] = &rows[i];
	if (ok)
		qsort_r(order, count, sizeof(struct cv_space_row *), compare_rows, c);
	for (size_t i = 0; ok && i < count; i++)
		sorted[i] = *order[i];
	if (ok && count)
		memcpy(rows, sorted, count * sizeof *rows);
	free(order);
	free(sorted);
	return ok;
}

bool cv_space_list(struct cv_console *c)
{
	struct cv_space_view *v = &c->space;
	uint32_t repository = cv_space_repository(c);

	free(v->rows);
	v->rows = NULL;
	v->count = 0;
	if (!v->space || repository >= v->space->repository_count)
		return true;
	return cv_space_rows(v->space, repository, &v->rows, &v->count) && sort(c, v->rows, v->count);
}

void cv_space_want(struct cv_console *c)
{
	if (cv_top(c) == CV_VIEW_SPACE) {
		cv_space_forget(c);
	} else {
		c->space.repository = cv_repository_at_hand(c);
		c->view[CV_VIEW_SPACE].list = (struct cv_list){ 0 };
	}
	if (c->space.state == CV_JOB_NONE || c->space.state == CV_JOB_FAILED)
		c->space.state = CV_JOB_WANTED;
	cv_touch(c, 1u << CV_VIEW_SPACE);
	cv_push_view(c, CV_VIEW_SPACE);
}

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void fail(struct cv_space_view *v, const char *why)
{
	drop(v);
	v->state = CV_JOB_FAILED;
	snprintf(v->why, sizeof v->why, "%s", why);
}

/* The survey is over, or is ended now. */
static void take(struct cv_console *c)
{
	struct cv_space_view *v = &c->space;
	struct cv_err err = { 0 };

	v->owned = cv_survey_take(cv_take(v->survey), &err);
	v->space = v->owned;
	v->state = CV_JOB_DONE;
	if (!v->owned)
		fail(v, err.text);
	else if (v->owned->cancelled)
		cv_console_say(c, "stopped: not everything is counted; o computes again");
	cv_touch(c, 1u << CV_VIEW_SPACE);
	cv_settle(c);
}

void cv_space_stop(struct cv_console *c)
{
	if (c->space.survey)
		take(c);
}

static void run(struct cv_console *c, int budget_ms)
{
	struct cv_space_view *v = &c->space;
	struct cv_err err = { 0 };

	if (!v->survey)
		v->survey = cv_survey_new(c->snap.graph, NULL, &err);
	if (!v->survey)
		fail(v, err.text);
	else if (!cv_survey_step(v->survey, budget_ms))
		take(c);
}

static bool may_run(struct cv_console *c, unsigned *fx)
{
	struct cv_space_view *v = &c->space;

	if (!cv_on_stack(c, CV_VIEW_SPACE)) {
		cv_space_end(c);
		return false;
	}
	if (cv_top(c) != CV_VIEW_SPACE || !c->shown || c->scanning || c->run.active)
		return false;
	if (!c->snap.graph->partial)
		return true;
	*fx |= v->state != CV_JOB_FAILED ? FX_REDRAW : 0;
	fail(v, "The scan was stopped; R reads everything.");
	return false;
}

bool cv_space_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_space_view *v = &c->space;

	if (v->state == CV_JOB_NONE || !may_run(c, fx))
		return false;
	if (v->state == CV_JOB_WANTED) {
		/* the frame that says so is drawn before anything is opened */
		v->state = CV_JOB_RUNNING;
		*fx |= FX_REDRAW;
		return true;
	}
	if (v->state != CV_JOB_RUNNING)
		return false;
	run(c, budget_ms);
	if (v->state != CV_JOB_RUNNING || clock_ms() >= v->next_ms) {
		*fx |= FX_REDRAW;
		v->next_ms = clock_ms() + FRAME_EVERY_MS;
	}
	return v->state == CV_JOB_RUNNING;
}
