/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * All merges of a repository. The order is that of the space plan: runs from the lowest image up, each byte straight into
 * the base. Behind them come those that are allowed and free nothing. Its single merges copy bytes once more, so they are
 * only taken if the other way leaves something for want of space, and this one does more.
 * What each of them takes is counted as it is while the merged images lie in the trash, unless they are purged.
 */
#include "inspect/space/space.h"
#include "repair/plan/make.h"
#include <chainview/merges.h>
#include <stdarg.h>
#include <stdio.h>

CV_VEC(cv_merge_steps, struct cv_merge_step);
CV_VEC(cv_merge_lefts, struct cv_merge_left);

/* A merge that may become a step. */
struct candidate {
	struct cv_merge_step step;
	uint64_t peak;               /* and gain: by the forecast, and what the journal takes */
	int64_t gain;
	uint32_t below;              /* the candidate that has to be done before; CV_NO_IMAGE */
	bool taken, refused;
	size_t number;               /* of its step, when it is taken */
};
CV_VEC(candidates, struct candidate);

struct merging {
	const struct cv_graph *g;
	const struct cv_space *space;
	const struct cv_merges_options *o;
	struct cv_space_role *roles;
	uint32_t *candidate_of;      /* by image: its number; CV_NO_IMAGE */
	bool *is_target;             /* by image: a candidate goes into it */
	struct candidates list;
	struct cv_merge_steps steps;
	struct cv_merge_lefts left;
	struct cv_plan_paths searched;
	struct cv_merges *m;
	int64_t free, lowest;
	bool failed;
};

static const char *keep(struct merging *p, const char *text)
{
	const char *copy = cv_arena_dup(p->m->arena, text, strlen(text));

	p->failed |= !copy;
	return copy;
}

static void leave(struct merging *p, uint32_t image, bool blocked, const char *fmt, ...) CV_PRINTF(4, 5);
static void leave(struct merging *p, uint32_t image, bool blocked, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	p->m->blocked_count += blocked;
	p->failed |= !cv_merge_lefts_push(&p->left, (struct cv_merge_left){ keep(p, p->g->images[image].id), keep(p, line), blocked });
}

/* --- candidates ------------------------------------------------------------------------------------------ */

static void add_candidate(struct merging *p, uint32_t image, uint32_t into, uint64_t peak, int64_t net)
{
	const struct cv_image *m = &p->g->images[image];
	uint32_t parent = p->roles[image].parent;
	struct candidate c = {
		.step = { .image = image, .into = into, .bytes = m->file->allocated, .after = SIZE_MAX },
		.peak = peak, .gain = net, .below = parent == into ? CV_NO_IMAGE : p->candidate_of[parent],
	};

	/* what is merged is there as long as nobody purges the trash */
	if (!p->o->purge)
		c.gain -= (int64_t)m->file->allocated;
	p->candidate_of[image] = (uint32_t)p->list.len;
	p->is_target[into] = true;
	p->failed |= !candidates_push(&p->list, c);
}

/* One that frees nothing, or has no room by the space plan. */
static void add_other(struct merging *p, uint32_t image)
{
	const struct cv_space_image *s = &p->space->images[image];
	uint32_t parent = p->roles[image].parent, under = p->candidate_of[parent];

	if (!s->merge.known || !s->planned.known)
		leave(p, image, true, "how much its parent would grow by is not known: %s", s->why ? s->why : "its blocks could not be counted");
	else if (p->is_target[image])
		leave(p, image, false, "another image goes into it first: calling this again plans it as it is then");
	else if (under == CV_NO_IMAGE)
		add_candidate(p, image, parent, s->merge.peak_bytes, s->merge.net_bytes);
	else if (p->list.at[under].step.into == p->roles[image].base)
		add_candidate(p, image, p->roles[image].base, s->planned.peak_bytes, s->planned.net_bytes);
	else
		leave(p, image, false, "its parent is merged first: calling this again plans it as it is then");
}

static int by_level(const void *a, const void *b, void *ctx)
{
	const struct cv_space_role *roles = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (roles[x].level != roles[y].level)
		return roles[x].level < roles[y].level ? -1 : 1;
	return x < y ? -1 : x > y;
}

static bool add_others(struct merging *p)
{
	CV_AUTO(cv_auto_free) uint32_t *others = calloc(p->g->image_count + 1, sizeof *others);
	size_t count = 0;

	for (uint32_t i = 0; others && i < p->g->image_count; i++)
		if (p->g->images[i].repository == p->o->repository && p->roles[i].base != CV_NO_IMAGE &&
		    p->candidate_of[i] == CV_NO_IMAGE)
			others[count++] = i;
	if (count)
		qsort_r(others, count, sizeof *others, by_level, p->roles);
	for (size_t i = 0; i < count; i++)
		add_other(p, others[i]);
	return others != NULL;
}

