/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What passes between the pool and one of its workers: requests with descriptors and short notices over a
 * socket, results through shared memory. The pool trusts nothing of what comes from a worker.
 */
#ifndef CV_INSPECT_SANDBOX_LINK_H
#define CV_INSPECT_SANDBOX_LINK_H

#include "inspect/sandbox/confine.h"
#include "inspect/sandbox/pool.h"

/* The most images in a batch; one message carries their descriptors (the system allows 253). */
#define CV_BATCH_MAX 64
/* A worker's results; more than the facts of one image may ever take. */
#define CV_RESULT_BYTES ((size_t)6 << 20)

struct cv_shared {
	_Atomic uint32_t started;  /* images of the batch that were begun */
	_Atomic uint32_t used;     /* bytes of complete records */
	uint8_t records[CV_RESULT_BYTES];
};

/* From the pool. count images with as many descriptors, or 0: the results were taken, go on. */
struct cv_request {
	uint32_t count;
	struct cv_request_image {
		uint32_t declared;
		uint64_t offset, length;
	} image[CV_BATCH_MAX];
};

enum cv_notice_kind { CV_NOTICE_READY, CV_NOTICE_FULL, CV_NOTICE_DONE };

/* From a worker. confined is only looked at in the first one, which comes before any image was touched. */
struct cv_notice {
	enum cv_notice_kind kind;
	struct cv_confined confined;
};

/* Never returns. The process keeps only this socket. */
__attribute__((noreturn)) void cv_worker_run(int socket, struct cv_shared *shared,
					     const struct cv_pool_options *options);

#endif
