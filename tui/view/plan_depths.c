/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a planned merge does for the disks that stand on it: how deep they read before and after. Their maps are read between
 * keys, one after the other, and only while the plan is shown.
 */
#include "tui/command/clock.h"
#include "tui/console_model.h"

#define BAR 16
#define MOST_DEPTHS 8

void cv_plan_depths_end(struct cv_plan_view *v)
{
	cv_map_free(v->depths.map);
	for (size_t i = 0; i < v->depths.count; i++) {
		cv_map_model_fini(&v->depths.reader[i].now);
		cv_map_model_fini(&v->depths.reader[i].after);
	}
	v->depths = (struct cv_plan_depths){ 0 };
}

/* --- whose ----------------------------------------------------------------------------------------------- */

static uint32_t merged_image(const struct cv_console *c)
{
	const struct cv_image_word *word = c->plan.wish ? &c->plan.wish->coalesce.image : NULL;

	if (!word || !word->by_inode || !c->snap.graph->scan)
		return CV_NO_IMAGE;
	return cv_image_by_ident(c, (struct cv_ident){ word->device, word->inode, 0 });
}

/* Every leaf above the image, itself if it is one; the first of them are looked at. */
static void find_readers(const struct cv_graph *g, uint32_t image, struct cv_plan_depths *d)
{
	struct cv_numbers open = { 0 };
	bool ok = cv_numbers_push(&open, image);

	for (size_t seen = 0; ok && open.len && seen < g->image_count; seen++) {
		uint32_t at = open.at[--open.len];
		const struct cv_image *it = &g->images[at];

		if (!it->child_count && d->count < CV_PLAN_READERS)
			d->reader[d->count++] = (struct cv_plan_reader){ .image = at, .state = CV_JOB_WANTED };
		else if (!it->child_count)
			d->others++;
		for (uint32_t i = it->child_count; ok && i--;)
			ok = cv_numbers_push(&open, cv_graph_child(g, it, i));
	}
	free(open.at);
}

static void begin(struct cv_console *c)
{
	const struct cv_plan *plan = c->plan.plan;
	uint32_t image = CV_NO_IMAGE;

	c->plan.depths.begun = true;
	if (plan && !plan->refused && (plan->kind == CV_PLAN_COALESCE || plan->kind == CV_PLAN_LEAF))
		image = merged_image(c);
	if (image != CV_NO_IMAGE)
		find_readers(c->snap.graph, image, &c->plan.depths);
}

/* --- reading --------------------------------------------------------------------------------------------- */

static struct cv_plan_reader *next_reader(struct cv_plan_depths *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->reader[i].state == CV_JOB_RUNNING || d->reader[i].state == CV_JOB_WANTED)
			return &d->reader[i];
	return NULL;
}

static bool end_as(struct cv_plan_depths *d, struct cv_plan_reader *r, enum cv_job_state state)
{
	cv_map_free(d->map);
	d->map = NULL;
	r->state = state;
	return false;
}

/* The images are open. */
static bool prepare(const struct cv_console *c, struct cv_plan_depths *d, struct cv_plan_reader *r)
{
	const struct cv_map_info *info = cv_map_info(d->map);
	uint32_t image = merged_image(c), layer = 0;
	struct cv_err err = { .code = CV_OK };

	while (layer < info->count && info->layers[layer].image != image)
		layer++;
	r->size = info->size;
	r->incomplete = info->incomplete;
	return (cv_map_model_init(&r->now, info->range, info->count, 1, UINT32_MAX, &err) &&
		cv_map_model_init(&r->after, info->range, info->count, 1, layer, &err)) || end_as(d, r, CV_JOB_FAILED);
}

/* One answer of the map; false when there is no more for now. */
static bool take(const struct cv_console *c, struct cv_plan_depths *d, struct cv_plan_reader *r, int wait_ms)
{
	const struct cv_extent *list;
	struct cv_err err = { .code = CV_OK };
	size_t count;

	switch (cv_map_next(d->map, wait_ms, &list, &count, &err)) {
	case CV_MAP_READY:
		return prepare(c, d, r);
	case CV_MAP_EXTENTS:
		cv_map_model_add(&r->now, list, count);
		cv_map_model_add(&r->after, list, count);
		if (count)
			r->done = list[count - 1].at.off + list[count - 1].at.len;
		return true;
	case CV_MAP_DONE:
		return end_as(d, r, CV_JOB_DONE);
	case CV_MAP_FAILED:
		return end_as(d, r, CV_JOB_FAILED);
	default:
		return false;
	}
}

static void work_on(const struct cv_console *c, struct cv_plan_depths *d, struct cv_plan_reader *r, int budget_ms)
{
	uint64_t now = cv_clock_ticks(), end = now + (uint64_t)budget_ms;
	struct cv_map_options how = { 0 };
	struct cv_err err = { .code = CV_OK };

	if (r->state == CV_JOB_WANTED) {
		d->map = cv_map_open(c->snap.graph, r->image, &how, &err);
		r->state = d->map ? CV_JOB_RUNNING : CV_JOB_FAILED;
	}
	while (d->map && now < end && take(c, d, r, (int)(end - now)))
		now = cv_clock_ticks();
}

