/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes the result of a check from the graph: figures, findings as text, what was not looked at.
 */
#include "inspect/base/arena.h"
#include "inspect/report/result.h"
#include "inspect/report/words.h"

/* Texts of findings; far more than a repository gives, and an end for what a file may make us hold. */
#define TEXT_CAP ((size_t)256 << 20)

const struct cv_figure_row cv_figure_rows[] = {
#define F(tag, key, label, unit, family, value) { key, label, unit, family, value },
#include <chainview/figures.def>
#undef F
};

const uint32_t cv_depth_bounds[CV_DEPTH_BUCKETS - 1] = { 1, 2, 3, 5, 10, 20, 30 };

enum cv_figure cv_figure_find(const char *label)
{
	for (size_t i = 0; i < CV_FIGURE_COUNT; i++)
		if (cv_figure_rows[i].label && !strcmp(cv_figure_rows[i].label, label))
			return (enum cv_figure)i;
	return CV_FIGURE_COUNT;
}

struct cv_result *cv_result_new(void)
{
	struct cv_result *r = calloc(1, sizeof *r);

	if (r)
		r->arena = cv_arena_new(TEXT_CAP);
	if (r && !r->arena) {
		free(r);
		return NULL;
	}
	return r;
}

void cv_result_free(struct cv_result *r)
{
	if (!r)
		return;
	free(r->found);
	cv_arena_free(r->arena);
	free(r);
}

const char *cv_result_keep(struct cv_result *r, const struct cv_text *t)
{
	return t->failed ? NULL : cv_arena_dup(r->arena, cv_text_str(t), t->len);
}

/* An escaped copy of raw bytes. */
static const char *keep_raw(struct cv_result *r, struct cv_bytes raw)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, raw);
	return cv_result_keep(r, &t);
}

static bool in_repository(const struct cv_graph *g, const struct cv_finding *f, uint32_t repository)
{
	/* What concerns no repository in particular (a source of references) is said with the first. */
	uint32_t first = 0;

	while (!cv_words_reported(g, first) && first < cv_scan_repository_count(g->scan))
		first++;
	return f->repository == repository || (f->repository >= cv_scan_repository_count(g->scan) && repository == first);
}

static bool keep_finding(struct cv_result *r, const struct cv_graph *g, const struct cv_finding *f)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);
	CV_AUTO(cv_text_fini) struct cv_text title = { 0 };
	struct cv_result_finding *out = &r->findings[r->finding_count++];

	if (!p)
		return false;
	cv_finding_title(&title, f);
	*out = (struct cv_result_finding){ f->severity, p->code, p->name, cv_result_keep(r, &title), NULL, f->advisory };
	if (f->image != CV_NO_IMAGE)
		out->image = keep_raw(r, cv_bytes_of(g->images[f->image].id));
	r->found[3 * (size_t)(p - cv_problems) + f->severity]++;
	return out->title && (out->image || f->image == CV_NO_IMAGE);
}

/* The worst come first. */
static bool keep_findings(struct cv_result *r, const struct cv_graph *g, uint32_t repository)
{
	static const enum cv_severity order[] = { CV_ERROR, CV_WARNING, CV_INFO };
	static const enum cv_figure figures[] = { CV_FIGURE_ERRORS, CV_FIGURE_WARNINGS, CV_FIGURE_INFOS };
	uint64_t ignored = 0;

	r->found = calloc(3 * cv_problem_count, sizeof *r->found);
	r->findings = cv_arena_alloc(r->arena, (g->finding_count + 1) * sizeof *r->findings);
	if (!r->found || !r->findings)
		return false;
	for (size_t n = 0; n < CV_COUNT(order); n++) {
		size_t before = r->finding_count;

		for (size_t i = 0; i < g->finding_count; i++)
			if (g->findings[i].severity == order[n] && in_repository(g, &g->findings[i], repository) &&
			    !keep_finding(r, g, &g->findings[i]))
				return false;
		cv_figure_set(r, figures[n], r->finding_count - before);
	}
	for (size_t i = 0; i < g->ignored_count; i++)
		ignored += in_repository(g, &g->ignored[i].finding, repository);
	cv_figure_set(r, CV_FIGURE_IGNORED, ignored);
	return true;
}

static bool keep_trouble(struct cv_result *r, const struct cv_trouble *trouble)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(trouble->path));
	cv_text_addf(&t, ": %s", trouble->text);
	return (r->not_looked_at[r->not_looked_at_count++] = cv_result_keep(r, &t));
}

