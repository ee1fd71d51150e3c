/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The scan as a whole: steps, cancelling, progress, and what the rest of the program may look at. Where files
 * come from and what becomes of them is in the other files of this folder.
 */
#include "inspect/repository/scanning.h"
#include <time.h>
#include <unistd.h>

/* So many entries are looked at before the clock and the workers are. */
#define ENTRIES_AT_ONCE 64
#define MOST_DEFAULT_WORKERS 8

static unsigned default_workers(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (processors < 1)
		return 1;
	return processors < MOST_DEFAULT_WORKERS ? (unsigned)processors : MOST_DEFAULT_WORKERS;
}

static bool start(struct cv_scan *s, const struct cv_scan_options *options, struct cv_err *err)
{
	struct cv_pool_options pool = {
		.workers = options->workers ? options->workers : default_workers(),
		.require_sandbox = options->require_sandbox,
	};

	/* Workers first: they are copies of this process, and it is small now. */
	s->pool = cv_pool_new(&pool, err);
	if (!s->pool)
		return false;
	s->sandbox = strdup(cv_pool_sandbox_text(s->pool));
	if (!s->sandbox || !cv_files_init(&s->files))
		return cv_fail(err, CV_ENOMEM, "not enough memory to scan");
	if (!cv_places_open(s, options, err))
		return false;
	cv_mounts_note(s);
	return true;
}

struct cv_scan *cv_scan_new(const struct cv_scan_options *options, struct cv_err *err)
{
	struct cv_scan *s = calloc(1, sizeof *s);

	if (!s) {
		cv_fail(err, CV_ENOMEM, "not enough memory to scan");
		return NULL;
	}
	if (start(s, options, err))
		return s;
	cv_scan_free(s);
	return NULL;
}

void cv_scan_free(struct cv_scan *s)
{
	if (!s)
		return;
	cv_pool_free(s->pool);
	cv_walk_stop(s);
	for (size_t i = 0; i < s->territory_count; i++) {
		cv_root_close(&s->territories[i].root);
		free(s->territories[i].operations.at);
		free(s->territories[i].elsewhere.at);
	}
	free(s->territories);
	for (size_t i = 0; i < s->enclave_count; i++)
		free(s->enclaves[i]);
	free(s->enclaves);
	free(s->troubles.at);
	cv_text_fini(&s->listing.rel);
	cv_text_fini(&s->listing.path);
	cv_text_fini(&s->scratch_rel);
	cv_text_fini(&s->scratch_path);
	cv_files_fini(&s->files);
	free(s->sandbox);
	free(s);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_walking(const struct cv_scan *s)
{
	return s->listing.dir || s->todo.len || s->links.len;
}

/* Without room and without anything that could make room the walk goes on: its files fail, with a reason. */
static bool can_walk(const struct cv_scan *s)
{
	return is_walking(s) && (cv_pool_room(s->pool) || !cv_pool_outstanding(s->pool));
}

/* The workers go now, not with the scan: nothing is left for them, and they hold memory. */
static void finish(struct cv_scan *s)
{
	cv_walk_stop(s);
	cv_pool_free(s->pool);
	s->pool = NULL;
	cv_files_sort(&s->files);
	cv_kinds_decide(s);
	for (size_t i = 0; i < s->territory_count; i++) {
		cv_own_sort(&s->territories[i]);
		s->territories[i].pub.complete = !s->territories[i].pub.failed && !s->territories[i].left_alone;
	}
	s->done = true;
}

/* How long the workers may be waited for: not at all while there is something to do here. */
static int patience(const struct cv_scan *s, int budget_ms, int64_t end)
{
	int64_t left = end - now_ms();

	if (can_walk(s) || !cv_pool_outstanding(s->pool) || !budget_ms)
		return 0;
	if (budget_ms < 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

bool cv_scan_step(struct cv_scan *s, int budget_ms)
{
	int64_t end = now_ms() + budget_ms;

	if (s->done)
		return false;
	do {
		for (int i = 0; i < ENTRIES_AT_ONCE && can_walk(s); i++)
			cv_walk_next(s);
		if (!is_walking(s))
			cv_pool_flush(s->pool);
		cv_pool_collect(s->pool, patience(s, budget_ms, end), cv_candidate_read, s);
		if (!is_walking(s) && !cv_pool_outstanding(s->pool)) {
			finish(s);
			return false;
		}
	} while (budget_ms < 0 || now_ms() < end);
	return true;
}

void cv_scan_cancel(struct cv_scan *s)
{
	if (!s->done)
		finish(s);
	s->cancelled = true;
	for (size_t i = 0; i < s->territory_count; i++)
		s->territories[i].pub.complete = false;
}

int cv_scan_poll_fd(const struct cv_scan *s)
{
	return s->done || can_walk(s) ? -1 : cv_pool_poll_fd(s->pool);
}

struct cv_scan_progress cv_scan_progress(const struct cv_scan *s)
{
	return (struct cv_scan_progress){
		.files_found = s->files.count, .files_read = s->files_read, .bytes_found = s->bytes_found,
		.walking = is_walking(s), .done = s->done, .cancelled = s->cancelled, .current = s->current,
	};
}

size_t cv_scan_repository_count(const struct cv_scan *s)
{
	return s->territory_count;
}

const struct cv_repository *cv_scan_repository(const struct cv_scan *s, size_t i)
{
	return &s->territories[i].pub;
}

size_t cv_scan_file_count(const struct cv_scan *s)
{
	return s->files.count;
}

const struct cv_file *cv_scan_file(const struct cv_scan *s, size_t i)
{
	return cv_files_at(&s->files, i);
}

size_t cv_scan_trouble_count(const struct cv_scan *s)
{
	return s->troubles.len;
}

const struct cv_trouble *cv_scan_trouble(const struct cv_scan *s, size_t i)
{
	return s->troubles.at[i];
}

const char *cv_scan_sandbox(const struct cv_scan *s)
{
	return s->sandbox;
}
