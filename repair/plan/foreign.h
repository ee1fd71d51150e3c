/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Unfinished work of other programs, and what their own rules say about it: what is to be done, or why nothing is. A state that
 * the rules do not tell of is refused with what was seen. A program is a row in foreign.c and a function.
 */
#ifndef CV_REPAIR_PLAN_FOREIGN_H
#define CV_REPAIR_PLAN_FOREIGN_H

#include "inspect/base/arena.h"
#include <chainview/plan.h>
#include <chainview/vec.h>

enum cv_foreign_do {
	CV_FOREIGN_SHOW, CV_FOREIGN_HIDE,    /* the mark of the image */
	CV_FOREIGN_RENAME,                   /* the image, in its folder */
	CV_FOREIGN_TRASH,                    /* the image */
	CV_FOREIGN_HOLD,                     /* the image stays as it is, and nobody may have it open */
};
struct cv_foreign_step {
	enum cv_foreign_do what;
	uint32_t image;
	const char *to;              /* RENAME: relative to the repository */
	const char *why;             /* escaped */
};
CV_VEC(cv_foreign_steps, struct cv_foreign_step);

/* One record of such work, which goes to the trash behind the steps. */
struct cv_foreign {
	const struct cv_graph *g;
	uint32_t repository;
	struct cv_arena *arena;
	const struct cv_file *file;
	const char *path;            /* of the file, relative to the repository */
	bool refused, failed;        /* failed: memory ran short */
	const char *why;             /* escaped, one phrase */
	struct cv_foreign_steps steps;       /* in their order: marks, names, images that are not needed any more */
	size_t fix;                  /* of the plan */
	bool chosen;
};
CV_VEC(cv_foreign_vec, struct cv_foreign);

/* All of a repository. */
bool cv_foreign_find(const struct cv_graph *g, uint32_t repository, struct cv_arena *arena, struct cv_foreign_vec *found,
		     struct cv_err *err);
void cv_foreign_fini(struct cv_foreign_vec *found);

/* For rules. fmt: escaped; return nothing, for it is an answer. */
void cv_foreign_refuse(struct cv_foreign *f, const char *fmt, ...) CV_PRINTF(2, 3);
void cv_foreign_say(struct cv_foreign *f, const char *fmt, ...) CV_PRINTF(2, 3);
void cv_foreign_add(struct cv_foreign *f, enum cv_foreign_do what, uint32_t image, const char *to, const char *why);
/* The name of an image, escaped; kept in the arena. */
const char *cv_foreign_name(struct cv_foreign *f, uint32_t image);
/* A path in the folder of the record: before, so many bytes of a name, behind. NULL without memory. */
const char *cv_foreign_beside(struct cv_foreign *f, const char *before, struct cv_bytes name, const char *behind);
/* The image under a path of the repository; CV_NO_IMAGE if there is none. */
uint32_t cv_foreign_image(const struct cv_foreign *f, const char *path);
/* Every file of the repository was looked at, and could be read: who stands on what is known. */
bool cv_foreign_sees_all(const struct cv_foreign *f);
/* The image was found to stand on that parent, and nothing else does. False: refused with what was seen. */
bool cv_foreign_stands_alone(struct cv_foreign *f, uint32_t image, uint32_t parent);

/* foreign_xen.c, foreign_orchestra.c */
void cv_foreign_coalesce(struct cv_foreign *f);
void cv_foreign_relink(struct cv_foreign *f);
void cv_foreign_leaf(struct cv_foreign *f);
void cv_foreign_merge(struct cv_foreign *f);

#endif
