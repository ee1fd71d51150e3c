/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the parts of the accounting share outside of the task. Private to inspect/space/. */
#ifndef CV_INSPECT_SPACE_SPACE_H
#define CV_INSPECT_SPACE_SPACE_H

#include <chainview/space.h>
#include "inspect/base/arena.h"
#include "inspect/space/space_work.h"

/* What of a file is on disk. */
struct cv_space_map {
	bool known;
	struct cv_space_runs pieces;
	uint64_t shared;
};
/* False if the file system does not say. The pieces are the caller's to free either way. */
bool cv_space_map_read(struct cv_space_map *map, int fd);

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

/* space_tree.c: all images of the tree that image is the lowest of. order: all images by tree and level. */
bool cv_space_tree(struct cv_space *s, const struct cv_space_role *roles, const uint32_t *order, size_t count,
		   const struct cv_space_options *options, struct cv_err *err);

/* space_plan.c */
bool cv_space_plan_all(struct cv_space *s, const struct cv_space_role *roles, uint64_t reserve, struct cv_err *err);

#endif
