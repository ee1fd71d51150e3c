/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A pool of reading processes. They are given open, read-only descriptors and can do nothing but read them:
 * no open, no write, no connection, bounded memory and time. What they say about an image is checked byte by
 * byte here. One that dies or stalls costs the image it was at its verdict, and nothing else.
 *
 * The pool forks (without exec), so it must be used by a process with one thread. It opens no images itself.
 */
#ifndef CV_INSPECT_SANDBOX_POOL_H
#define CV_INSPECT_SANDBOX_POOL_H

#include <chainview/facts.h>
#include <chainview/source.h>

/* Runs in the reading process. As cv_image_read(): false only with err set; facts gathered before stay. */
typedef bool cv_pool_reader(struct cv_source *source, enum cv_format_id declared, struct cv_facts *facts,
			    struct cv_err *err);

struct cv_pool_options {
	unsigned workers;         /* 0 = 1 */
	bool require_sandbox;     /* fail rather than go on without Landlock, seccomp or one of the limits */
	unsigned cpu_seconds;     /* 0 = 10, for a worker between two signs of progress */
	unsigned wall_ms;         /* 0 = 2000, for one image */
	uint64_t memory_bytes;    /* 0 = 256 MiB, on top of what the program has when it forks */
	cv_pool_reader *read;     /* NULL = cv_image_read */
};

/* One image to read: length bytes at offset of an open file. */
struct cv_job {
	int fd;                   /* taken by cv_pool_submit() and closed when the result is in */
	enum cv_format_id declared;
	uint64_t tag;             /* handed back with the result */
	uint64_t offset, length;
};

/*
 * One result. facts belong to the callee. why is set when the image could not be read to its end; facts may
 * be there nevertheless (what was read before the error). Both are never NULL at the same time. The text of
 * why is one line, escaped. Must not call the pool.
 */
typedef void cv_pool_done(void *ctx, uint64_t tag, struct cv_facts *facts, const struct cv_err *why);

struct cv_pool;

/* Starts the workers and waits until each has locked itself in. NULL with err set if one cannot. */
struct cv_pool *cv_pool_new(const struct cv_pool_options *options, struct cv_err *err);
/* Ends the workers at once; results not collected are lost, their descriptors closed. NULL is fine. */
void cv_pool_free(struct cv_pool *pool);

/* How many images can be submitted before results have to be collected; it bounds the open descriptors. */
size_t cv_pool_room(const struct cv_pool *pool);
/* False, and the descriptor is not taken, if there is no room. The order of results is not that of submission. */
bool cv_pool_submit(struct cv_pool *pool, const struct cv_job *job);
/* Images travel in batches: send what is there as soon as a worker is free, also if the batch is not full. */
void cv_pool_flush(struct cv_pool *pool);
/* How many were submitted whose results were not delivered yet. */
size_t cv_pool_outstanding(const struct cv_pool *pool);

/*
 * Delivers results: waits up to timeout_ms (0: only what is ready; -1: as long as there is something
 * outstanding) for the first one, then delivers all that are ready. Returns how many. A wait implies
 * cv_pool_flush(). Returns early when a signal arrives. Time limits are watched here: call it regularly, a
 * worker is only charged for time during which somebody watched.
 */
size_t cv_pool_collect(struct cv_pool *pool, int timeout_ms, cv_pool_done *done, void *ctx);
/* Becomes readable when cv_pool_collect(pool, 0, ...) has something to do; for poll(). */
int cv_pool_poll_fd(const struct cv_pool *pool);

/* One line: "Landlock ABI 7, seccomp, 256 MiB, 10 s CPU". */
const char *cv_pool_sandbox_text(const struct cv_pool *pool);
/* True if the kernel gave everything that was asked for. */
bool cv_pool_sandbox_complete(const struct cv_pool *pool);

#endif
