/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The accounting of a whole graph: tree by tree, several side by side, then what follows from the sums: findings
 * and plans.
 */
#include "inspect/sandbox/lane.h"
#include "inspect/space/space.h"
#include <chainview/vec.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOST_PIECES ((size_t)1 << 20)        /* runs of all processes together: 16 MiB, and as much for sorting */
#define TEXTS ((size_t)4 << 20)

const char *cv_space_class_name(enum cv_space_class class)
{
	static const char *const names[CV_SPACE_CLASS_COUNT] = {
		"live", "snapshot_only", "shadowed", "orphaned", "leaked", "metadata", "slack",
	};

	return names[class];
}

void cv_space_free(struct cv_space *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->plans && i < s->repository_count; i++)
		free(s->plans[i].steps);
	free(s->plans);
	free(s->images);
	free(s->findings);
	cv_arena_free(s->arena);
	free(s);
}

static struct cv_space *new_space(const struct cv_graph *g)
{
	struct cv_space *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->graph = g;
	s->repository_count = cv_scan_repository_count(g->scan);
	s->images = calloc(g->image_count + 1, sizeof *s->images);
	s->plans = calloc(s->repository_count + 1, sizeof *s->plans);
	s->findings = calloc(g->image_count * 2 + 1, sizeof *s->findings);
	s->arena = cv_arena_new(TEXTS);
	if (s->images && s->plans && s->findings && s->arena)
		return s;
	cv_space_free(s);
	return NULL;
}

static int by_tree(const void *a, const void *b, void *ctx)
{
	const struct cv_space_role *roles = ctx, *x = &roles[*(const uint32_t *)a], *y = &roles[*(const uint32_t *)b];

	if (x->tree != y->tree)
		return x->tree < y->tree ? -1 : 1;
	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static uint32_t *sorted(const struct cv_graph *g, struct cv_space_role *roles)
{
	uint32_t *order = calloc(g->image_count + 1, sizeof *order);

	for (uint32_t i = 0; order && i < g->image_count; i++)
		order[i] = i;
	if (order)
		qsort_r(order, g->image_count, sizeof *order, by_tree, roles);
	return order;
}

/* Is any of them reported on, and is the tree no data file of another image? */
static bool is_wanted(const struct cv_graph *g, const struct cv_space_role *roles, const uint32_t *order, size_t count)
{
	if (count == 1 && roles[order[0]].data_of != CV_NO_IMAGE)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!cv_scan_repository(g->scan, g->images[order[i]].repository)->other)
			return true;
	return false;
}

static void find(struct cv_space *s, uint32_t image, enum cv_problem_id id, uint64_t bytes)
{
	struct cv_finding f = cv_finding_of(id);

	f.image = image;
	f.repository = s->graph->images[image].repository;
	f.bytes = bytes;
	f.arg[0] = cv_arg_number(bytes);
	if (id == CV_SPC_LEAKED_CLUSTERS) {
		f.arg[1] = cv_arg_text("that nothing in the image points to");
		f.arg[2] = cv_arg_number(s->images[image].leaked_pieces);
		f.has_where = true;
		f.where = (struct cv_range){ s->images[image].leaked_at, 0 };
	}
	s->findings[s->finding_count++] = f;
}

static void conclude(struct cv_space *s)
{
	for (uint32_t i = 0; i < s->graph->image_count; i++) {
		struct cv_space_image *m = &s->images[i];

		if (cv_scan_repository(s->graph->scan, s->graph->images[i].repository)->other)
			continue;
		if (!m->known && !m->why)
			m->why = s->cancelled ? "cancelled" : "the image whose data it holds could not be looked at";
		s->unknown += !m->known;
		if (m->known && m->bytes[CV_SPACE_SHADOWED])
			find(s, i, CV_SPC_SHADOWED_DATA, m->bytes[CV_SPACE_SHADOWED]);
		if (m->known && m->bytes[CV_SPACE_LEAKED])
			find(s, i, CV_SPC_LEAKED_CLUSTERS, m->bytes[CV_SPACE_LEAKED]);
	}
}

