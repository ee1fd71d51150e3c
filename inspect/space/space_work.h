/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The work on one tree, inside of its task: the request, the answers, and the walk over the disks of all images
 * side by side. Both sides are one program, so records are plain structures; the answers are checked all the same.
 */
#ifndef CV_INSPECT_SPACE_WORK_H
#define CV_INSPECT_SPACE_WORK_H

#include "inspect/sandbox/task.h"
#include "inspect/space/space_host.h"

#define CV_SPACE_NOBODY UINT32_MAX

/* Who needs what is read through an image. */
enum { CV_NEED_LIVE = 1, CV_NEED_ORPHAN = 2 };

enum { CV_SPACE_ANSWER = 1, CV_SPACE_WALKED };

/* The request: this, an ask for each image (parents before their children), then the maps one after the other. */
struct cv_space_request {
	uint32_t count;
	bool deep;
	uint64_t most;           /* runs that may be held in memory */
};

/* A sign of life that says how far the walk is. Passes may have to be repeated: then it goes back. */
struct cv_space_walked {
	uint64_t done, total;    /* guest bytes, of all slices */
};

struct cv_space_ask {
	uint32_t parent;         /* of the tree's images; NOBODY: the lowest */
	uint32_t base;           /* of its run, for the planned merge; NOBODY: it is not planned */
	uint32_t need;           /* by itself, without its children: CV_NEED_... */
	uint32_t snapshots;      /* internal ones */
	uint32_t snapshots_need; /* on behalf of whom they read the parent */
	uint32_t pieces;         /* of the map of what is on disk; NOBODY: not known */
	uint32_t data_pieces;    /* of that of its data file */
	uint32_t filler;
};
/* The maps that follow begin where ranges may lie. */
_Static_assert((sizeof(struct cv_space_request) + sizeof(struct cv_space_ask)) % _Alignof(struct cv_range) == 0 &&
	       sizeof(struct cv_space_ask) % _Alignof(struct cv_range) == 0, "a request is aligned");

struct cv_space_growth {
	uint64_t peak;
	int64_t growth;          /* of the file that takes the data */
};

struct cv_space_answer {
	uint32_t image, known, deep, has_merge, has_planned, has_flatten;
	struct cv_space_sums own, data;
	uint64_t zero;
	struct cv_space_growth merge, planned, flatten;
	char why[480];           /* not known: why; escaped */
};

struct cv_space_need {
	uint64_t off, len;
	uint8_t mask;
};
CV_VEC(cv_space_needs, struct cv_space_need);

struct cv_space_forecast {
	uint32_t target;         /* NOBODY: there is nothing to forecast */
	uint64_t peak, fresh;    /* fresh: clusters that the target gets */
	int64_t growth;
	uint64_t bitmaps;                /* chunks of a VHDX that get one */
	uint64_t last_unit, last_l2, last_chunk;         /* counted last, plus one */
	uint64_t last_data, last_bits, last_entry;       /* ends of the pages that were filled last */
};

struct cv_space_node {
	const struct cv_space_ask *ask;
	enum cv_format_id format;
	struct cv_layer *layer;          /* NULL: its blocks cannot be read; why says why */
	struct cv_layer **snapshots;
	struct cv_extents list, *snapshot_lists;
	struct cv_space_host host;
	struct cv_space_needs in, spare; /* what is asked for by those above, in the present window */
	unsigned askers;                 /* how many lists are in it */
	struct cv_space_runs reads;      /* data that it shows in the present window */
	struct cv_space_runs written;    /* of a run's base: what those below have put there in the present window */
	struct cv_space_runs bitmaps, tables;    /* of a run's base: chunks that get one, pages that are written to */
	uint64_t planned_blocks;         /* new blocks of a run's base, by those below */
	struct cv_space_forecast merge, planned, flatten;
	uint64_t end;                    /* of what is claimed of its file */
	struct cv_space_answer answer;
};

struct cv_space_tree {
	struct cv_space_node *nodes;
	size_t count, lists;             /* lists: of extents, in the tree */
	bool deep, first;                /* first: of the passes; what does not depend on the slice is done in it */
	unsigned slice, slices;
	bool flatten;
	struct cv_space_runs through;    /* what one image reads from below, in the present window */
	size_t held, most;               /* runs of all accounts */
	struct cv_task_out *out;
	uint8_t *buffer;                 /* for reading data */
};

cv_task_function cv_space_work;

/* space_walk.c: goes over the disks once, for the slices that the accounts are set to. */
bool cv_space_walk(struct cv_space_tree *t, struct cv_err *err);

/* space_merge.c: one window of a forecast, and its end. */
bool cv_space_merge_window(struct cv_space_tree *t, struct cv_space_node *n, struct cv_range window,
			   struct cv_err *err);
/* The image takes up what it reads from below: t->through. */
bool cv_space_flatten_window(struct cv_space_tree *t, struct cv_space_node *n, struct cv_err *err);
void cv_space_merge_end(struct cv_space_tree *t, struct cv_space_node *n);

/* space_zero.c: pages of data that hold zeros only. */
bool cv_space_count_zeros(struct cv_space_tree *t, struct cv_space_node *n, const struct cv_extent *e,
			  struct cv_err *err);

#endif