/* What was left alone on purpose (a file system that is mounted inside) is no trouble to anybody. */
static bool keep_troubles(struct cv_result *r, const struct cv_graph *g, uint32_t repository)
{
	size_t count = cv_scan_repository(g->scan, repository)->failed ? cv_scan_trouble_count(g->scan) : 0;

	r->not_looked_at = cv_arena_alloc(r->arena, (count + 1) * sizeof *r->not_looked_at);
	for (size_t i = 0; r->not_looked_at && i < count; i++) {
		const struct cv_trouble *t = cv_scan_trouble(g->scan, i);

		if (t->repository == repository && !keep_trouble(r, t))
			return false;
	}
	return r->not_looked_at;
}

static bool keep_ended(struct cv_result *r, const struct cv_graph *g)
{
	r->ended_rules = cv_arena_alloc(r->arena, (g->policy.ignore_count + 1) * sizeof *r->ended_rules);
	for (size_t i = 0; r->ended_rules && i < g->policy.ignore_count; i++) {
		const struct cv_ignore *rule = &g->policy.ignores[i];
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		if (rule->until > g->policy.now)
			continue;
		cv_words_rule(&t, rule);
		if (!(r->ended_rules[r->ended_rule_count++] = cv_result_keep(r, &t)))
			return false;
	}
	return r->ended_rules;
}

static void count_chain(struct cv_result *r, uint32_t images)
{
	size_t bucket = 0;

	while (bucket < CV_DEPTH_BUCKETS - 1 && images > cv_depth_bounds[bucket])
		bucket++;
	r->chains[bucket]++;
	r->chain_images += images;
}

static void count_images(struct cv_result *r, const struct cv_graph *g, uint32_t repository)
{
	size_t first, end = cv_words_images_of(g, repository, &first);
	uint64_t deepest = 0, orphans = 0, mergeable = 0;

	for (size_t i = first; i < end; i++) {
		const struct cv_image *m = &g->images[i];

		r->images[m->format][m->role]++;
		orphans += m->role == CV_ROLE_ORPHAN;
		mergeable += m->coalesce.possible;
		deepest = m->depth + 1 > deepest ? m->depth + 1 : deepest;
		if (m->role == CV_ROLE_LEAF)
			count_chain(r, m->depth + 1);
	}
	cv_figure_set(r, CV_FIGURE_IMAGES, end - first);
	cv_figure_set(r, CV_FIGURE_MAX_DEPTH, deepest);
	cv_figure_set(r, CV_FIGURE_DEPTH_LIMIT, g->policy.depth_limit);
	cv_figure_set(r, CV_FIGURE_ORPHANS, orphans);
	cv_figure_set(r, CV_FIGURE_COALESCABLE, mergeable);
}

static void add(struct cv_result *r, enum cv_figure f, uint64_t bytes)
{
	r->figure[f] += bytes;
}

/* The bytes of one image; what could not be computed is "other", so that the classes add up to what is used. */
static void count_bytes(struct cv_result *r, const struct cv_image *m, const struct cv_space_image *s)
{
	const uint64_t *bytes = s->bytes;

	if (!s->known) {
		add(r, CV_FIGURE_OTHER, m->file->allocated);
		return;
	}
	add(r, CV_FIGURE_LIVE, bytes[CV_SPACE_LIVE] + bytes[CV_SPACE_SNAPSHOT]);
	add(r, CV_FIGURE_SHADOWED, bytes[CV_SPACE_SHADOWED]);
	add(r, CV_FIGURE_ORPHANED, bytes[CV_SPACE_ORPHANED]);
	add(r, CV_FIGURE_OTHER, bytes[CV_SPACE_LEAKED] + bytes[CV_SPACE_METADATA] + bytes[CV_SPACE_SLACK]);
	add(r, m->deletable.possible ? CV_FIGURE_FREE_ORPHAN : CV_FIGURE_FREE_BLOCKED, bytes[CV_SPACE_ORPHANED]);
	add(r, m->coalesce.possible ? CV_FIGURE_FREE_SHADOWED : CV_FIGURE_FREE_BLOCKED, bytes[CV_SPACE_SHADOWED]);
	add(r, CV_FIGURE_FREE_LEAKED, bytes[CV_SPACE_LEAKED]);
	add(r, CV_FIGURE_FREE_SLACK, bytes[CV_SPACE_SLACK]);
	if (m->coalesce.possible && s->merge.known && s->merge.peak_bytes > r->figure[CV_FIGURE_COALESCE_NEEDS])
		r->figure[CV_FIGURE_COALESCE_NEEDS] = s->merge.peak_bytes;
}

