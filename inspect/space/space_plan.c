/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What can be freed now, in an order that fits. Orphans go first, they need nothing. Merges come in runs: all
 * images of a run go into the same base, the lowest first, as far as that frees anything; of those above, single ones
 * that free something by themselves go into their own parents. None of these parts changes what another one needs,
 * and each leaves more room than it found: so taking those that fit, the least demanding first, until none fits finds
 * an order for all of them if there is one. Nothing that is left out can then begin, in whatever order: what the
 * cheapest of its first steps takes is more than there is.
 */
#include "inspect/space/space.h"

/* Merges into one base, from the lowest image up; or one merge of an image into its parent. */
struct run {
	uint32_t into;
	bool alone;              /* what counts of its one image is merge, not planned */
	size_t first, count;     /* in the list of merged images */
	uint64_t need;           /* free bytes that it begins with */
	int64_t net;
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

static const struct cv_space_merge *forecast(const struct planning *p, const struct run *r, size_t i)
{
	const struct cv_space_image *m = &p->space->images[p->merged.at[r->first + i]];

	return r->alone ? &m->merge : &m->planned;
}

/* What a run needs to begin with, and what it gives. */
static void sum_up(const struct planning *p, struct run *r)
{
	r->need = 0;
	r->net = 0;
	for (size_t i = 0; i < r->count; i++) {
		const struct cv_space_merge *m = forecast(p, r, i);
		int64_t need = (int64_t)m->peak_bytes - r->net;

		if (need > 0 && (uint64_t)need > r->need)
			r->need = (uint64_t)need;
		r->net += m->net_bytes;
	}
}

/* Shortens a run to the merges that free most together; none if they all cost. */
static void shorten(const struct planning *p, struct run *r)
{
	size_t best = 0;
	int64_t net = 0, most = 0;

	for (size_t i = 0; i < r->count; i++) {
		net += forecast(p, r, i)->net_bytes;
		if (net > most) {
			most = net;
			best = i + 1;
		}
	}
	r->count = best;
	sum_up(p, r);
}

static int by_need(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->need < y->need ? -1 : x->need > y->need;
}

/* Of the images from first up to end: those that free something by going into their parents. An image is in one
 * part of the plan only; gone is one that is merged before. */
static bool single_merges(struct planning *p, size_t first, size_t end, uint32_t gone, struct cv_err *err)
{
	for (size_t i = first; i < end; i++) {
		uint32_t image = p->merged.at[i], next = i + 1 < end ? p->merged.at[i + 1] : CV_NO_IMAGE;
		struct run r = { .into = p->roles[image].parent, .alone = true, .first = i, .count = 1 };
		const struct cv_space_image *images = p->space->images;

		if (!images[image].merge.known || images[image].merge.net_bytes <= 0 || r.into == gone)
			continue;
		/* only one of two that stand on each other: the one that frees more */
		if (next != CV_NO_IMAGE && p->roles[next].parent == image && images[next].merge.known &&
		    images[next].merge.net_bytes > images[image].merge.net_bytes)
			continue;
		gone = image;
		sum_up(p, &r);
		if (!runs_push(&p->runs, r))
			return out_of_memory(err);
	}
	return true;
}

static bool make_runs(struct planning *p, struct cv_err *err)
{
	for (size_t first = 0, end; first < p->merged.len; first = end) {
		struct run r = { .into = p->roles[p->merged.at[first]].base, .first = first };
		uint32_t below = r.into;

		for (end = first; end < p->merged.len && p->roles[p->merged.at[end]].base == r.into; end++) {
			/* above one that could not be computed the run is broken off */
			if (p->roles[p->merged.at[end]].parent != below)
				continue;
			below = p->merged.at[end];
			r.count = r.count == end - first ? r.count + 1 : r.count;
		}
		shorten(p, &r);
		if (r.count && !runs_push(&p->runs, r))
			return out_of_memory(err);
		if (!single_merges(p, first + r.count, end, r.count ? p->merged.at[first + r.count - 1] : CV_NO_IMAGE, err))
			return false;
	}
	if (p->runs.len)
		qsort(p->runs.at, p->runs.len, sizeof *p->runs.at, by_need);
	return true;
}

/* As many merges of a run as fit and free something together; 0: none. */
static size_t fitting(const struct planning *p, const struct run *r)
{
	int64_t room = p->free - (int64_t)p->plan.reserve, net = 0, most = 0;
	size_t best = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct cv_space_merge *m = forecast(p, r, i);

		if (room + net < 0 || m->peak_bytes > (uint64_t)(room + net))
			break;
		net += m->net_bytes;
		if (net > most) {
			most = net;
			best = i + 1;
		}
	}
	return best;
}

static bool merge_first(struct planning *p, struct run *r, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct cv_space_merge *m = forecast(p, r, i);
		struct cv_space_step s = { CV_SPACE_COALESCE, p->merged.at[r->first + i], r->into, m->peak_bytes,
					   m->net_bytes, 0 };

		if (!take_step(p, s, err))
			return false;
	}
	r->first += count;
	r->count -= count;
	return true;
}

/* In ascending order of need, as often as that frees something: what did not fit before may fit then. */
static bool merge_runs(struct planning *p, struct cv_err *err)
{
	bool any;

	do {
		any = false;
		for (size_t i = 0; i < p->runs.len; i++) {
			size_t count = fitting(p, &p->runs.at[i]);

			any |= count > 0;
			if (!merge_first(p, &p->runs.at[i], count, err))
				return false;
		}
	} while (any);
	return true;
}

/* The least that what is left of a run could begin with, also a merge of two of its images. */
static uint64_t least_of(const struct planning *p, const struct run *r, uint32_t *image)
{
	uint64_t least = forecast(p, r, 0)->peak_bytes;

	*image = p->merged.at[r->first];
	for (size_t i = 1; i < r->count; i++) {
		const struct cv_space_merge *m = &p->space->images[p->merged.at[r->first + i]].merge;

		if (m->known && m->peak_bytes < least) {
			least = m->peak_bytes;
			*image = p->merged.at[r->first + i];
		}
	}
	return least;
}

static void say_what_is_missing(struct planning *p)
{
	int64_t room = p->free - (int64_t)p->plan.reserve;
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < p->runs.len; i++) {
		const struct run *r = &p->runs.at[i];
		uint32_t image;
		uint64_t least = r->count ? least_of(p, r, &image) : UINT64_MAX;

		p->plan.left_out += r->count;
		if (least >= best)
			continue;
		best = least;
		p->plan.missing_for = image;
		p->plan.missing_bytes = (int64_t)least > room ? (uint64_t)((int64_t)least - room) : 0;
	}
	p->plan.fits = !p->plan.left_out;
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
	say_what_is_missing(&p);
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
