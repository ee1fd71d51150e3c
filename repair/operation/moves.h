/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Files of a repair that get another place: another name in their folder, or the trash and back. An item is known by its
 * inode: what a crash has left is found out by looking at both places.
 */
#ifndef CV_REPAIR_OPERATION_MOVES_H
#define CV_REPAIR_OPERATION_MOVES_H

#include "repair/operation/work.h"

struct cv_moves {
	const struct cv_plan_move *at;
	size_t count;
};

/* What PREPARE holds of them: nothing if there are none. */
bool cv_moves_pack(const struct cv_plan *plan, struct cv_pack *p);
/* Of the plan, or of what PREPARE held (kept in the arena of the work). */
bool cv_moves_of(const struct cv_work *work, struct cv_moves *m, struct cv_err *err);

/* One after the other, and sure when it returns. */
bool cv_moves_do(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err);
/* Behind all else: a folder of the trash that became empty goes. */
bool cv_moves_tidy(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err);
/* The same where some of them were made in another life. */
bool cv_moves_finish(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err);
/* All but those that stand apart were made. */
bool cv_moves_are_settled(const struct cv_work *work, const struct cv_moves *m, bool *settled, struct cv_err *err);
/* Those that were made are taken back, and that is sure. */
bool cv_moves_back(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err);
/* All were made; then that is sure. */
bool cv_moves_are_done(const struct cv_work *work, const struct cv_moves *m, bool *done, struct cv_err *err);
/* Where one is now: 1 at its end, 0 not there; -1 with err set. */
int cv_move_is_made(const struct cv_work *work, const struct cv_plan_move *move, struct cv_err *err);
/* The path that the item has now. */
const char *cv_moves_path(const struct cv_work *work, const struct cv_moves *m, size_t item, struct cv_err *err);

#endif
