/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A plan that mends images while it is made: what its files share. */
#ifndef CV_REPAIR_PLAN_REPAIRING_H
#define CV_REPAIR_PLAN_REPAIRING_H

#include "repair/fix/fix.h"
#include "repair/plan/foreign.h"
#include "repair/plan/make.h"

CV_VEC(cv_plan_fixes, struct cv_plan_fix);
CV_VEC(cv_plan_mends, struct cv_plan_mend);
CV_VEC(cv_plan_moves, struct cv_plan_move);

struct cv_repairing {
	struct cv_plan_maker m;
	const struct cv_graph *g;
	const struct cv_repair_options *o;
	uint32_t repository;
	const char *network;         /* the kind of file system that others may write to, too; NULL: it is none */
	struct cv_plan_fixes fixes;
	struct cv_plan_mends mends;  /* for each item */
	struct cv_foreign_vec foreign;
	struct cv_plan_moves moves;
};

/* Why the image is not to be touched at all; NULL: nothing is against it. finding: what is to be mended, or NULL. */
const char *cv_repairing_against(const struct cv_repairing *p, const struct cv_image *image, const struct cv_finding *finding);
/* Copies of the texts are kept. */
void cv_repairing_fix(struct cv_repairing *p, struct cv_plan_fix fix);

/* repair_foreign.c: unfinished work of other programs. First what is to be done about it, and what of it is wanted... */
bool cv_repairing_foreign(struct cv_repairing *p, struct cv_err *err);
/* The image takes part in such work, whether that is wanted or not: its links and marks are not to be changed by themselves. */
bool cv_repairing_takes_part(const struct cv_repairing *p, uint32_t image);
/* ...then the marks of each image that it concerns, over what else is mended in it... */
bool cv_repairing_concerns(const struct cv_repairing *p, uint32_t image);
bool cv_repairing_marks(struct cv_repairing *p, struct cv_fixing *f, struct cv_err *err);
/* The image could not be planned with: what concerns it is not done. why: escaped. */
void cv_repairing_without(struct cv_repairing *p, uint32_t image, const char *why);
/* ...and behind the last image what gets another place. */
void cv_repairing_moves(struct cv_repairing *p);

#endif