struct cv_survey {
	struct cv_space *space;
	struct cv_space_role *roles;
	uint32_t *order;                 /* all images by tree and level */
	size_t next;                     /* in order: the first image of the next tree */
	struct cv_space_options options;
	unsigned processes;
	struct cv_space_job *jobs[CV_SPACE_PROCESSES];
	int epoll;
	bool done;
	struct cv_survey_progress progress;
	struct cv_err err;               /* ENOMEM: nothing can be said at all */
};

static size_t end_of_tree(const struct cv_survey *v, size_t first)
{
	size_t end = first + 1;

	while (end < v->space->graph->image_count && v->roles[v->order[end]].tree == v->roles[v->order[first]].tree)
		end++;
	return end;
}

/* From here on, the next tree that is wanted; the end of the order if there is none. */
static size_t wanted_from(const struct cv_survey *v, size_t first)
{
	const struct cv_graph *g = v->space->graph;

	while (first < g->image_count) {
		size_t end = end_of_tree(v, first);

		if (!(v->options.chains_only && end - first == 1) && is_wanted(g, v->roles, v->order + first, end - first))
			break;
		first = end;
	}
	return first;
}

static void count_trees(struct cv_survey *v)
{
	size_t first = wanted_from(v, 0);

	v->next = first;
	for (size_t end; first < v->space->graph->image_count; first = wanted_from(v, end)) {
		end = end_of_tree(v, first);
		v->progress.trees++;
		v->progress.images += end - first;
	}
}

static unsigned process_count(unsigned wanted)
{
	cpu_set_t set;
	int have = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);

	if (!wanted)
		wanted = have > 0 ? (unsigned)have : 1;
	return wanted < CV_SPACE_PROCESSES ? wanted : CV_SPACE_PROCESSES;
}

struct cv_survey *cv_survey_new(const struct cv_graph *g, const struct cv_space_options *options, struct cv_err *err)
{
	struct cv_survey *v = calloc(1, sizeof *v);

	if (v) {
		v->epoll = epoll_create1(EPOLL_CLOEXEC);
		v->options = options ? *options : (struct cv_space_options){ 0 };
		v->space = new_space(g);
		v->roles = cv_space_roles(g);
		v->order = v->roles ? sorted(g, v->roles) : NULL;
	}
	if (!v || !v->space || !v->order)
		cv_fail(err, CV_ENOMEM, "out of memory");
	else if (v->epoll < 0)
		cv_fail_errno(err, "cannot wait for reading processes");
	else {
		count_trees(v);
		v->processes = process_count(v->options.processes);
		if (v->processes > v->progress.trees)
			v->processes = v->progress.trees ? (unsigned)v->progress.trees : 1;
		return v;
	}
	cv_survey_free(v);
	return NULL;
}

static bool job_new(struct cv_survey *v, unsigned slot)
{
	size_t first = v->next, end = end_of_tree(v, first);

	v->next = wanted_from(v, end);
	v->jobs[slot] = cv_space_job_new(v->space, v->roles, v->order + first, end - first, v->options.deep,
					 MOST_PIECES / v->processes);
	return v->jobs[slot] || cv_fail(&v->err, CV_ENOMEM, "out of memory");
}

static void job_end(struct cv_survey *v, unsigned slot)
{
	v->progress.trees_done++;
	v->progress.images_done += cv_space_job_images(v->jobs[slot]);
	cv_space_job_free(cv_take(v->jobs[slot]));
}

