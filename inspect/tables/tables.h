/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of the check of tables: what it holds, and the records that cross from its processes. */
#ifndef CV_INSPECT_TABLES_TABLES_H
#define CV_INSPECT_TABLES_TABLES_H

#include <chainview/check.h>
#include <chainview/format.h>
#include <chainview/vec.h>
#include "inspect/sandbox/task.h"

typedef bool cv_check_function(struct cv_checking *c, struct cv_err *err);

/* What tests put other things in place of. */
struct cv_check_setup {
	cv_check_function *(*function_of)(enum cv_format_id format); /* NULL: the format has no tables */
	unsigned batch;                                              /* the most images for one process */
	uint64_t big_bytes;     /* allocated: an image of so many gets a process of its own */
	unsigned stall_seconds; /* 0: as for every task */
};

/* One image. */
struct cv_check_job {
	struct cv_checked pub;
	size_t file;
	struct cv_facts *facts;
	char *trouble;
	uint64_t allocated;
	uint64_t done, total; /* bytes of tables, as its check says */
	bool alone;           /* shares no process: it is big, or one that it shared ended for no known reason */
	bool settled;
};

/* One process. */
struct cv_check_lane {
	struct cv_task *task;
	uint32_t *jobs;
	size_t count;
	size_t next; /* of its jobs: those before it were begun */
	bool busy;   /* with the one before that */
};

CV_VEC(cv_job_list, uint32_t);

struct cv_check {
	const struct cv_scan *scan;
	struct cv_check_setup setup;
	struct cv_check_job *jobs; /* by file */
	size_t job_count, settled;
	struct cv_job_list waiting; /* the last one comes first */
	struct cv_check_lane *lanes;
	size_t lane_count, running;
	int epoll;
	bool cancelled;
};

struct cv_check *cv_check_begin(const struct cv_scan *scan, const struct cv_check_options *options,
				const struct cv_check_setup *setup, struct cv_err *err);

/* lane.c: gives waiting images to a process; those that cannot be opened are settled. False with err set if no
 * process can be started. */
bool cv_check_lane_start(struct cv_check *c, struct cv_check_lane *lane, struct cv_err *err);
/* Takes what the process has said; true if there was anything. */
bool cv_check_lane_hear(struct cv_check *c, struct cv_check_lane *lane);
void cv_check_lane_end(struct cv_check *c, struct cv_check_lane *lane);
/* No result will come for this image. */
void cv_check_give_up(struct cv_check *c, struct cv_check_job *job, const struct cv_err *why);

/* work.c: the process. The request is one of these. */
struct cv_check_request {
	cv_check_function *(*function_of)(enum cv_format_id format);
};
bool cv_check_work(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images,
		   size_t count, const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err);

/* Its records, all about the image that was begun last. */
enum cv_check_record { CV_CHECK_BEGIN = 1, CV_CHECK_PROGRESS, CV_CHECK_RESULT };
struct cv_check_wire_begin {
	uint32_t image;
};
struct cv_check_wire_progress {
	uint64_t done, total;
};
struct cv_check_wire_result {
	uint64_t corruptions, leaked_bytes;
}; /* and a record of sandbox/wire.h */

#endif
