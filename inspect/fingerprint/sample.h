/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of fingerprints: the task that takes samples of several links, and what passes to it and back. */
#ifndef CV_INSPECT_FINGERPRINT_SAMPLE_H
#define CV_INSPECT_FINGERPRINT_SAMPLE_H

#include <chainview/fingerprint.h>
#include "inspect/sandbox/task.h"

/* One link: the child is the first of so many images, the parent and what is below it are the others. */
struct cv_sample_job {
	uint32_t images;
	uint32_t known;              /* samples that are to be compared; 0: only new ones are to be taken */
	struct cv_sample samples[CV_SAMPLES];
};

enum cv_sample_state {
	CV_SAMPLE_SAME = 1, CV_SAMPLE_DIFFERS,
	CV_SAMPLE_HELD,              /* the child holds the place itself by now, or it lies behind its end */
	CV_SAMPLE_UNREADABLE,
};

/* The only kind of record. */
struct cv_sample_record {
	uint32_t job, fresh_count;
	uint64_t size;               /* of the parent */
	uint32_t failed;             /* the chain could not be read */
	uint8_t state[CV_SAMPLES];   /* of the known ones */
	struct cv_sample fresh[CV_SAMPLES];  /* taken now, when none are known or too few are left */
};

/* request: the jobs, one after the other, as they are. */
cv_task_function cv_sample_task;

#endif
