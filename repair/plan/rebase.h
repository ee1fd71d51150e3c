/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What must be so for an image to get another parent, as far as the graph knows. */
#ifndef CV_REPAIR_PLAN_REBASE_H
#define CV_REPAIR_PLAN_REBASE_H

#include "repair/plan/make.h"


/* Adds its checks to the plan. onto: NULL if it is to stand alone. */
void cv_plan_check_rebase(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image,
			  const struct cv_image *onto);
/* The same for the parent that it had before. */
void cv_plan_check_return(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const struct cv_image *onto);

/* rebase_copy.c: what is read through the present parent is copied into the image, since the other one (NULL: none) reads
 * otherwise. found: by how much. Adds checks, space, and what the plan has about it; the sources are added already. */
struct cv_parents_result;
bool cv_plan_copying(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const struct cv_image *onto,
		     const struct cv_parents_result *found, struct cv_err *err);
/* The sources of a rebase: images of the present chain alone, of the other alone, of both, and how many the first two are. */
struct cv_plan_chains {
	uint32_t *images;
	size_t count, now, then;
};
bool cv_plan_chains(const struct cv_graph *g, const struct cv_image *image, const struct cv_image *onto, struct cv_plan_chains *chains,
		    struct cv_err *err);

#endif
