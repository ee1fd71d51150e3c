/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The pool: hands batches to free workers, collects, keeps the time. What passes to and from one worker is in
 * lane.c. */
#include "inspect/sandbox/lane.h"
#include <chainview/format.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORKERS 64
#define EVENTS 16
#define TIMER_EVENT UINT32_MAX

int64_t cv_pool_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void cv_pool_deliver(struct cv_pool *pool, struct cv_job *job, struct cv_facts *facts, const struct cv_err *why)
{
	close(job->fd);
	job->fd = -1;
	pool->outstanding--;
	pool->delivered++;
	pool->done(pool->done_ctx, job->tag, facts, why);
}

static struct cv_pool_options with_defaults(struct cv_pool_options o)
{
	o.workers = !o.workers ? 1 : o.workers < MOST_WORKERS ? o.workers : MOST_WORKERS;
	o.cpu_seconds = o.cpu_seconds ? o.cpu_seconds : 10;
	o.wall_ms = o.wall_ms ? o.wall_ms : 2000;
	o.memory_bytes = o.memory_bytes ? o.memory_bytes : (uint64_t)256 << 20;
	o.read = o.read ? o.read : cv_image_read;
	return o;
}

/* Each worker has a batch of open descriptors and one more is being filled; half of what we may open is for
 * others. */
static uint32_t batch_size(unsigned workers)
{
	struct rlimit limit;
	rlim_t share;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return CV_BATCH_MAX;
	share = limit.rlim_cur / 2 / (workers + 1);
	return share < 1 ? 1 : share < CV_BATCH_MAX ? (uint32_t)share : CV_BATCH_MAX;
}

/* While something is outstanding the pool wakes up whoever waits, so that time limits are noticed. */
static void set_timer(struct cv_pool *pool)
{
	long ms = pool->options.wall_ms / 4 + 1;
	struct timespec every = { ms / 1000, ms % 1000 * 1000000 };
	struct itimerspec setting = { 0 };

	if (pool->armed == (pool->outstanding > 0))
		return;
	pool->armed = !pool->armed;
	if (pool->armed)
		setting = (struct itimerspec){ every, every };
	timerfd_settime(pool->timer, 0, &setting, NULL);
}

/* A periodic timer goes on when its ticks were read. */
static void rewind_timer(struct cv_pool *pool)
{
	uint64_t ticks;
	ssize_t n = read(pool->timer, &ticks, sizeof ticks);

	(void)n;
}

/* False if a signal came instead. */
static bool hear(struct cv_pool *pool, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(pool->epoll, events, EVENTS, timeout_ms);
	bool interrupted = n < 0 && errno == EINTR;

	for (int i = 0; i < n; i++)
		if (events[i].data.u32 == TIMER_EVENT)
			rewind_timer(pool);
		else
			cv_lane_hear(pool, &pool->lanes[events[i].data.u32]);
	for (unsigned i = 0; i < pool->lane_count; i++)
		cv_lane_watch(pool, &pool->lanes[i]);
	return !interrupted;
}

static bool all_ready(const struct cv_pool *pool)
{
	for (unsigned i = 0; i < pool->lane_count; i++)
		if (!pool->lanes[i].ready)
			return false;
	return true;
}

static bool any_dead(const struct cv_pool *pool)
{
	for (unsigned i = 0; i < pool->lane_count; i++)
		if (pool->lanes[i].dead)
			return true;
	return false;
}

static bool start(struct cv_pool *pool, struct cv_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = TIMER_EVENT };

	pool->epoll = epoll_create1(EPOLL_CLOEXEC);
	pool->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pool->epoll < 0 || pool->timer < 0 || epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->timer, &event) < 0)
		return cv_fail_errno(err, "cannot start reading processes");
	for (unsigned i = 0; i < pool->lane_count; i++)
		cv_lane_start(pool, &pool->lanes[i]);
	while (!all_ready(pool) && !any_dead(pool))
		hear(pool, 100);
	cv_confined_text(&pool->sandbox, &pool->confined,
			 &(struct cv_confine_limits){ .memory_bytes = pool->options.memory_bytes,
						      .cpu_seconds = pool->options.cpu_seconds });
	if (pool->sandbox.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!any_dead(pool))
		return true;
	*err = pool->start_error;
	return pool->options.require_sandbox ? cv_wrap(err, "%s", cv_text_str(&pool->sandbox)) : false;
}

struct cv_pool *cv_pool_new(const struct cv_pool_options *options, struct cv_err *err)
{
	struct cv_pool *pool = calloc(1, sizeof *pool);