static void count_space(struct cv_result *r, const struct cv_space *space, uint32_t repository)
{
	size_t first, end = cv_words_images_of(space->graph, repository, &first);
	int64_t net = repository < space->repository_count ? space->plans[repository].net_bytes : 0;

	for (int f = CV_FIGURE_LIVE; f <= CV_FIGURE_COALESCE_NEEDS; f++)
		cv_figure_set(r, (enum cv_figure)f, 0);
	cv_figure_set(r, CV_FIGURE_RECLAIMABLE, net > 0 ? (uint64_t)net : 0);
	for (size_t i = first; i < end; i++)
		count_bytes(r, &space->graph->images[i], &space->images[i]);
}

/* Nothing that was to be looked at is missing: the same as decides about exit status 8, for one repository. */
static bool is_complete(const struct cv_graph *g, uint32_t repository)
{
	if (g->partial || cv_scan_repository(g->scan, repository)->failed)
		return false;
	for (size_t i = 0; i < cv_scan_file_count(g->scan); i++) {
		const struct cv_file *file = cv_scan_file(g->scan, i);
		const struct cv_checked *c = g->checks ? cv_check_of(g->checks, i) : NULL;

		if (file->repository == repository && (file->state == CV_FILE_FAILED || (c && c->trouble)))
			return false;
	}
	return true;
}

static bool fill(struct cv_result *r, const struct cv_graph *g, uint32_t repository, const struct cv_result_head *head)
{
	const struct cv_repository *place = cv_scan_repository(g->scan, repository);

	r->path = keep_raw(r, cv_bytes_of(place->path));
	r->name = head->name ? keep_raw(r, cv_bytes_of(head->name)) : r->path;
	r->finished = head->finished;
	r->exit_status = head->exit_status;
	r->complete = is_complete(g, repository);
	cv_figure_set(r, CV_FIGURE_SIZE, place->size_bytes);
	cv_figure_set(r, CV_FIGURE_FREE, place->free_bytes);
	cv_figure_set(r, CV_FIGURE_CHECK_TIME, head->milliseconds);
	cv_figure_set(r, CV_FIGURE_OPERATIONS, place->operation_count);
	count_images(r, g, repository);
	return r->path && r->name && keep_findings(r, g, repository) && keep_troubles(r, g, repository) && keep_ended(r, g);
}

struct cv_result *cv_result_make(const struct cv_graph *g, const struct cv_space *space, uint32_t repository,
				 const struct cv_result_head *head, struct cv_err *err)
{
	struct cv_result *r = cv_result_new();

	if (r && fill(r, g, repository, head)) {
		if (space)
			count_space(r, space, repository);
		return r;
	}
	cv_result_free(r);
	cv_fail(err, CV_ENOMEM, "out of memory");
	return NULL;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void cv_result_trouble(struct cv_text *t, const struct cv_result_finding *f)
{
	cv_text_addf(t, "%c %s %s%s%s", cv_severity_letter(f->severity), f->code, f->name, f->image ? " " : "",
		     f->image ? f->image : "");
}

const char **cv_result_troubles(struct cv_result *r, size_t *count)
{
	const char **list = cv_arena_alloc(r->arena, (r->finding_count + r->not_looked_at_count + 1) * sizeof *list);
	size_t n = 0;

	for (size_t i = 0; list && i < r->finding_count; i++) {
		const struct cv_result_finding *f = &r->findings[i];
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		if (f->severity == CV_INFO)
			continue;
		cv_result_trouble(&t, f);
		if (!(list[n++] = cv_result_keep(r, &t)))
			return NULL;
	}
	for (size_t i = 0; list && i < r->not_looked_at_count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		cv_text_addf(&t, "? not looked at: %s", r->not_looked_at[i]);
		if (!(list[n++] = cv_result_keep(r, &t)))
			return NULL;
	}
	if (list)
		qsort(list, n, sizeof *list, compare_texts);
	*count = n;
	return list;
}

void cv_result_words(struct cv_text *t, const struct cv_result *r)
{
	cv_words_counts(t, r->figure[CV_FIGURE_ERRORS], r->figure[CV_FIGURE_WARNINGS], 0);
	if (r->figure[CV_FIGURE_IGNORED])
		cv_text_addf(t, ", %" PRIu64 " ignored", r->figure[CV_FIGURE_IGNORED]);
	if (!r->complete)
		cv_text_add(t, ", not everything could be looked at");
	if (r->figure[CV_FIGURE_RECLAIMABLE])
		cv_text_addf(t, ", %s reclaimable", cv_size_short(r->figure[CV_FIGURE_RECLAIMABLE]).s);
}
