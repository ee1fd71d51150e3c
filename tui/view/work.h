/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plans and operations of the console: what was asked for, the plan that came of it, and the operation that carries it
 * out. The views know struct cv_plan and nothing of its kind.
 */
#ifndef TUI_VIEW_WORK_H
#define TUI_VIEW_WORK_H

#include "tui/command/clock.h"
#include "tui/command/coalesce.h"
#include "tui/command/convert.h"
#include "tui/command/convert_tree.h"
#include "tui/command/gc.h"
#include "tui/command/rebase.h"
#include "tui/command/undo.h"
#include "tui/view/map.h"
#include "tui/write/plan_child.h"
#include "tui/write/repairs.h"

#define CV_NAME_MAX 1100          /* a name of 255 bytes, escaped */
#define CV_RATE_SAMPLES 50
#define CV_FRAME_MS 100

/* What was asked for. It owns what its call points to. */
struct cv_wish {
	struct cv_write_call call;
	bool recover;                    /* no plan: everything unfinished there is settled */
	char *repository;                /* as the scan calls it */
	char **only;
	size_t only_count;
	struct cv_trash_pick *picks;
	struct cv_gc_call gc;
	struct cv_undo_call undo;        /* its trash part also serves restoring and purging */
	struct cv_rebase_call rebase;
	struct cv_coalesce_call coalesce;
	struct cv_convert_call convert;
	struct cv_convert_tree_call tree;
	struct cv_convert_settings convert_settings;
	struct cv_repairs repairs;
	struct cv_image_word repaired;   /* the only one of them */
	char *words[2];                  /* names and options that these have */
	bool tables;                     /* those of all images are to be checked for it */
	/* What goes around cv_flow_carry_out(), with the context of the call; NULL: nothing does. */
	bool (*carry_out)(void *ctx, const struct cv_flow *flow, struct cv_plan **plan, struct cv_operation_result *result,
			  struct cv_err *err);
	const char *place;               /* another repository that has to be looked at, too; NULL: none */
	char title[400];                 /* "convert a.vhd to b.qcow2", escaped; empty: made of the plan */
	struct cv_ident_set *marks;      /* that it was made of, to be cleared when it is done; borrowed, may be NULL */
};

/* A merge, seen by the disks that stand on it: from how deep they read, and from how deep afterwards. */
#define CV_PLAN_READERS 4
struct cv_plan_reader {
	uint32_t image;
	enum cv_job_state state;         /* DONE: both models are complete; FAILED: it cannot be looked at */
	struct cv_map_model now, after;  /* of one cell */
	uint64_t done, size;             /* guest bytes looked at, and all of them */
	bool incomplete;                 /* a parent further down is not there */
};
struct cv_plan_depths {
	struct cv_plan_reader reader[CV_PLAN_READERS];
	size_t count, others;            /* readers that are looked at, and further ones */
	struct cv_map *map;              /* of the one that is RUNNING */
	uint64_t next_ms;
	bool begun;
};

struct cv_plan_view {
	enum cv_job_state state;         /* WANTED: to be made, again or for the first time */
	struct cv_plan_child maker;      /* while RUNNING */
	uint64_t began_ms, next_ms;
	struct cv_wish *wish;
	struct cv_plan *plan;            /* NULL: none could be made, or none is needed */
	struct cv_operation_list *unfinished;        /* recover */
	char heading[600];               /* "trash 2 images in /srv/images", escaped */
	char confirm[CV_NAME_MAX];        /* of a recovery */
	char why[512];                   /* there is none: one line */
	size_t asking;                   /* CV_MODE_ANSWER: the fix that is asked about */
	bool answered;                   /* and something was, so that the plan is another one */
	struct cv_plan_depths depths;
};

