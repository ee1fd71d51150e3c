/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The scan behind the console: steps it, makes a graph of its state from time to time, and swaps that into
 * the model. The only console file that knows scans and references.
 */
#include <stdio.h>
#include <time.h>

#include <chainview/report.h>

#include "tui/console.h"

#define GRAPH_EVERY_MS 100       /* at most ten graphs a second */
#define GRAPH_SHARE 9            /* and nine times as long without one as it took to build the last */

/* One scan with what was made of it. The graph borrows from the other two. */
struct round {
	struct cv_scan *scan;
	struct cv_references *refs;
	struct cv_graph *graph;
	const struct cv_repository **repositories;
	const struct cv_trouble **troubles;
};

struct cv_feed {
	const struct cv_console_options *options;
	struct round now;        /* being read, or read */
	struct round old;        /* still shown while now is read again */
	bool running, stopped;
	uint64_t next_ms;
};

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void round_fini(struct round *r)
{
	cv_graph_free(r->graph);
	cv_references_free(r->refs);
	cv_scan_free(r->scan);
	free(r->repositories);
	free(r->troubles);
	*r = (struct round){ 0 };
}

struct cv_feed *cv_feed_new(const struct cv_console_options *options, struct cv_err *err)
{
	struct cv_feed *f = calloc(1, sizeof *f);

	if (!f) {
		cv_fail(err, CV_ENOMEM, "not enough memory");
		return NULL;
	}
	f->options = options;
	f->now.scan = cv_scan_new(&options->scan, err);
	if (!f->now.scan) {
		free(f);
		return NULL;
	}
	f->running = true;
	return f;
}

void cv_feed_free(struct cv_feed *f)
{
	if (!f)
		return;
	round_fini(&f->now);
	round_fini(&f->old);
	free(f);
}

bool cv_feed_restart(struct cv_feed *f, struct cv_err *err)
{
	struct cv_scan *scan;

	if (f->running)
		return cv_fail(err, CV_EREFUSED, "a scan is running");
	scan = cv_scan_new(&f->options->scan, err);
	if (!scan)
		return false;
	/* when the last round could not be shown, the one before it still is */
	if (f->old.graph)
		round_fini(&f->now);
	else
		f->old = f->now;
	f->now = (struct round){ .scan = scan };
	f->running = true;
	f->stopped = false;
	return true;
}

void cv_feed_stop(struct cv_feed *f)
{
	if (!f->running)
		return;
	f->stopped = true;
	cv_scan_cancel(f->now.scan);
}

/* The lists of repositories and troubles as the views want them. */
static bool collect(struct round *lists, const struct cv_scan *scan)
{
	size_t repositories = cv_scan_repository_count(scan), troubles = cv_scan_trouble_count(scan);

	lists->repositories = calloc(repositories + 1, sizeof(void *));
	lists->troubles = calloc(troubles + 1, sizeof(void *));
	for (size_t i = 0; lists->repositories && i < repositories; i++)
		lists->repositories[i] = cv_scan_repository(scan, i);
	for (size_t i = 0; lists->troubles && i < troubles; i++)
		lists->troubles[i] = cv_scan_trouble(scan, i);
	return lists->repositories && lists->troubles;
}

/* False: the graph is not used. The lists that were shown before are freed here. */
static bool show(struct cv_console *c, struct round *r, struct cv_graph *graph)
{
	struct round lists = { 0 };
	struct cv_snapshot s = {
		.graph = graph, .repository_count = cv_scan_repository_count(r->scan),
		.trouble_count = cv_scan_trouble_count(r->scan), .sandbox = cv_scan_sandbox(r->scan),
		.describe = cv_describe_image,
	};

	if (!collect(&lists, r->scan)) {
		free(lists.repositories);
		free(lists.troubles);
		cv_console_say(c, "not enough memory");
		return false;
	}
	s.repositories = lists.repositories;
	s.troubles = lists.troubles;
	if (!cv_console_show(c, &s))
		graph = NULL;
	free(r->repositories);
	free(r->troubles);
	r->repositories = lists.repositories;
	r->troubles = lists.troubles;
	return graph != NULL;
}

/* Builds a graph of the present state and shows it. The one that was shown before is freed after that. */
static void refresh(struct cv_console *c, struct cv_feed *f)
{
	uint64_t began = clock_ms(), took;
	struct cv_err err = { 0 };
	struct cv_graph *graph = cv_graph_build(f->now.scan, f->now.refs, NULL, &f->options->policy, &err),
			*before = f->now.graph;

	if (!graph)
		cv_console_say(c, "the graph cannot be built: %s", err.text);
	else if (show(c, &f->now, graph)) {
		f->now.graph = graph;
		cv_graph_free(before);
		round_fini(&f->old);
	} else {
		cv_graph_free(graph);
	}
	took = clock_ms() - began;
	f->next_ms = clock_ms() + (took * GRAPH_SHARE > GRAPH_EVERY_MS ? took * GRAPH_SHARE : GRAPH_EVERY_MS);
}

/* A second scan that was stopped half way is worth less than the first one, which is still shown. */
static bool fall_back(struct cv_console *c, struct cv_feed *f)
{
	if (!f->stopped || !f->old.graph)
		return false;
	round_fini(&f->now);
	f->now = f->old;
	f->old = (struct round){ 0 };
	cv_console_say(c, "stopped; this is still the result of the scan before");
	return true;
}

static void finish(struct cv_console *c, struct cv_feed *f)
{
	struct cv_err err = { 0 };

	f->running = false;
	cv_console_progress(c, NULL, 0);
	if (fall_back(c, f))
		return;
	f->now.refs = cv_references_read(f->options->refs, f->now.scan, &err);
	refresh(c, f);
	if (!f->now.refs)
		cv_console_say(c, "references: %s", err.text);
	else if (f->stopped)
		cv_console_say(c, "stopped; what was not read is missing here. R reads everything");
}

bool cv_console_tick(struct cv_console *c, struct cv_feed *f, int budget_ms, unsigned *fx)
{
	struct cv_scan_progress progress;

	if (!f->running)
		return false;
	if (!cv_scan_step(f->now.scan, budget_ms)) {
		finish(c, f);
		*fx |= FX_REDRAW;
		return false;
	}
	if (clock_ms() < f->next_ms)
		return true;
	progress = cv_scan_progress(f->now.scan);
	cv_console_progress(c, &progress, clock_ms());
	*fx |= FX_REDRAW;
	if (f->old.graph)
		f->next_ms = clock_ms() + GRAPH_EVERY_MS;
	else
		refresh(c, f);
	return true;
}
