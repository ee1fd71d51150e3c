/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What can be freed now, in an order that fits. Orphans go first, they need nothing. Merges come in runs: all
 * images of a run go into the same base, the lowest first. A run that frees something never makes less room for
 * another one, so taking those that fit, the least demanding first, until none fits finds an order if there is one.
 */
#include "inspect/space/space.h"

/* Merges into one base, from the lowest image up. */
struct run {
	uint32_t base;
	size_t first, count;     /* in the list of merged images */
	uint64_t need;           /* free bytes that it begins with */
	int64_t net;
	bool done;
};
CV_VEC(runs, struct run);
CV_VEC(numbers, uint32_t);
CV_VEC(steps, struct cv_space_step);

struct planning {
	struct cv_space *space;
	const struct cv_space_role *roles;
	struct numbers merged;
	struct runs runs;
	struct steps steps;
	int64_t free;
	struct cv_space_plan plan;
};

static bool out_of_memory(struct cv_err *err)
{
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool take_step(struct planning *p, struct cv_space_step s, struct cv_err *err)
{
	int64_t low = p->free - (int64_t)s.peak_bytes;

	if (low < (int64_t)p->plan.lowest_free)
		p->plan.lowest_free = low < 0 ? 0 : (uint64_t)low;
	p->free += s.net_bytes;
	p->plan.net_bytes += s.net_bytes;
	s.free_after = p->free < 0 ? 0 : (uint64_t)p->free;
	return steps_push(&p->steps, s) || out_of_memory(err);
}

/* Orphans that are known to be needed by nobody. */
static bool delete_orphans(struct planning *p, uint32_t repository, struct cv_err *err)
{
	const struct cv_graph *g = p->space->graph;

	for (uint32_t i = 0; i < g->image_count; i++) {
		const struct cv_image *m = &g->images[i];
		struct cv_space_step s = { CV_SPACE_DELETE, i, CV_NO_IMAGE, 0, (int64_t)m->file->allocated, 0 };

		if (m->repository == repository && m->role == CV_ROLE_ORPHAN && m->deletable.possible &&
		    !take_step(p, s, err))
			return false;
	}
	return true;
}

static int by_base(const void *a, const void *b, void *ctx)
{
	const struct cv_space_role *roles = ctx, *x = &roles[*(const uint32_t *)a], *y = &roles[*(const uint32_t *)b];

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return x->level < y->level ? -1 : x->level > y->level;
}

static bool collect(struct planning *p, uint32_t repository, struct cv_err *err)
{
	const struct cv_graph *g = p->space->graph;

	for (uint32_t i = 0; i < g->image_count; i++)
		if (g->images[i].repository == repository && p->roles[i].base != CV_NO_IMAGE &&
		    p->space->images[i].planned.known && !numbers_push(&p->merged, i))
			return out_of_memory(err);
	if (p->merged.len)
		qsort_r(p->merged.at, p->merged.len, sizeof *p->merged.at, by_base,
			(void *)(uintptr_t)p->roles);
	return true;
}

/* What a run needs to begin with, and what it gives. */
static void sum_up(const struct planning *p, struct run *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct cv_space_merge *m = &p->space->images[p->merged.at[r->first + i]].planned;
		int64_t need = (int64_t)m->peak_bytes - r->net;

		if (need > 0 && (uint64_t)need > r->need)
			r->need = (uint64_t)need;
		r->net += m->net_bytes;
	}
}

static int by_need(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->need < y->need ? -1 : x->need > y->need;
}

static bool make_runs(struct planning *p, struct cv_err *err)
{
	for (size_t first = 0, end; first < p->merged.len; first = end) {
		struct run r = { .base = p->roles[p->merged.at[first]].base, .first = first };

		end = first + 1;
		while (end < p->merged.len && p->roles[p->merged.at[end]].base == r.base)
			end++;
		r.count = end - first;
		sum_up(p, &r);
		if (r.net > 0 && !runs_push(&p->runs, r))
			return out_of_memory(err);
	}
	if (p->runs.len)
		qsort(p->runs.at, p->runs.len, sizeof *p->runs.at, by_need);
	return true;
}

static bool merge_run(struct planning *p, const struct run *r, struct cv_err *err)
{
	for (size_t i = 0; i < r->count; i++) {
		uint32_t image = p->merged.at[r->first + i];
		const struct cv_space_merge *m = &p->space->images[image].planned;

		if (!take_step(
			    p,
			    (struct cv_space_step){ CV_SPACE_COALESCE, image, r->base, m->peak_bytes, m->net_bytes, 0 },
			    err))
			return false;
	}
	return true;
}

/* The least that any merge of a run could begin with, also one that goes into another image of the run first. */
static uint64_t least_of(const struct planning *p, const struct run *r, uint32_t *image)
{
	uint64_t least = r->need;

	*image = p->merged.at[r->first];
	for (size_t i = 0; i < r->count; i++) {
		uint32_t at = p->merged.at[r->first + i];
		const struct cv_space_merge *m = &p->space->images[at].merge;

		if (m->known && m->net_bytes > 0 && m->peak_bytes < least) {
			least = m->peak_bytes;
			*image = at;
		}
	}
	return least;
}

/* In ascending order of need the first that does not fit ends it: all others need more, and nothing gets freed. */
static bool merge_runs(struct planning *p, struct cv_err *err)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < p->runs.len; i++) {
		struct run *r = &p->runs.at[i];
		int64_t room = p->free - (int64_t)p->plan.reserve;

		if (room >= 0 && r->need <= (uint64_t)room) {
			r->done = true;
			if (!merge_run(p, r, err))
				return false;
		}
	}
	for (size_t i = 0; i < p->runs.len; i++) {
		uint32_t image;
		uint64_t least = p->runs.at[i].done ? UINT64_MAX : least_of(p, &p->runs.at[i], &image);
		int64_t room = p->free - (int64_t)p->plan.reserve;

		p->plan.left_out += p->runs.at[i].done ? 0 : p->runs.at[i].count;
		if (least >= best || p->runs.at[i].done)
			continue;
		best = least;
		p->plan.missing_for = image;
		p->plan.missing_bytes = (int64_t)least > room ? (uint64_t)((int64_t)least - room) : 0;
	}
	p->plan.fits = !p->plan.left_out;
	return true;
}

static bool plan_one(struct cv_space *s, const struct cv_space_role *roles, uint32_t repository, uint64_t reserve,
		     struct cv_err *err)
{
	uint64_t room = cv_scan_repository(s->graph->scan, repository)->free_bytes;
	struct planning p = { .space = s, .roles = roles };
	bool ok;

	if (room > INT64_MAX)
		room = INT64_MAX;
	p.free = (int64_t)room;
	p.plan = (struct cv_space_plan){ .free_now = room, .lowest_free = room, .missing_for = CV_NO_IMAGE,
					 .reserve = reserve > INT64_MAX ? INT64_MAX : reserve };
	ok = delete_orphans(&p, repository, err) && collect(&p, repository, err) && make_runs(&p, err) &&
	     merge_runs(&p, err);
	p.plan.steps = p.steps.at;
	p.plan.count = p.steps.len;
	s->plans[repository] = p.plan;
	free(p.merged.at);
	free(p.runs.at);
	return ok;
}

bool cv_space_plan_all(struct cv_space *s, const struct cv_space_role *roles, uint64_t reserve, struct cv_err *err)
{
	for (uint32_t r = 0; r < s->repository_count; r++)
		if (!plan_one(s, roles, r, reserve, err))
			return false;
	return true;
}
