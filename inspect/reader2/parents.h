/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Would an image read the same on another parent? Where it has nothing of its own, what a guest reads through the one and
 * through the other is compared, byte by byte, in a process that can do nothing else. What both get from the same place
 * of the same file (an ancestor of both) is not read.
 */
#ifndef CV_INSPECT_READER2_PARENTS_H
#define CV_INSPECT_READER2_PARENTS_H

#include "inspect/sandbox/task.h"
#include <chainview/graph.h>

struct cv_parents_result {
	uint64_t compared;           /* bytes that were read on both sides */
	uint64_t differing;          /* bytes; 0: the image reads the same */
	uint64_t first;              /* guest offset of the first of them */
	uint64_t damaged;            /* errors that the check of the image's own tables found: then nothing was compared */
	/* What copying takes that makes it read the same all the same. */
	uint64_t copied;             /* bytes: pages of 4 KiB, as far as the image does not have them */
	uint64_t fresh;              /* units in which the image has nothing, and would have something */
	uint64_t partly;             /* bytes, at most, that the file system has to find for units that it has already */
};

/* How the image keeps its data. */
struct cv_parents_units {
	uint64_t unit;               /* blocks, clusters: bytes */
	bool whole;                  /* units that the image has a part of, it shall have as a whole */
};

struct cv_parents_watch {
	/* done of total bytes of the disk; false: stop. */
	bool (*tick)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/* The graph's image against another parent of it, or none (CV_NO_IMAGE: zeros, and what the present one has is not read but
 * all taken for something else); both chains must be complete. watch and units may be NULL. False with err set if it could
 * not be found out (CV_ECANCELLED: it was stopped). */
bool cv_parents_compare(const struct cv_graph *g, uint32_t image, uint32_t parent, const struct cv_parents_units *units,
			const struct cv_parents_watch *watch, struct cv_parents_result *result, struct cv_err *err);

/* In its process. Images: the image, the parents that only it has now, those that only the other way has, those of both.
 * The request is a struct cv_parents_request; the records are progress (tasks.h) and one result. */
struct cv_parents_request { uint32_t now, then; uint64_t unit; uint32_t whole; };
enum { CV_PARENTS_RESULT = 100 };
cv_task_function cv_parents_task;

#endif
