/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which links of a graph are broken, and for each of them: gather, weigh, compare, judge. */
#include "inspect/candidates/candidates.h"

#define TEXTS ((size_t)1 << 30)

/* The most serious first. */
static const enum cv_problem_id problems[] = {
	CV_CHN_PARENT_CYCLE,
	CV_CHN_PARENT_IDENTITY_MISMATCH,
	CV_CHN_PARENT_AMBIGUOUS,
	CV_QCW_BACKING_NAME_INVALID,
	CV_CHN_PARENT_MISSING,
	CV_CHN_PARENT_CONTENT_CHANGED,
	CV_CHN_PARENT_OUTSIDE_REPOSITORY,
	CV_CHN_PARENT_LOCATORS_DISAGREE,
	CV_CHN_PARENT_PATH_STALE,
	CV_CHN_PARENT_FORMAT_UNRECORDED,
};

bool cv_link_lost(const struct cv_graph *g, uint32_t image, enum cv_problem_id *problem)
{
	const struct cv_finding *f;
	size_t count = cv_graph_findings_of(g, image, &f);

	for (size_t k = 0; k < CV_COUNT(problems); k++)
		for (size_t i = 0; i < count; i++) {
			if (f[i].id != problems[k])
				continue;
			/* Those that stand on a ring are told, too; their own links are as they were. */
			if (f[i].id == CV_CHN_PARENT_CYCLE && g->images[image].status != CV_PARENT_CYCLE)
				continue;
			*problem = f[i].id;
			return true;
		}
	return false;
}

struct finding {
	const struct cv_graph *g;
	const struct cv_candidates_options *o;
	struct cv_pool pool;
	struct cv_known_index known;
	struct cv_search_vec searches;
	struct cv_candidates *out;
};

static bool start(struct finding *f, uint32_t image)
{
	const struct cv_image *m = &f->g->images[image];
	struct cv_search s = { .g = f->g, .pool = &f->pool, .arena = f->out->arena, .child = m, .index = image };

	if (!cv_link_lost(f->g, image, &s.problem))
		return true;
	s.known = cv_known_find(&f->known, m, &s.known_moved);
	return cv_search_vec_push(&f->searches, s);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool start_all(struct finding *f)
{
	size_t count = f->o->only ? f->o->only_count : f->g->image_count;
	CV_AUTO(cv_auto_free) uint32_t *list = calloc(count + 1, sizeof *list);
	bool ok = list;

	for (size_t i = 0; ok && i < count; i++)
		list[i] = f->o->only ? f->o->only[i] : (uint32_t)i;
	if (ok && f->o->only)
		qsort(list, count, sizeof *list, compare_numbers);
	for (size_t i = 0; ok && i < count; i++) {
		bool twice = i && list[i] == list[i - 1];
		bool wanted = f->o->only || !cv_scan_repository(f->g->scan, f->g->images[list[i]].repository)->other;

		ok = twice || !wanted || start(f, list[i]);
	}
	return ok;
}

/* What weighs most comes first in the enumeration. */
static void sort_evidence(struct cv_evidence *at, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k && at[k].kind < at[k - 1].kind; k--) {
			struct cv_evidence e = at[k];

			at[k] = at[k - 1];
			at[k - 1] = e;
		}
}

static bool publish(struct finding *f, const struct cv_search *s)
{
	struct cv_candidate *list = cv_arena_alloc(f->out->arena, (s->suspects.len + 1) * sizeof *list);
	const char *reason =
		s->reason.failed ? NULL : cv_arena_dup(f->out->arena, cv_text_str(&s->reason), s->reason.len);

	if (!list || !reason || s->failed)
		return false;
	for (size_t i = 0; i < s->suspects.len; i++) {
		const struct cv_suspect *x = &s->suspects.at[i];
		struct cv_evidence *rows = cv_arena_alloc(f->out->arena, (x->evidence.len + 1) * sizeof *rows);

		if (!rows)
			return false;
		if (x->evidence.len)
			memcpy(rows, x->evidence.at, x->evidence.len * sizeof *rows);
		sort_evidence(rows, x->evidence.len);
		list[i] = x->pub;
		list[i].evidence = rows;
		list[i].evidence_count = x->evidence.len;
	}
	f->out->at[f->out->count++] = (struct cv_lost){
		.child = s->index,
		.problem = s->problem,
		.verdict = s->verdict,
		.reason = reason,
		.candidates = list,
		.chosen = s->chosen ? &list[s->chosen - s->suspects.at] : NULL,
		.count = s->suspects.len,
		.left_out = s->twins_left + s->names_left,
		.known = s->known,
	};
	return true;
}

static bool work(struct finding *f, struct cv_err *err)
{
	bool ok = true;

	for (size_t i = 0; i < f->searches.len; i++) {
		cv_search_gather(&f->searches.at[i]);
		cv_search_weigh(&f->searches.at[i]);
	}
	if (!f->o->unread && !cv_searches_compare(f->g, f->searches.at, f->searches.len, f->o->stop, err))
		return false;
	f->out->at = calloc(f->searches.len + 1, sizeof *f->out->at);
	for (size_t i = 0; i < f->searches.len; i++) {
		cv_search_weigh_content(&f->searches.at[i]);
		cv_search_judge(&f->searches.at[i]);
	}
	cv_searches_open_rings(f->searches.at, f->searches.len);
	for (size_t i = 0; f->out->at && ok && i < f->searches.len; i++)
		ok = publish(f, &f->searches.at[i]);
	return (ok && f->out->at) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static void search_fini(struct cv_search *s)
{
	for (size_t i = 0; i < s->suspects.len; i++)
		free(s->suspects.at[i].evidence.at);
	free(s->suspects.at);
	cv_text_fini(&s->reason);
}

struct cv_candidates *cv_candidates_find(const struct cv_graph *g, const struct cv_candidates_options *options,
					 struct cv_err *err)
{
	struct finding f = { .g = g, .o = options, .out = calloc(1, sizeof *f.out) };
	bool ok;

	if (f.out)
		f.out->arena = cv_arena_new(TEXTS);
	ok = f.out && f.out->arena && cv_pool_make(&f.pool, g, options->spare) &&
	     cv_known_make(&f.known, options->known) && start_all(&f);
	ok = ok ? work(&f, err) : cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < f.searches.len; i++)
		search_fini(&f.searches.at[i]);
	free(f.searches.at);
	cv_pool_fini(&f.pool);
	cv_known_fini(&f.known);
	if (ok)
		return f.out;
	cv_candidates_free(f.out);
	return NULL;
}

void cv_candidates_free(struct cv_candidates *c)
{
	if (!c)
		return;
	free(c->at);
	cv_arena_free(c->arena);
	free(c);
}

const struct cv_lost *cv_candidates_of(const struct cv_candidates *c, uint32_t child)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->at[middle].child < child)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->count && c->at[low].child == child ? &c->at[low] : NULL;
}
