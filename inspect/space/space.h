/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the parts of the accounting share outside of the task. Private to inspect/space/. */
#ifndef CV_INSPECT_SPACE_SPACE_H
#define CV_INSPECT_SPACE_SPACE_H

#include <chainview/space.h>
#include "inspect/base/arena.h"
#include "inspect/space/space_work.h"

/* What of a file is on disk. */
struct cv_space_map {
	bool known;              /* the file system says it; else there are no pieces and shared is 0 */
	bool listed;             /* pieces are all there are */
	struct cv_space_runs pieces;
	uint64_t shared;
};
/* Lists most pieces, or none. They are the caller's to free. */
void cv_space_map_read(struct cv_space_map *map, int fd, size_t most);

/* What is decided about an image before its blocks are looked at. */
struct cv_space_role {
	uint32_t parent;         /* in the graph; CV_NO_IMAGE: the lowest of its tree */
	uint32_t tree, level;    /* the lowest image; how far above it this one stands */
	uint32_t base;           /* of the run that it is merged with; CV_NO_IMAGE: it is not planned */
	uint32_t need;           /* CV_NEED_... */
	uint32_t data;           /* the image that is its data file; CV_NO_IMAGE */
	uint32_t data_of;        /* the image whose data file it is; CV_NO_IMAGE */
	size_t data_file;        /* of the scan; SIZE_MAX */
};
/* Roles of all images; the caller frees them. NULL when memory is short. */
struct cv_space_role *cv_space_roles(const struct cv_graph *g);

/* space_tree.c: the work on all images of one tree. order: they, by level. */
struct cv_space_job;
struct cv_space_job *cv_space_job_new(struct cv_space *s, const struct cv_space_role *roles, const uint32_t *order,
				      size_t count, bool deep, size_t pieces);
/* Does what can be done now, until deadline (milliseconds of cv_pool_now_ms()) at most. False: it is over, and every
 * image has its sums or a reason; err is set only if memory ran out. */
bool cv_space_job_step(struct cv_space_job *job, int64_t deadline, struct cv_err *err);
/* The reason for all of its images that have no sums yet; ends it. */
void cv_space_job_cancel(struct cv_space_job *job);
int cv_space_job_fd(const struct cv_space_job *job);         /* -1: it need not be waited for */
size_t cv_space_job_images(const struct cv_space_job *job);
unsigned cv_space_job_permille(const struct cv_space_job *job);
void cv_space_job_free(struct cv_space_job *job);

/* space_plan.c */
bool cv_space_plan_all(struct cv_space *s, const struct cv_space_role *roles, uint64_t reserve, struct cv_err *err);

#endif
