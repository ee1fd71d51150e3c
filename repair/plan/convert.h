/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What plans of conversions, and those that take them back, share. */
#ifndef CV_REPAIR_PLAN_CONVERT_H
#define CV_REPAIR_PLAN_CONVERT_H

#include "repair/plan/make.h"

/* No image may take the file of this name for its parent. way: what to do if one does. */
void cv_plan_check_unnamed(struct cv_plan_maker *m, const struct cv_graph *g, const char *dest, const char *way);

/* device.c: a block device as it is now. */
struct cv_device_look {
	uint64_t number, size;       /* st_rdev; bytes */
	bool free;                   /* nobody has it, and nothing is found on it */
	char why[200];               /* what was found, or that nothing was: one escaped line */
};
/* Opens it for reading only. CV_EUSAGE if it is no block device. */
bool cv_device_look(const char *path, struct cv_device_look *look, struct cv_err *err);

#endif
