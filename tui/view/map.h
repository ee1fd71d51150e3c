/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The depth map of the console: what is wanted, how far the job is, and the model it fills. The job is stepped by
 * the loop (map_job.c); drawing and keys are in map_draw.c and map.c.
 */
#ifndef TUI_VIEW_MAP_H
#define TUI_VIEW_MAP_H

#include <chainview/map.h>

#include "tui/view/view.h"

enum cv_job_state { CV_JOB_NONE, CV_JOB_WANTED, CV_JOB_RUNNING, CV_JOB_DONE, CV_JOB_FAILED };

struct cv_map_job {
	enum cv_job_state state;
	struct cv_ident ident;           /* the image */
	uint32_t image;
	struct cv_range asked;           /* len 0: the whole disk */
	uint64_t focus;                  /* guest offset that the cursor stays on */
	size_t columns, lines;           /* what the model was made for */
	struct cv_map *map;              /* only while it runs */
	struct cv_map_model model;
	uint64_t size;                   /* of the disk; 0 until it is known */
	uint64_t done;                   /* end of what was looked at, guest bytes */
	uint64_t next_ms;                /* no frame before */
	uint32_t *layers;                /* image of each depth */
	size_t layer_count;
	char why[512];                   /* an incomplete chain or a failure: one escaped line */
	enum cv_map_basis basis;
	uint32_t *merges;                /* layers of the chain that can be merged into their parents */
	size_t merge_count, plan;        /* plan: which of them is told about */
	struct cv_ident planned;         /* the merge to be told about as soon as it is known; 0: none */
	bool with_plan;                  /* the cells are drawn as after it */
	struct cv_map_model after;       /* the model after it; no cells when there is none */
};

/* Asks for the map of an image, opens the view. What ran before ends. */
void cv_map_want(struct cv_console *c, uint32_t image);
/* Ends the job and drops the model. */
void cv_map_end(struct cv_console *c);
/* After another graph: begins anew if the image is still there. To be called before the old graph goes. */
void cv_map_forget(struct cv_console *c);
/* Works for about budget_ms; true while there is more to do. */
bool cv_map_tick(struct cv_console *c, int budget_ms, unsigned *fx);

/* Cells for a screen of this size. */
struct cv_map_grid {
	size_t columns, lines;
};
struct cv_map_grid cv_map_grid_of(int w, int h);
/* The bytes that a cell stands for. */
struct cv_range cv_map_cell_range(const struct cv_map_model *m, size_t cell);

/* The model that is drawn. */
static inline const struct cv_map_model *cv_map_shown(const struct cv_map_job *job)
{
	return job->with_plan && job->after.cells ? &job->after : &job->model;
}
/* The layer of the chain that a depth of the model stands for. */
static inline size_t cv_map_layer_of(const struct cv_map_model *m, size_t depth)
{
	return m->merge != UINT32_MAX && depth >= m->merge ? depth + 1 : depth;
}
/* Makes job->after anew, from what is known now. */
void cv_map_plan(struct cv_map_job *job);

void cv_map_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area area);
/* "x into y", which merge the plan is. */
void cv_map_plan_name(const struct cv_console *c, struct cv_text *out);
/* The cell under the cursor in words. */
void cv_map_hint(const struct cv_console *c, struct cv_text *out);
/* What a search finds in a cell. */
void cv_map_place_text(const struct cv_console *c, size_t cell, struct cv_text *out);

#endif
