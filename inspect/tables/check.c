/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of tables of a whole scan: what is to be looked at, the processes that do it, and the steps in which it
 * goes on.
 */
#include "inspect/tables/tables.h"
#include <sys/epoll.h>
#include <unistd.h>

#define MOST_WORKERS 8
#define BATCH        64
#define BIG_BYTES    ((uint64_t)4 << 30)
/* A stall has to be noticed while nothing happens. */
#define PIECE_MS 500

static cv_check_function *function_of(enum cv_format_id format)
{
	const struct cv_format *f = cv_format_by_id(format);

	return f ? f->check : NULL;
}

static bool is_wanted(const struct cv_check *c, const struct cv_file *file)
{
	const struct cv_repository *r = cv_scan_repository(c->scan, file->repository);

	return file->state == CV_FILE_READ && file->facts && r && !r->other &&
	       c->setup.function_of(file->facts->format);
}

static bool find_jobs(struct cv_check *c, const bool *wanted)
{
	size_t files = cv_scan_file_count(c->scan), n = 0;

	for (size_t i = 0; i < files; i++)
		n += is_wanted(c, cv_scan_file(c->scan, i));
	c->jobs = calloc(n + 1, sizeof *c->jobs);
	for (size_t i = 0; i < files && c->jobs && c->job_count < n; i++) {
		const struct cv_file *file = cv_scan_file(c->scan, i);

		if ((!wanted || wanted[i]) && is_wanted(c, file))
			c->jobs[c->job_count++] = (struct cv_check_job){
				.file = i,
				.allocated = file->allocated,
				.alone = file->allocated >= c->setup.big_bytes,
			};
	}
	return c->jobs;
}

static int compare_jobs(const void *a, const void *b, void *ctx)
{
	const struct cv_check_job *jobs = ctx, *x = &jobs[*(const uint32_t *)a], *y = &jobs[*(const uint32_t *)b];

	if (x->allocated != y->allocated)
		return x->allocated < y->allocated ? -1 : 1;
	return x->file > y->file ? -1 : 1;
}

/* The biggest come first: they last longest. */
static bool line_up(struct cv_check *c)
{
	for (uint32_t i = 0; i < c->job_count; i++)
		if (!cv_job_list_push(&c->waiting, i))
			return false;
	if (c->waiting.len)
		qsort_r(c->waiting.at, c->waiting.len, sizeof *c->waiting.at, compare_jobs, c->jobs);
	return true;
}

static size_t worker_count(const struct cv_check_options *options)
{
	long n = options && options->workers ? (long)options->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n < MOST_WORKERS ? (size_t)n : MOST_WORKERS;
}

/* Gives work to every process that has none. */
static bool fill(struct cv_check *c, struct cv_err *err)
{
	for (size_t i = 0; i < c->lane_count && !c->cancelled; i++)
		while (c->waiting.len && !c->lanes[i].task) {
			bool started = cv_check_lane_start(c, &c->lanes[i], err);
			struct cv_check_lane *lane = &c->lanes[i];

			for (size_t k = 0; !started && k < lane->count; k++)
				cv_check_give_up(c, &c->jobs[lane->jobs[k]], err);
			if (!started || !lane->task)
				cv_check_lane_end(c, lane);
			if (!started)
				return false;
		}
	return true;
}

static bool begin(struct cv_check *c, const struct cv_check_options *options, struct cv_err *err)
{
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return cv_fail_errno(err, "cannot wait for reading processes");
	c->lane_count = worker_count(options);
	c->lanes = calloc(c->lane_count, sizeof *c->lanes);
	if (!c->lanes || !find_jobs(c, options ? options->wanted : NULL) || !line_up(c))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_task_room(c->lane_count * c->setup.batch * 2);
	return fill(c, err);
}

struct cv_check *cv_check_begin(const struct cv_scan *scan, const struct cv_check_options *options,
				const struct cv_check_setup *setup, struct cv_err *err)
{
	struct cv_check *c = calloc(1, sizeof *c);

	if (!c) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*c = (struct cv_check){ .scan = scan, .setup = *setup, .epoll = -1 };
	if (begin(c, options, err))
		return c;
	cv_check_free(c);
	return NULL;
}

struct cv_check *cv_check_new(const struct cv_scan *scan, const struct cv_check_options *options, struct cv_err *err)
{
	static const struct cv_check_setup usual = { function_of, BATCH, BIG_BYTES, 0 };

	return cv_check_begin(scan, options, &usual, err);
}

void cv_check_free(struct cv_check *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->lanes && i < c->lane_count; i++)
		cv_check_lane_end(c, &c->lanes[i]);
	for (size_t i = 0; i < c->job_count; i++) {
		cv_facts_free(c->jobs[i].facts);
		free(c->jobs[i].trouble);
	}
	cv_auto_close(&c->epoll);
	free(c->lanes);
	free(c->jobs);
	free(c->waiting.at);
	free(c);
}

static bool hear_all(struct cv_check *c)
{
	bool heard = false;

	for (size_t i = 0; i < c->lane_count; i++)
		heard |= c->lanes[i].task && cv_check_lane_hear(c, &c->lanes[i]);
	return heard;
}

/* False: a signal came, which the caller may want to look at. */
static bool wait_for(const struct cv_check *c, int ms)
{
	struct epoll_event event;

	return epoll_wait(c->epoll, &event, 1, ms) >= 0 || errno != EINTR;
}

/* Nothing can be started any more: what waits stays as it is, with a reason. */
static void give_up_waiting(struct cv_check *c, const struct cv_err *why)
{
	while (c->waiting.len)
		cv_check_give_up(c, &c->jobs[c->waiting.at[--c->waiting.len]], why);
}

bool cv_check_step(struct cv_check *c, int timeout_ms)
{
	struct cv_err err = { 0 };
	bool heard = hear_all(c);

	while (!heard && c->running && timeout_ms) {
		int piece = timeout_ms < 0 || timeout_ms > PIECE_MS ? PIECE_MS : timeout_ms;

		if (!wait_for(c, piece))
			break;
		heard = hear_all(c);
		timeout_ms -= timeout_ms < 0 ? 0 : piece;
	}
	/* As long as one process runs there will be another turn. */
	if (!fill(c, &err) && !c->running)
		give_up_waiting(c, &err);
	return c->running;
}

int cv_check_poll_fd(const struct cv_check *c)
{
	return c->epoll;
}

void cv_check_cancel(struct cv_check *c)
{
	c->cancelled = c->cancelled || c->settled < c->job_count;
	for (size_t i = 0; i < c->lane_count; i++)
		cv_check_lane_end(c, &c->lanes[i]);
	c->waiting.len = 0;
}