static bool add_planned(struct merging *p)
{
	const struct cv_space_plan *plan = &p->space->plans[p->o->repository];

	for (size_t i = 0; i < plan->count; i++) {
		const struct cv_space_step *s = &plan->steps[i];

		if (s->action == CV_SPACE_COALESCE && (p->o->way == CV_MERGES_SINGLE || s->into == p->roles[s->image].base))
			add_candidate(p, s->image, s->into, s->peak_bytes, s->net_bytes);
	}
	return !p->failed;
}

/* --- which of them can be done ----------------------------------------------------------------------------- */

/* Of checks; what it says of the space is about now, and not about when it is done. */
static const char *objection(const struct cv_plan *plan)
{
	for (size_t i = 0; i < plan->check_count; i++)
		if (!plan->checks[i].ok && strcmp(plan->checks[i].name, "quota") != 0)
			return plan->checks[i].text;
	return NULL;
}

/* Its plan as if it went into the parent that it has now: what speaks against that will still do so then. */
static bool look_at(struct merging *p, struct candidate *c, struct cv_err *err)
{
	struct cv_coalesce_options o = { .image = c->step.image, .reserve = p->o->reserve, .space = p->space, .full = p->o->full };
	const struct cv_space_image *s = &p->space->images[c->step.image];
	struct cv_plan *plan = cv_plan_coalesce(p->g, &o, err);
	const char *against = plan ? objection(plan) : NULL;

	if (!plan) {
		if (err->code == CV_ENOMEM || err->code == CV_ECANCELLED)
			return false;
		leave(p, c->step.image, true, "%s", err->text);
		cv_err_clear(err);
		return c->refused = true;
	}
	if (against) {
		leave(p, c->step.image, true, "%s", against);
		c->refused = true;
	} else if (s->merge.known && plan->space.peak > s->merge.peak_bytes) {
		c->peak += plan->space.peak - s->merge.peak_bytes;
	}
	/* what is kept of the parent is there as long as the image is in the trash */
	if (!against && s->merge.known && p->o->full)
		c->gain += plan->space.net - (s->merge.net_bytes - (int64_t)p->g->images[c->step.image].file->allocated);
	if (!against && c->step.into == p->roles[c->step.image].parent)
		c->step.plan = plan;
	else
		cv_plan_free(plan);
	return true;
}

static bool fits(const struct merging *p, const struct candidate *c)
{
	int64_t room = p->free - (int64_t)p->o->reserve;

	return room >= 0 && c->peak <= (uint64_t)room;
}

static void take(struct merging *p, struct candidate *c)
{
	int64_t low = p->free - (int64_t)c->peak;

	if (low < p->lowest)
		p->lowest = low;
	p->free += c->gain;
	c->taken = true;
	c->number = p->steps.len;
	c->step.peak = c->peak;
	c->step.net = c->gain;
	c->step.free_after = p->free < 0 ? 0 : (uint64_t)p->free;
	c->step.after = c->below == CV_NO_IMAGE ? SIZE_MAX : p->list.at[c->below].number;
	c->step.name = keep(p, p->g->images[c->step.image].id);
	c->step.into_name = keep(p, p->g->images[c->step.into].id);
	p->m->space.net += c->gain;
	p->failed |= !cv_merge_steps_push(&p->steps, c->step);
	c->step.plan = NULL;
}

/* In their order, as often as that makes room: what does not fit before another one may fit behind it. */
static void take_fitting(struct merging *p)
{
	bool any;

	do {
		any = false;
		for (size_t i = 0; i < p->list.len; i++) {
			struct candidate *c = &p->list.at[i];

			if (c->taken || c->refused || (c->below != CV_NO_IMAGE && !p->list.at[c->below].taken) || !fits(p, c))
				continue;
			take(p, c);
			any = true;
		}
	} while (any && !p->failed);
}

/* Those that no order makes room for, and those that would come behind one that is not done. */
static void leave_rest(struct merging *p)
{
	for (size_t i = 0; i < p->list.len; i++) {
		const struct candidate *c = &p->list.at[i], *below = c->below == CV_NO_IMAGE ? NULL : &p->list.at[c->below];
		int64_t room = p->free - (int64_t)p->o->reserve;
		CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

		if (c->taken || c->refused)
			continue;
		if (below && !below->taken) {
			cv_text_escape(&name, cv_bytes_of(p->g->images[below->step.image].id));
			leave(p, c->step.image, true, "it comes after %s, which is not taken", cv_text_str(&name));
		} else {
			uint64_t missing = room < 0 ? c->peak + (uint64_t)-room : c->peak - (uint64_t)room;

			leave(p, c->step.image, true, "it does not fit: %" PRIu64 " bytes (%s) are missing%s", missing, cv_size_short(missing).s,
			      p->o->purge || c->peak > p->m->space.free_now - (p->o->reserve < p->m->space.free_now ? p->o->reserve : p->m->space.free_now)
			      ? "" : "; --purge-merged frees what each merge leaves in the trash");
		}
		p->m->space.fits = false;
	}
}