struct cv_run_view {
	bool active;                     /* begun, and its end not seen yet */
	bool cancelling;
	struct cv_child child;
	struct cv_wish *wish;
	struct cv_plan *plan;            /* NULL: a recovery */
	char *repository;
	struct cv_ident_set *marks;      /* that it was made of; borrowed, may be NULL */
	char heading[600];
	char badge[24];                  /* for the title, while it is active */
	uint64_t began_ms, ended_ms, next_ms;
	uint64_t idle_ms;                /* paused, while it is at that line */
	unsigned line;                   /* of the board that the samples are about */
	struct { uint64_t at_ms, done; } sample[CV_RATE_SAMPLES];
	size_t samples;                  /* how many were taken; the newest overwrite the oldest */
};

/* What has to be typed to carry out what is shown; NULL: it cannot be carried out. */
static inline const char *cv_plan_view_confirm(const struct cv_plan_view *v)
{
	if (v->state != CV_JOB_DONE)
		return NULL;
	return v->plan ? (v->plan->refused || !v->plan->item_count ? NULL : v->plan->confirm) : v->confirm[0] ? v->confirm : NULL;
}

/* A wish for a repository; NULL when memory is short. Frees it with all that it owns. */
struct cv_wish *cv_wish_new(const char *repository);
void cv_wish_free(struct cv_wish *wish);
/* A plan to merge the image at hand into its parent. */
void cv_merge_want(struct cv_console *c);
/* The merge that is planned, in the depth map of an image that stands on it. */
void cv_merge_show_map(struct cv_console *c);
/* A plan to repair what is at hand: a finding, an image, a repository; and from such a plan to one that repairs more. */
void cv_repair_want(struct cv_console *c);
void cv_repair_want_more(struct cv_console *c);
/* Looks at the disks above the planned merge for about budget_ms; true while there is more to do. */
bool cv_plan_depths_tick(struct cv_console *c, int budget_ms, unsigned *fx);
/* Nothing is open or kept of it any more. */
void cv_plan_depths_end(struct cv_plan_view *v);
/* Writes its box, if there is something to say. */
void cv_plan_depths_write(const struct cv_console *c, struct cv_paper *p);
/* Asks about what in the plan somebody has to say yes to. */
void cv_repair_ask(struct cv_console *c);
/* A key is the answer. */
void cv_repair_answered(struct cv_console *c, int key);
/* Writes what is asked; how many are not answered yet; the box of what becomes of each finding. */
void cv_repair_write_question(const struct cv_console *c, struct cv_paper *p);
size_t cv_repair_open_questions(const struct cv_plan_view *v);
void cv_repair_write_fixes(const struct cv_plan_view *v, struct cv_paper *p);
/* Opens the plan view for it, which owns it from then on; NULL: memory was short. */
void cv_plan_view_show(struct cv_console *c, struct cv_wish *wish);
/* For the images that are marked or selected in the view on top. */
void cv_plan_view_want(struct cv_console *c);
bool cv_plan_view_tick(struct cv_console *c, int budget_ms, unsigned *fx);
/* To be made anew, from what will be known then. */
void cv_plan_view_touch(struct cv_console *c);
/* What is being made is left. */
void cv_plan_view_cancel(struct cv_console *c);
/* How often to look after one that is being made: most are made at once. */
static inline int cv_plan_view_wait(const struct cv_plan_view *v)
{
	return cv_clock_ticks() - v->began_ms < 300 ? 10 : CV_FRAME_MS;
}
void cv_plan_view_end(struct cv_console *c);

/* Writes the box of its steps. */
void cv_plan_view_write_steps(const struct cv_plan *plan, struct cv_paper *p);

/* Carries out what the plan view shows. */
void cv_run_start(struct cv_console *c);
bool cv_run_tick(struct cv_console *c, int budget_ms, unsigned *fx);
void cv_run_end(struct cv_console *c);
void cv_run_pause(struct cv_console *c);

/* Bytes (or files) a second: lately, and since this piece of work began; 0: not known. */
struct cv_rate { uint64_t now, mean; };
struct cv_rate cv_run_rate(const struct cv_run_view *v);
/* Appends "57%  5.5G of 9.6G"; nothing if the whole is not known. */
void cv_run_add_progress(const struct cv_board *board, struct cv_text *out);
/* The line of the board that is worked at; "" before the first. */
const char *cv_run_doing(const struct cv_run_view *v);

#endif
