/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The images of trees that are converted together, parents first, and what they will be called. */
#ifndef CV_REPAIR_PLAN_TREE_NODES_H
#define CV_REPAIR_PLAN_TREE_NODES_H

#include "repair/plan/make.h"

struct cv_tree_node {
	uint32_t image;              /* in the graph */
	uint32_t parent;             /* another node, before this one; UINT32_MAX: none */
	const char *path;            /* of the new image, in its repository */
	const char *parent_path;     /* from its folder; NULL: it has none */
};

struct cv_tree_nodes {
	struct cv_tree_node *at;
	size_t count;
	uint32_t *node_of;           /* by image; UINT32_MAX: it is none of them */
	uint32_t outside;            /* an image that stands on one of another repository; CV_NO_IMAGE: all are at home */
	uint32_t without;            /* one whose parent was not found */
};

/* All images of a repository, or with an image (not CV_NO_IMAGE) those of its tree. Texts are kept by the maker. folder: of the
 * new repository, in which they will be: "" or "a/b". cv_tree_nodes_fini() also on failure. */
bool cv_tree_nodes_find(struct cv_tree_nodes *nodes, const struct cv_graph *g, uint32_t repository, uint32_t image, struct cv_err *err);
bool cv_tree_nodes_name(struct cv_tree_nodes *nodes, struct cv_plan_maker *m, const struct cv_graph *g, const char *folder,
			enum cv_format_id to, struct cv_err *err);
/* Two that would have the same name; false: there are none. */
bool cv_tree_nodes_collide(const struct cv_tree_nodes *nodes, struct cv_plan_maker *m, uint32_t pair[2]);
void cv_tree_nodes_fini(struct cv_tree_nodes *nodes);

#endif
