/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of the pool: one worker with the batch it has, and what the pool keeps for all of them. */
#ifndef CV_INSPECT_SANDBOX_LANE_H
#define CV_INSPECT_SANDBOX_LANE_H

#include "inspect/sandbox/process.h"

struct cv_batch {
	struct cv_job job[CV_BATCH_MAX];
	uint32_t count, next;      /* next: the first without a result */
};

struct cv_lane {
	struct cv_process process;
	struct cv_batch batch;
	bool ready;                /* it has locked itself in */
	bool sent;                 /* it has the batch */
	bool dead;                 /* starting it failed too often */
	unsigned failed_starts;
	uint32_t seen_started;     /* the last sign of progress */
	int64_t looked_ms;         /* when we looked for them */
	int64_t still_ms;          /* time without one, while we were looking */
	int64_t granted_ms;        /* when it got processor time */
};

struct cv_pool {
	struct cv_pool_options options;
	struct cv_lane *lanes;
	unsigned lane_count;
	struct cv_batch filling;
	uint32_t batch_max;
	bool flush, armed;
	int epoll, timer;
	size_t outstanding, delivered;
	uint8_t *copy;             /* results, out of the worker's reach */
	cv_pool_done *done;        /* during cv_pool_collect() */
	void *done_ctx;
	struct cv_confined confined;
	struct cv_text sandbox;
	struct cv_err start_error;
};

int64_t cv_pool_now_ms(void);
void cv_pool_deliver(struct cv_pool *pool, struct cv_job *job, struct cv_facts *facts, const struct cv_err *why);

/* Starts its process. */
void cv_lane_start(struct cv_pool *pool, struct cv_lane *lane);
/* Hands the batch over; it stays unsent when that is not possible now. */
void cv_lane_send(struct cv_pool *pool, struct cv_lane *lane);
/* Takes one notice. */
void cv_lane_hear(struct cv_pool *pool, struct cv_lane *lane);
/* Ends a worker that shows no progress. */
void cv_lane_watch(struct cv_pool *pool, struct cv_lane *lane);

#endif