	if (pool) {
		pool->options = with_defaults(*options);
		pool->batch_max = batch_size(pool->options.workers);
		pool->epoll = pool->timer = -1;
		pool->lanes = calloc(pool->options.workers, sizeof *pool->lanes);
		pool->copy = malloc(CV_RESULT_BYTES);
	}
	if (!pool || !pool->lanes || !pool->copy) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		cv_pool_free(pool);
		return NULL;
	}
	pool->lane_count = pool->options.workers;
	if (start(pool, err))
		return pool;
	cv_pool_free(pool);
	return NULL;
}

static void close_jobs(struct cv_batch *b)
{
	for (uint32_t i = b->next; i < b->count; i++)
		close(b->job[i].fd);
}

void cv_pool_free(struct cv_pool *pool)
{
	if (!pool)
		return;
	for (unsigned i = 0; pool->lanes && i < pool->lane_count; i++) {
		close_jobs(&pool->lanes[i].batch);
		if (pool->lanes[i].process.pid)
			cv_process_kill(&pool->lanes[i].process);
		if (pool->lanes[i].process.shared)
			cv_process_release(&pool->lanes[i].process);
	}
	close_jobs(&pool->filling);
	cv_auto_close(&pool->epoll);
	cv_auto_close(&pool->timer);
	cv_text_fini(&pool->sandbox);
	free(pool->copy);
	free(pool->lanes);
	free(pool);
}

/* Gives free workers what they have left from a process that died, or else the batch that is being filled. */
static void dispatch(struct cv_pool *pool)
{
	for (unsigned i = 0; i < pool->lane_count; i++) {
		struct cv_lane *lane = &pool->lanes[i];
		uint32_t waiting = pool->filling.count;

		if (!lane->ready || lane->sent)
			continue;
		if (!lane->batch.count && waiting && (pool->flush || waiting >= pool->batch_max)) {
			lane->batch = pool->filling;
			pool->filling.count = 0;
			pool->flush = false;
		}
		if (lane->batch.count)
			cv_lane_send(pool, lane);
	}
	set_timer(pool);
}

size_t cv_pool_room(const struct cv_pool *pool)
{
	return pool->batch_max - pool->filling.count;
}

bool cv_pool_submit(struct cv_pool *pool, const struct cv_job *job)
{
	if (!cv_pool_room(pool))
		return false;
	pool->filling.job[pool->filling.count++] = *job;
	pool->outstanding++;
	if (!cv_pool_room(pool))
		dispatch(pool);
	return true;
}

void cv_pool_flush(struct cv_pool *pool)
{
	pool->flush = pool->filling.count > 0;
	dispatch(pool);
}

size_t cv_pool_outstanding(const struct cv_pool *pool)
{
	return pool->outstanding;
}

static void give_up_batch(struct cv_pool *pool, struct cv_batch *b)
{
	while (b->next < b->count)
		cv_pool_deliver(pool, &b->job[b->next++], NULL, &pool->start_error);
	b->count = b->next = 0;
}

/* Workers that cannot be started any more: their images, and when there is no other worker all images, fail. */
static void give_up(struct cv_pool *pool)
{
	unsigned dead = 0;

	for (unsigned i = 0; i < pool->lane_count; i++)
		if (pool->lanes[i].dead) {
			give_up_batch(pool, &pool->lanes[i].batch);
			dead++;
		}
	if (dead == pool->lane_count)
		give_up_batch(pool, &pool->filling);
}

size_t cv_pool_collect(struct cv_pool *pool, int timeout_ms, cv_pool_done *done, void *ctx)
{
	int64_t end = cv_pool_now_ms() + timeout_ms;
	size_t before = pool->delivered;
	int wait = timeout_ms;
	bool more;

	pool->done = done;
	pool->done_ctx = ctx;
	if (timeout_ms)
		cv_pool_flush(pool);
	do {
		more = hear(pool, pool->outstanding ? wait : 0);
		give_up(pool);
		dispatch(pool);
		if (timeout_ms > 0)
			wait = (int)(end - cv_pool_now_ms());
	} while (more && wait && (wait > 0 || timeout_ms < 0) && pool->outstanding && pool->delivered == before);
	return pool->delivered - before;
}

int cv_pool_poll_fd(const struct cv_pool *pool)
{
	return pool->epoll;
}

const char *cv_pool_sandbox_text(const struct cv_pool *pool)
{
	return cv_text_str(&pool->sandbox);
}

bool cv_pool_sandbox_complete(const struct cv_pool *pool)
{
	return cv_confined_fully(&pool->confined);
}
