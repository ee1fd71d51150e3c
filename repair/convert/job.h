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
	struct cv_salvage *salvage;  /* what cannot be read is listed there and becomes zeros; NULL: it is an error */
	/* Where it comes from, and whether what was written is that; replaced by tests. fd: of the new file, for reading. */
	struct cv_feed *(*open)(const struct cv_convert_job *job, struct cv_err *err);
	bool (*verify)(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, struct cv_err *err);
	/* Of a tree: the new images below this one, nearest first, for verify; and which of the plan's sources its chain is, the
	 * image's own first. NULL: all of them, in their order. */
	const int *below;
	size_t below_count;
	const uint32_t *sources;
	size_t source_count;
	uint64_t before, total;      /* bytes of data of those that are copied before it, and of all; total 0: there are no others */
	/* Another reader's word on it; NULL: not asked for. */
	bool (*second)(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, uint64_t *compared,
		       struct cv_err *err);
	const struct cv_graph *g;
	uint32_t image;
};

/* Images that stand on one another, parents before their children: item i of the plan is node i. */
struct cv_convert_node {
	struct cv_convert_job job;
	uint32_t parent;             /* a node; UINT32_MAX: it stands on nothing */
	const char *parent_path;     /* from its folder: what it will say */
};
struct cv_convert_tree {
	const struct cv_convert_node *nodes;
	size_t count;
};

struct cv_work;
/* operation/convert.c: what conversions share. Identities and the time, where they are not given. */
bool cv_convert_identify(const struct cv_work *work, struct cv_target_options *options, struct cv_err *err);
/* Claims the source, and copies it into out. */
bool cv_convert_fill(struct cv_work *work, const struct cv_convert_job *job, const struct cv_file_out *out,
		     struct cv_err *err);
/* The folder in which new images grow. -1 with err set; CV_EUSAGE if it is not there and not to be made. */
struct cv_writing;
int cv_convert_stage(const struct cv_writing *w, bool make, struct cv_err *err);
/* Reads it back; fd as cv_convert_job.verify. */
bool cv_convert_verify(struct cv_work *work, const struct cv_convert_job *job, int fd, struct cv_err *err);

/* options.c: sets what the options say; CV_EUSAGE names the one that is wrong. */
bool cv_convert_options_read(const struct cv_convert_options *options, struct cv_target_options *target, struct cv_err *err);

#endif