/* One step of a job. What it has to wait for is watched from the moment on when it is there. */
static bool job_step(struct cv_survey *v, unsigned slot, int64_t deadline)
{
	int before = cv_space_job_fd(v->jobs[slot]), fd;
	struct epoll_event event = { .events = EPOLLIN };

	if (!cv_space_job_step(v->jobs[slot], deadline, &v->err)) {
		job_end(v, slot);
		return v->err.code == CV_OK;
	}
	fd = cv_space_job_fd(v->jobs[slot]);
	if (fd != before && epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return cv_fail_errno(&v->err, "cannot wait for a reading process");
	return true;
}

/* All that can be done now. Images of one tree at a time are opened: they need many descriptors. */
static bool round_of_jobs(struct cv_survey *v, int64_t deadline)
{
	bool opening = false;

	for (unsigned i = 0; i < v->processes; i++) {
		if (!v->jobs[i] && v->next < v->space->graph->image_count && !opening && !job_new(v, i))
			return false;
		if (v->jobs[i] && !job_step(v, i, deadline))
			return false;
		opening |= v->jobs[i] && cv_space_job_fd(v->jobs[i]) < 0;
	}
	return true;
}

static bool any_job(const struct cv_survey *v)
{
	for (unsigned i = 0; i < v->processes; i++)
		if (v->jobs[i])
			return true;
	return v->next < v->space->graph->image_count;
}

/* Nothing to do but to wait? */
static bool all_wait(const struct cv_survey *v)
{
	bool any = false;

	for (unsigned i = 0; i < v->processes; i++) {
		any |= v->jobs[i] != NULL;
		if (v->jobs[i] ? cv_space_job_fd(v->jobs[i]) < 0 : v->next < v->space->graph->image_count)
			return false;
	}
	return any;
}

static void finish(struct cv_survey *v)
{
	if (v->done)
		return;
	v->done = true;
	for (unsigned i = 0; i < CV_SPACE_PROCESSES; i++)
		cv_space_job_free(cv_take(v->jobs[i]));
	if (v->err.code)
		return;
	conclude(v->space);
	cv_space_plan_all(v->space, v->roles, v->options.reserve, &v->err);
}

/* A process that says nothing for long has to be noticed. */
#define LONGEST_WAIT_MS 1000

bool cv_survey_step(struct cv_survey *v, int timeout_ms)
{
	int64_t now = cv_pool_now_ms(), end = timeout_ms < 0 ? INT64_MAX : now + timeout_ms;

	while (!v->done) {
		struct epoll_event event;
		int64_t left;

		if (!round_of_jobs(v, end) || !any_job(v)) {
			finish(v);
			break;
		}
		now = cv_pool_now_ms();
		if (now >= end)
			break;
		left = end - now < LONGEST_WAIT_MS ? end - now : LONGEST_WAIT_MS;
		if (all_wait(v) && epoll_wait(v->epoll, &event, 1, (int)left) < 0)
			break;
	}
	return !v->done;
}

int cv_survey_poll_fd(const struct cv_survey *v)
{
	return !v->done && all_wait(v) ? v->epoll : -1;
}

struct cv_survey_progress cv_survey_progress(const struct cv_survey *v)
{
	struct cv_survey_progress p = v->progress;
	size_t parts = p.images_done * 1000;

	for (unsigned i = 0; i < v->processes; i++)
		if (v->jobs[i])
			parts += cv_space_job_images(v->jobs[i]) * cv_space_job_permille(v->jobs[i]);
	p.permille = p.images ? (unsigned)(parts / p.images) : 1000;
	return p;
}

void cv_survey_cancel(struct cv_survey *v)
{
	if (v->done)
		return;
	v->space->cancelled = true;
	for (unsigned i = 0; i < v->processes; i++)
		if (v->jobs[i])
			cv_space_job_cancel(v->jobs[i]);
	finish(v);
}

struct cv_space *cv_survey_take(struct cv_survey *v, struct cv_err *err)
{
	struct cv_space *s = NULL;

	cv_survey_cancel(v);
	if (v->err.code)
		*err = v->err;
	else
		s = cv_take(v->space);
	cv_survey_free(v);
	return s;
}

void cv_survey_free(struct cv_survey *v)
{
	if (!v)
		return;
	for (unsigned i = 0; i < CV_SPACE_PROCESSES; i++)
		cv_space_job_free(v->jobs[i]);
	cv_auto_close(&v->epoll);
	cv_space_free(v->space);
	free(v->roles);
	free(v->order);
	free(v);
}
