/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The job behind the depth map: opens the map, takes its extents in small portions between keys, ends it. Nothing
 * is drawn here.
 */
#include <time.h>

#include "tui/console_model.h"

#define FRAME_EVERY_MS 100

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void stop(struct cv_map_job *job)
{
	cv_map_free(job->map);
	job->map = NULL;
	cv_map_model_fini(&job->model);
	cv_map_model_fini(&job->after);
	job->model = job->after = (struct cv_map_model){ 0 };
	free(job->layers);
	free(job->merges);
	job->layers = job->merges = NULL;
	job->layer_count = job->merge_count = 0;
	job->done = 0;
	job->why[0] = '\0';
}

void cv_map_end(struct cv_console *c)
{
	enum cv_map_basis basis = c->map.basis;

	stop(&c->map);
	c->map = (struct cv_map_job){ .image = CV_NO_IMAGE, .basis = basis };
	cv_touch(c, 1u << CV_VIEW_MAP);
}

void cv_map_forget(struct cv_console *c)
{
	if (c->map.state == CV_JOB_NONE)
		return;
	stop(&c->map);
	c->map.image = CV_NO_IMAGE;
	c->map.state = CV_JOB_WANTED;
}

void cv_map_want(struct cv_console *c, uint32_t image)
{
	const struct cv_image *it = cv_image_at(c, image);

	if (!it) {
		cv_console_say(c, "no image is selected");
		return;
	}
	cv_map_end(c);
	c->map.ident = cv_image_ident(it);
	c->map.image = image;
	c->map.state = CV_JOB_WANTED;
	c->view[CV_VIEW_MAP].list = (struct cv_list){ 0 };
	/* there is one map: further down it would be empty */
	cv_drop_view(c, CV_VIEW_MAP);
	cv_push_view(c, CV_VIEW_MAP);
}

static bool fail(struct cv_console *c, const char *why)
{
	struct cv_map_job *job = &c->map;

	stop(job);
	job->state = CV_JOB_FAILED;
	snprintf(job->why, sizeof job->why, "%s", why);
	return false;
}

static bool start(struct cv_console *c)
{
	struct cv_map_job *job = &c->map;
	struct cv_map_options how = { .range = job->asked };
	struct cv_map_grid grid = cv_map_grid_of(c->w, c->h);
	struct cv_err err = { 0 };

	stop(job);
	job->image = cv_image_by_ident(c, job->ident);
	if (job->image == CV_NO_IMAGE)
		return fail(c, "the image is not there any more");
	job->columns = grid.columns;
	job->lines = grid.lines;
	job->map = cv_map_open(c->snap.graph, job->image, &how, &err);
	if (!job->map)
		return fail(c, err.text);
	job->state = CV_JOB_RUNNING;
	return true;
}

/* The merge that the map was opened for. */
static void take_planned(struct cv_console *c)
{
	struct cv_map_job *job = &c->map;
	uint32_t image = cv_image_by_ident(c, job->planned);

	for (size_t i = 0; i < job->merge_count; i++)
		if (job->layers[job->merges[i]] == image) {
			job->plan = i;
			job->with_plan = true;
		}
	job->planned = (struct cv_ident){ 0 };
}

/* Leaves are merged only when that is asked for. */
static bool is_merge(const struct cv_console *c, size_t layer)
{
	const struct cv_map_job *job = &c->map;
	const struct cv_image *image = cv_image_at(c, job->layers[layer]);

	if (!image || image->coalesce.into != job->layers[layer + 1])
		return false;
	return image->coalesce.possible || (image->coalesce.leaf && (job->planned.a | job->planned.b) &&
					    cv_image_by_ident(c, job->planned) == job->layers[layer]);
}

