/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Merging a leaf: what must be so besides what every merge needs, since its parent gets its name. */
#ifndef CV_REPAIR_PLAN_LEAF_H
#define CV_REPAIR_PLAN_LEAF_H

#include "repair/plan/make.h"

/* A leaf and its parent, which was found. Adds the checks; false only if the images cannot be looked at. */
bool cv_plan_check_leaf(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image,
			const struct cv_image *parent, struct cv_err *err);
void cv_plan_leaf_steps(struct cv_plan_maker *m, const struct cv_image *image, const struct cv_image *parent);

#endif