/* Inner nodes that are no candidates. A parent that others need, too, is how trees are; else a rule stands in the way. */
static void leave_forbidden(struct merging *p)
{
	for (uint32_t i = 0; i < p->g->image_count; i++) {
		const struct cv_image *m = &p->g->images[i];

		if (m->repository != p->o->repository || m->status != CV_PARENT_FOUND || !m->child_count || p->roles[i].base != CV_NO_IMAGE)
			continue;
		if (m->coalesce.possible)
			leave(p, i, false, "it has no hidden mark, and no complete source of references says that nobody uses it: chainview "
			      "coalesce merges it by name, --refs=list:FILE says who is used");
		else
			leave(p, i, m->mark == CV_MARK_HIDDEN && p->g->images[m->parent].child_count == 1 &&
			      !p->g->images[m->parent].reference_count && !m->reference_count, "%s", m->coalesce.reason ? m->coalesce.reason : "not known");
	}
}

/* --- the whole -------------------------------------------------------------------------------------------- */

static bool begin(struct merging *p, struct cv_err *err)
{
	p->m = calloc(1, sizeof *p->m);
	p->roles = cv_space_roles(p->g);
	p->candidate_of = calloc(p->g->image_count + 1, sizeof *p->candidate_of);
	p->is_target = calloc(p->g->image_count + 1, sizeof *p->is_target);
	if (p->m)
		p->m->arena = cv_arena_new(SIZE_MAX);
	if (!p->m || !p->m->arena || !p->roles || !p->candidate_of || !p->is_target)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < p->g->image_count; i++)
		p->candidate_of[i] = CV_NO_IMAGE;
	return true;
}

static void describe(struct merging *p)
{
	const struct cv_repository *r = cv_scan_repository(p->g->scan, p->o->repository);
	const char *slash = strrchr(r->path, '/');
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	p->m->repository = keep(p, r->path);
	p->m->purge = p->o->purge;
	p->m->way = p->o->way;
	cv_text_escape(&name, cv_bytes_of(slash && slash[1] ? slash + 1 : r->path));
	p->m->confirm = keep(p, cv_text_str(&name));
	p->failed |= name.failed;
	for (size_t i = 0; i < cv_scan_repository_count(p->g->scan); i++)
		p->failed |= !cv_plan_paths_push(&p->searched, keep(p, cv_scan_repository(p->g->scan, i)->path));
	p->free = r->free_bytes > INT64_MAX ? INT64_MAX : (int64_t)r->free_bytes;
	p->m->purged_first = p->o->purged_first;
	p->m->purged_first_bytes = p->o->purged_first_bytes;
	if (__builtin_add_overflow(p->free, p->o->purged_first_bytes, &p->free))
		p->free = INT64_MAX;
	p->lowest = p->free;
	p->m->space = (struct cv_plan_space){ .free_now = (uint64_t)p->free, .reserve = p->o->reserve, .fits = true };
}

static bool decide(struct merging *p, struct cv_err *err)
{
	describe(p);
	if (!add_planned(p) || !add_others(p))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < p->list.len; i++)
		if (!look_at(p, &p->list.at[i], err))
			return false;
	take_fitting(p);
	leave_rest(p);
	leave_forbidden(p);
	p->m->space.lowest_free = p->lowest < 0 ? 0 : (uint64_t)p->lowest;
	p->m->space.peak = p->m->space.free_now - p->m->space.lowest_free;
	return !p->failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static struct cv_merges *plan_way(const struct cv_graph *g, const struct cv_space *space, struct cv_merges_options o,
				  enum cv_merges_way way, struct cv_err *err)
{
	struct merging p = { .g = g, .space = space, .o = &o };
	bool ok;

	o.way = way;
	o.reserve = o.reserve > INT64_MAX ? INT64_MAX : o.reserve;
	ok = begin(&p, err) && decide(&p, err);
	for (size_t i = 0; i < p.list.len; i++)
		cv_plan_free(p.list.at[i].step.plan);
	free(p.list.at);
	free(p.roles);
	free(p.candidate_of);
	free(p.is_target);
	if (p.m) {
		p.m->steps = p.steps.at;
		p.m->count = p.steps.len;
		p.m->left = p.left.at;
		p.m->left_count = p.left.len;
		p.m->searched = p.searched.at;
		p.m->searched_count = p.searched.len;
	}
	if (ok)
		return p.m;
	cv_merges_free(p.m);
	return NULL;
}

struct cv_merges *cv_merges_plan(const struct cv_graph *g, const struct cv_space *space, const struct cv_merges_options *options,
				 struct cv_err *err)
{
	struct cv_merges *made, *other;

	if (options->way != CV_MERGES_BEST)
		return plan_way(g, space, *options, options->way, err);
	made = plan_way(g, space, *options, CV_MERGES_STRAIGHT, err);
	if (!made || made->space.fits)
		return made;
	other = plan_way(g, space, *options, CV_MERGES_SINGLE, err);
	if (other && other->count <= made->count) {
		cv_merges_free(other);
		return made;
	}
	cv_merges_free(made);
	return other;
}

void cv_merges_free(struct cv_merges *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++)
		cv_plan_free(m->steps[i].plan);
	free(m->steps);
	free(m->left);
	free((void *)(uintptr_t)m->searched);
	cv_arena_free(m->arena);
	free(m);
}
