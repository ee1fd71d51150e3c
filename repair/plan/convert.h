/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What plans of conversions, and those that take them back, share. */
#ifndef CV_REPAIR_PLAN_CONVERT_H
#define CV_REPAIR_PLAN_CONVERT_H

#include "repair/convert/job.h"
#include "repair/plan/make.h"

/* What jobs do on real disks: open the chain of the image; compare it with what was made, through all of the new chain. */
struct cv_feed *cv_convert_open(const struct cv_convert_job *job, struct cv_err *err);
bool cv_convert_compare(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, struct cv_err *err);
/* Its options, for the digest: another plan if one of them is another. */
void cv_plan_carry_job(struct cv_plan_maker *m, const struct cv_convert_job *job);

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