bool cv_plan_depths_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_plan_depths *d = &c->plan.depths;
	struct cv_plan_reader *r;

	if (c->plan.state != CV_JOB_DONE || c->run.active || c->scanning || !c->shown)
		return false;
	if (!d->begun)
		begin(c);
	r = next_reader(d);
	if (!r)
		return false;
	work_on(c, d, r, budget_ms);
	if (r->state != CV_JOB_RUNNING || cv_clock_ticks() >= d->next_ms) {
		d->next_ms = cv_clock_ticks() + CV_FRAME_MS;
		cv_touch(c, 1u << CV_VIEW_PLAN);
		cv_settle(c);
		*fx |= FX_REDRAW;
	}
	return next_reader(d) != NULL;
}

/* --- showing --------------------------------------------------------------------------------------------- */

static void write_reader(const struct cv_console *c, const struct cv_plan_reader *r, struct cv_paper *p)
{
	const struct cv_image *image = cv_image_at(c, r->image);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!image)
		return;
	cv_image_name(&t, image);
	if (r->state == CV_JOB_FAILED)
		cv_text_add(&t, ": its map cannot be read");
	else if (r->state == CV_JOB_WANTED || !r->now.cells)
		cv_text_add(&t, ": not looked at yet");
	else if (!(r->now.total.data | r->now.total.zero))
		cv_text_addf(&t, ": %s", r->state == CV_JOB_DONE ? "nothing is written in it" : "being looked at");
	else
		cv_text_addf(&t, ": mean depth of its reads %.2f -> %.2f, deepest %" PRIu32 " -> %" PRIu32,
			     cv_map_cell_mean(&r->now.total), cv_map_cell_mean(&r->after.total), r->now.total.deepest,
			     r->after.total.deepest);
	if (r->state == CV_JOB_RUNNING && r->size)
		cv_text_addf(&t, " (%u%% looked at)", (unsigned)(100.0 * (double)r->done / (double)r->size));
	if (r->incomplete)
		cv_text_add(&t, "; a parent further down is not there");
	cv_paper_text(p, CV_INK_TEXT, cv_text_str(&t));
}

/* Bytes at a depth; everything from the last row on is one. */
static uint64_t bytes_at(const struct cv_map_model *m, size_t depth, bool last)
{
	uint64_t sum = 0;

	for (size_t i = depth; i < m->layer_count && (i == depth || last); i++)
		sum += m->data[i] + m->zero[i];
	return sum;
}

static void add_bar(struct cv_text *t, uint64_t bytes, uint64_t most)
{
	unsigned len = most ? (unsigned)((double)bytes / (double)most * BAR + 0.5) : 0;

	len = bytes && !len ? 1 : len;
	cv_text_addf(t, "%7s ", cv_size_short(bytes).s);
	for (unsigned i = 0; i < BAR; i++)
		cv_text_add(t, i < len ? "#" : " ");
}

/* "0   6.3G ####     9.4G ######": a row a depth. */
static void write_histogram(const struct cv_plan_reader *r, struct cv_paper *p)
{
	size_t rows = cv_smaller(r->now.layer_count, MOST_DEPTHS);
	uint64_t most = 0;

	for (size_t i = 0; i < rows; i++) {
		uint64_t now = bytes_at(&r->now, i, i + 1 == rows), after = bytes_at(&r->after, i, i + 1 == rows);

		most = now > most ? now : most;
		most = after > most ? after : most;
	}
	cv_paper_field(p, 7, "depth", CV_INK_COLUMNS, "    now                      then");
	for (size_t i = 0; i < rows; i++) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
		char label[24];

		snprintf(label, sizeof label, "%5zu%s", i, i + 1 == rows && r->now.layer_count > rows ? "+" : "");
		add_bar(&t, bytes_at(&r->now, i, i + 1 == rows), most);
		add_bar(&t, bytes_at(&r->after, i, i + 1 == rows), most);
		cv_paper_field(p, 7, label, CV_INK_TEXT, cv_text_str(&t));
	}
}

void cv_plan_depths_write(const struct cv_console *c, struct cv_paper *p)
{
	const struct cv_plan_depths *d = &c->plan.depths;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!d->count || c->plan.state != CV_JOB_DONE)
		return;
	cv_paper_open(p, "how deep is read");
	for (size_t i = 0; i < d->count; i++)
		write_reader(c, &d->reader[i], p);
	if (d->others) {
		cv_text_addf(&t, "%zu more disk%s on it %s not looked at", d->others, cv_plural(d->others), d->others == 1 ? "is" : "are");
		cv_paper_text(p, CV_INK_QUIET, cv_text_str(&t));
	}
	if (d->reader[0].now.cells && d->reader[0].after.cells)
		write_histogram(&d->reader[0], p);
	cv_paper_close(p);
}
