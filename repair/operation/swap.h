/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The file of a parent under the name of its image, which goes to the trash: a second name for the image there, then one
 * rename over its first. At every moment something is under the name, and it is one of both.
 */
#ifndef CV_REPAIR_OPERATION_SWAP_H
#define CV_REPAIR_OPERATION_SWAP_H

#include "repair/operation/work.h"

/* Of items 0 (the image) and 1 (its parent). */
enum cv_swapped {
	CV_SWAP_BEFORE,              /* each under its own name */
	CV_SWAP_LINKED,              /* and the image in the trash, too */
	CV_SWAP_DONE,                /* the parent under the name of the image, which is in the trash */
	CV_SWAP_BACK,                /* and the parent under its own name, too: it was about to be taken back */
	CV_SWAP_FOREIGN,             /* somebody else has moved them */
	CV_SWAP_UNKNOWN,             /* err is set */
};
enum cv_swapped cv_swap_find(const struct cv_work *work, struct cv_err *err);

/* Makes the folder in the trash, and finds out whether a file can have two names here: refused otherwise. */
bool cv_swap_begin(const struct cv_work *work, struct cv_err *err);
/* The names change. The one in the trash is on disk when it returns, the others are not yet. */
bool cv_swap_do(const struct cv_work *work, struct cv_err *err);
/* Each has its own name again, on disk for sure. */
bool cv_swap_back(const struct cv_work *work, struct cv_err *err);
/* Instead of going back where that was begun: the own name of the parent goes. Not yet on disk. */
bool cv_swap_forward(const struct cv_work *work, struct cv_err *err);
/* What the image in the trash is like. */
bool cv_swap_stat(const struct cv_work *work, struct stat *st, struct cv_err *err);
/* Removes the second name of the image. */
bool cv_swap_unlink(const struct cv_work *work, struct cv_err *err);

#endif
