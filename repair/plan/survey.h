/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the map of an image says about a copy of it: how much there is to copy, and what that takes in the new format. */
#ifndef CV_REPAIR_PLAN_SURVEY_H
#define CV_REPAIR_PLAN_SURVEY_H

#include "repair/convert/job.h"
#include "repair/plan/make.h"

struct cv_survey {
	uint64_t data;               /* guest bytes that some image holds; with a parent: that are copied */
	uint64_t pages, units;       /* of the target that hold some of them */
	uint64_t page_end, unit_end; /* the end of the last of them */
	uint64_t shared;             /* of the data: what the new file can share, less than what that itself takes */
	uint64_t block, device;      /* what can be shared is whole blocks of files on this file system; 0: nothing can */
	struct cv_range bad;         /* the first that cannot be read; len 0: all can */
	uint64_t lost;               /* guest bytes that cannot be read, by the tables */
	bool whole;
	struct cv_text why;
};

/* Before the walk: where in the plan's repository the new file will be decides about sharing. */
void cv_survey_sharing(struct cv_survey *s, const struct cv_plan_maker *m, const struct cv_convert_job *job,
		       const struct cv_target *t, const char *dest);
/* Walks the whole map. cv_survey_fini() also on failure. */
bool cv_survey_walk(struct cv_survey *s, const struct cv_convert_job *job, const struct cv_target *t,
		    const struct cv_convert_options *o, struct cv_err *err);
void cv_survey_fini(struct cv_survey *s);
/* At most so many bytes will the new file take. */
uint64_t cv_survey_needed(const struct cv_survey *s, const struct cv_target *t);
/* cv_target_begin() without a file: what the format cannot hold is refused; what was asked for wrongly is wrong usage. */
bool cv_survey_begin(struct cv_target *t, const struct cv_convert_job *job, struct cv_err *err);

#endif