/* Merges of the chain that nothing stands in the way of. */
static bool find_merges(struct cv_console *c)
{
	struct cv_map_job *job = &c->map;

	job->merges = calloc(job->layer_count + 1, sizeof *job->merges);
	for (size_t i = 0; job->merges && i + 1 < job->layer_count && i + 1 < CV_MAP_DEPTHS; i++)
		if (is_merge(c, i))
			job->merges[job->merge_count++] = (uint32_t)i;
	if (job->planned.a | job->planned.b)
		take_planned(c);
	if (job->plan >= job->merge_count) {
		job->plan = 0;
		job->with_plan = false;
	}
	return job->merges != NULL;
}

void cv_map_plan(struct cv_map_job *job)
{
	struct cv_err err = { 0 };

	cv_map_model_fini(&job->after);
	job->after = (struct cv_map_model){ 0 };
	/* without memory for it the map is shown as it is */
	if (job->plan < job->merge_count && !cv_map_model_merged(&job->after, &job->model, job->merges[job->plan], &err))
		job->after = (struct cv_map_model){ 0 };
}

/* The images are open: room for the cells, and what must be known of the chain when the process is gone. */
static bool prepare(struct cv_console *c)
{
	struct cv_map_job *job = &c->map;
	const struct cv_map_info *info = cv_map_info(job->map);
	struct cv_list *l = &c->view[CV_VIEW_MAP].list;
	struct cv_err err = { 0 };

	if (!cv_map_model_init(&job->model, info->range, info->count, job->columns * job->lines, UINT32_MAX, &err))
		return fail(c, err.text);
	job->layers = calloc(info->count + 1, sizeof *job->layers);
	if (!job->layers)
		return fail(c, "not enough memory");
	for (size_t i = 0; i < info->count; i++)
		job->layers[i] = info->layers[i].image;
	job->layer_count = info->count;
	if (!find_merges(c))
		return fail(c, "not enough memory");
	job->size = info->size;
	job->done = info->range.off;
	if (info->incomplete)
		snprintf(job->why, sizeof job->why, "%s", info->why);
	l->count = job->model.cell_count;
	if (l->count && job->focus >= info->range.off)
		l->cursor = cv_smaller((job->focus - info->range.off) / job->model.cell_bytes, l->count - 1);
	l->keyed = false;
	return true;
}

/* One answer of the map; false when there is no more for now. */
static bool take(struct cv_console *c, int wait_ms)
{
	struct cv_map_job *job = &c->map;
	const struct cv_extent *list;
	struct cv_err err = { 0 };
	size_t count;

	switch (cv_map_next(job->map, wait_ms, &list, &count, &err)) {
	case CV_MAP_READY:
		return prepare(c);
	case CV_MAP_EXTENTS:
		cv_map_model_add(&job->model, list, count);
		if (count)
			job->done = list[count - 1].at.off + list[count - 1].at.len;
		return true;
	case CV_MAP_DONE:
		cv_map_free(job->map);
		job->map = NULL;
		job->state = CV_JOB_DONE;
		return false;
	case CV_MAP_FAILED:
		return fail(c, err.text);
	default:
		return false;
	}
}

static void run(struct cv_console *c, int budget_ms)
{
	uint64_t now = clock_ms(), end = now + (uint64_t)budget_ms;

	while (now < end && take(c, (int)(end - now)))
		now = clock_ms();
}

bool cv_map_tick(struct cv_console *c, int budget_ms, unsigned *fx)
{
	struct cv_map_job *job = &c->map;

	if (job->state == CV_JOB_NONE)
		return false;
	if (!cv_on_stack(c, CV_VIEW_MAP)) {
		cv_map_end(c);
		return false;
	}
	/* what is still being read may change under the map, and an operation must be alone with its images */
	if (job->state == CV_JOB_WANTED && c->shown && !c->run.active && !(c->scanning && c->snap.graph->partial)) {
		start(c);
		*fx |= FX_REDRAW;
	} else if (job->state == CV_JOB_RUNNING) {
		run(c, budget_ms);
		if (job->state != CV_JOB_RUNNING || clock_ms() >= job->next_ms) {
			*fx |= FX_REDRAW;
			job->next_ms = clock_ms() + FRAME_EVERY_MS;
			cv_map_plan(job);
		}
	}
	return job->state == CV_JOB_RUNNING;
}
