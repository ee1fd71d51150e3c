/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How planners put plans together. A planner only reads; it never fails because of what it finds: what speaks against
 * the operation becomes a check that is not as it must be. */
#ifndef CV_REPAIR_PLAN_MAKE_H
#define CV_REPAIR_PLAN_MAKE_H

#include "inspect/base/arena.h"
#include "repair/operation/work.h"
#include <chainview/operation.h>
#include <chainview/vec.h>

CV_VEC(cv_plan_items, struct cv_plan_item);
CV_VEC(cv_plan_sources, struct cv_plan_source);
CV_VEC(cv_plan_steps, struct cv_plan_step);
CV_VEC(cv_plan_checks, struct cv_plan_check);
CV_VEC(cv_plan_paths, const char *);

struct cv_plan_maker {
	struct cv_plan *plan;
	struct cv_plan_items items;
	struct cv_plan_sources sources;
	struct cv_plan_steps steps;
	struct cv_plan_checks checks;
	struct cv_plan_paths searched;
	const char *charged;         /* in the repository: what grows, or a new file; NULL: its folder */
	struct cv_pack carried;      /* what else is carried out, for the digest */
	bool failed;                 /* memory ran short: nothing comes of it */
};

bool cv_plan_begin(struct cv_plan_maker *m, enum cv_plan_kind kind, const char *repository, struct cv_err *err);
/* Copies of the texts are kept. */
void cv_plan_item(struct cv_plan_maker *m, struct cv_plan_item item);
/* An image of the graph as it is in the scan. */
struct cv_plan_item cv_plan_item_of(const struct cv_graph *g, uint32_t image);
/* The image of the graph that an item of an earlier plan was; CV_NO_IMAGE if it is not there any more. */
uint32_t cv_plan_image(const struct cv_graph *g, uint32_t repository, const struct cv_plan_item *item);
/* What the image will say about its parent; copied. */
void cv_plan_link(struct cv_plan_maker *m, struct cv_plan_link link);
/* An image of the graph that is read (and its data file), as it is in the scan. */
void cv_plan_source(struct cv_plan_maker *m, const struct cv_graph *g, uint32_t image);
void cv_plan_step(struct cv_plan_maker *m, const char *kind, const char *target, uint64_t bytes, const char *why);
/* text: escaped. */
void cv_plan_check(struct cv_plan_maker *m, const char *name, bool ok, const char *fmt, ...) CV_PRINTF(4, 5);
void cv_plan_searched(struct cv_plan_maker *m, const char *path);
/* The checks that every plan on a graph has: what was searched, and that all of it could be looked at. */
void cv_plan_check_search(struct cv_plan_maker *m, const struct cv_graph *g);
/* Where a name that an image gives for its parent leads: an absolute path, appended. False: nowhere here. */
bool cv_plan_name_leads(const struct cv_image *child, const struct cv_name *name, struct cv_text *out);
/* Whether one of the names that an image gives for its parent leads to this path (absolute). */
bool cv_plan_names(const struct cv_image *child, const char *path);
/* room.c: the plan's space is that of the owner of this file, or of a new one in its folder: a path in the repository. */
void cv_plan_charge(struct cv_plan_maker *m, const char *path);
/* A folder of the repository in which new files can share extents with others: its file system, and the size of the blocks
 * that are shared. False: they cannot. path: of something in it. */
bool cv_plan_can_share(const struct cv_plan_maker *m, const char *path, uint64_t *device, uint64_t *block);
/* Bytes of a file of the repository that others have, too: they do not become free with it. */
uint64_t cv_plan_shared(const struct cv_plan_maker *m, const char *path);
/* Bytes that it takes for a while to write so many bytes of that file anew, where the file system does not write over what is
 * there: what was there is given back later. */
uint64_t cv_plan_rewrite(const struct cv_plan_maker *m, const char *path, uint64_t bytes);
static inline bool cv_plan_quota_fits(const struct cv_plan_space *s)
{
	return !s->quota || s->peak <= s->quota_left;
}
/* Whether what is needed fits, on the file system and by quotas; part of the end. */
void cv_plan_room(struct cv_plan_maker *m);
/* Settles space, consent and digest. NULL with err set if memory ran short. */
struct cv_plan *cv_plan_end(struct cv_plan_maker *m, struct cv_err *err);
/* Instead of it, for a plan that is settled already. */
struct cv_plan *cv_plan_taken(struct cv_plan_maker *m);
/* Instead of it, when there is no plan. */
void cv_plan_drop(struct cv_plan_maker *m);
const char *cv_plan_keep(struct cv_plan_maker *m, const char *text);

#endif
