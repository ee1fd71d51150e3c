/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Some threads that do small jobs while the caller goes on, so that a disk has more than one thing to do at a time. With
 * no threads a job is done when it is given: the same work in an order that is always the same.
 */
#ifndef CV_REPAIR_CONVERT_CREW_H
#define CV_REPAIR_CONVERT_CREW_H

#include <chainview/error.h>

/* Embedded in what the job needs. Only its crew touches it between cv_crew_give() and cv_crew_wait(). */
struct cv_job {
	void (*run)(struct cv_job *job);
	struct cv_job *next;
	bool done;
};

struct cv_crew;
/* threads 0: none. Fewer than asked for is no error. */
struct cv_crew *cv_crew_new(unsigned threads, struct cv_err *err);
void cv_crew_give(struct cv_crew *crew, struct cv_job *job);
void cv_crew_wait(struct cv_crew *crew, struct cv_job *job);
/* Every job must have been waited for. NULL is fine. */
void cv_crew_free(struct cv_crew *crew);

#endif
