/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Looks between keys at every image, whether the graph forbids that it becomes the parent. Nothing is drawn here. */
#include "tui/command/clock.h"
#include "tui/console_model.h"

const struct cv_candidate *cv_parents_row(const struct cv_parents_view *v, size_t row)
{
	if (row < v->good.len)
		return &v->good.at[row];
	row -= v->good.len;
	return row < v->bad.len ? &v->bad.at[row] : NULL;
}

static void clear(struct cv_parents_view *v)
{
	free(v->good.at);
	free(v->bad.at);
	free(v->order);
	v->good = v->bad = (struct cv_candidates){ 0 };
	v->order = NULL;
	v->next = v->count = 0;
	v->image = CV_NO_IMAGE;
}

void cv_parents_end(struct cv_console *c)
{
	clear(&c->parents);
	c->parents.state = CV_JOB_NONE;
	cv_touch(c, 1u << CV_VIEW_PARENTS);
}

void cv_parents_forget(struct cv_console *c)
{
	if (c->parents.state == CV_JOB_NONE)
		return;
	clear(&c->parents);
	c->parents.state = CV_JOB_WANTED;
}

bool cv_parents_begin(struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));

	if (!image) {
		cv_console_say(c, "no image is selected");
		return false;
	}
	cv_parents_end(c);
	c->parents.ident = cv_image_ident(image);
	c->parents.state = CV_JOB_WANTED;
	return true;
}

static void fail(struct cv_parents_view *v, const char *why)
{
	clear(v);
	v->state = CV_JOB_FAILED;
	cv_copy_text(v->why, sizeof v->why, why);
}

/* Whatever the parent: what is about the image itself is said at once. */
static bool can_move(struct cv_parents_view *v, const struct cv_graph *g)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	bool about_image;
	const char *reason = cv_plan_rebase_obstacle(g, v->image, v->image, &about_image);

	if (!about_image)
		return true;
	cv_image_name(&t, &g->images[v->image]);
	cv_text_addf(&t, ": %s", reason);
	fail(v, cv_text_str(&t));
	return false;
}

/* The chain from the parent down, none, then the others. */
static bool put_in_order(struct cv_parents_view *v, const struct cv_graph *g)
{
	CV_AUTO(cv_auto_free) bool *taken = calloc((size_t)g->image_count + 1, sizeof *taken);
	uint32_t at = g->images[v->image].parent;

	v->order = calloc((size_t)g->image_count + 2, sizeof *v->order);
	if (!taken || !v->order)
		return false;
	taken[v->image] = true;
	for (; at < g->image_count && !taken[at]; at = g->images[at].parent) {
		taken[at] = true;
		v->order[v->count++] = at;
	}
	v->order[v->count++] = CV_NO_IMAGE;
	for (uint32_t i = 0; i < g->image_count; i++)
		if (!taken[i])
			v->order[v->count++] = i;
	return true;
}

static void start(struct cv_console *c)
{
	struct cv_parents_view *v = &c->parents;

	clear(v);
	v->image = cv_image_by_ident(c, v->ident);
	if (v->image == CV_NO_IMAGE) {
		fail(v, "The image is not there any more.");
	} else if (can_move(v, c->snap.graph)) {
		v->state = CV_JOB_RUNNING;
		if (!put_in_order(v, c->snap.graph))
			fail(v, "not enough memory");
	}
}

static bool look(struct cv_parents_view *v, const struct cv_graph *g, uint32_t image)
{
	bool about_image;
	struct cv_candidate found = { image, NULL };

	found.reason = cv_plan_rebase_obstacle(g, v->image, image, &about_image);
	return cv_candidates_push(found.reason ? &v->bad : &v->good, found);
}

bool cv_parents_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_parents_view *v = &c->parents;
	uint64_t end = cv_clock_ticks() + (uint64_t)budget_ms;

	if (v->state != CV_JOB_NONE && !cv_on_stack(c, CV_VIEW_PARENTS))
		cv_parents_end(c);
	if (v->state == CV_JOB_WANTED && c->shown && !c->scanning)
		start(c);
	else if (v->state != CV_JOB_RUNNING)
		return false;
	while (v->state == CV_JOB_RUNNING && v->next < v->count && cv_clock_ticks() < end)
		if (!look(v, c->snap.graph, v->order[v->next++]))
			fail(v, "not enough memory");
	if (v->state == CV_JOB_RUNNING && v->next == v->count)
		v->state = CV_JOB_DONE;
	if (v->state != CV_JOB_RUNNING || cv_clock_ticks() >= v->next_ms) {
		v->next_ms = cv_clock_ticks() + CV_FRAME_MS;
		cv_touch(c, 1u << CV_VIEW_PARENTS);
		cv_settle(c);
		*fx |= FX_REDRAW;
	}
	return v->state == CV_JOB_RUNNING;
}
