/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A conversion as it is planned: what plan and operation share. */
#ifndef CV_REPAIR_CONVERT_JOB_H
#define CV_REPAIR_CONVERT_JOB_H

#include "repair/convert/copy.h"
#include <chainview/convert.h>

struct cv_convert_job {
	enum cv_format_id to;
	struct cv_target_options target;     /* identities and time are set when it begins */
	struct cv_copy_options copy;
	uint64_t data;               /* guest bytes that some image of the chain holds */
	/* Where it comes from, and whether what was written is that; replaced by tests. fd: of the new file, for reading. */
	struct cv_feed *(*open)(const struct cv_convert_job *job, struct cv_err *err);
	bool (*verify)(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, struct cv_err *err);
	/* Another reader's word on it; NULL: not asked for. */
	bool (*second)(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, uint64_t *compared,
		       struct cv_err *err);
	const struct cv_graph *g;
	uint32_t image;
};

struct cv_work;
/* operation/convert.c: what conversions into files and onto devices share. Claims the source, and copies it into out. */
bool cv_convert_fill(struct cv_work *work, const struct cv_convert_job *job, const struct cv_file_out *out,
		     struct cv_err *err);
/* Reads it back; fd as cv_convert_job.verify. */
bool cv_convert_verify(struct cv_work *work, const struct cv_convert_job *job, int fd, struct cv_err *err);

/* options.c: sets what the options say; CV_EUSAGE names the one that is wrong. */
bool cv_convert_options_read(const struct cv_convert_options *options, struct cv_target_options *target, struct cv_err *err);

#endif
