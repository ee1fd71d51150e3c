/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What must be so for an image to get another parent, as far as the graph knows. */
#ifndef CV_REPAIR_PLAN_REBASE_H
#define CV_REPAIR_PLAN_REBASE_H

#include "repair/plan/make.h"

/* Adds its checks to the plan. */
void cv_plan_check_rebase(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image,
			  const struct cv_image *onto);

#endif
