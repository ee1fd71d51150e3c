/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The depth map as a view: keys, zoom, the cursor cell. How it looks is in map_draw.c, where the cells come from in
 * map_job.c.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

#define ZOOM_STEP 4u
#define ZOOM_LEAST ((uint64_t)1 << 20)

struct cv_map_grid cv_map_grid_of(int w, int h)
{
	struct cv_map_grid grid = { .lines = h >= CV_TALL_H ? 16 : h >= 22 ? 12 : 6 };
	int room = w - 9;

	/* a multiple of 16: where a line begins stays a number that can be read */
	grid.columns = room < 16 ? 16 : (size_t)(room / 16 * 16);
	if (grid.columns > 128)
		grid.columns = 128;
	return grid;
}

struct cv_range cv_map_cell_range(const struct cv_map_model *m, size_t cell)
{
	uint64_t from = cell * m->cell_bytes;

	if (from >= m->range.len)
		return (struct cv_range){ m->range.off + m->range.len, 0 };
	return (struct cv_range){ m->range.off + from,
				  m->range.len - from < m->cell_bytes ? m->range.len - from : m->cell_bytes };
}

static bool rebuild(struct cv_console *c)
{
	struct cv_map_grid grid = cv_map_grid_of(c->w, c->h);
	struct cv_map_job *job = &c->map;
	size_t cell = c->view[CV_VIEW_MAP].list.cursor;

	/* another size of the screen has other cells */
	if ((job->model.cells || job->map) && (grid.columns != job->columns || grid.lines != job->lines)) {
		if (job->model.cells)
			job->focus = cv_map_cell_range(&job->model, cell).off;
		cv_map_forget(c);
	}
	c->view[CV_VIEW_MAP].list.count = job->model.cell_count;
	return true;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	(void)c;
	return (struct cv_ident){ row, 0, 5 };
}

static int page(const struct cv_console *c)
{
	struct cv_map_grid grid = cv_map_grid_of(c->w, c->h);

	return (int)(grid.columns * grid.lines);
}

/* The part of the disk around an offset that is so long; all of it if that is not less. */
static struct cv_range around(const struct cv_map_job *job, uint64_t focus, uint64_t len)
{
	struct cv_range r = { 0 };
	uint64_t unit = 512;

	if (len >= job->size)
		return r;
	while (unit < len / (job->columns * job->lines))
		unit *= 2;
	r.off = focus > len / 2 ? focus - len / 2 : 0;
	if (r.off > job->size - len)
		r.off = job->size - len;
	r.off = r.off / unit * unit;
	r.len = job->size - r.off < len ? job->size - r.off : len;
	return r;
}

/* Keys may come faster than maps: then the part that was asked for last counts. */
static struct cv_range range_now(const struct cv_map_job *job)
{
	if (job->model.cells)
		return job->model.range;
	return job->asked.len ? job->asked : (struct cv_range){ 0, job->size };
}

static uint64_t focus_now(const struct cv_console *c)
{
	const struct cv_map_job *job = &c->map;
	struct cv_range cell;

	if (!job->model.cells)
		return job->focus;
	cell = cv_map_cell_range(&job->model, c->view[CV_VIEW_MAP].list.cursor);
	return cell.off + cell.len / 2;
}

static void zoom(struct cv_console *c, bool in)
{
	struct cv_map_job *job = &c->map;
	struct cv_range now = range_now(job);
	uint64_t len = in ? now.len / ZOOM_STEP : now.len > job->size / ZOOM_STEP ? job->size : now.len * ZOOM_STEP;

	/* nothing is known of a disk that could not be opened */
	if (!job->size || job->state == CV_JOB_FAILED)
		return;
	if (in ? now.len <= ZOOM_LEAST : now.len >= job->size) {
		cv_console_say(c, in ? "this is as near as it gets" : "this is the whole disk");
		return;
	}
	job->focus = focus_now(c);
	job->asked = around(job, job->focus, len > ZOOM_LEAST ? len : ZOOM_LEAST);
	cv_map_forget(c);
	cv_touch(c, 1u << CV_VIEW_MAP);
}

static void move(struct cv_console *c, bool ahead, size_t cells)
{
	struct cv_list *l = &c->view[CV_VIEW_MAP].list;

	if (ahead ? l->cursor + cells < l->count : l->cursor >= cells)
		cv_list_go(c, ahead ? l->cursor + cells : l->cursor - cells);
}

/* As it is, with the first merge, with the next, and as it is again. */
static void next_plan(struct cv_console *c)
{
	struct cv_map_job *job = &c->map;

	if (!job->model.cells)
		return;
	if (!job->merge_count) {
		cv_console_say(c, "no image of this chain can be merged; i says why");
		return;
	}
	if (job->with_plan && job->plan + 1 == job->merge_count) {
		job->with_plan = false;
		job->plan = 0;
		cv_console_say(c, "as it is now");
	} else {
		job->plan += job->with_plan;
		job->with_plan = true;
	}
	cv_map_plan(job);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	static const char *const basis[] = { "its deepest block", "the mean of its blocks", "the depth of most bytes" };
	size_t line = c->map.columns ? c->map.columns : 1;

	(void)fx;
	switch (action) {
	case CV_ACT_UP:
	case CV_ACT_DOWN:
		move(c, action == CV_ACT_DOWN, line);
		return true;
	case CV_ACT_CELL_LEFT:
	case CV_ACT_CELL_RIGHT:
		move(c, action == CV_ACT_CELL_RIGHT, 1);
		return true;
	case CV_ACT_ZOOM_IN:
	case CV_ACT_ZOOM_OUT:
		zoom(c, action == CV_ACT_ZOOM_IN);
		return true;
	case CV_ACT_BASIS:
		c->map.basis = (c->map.basis + 1) % CV_COUNT(basis);
		cv_console_say(c, "a cell shows %s", basis[c->map.basis]);
		return true;
	case CV_ACT_PLAN:
		next_plan(c);
		return true;
	case CV_ACT_BACK:
		cv_map_end(c);
		return false;
	default:
		return false;
	}
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_image *image = cv_image_at(c, c->map.image);

	cv_text_add(out, "depth map");
	if (image) {
		cv_text_add(out, ": ");
		cv_image_name(out, image);
	}
	if (c->map.with_plan && c->map.after.cells) {
		cv_text_add(out, ", after merging ");
		cv_map_plan_name(c, out);
	}
}

static void want(struct cv_console *c)
{
	cv_map_want(c, cv_current_image(c));
}

const struct cv_view cv_view_map = {
	.name = "depth map",
	.rebuild = rebuild,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = cv_map_draw,
	.title = title,
	.hint = cv_map_hint,
	.place_text = cv_map_place_text,
	.want = want,
	.work = cv_map_tick,
	.forget = cv_map_forget,
	.end = cv_map_end,
	CV_LIST_SEARCH,
};
