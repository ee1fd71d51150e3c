/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Building a graph, step by step. The steps are in the files beside this one (what the images are and who
 * stands on whom) and in inspect/check (what is wrong, what may be done).
 */
#include "inspect/chain/build.h"
#include "inspect/check/check.h"

/* More than any real repository needs; what is kept here are texts of findings and facts of raw images. */
#define TEXT_CAP ((size_t)1 << 30)

static void free_build(struct cv_build *b)
{
	free(b->nodes);
	free(b->targets.at);
	free(b->identities);
	free(b->notes);
	free(b->findings.at);
	free(b->matches.at);
	free(b->lost_claims);
}

static int compare_findings(const void *a, const void *b)
{
	const struct cv_finding *x = a, *y = b;
	uint64_t x_off = x->has_where ? x->where.off : 0, y_off = y->has_where ? y->where.off : 0;

	if (x->repository != y->repository)
		return x->repository < y->repository ? -1 : 1;
	/* adding one makes "no image" the smallest */
	if (x->image != y->image)
		return x->image + 1 < y->image + 1 ? -1 : 1;
	if (x_off != y_off)
		return x_off < y_off ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

struct numbered {
	struct cv_finding finding;
	size_t number;
};

static int compare_numbered(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int order = compare_findings(&x->finding, &y->finding);

	return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Findings that are alike in everything that is sorted by stay in the order in which they were made. */
static bool sort_findings(struct cv_build *b)
{
	CV_AUTO(cv_auto_free) struct numbered *list = calloc(b->findings.len + 1, sizeof *list);

	if (!list)
		return false;
	for (size_t i = 0; i < b->findings.len; i++)
		list[i] = (struct numbered){ b->findings.at[i], i };
	qsort(list, b->findings.len, sizeof *list, compare_numbered);
	b->g->ignored = calloc(b->ignored + 1, sizeof *b->g->ignored);
	if (!b->g->ignored)
		return false;
	for (size_t i = 0; i < b->findings.len; i++) {
		uint32_t rule = cv_ignore_rule(b, &list[i].finding);

		if (rule != CV_NO_RULE)
			b->g->ignored[b->g->ignored_count++] = (struct cv_ignored){ list[i].finding, rule };
		else
			b->findings.at[b->g->finding_count++] = list[i].finding;
	}
	b->g->findings = cv_take(b->findings.at);
	return true;
}

struct by_address {
	uintptr_t file;
	uint32_t image;
};

static int compare_addresses(const void *a, const void *b)
{
	const struct by_address *x = a, *y = b;

	return (x->file > y->file) - (x->file < y->file);
}

static bool index_files(struct cv_graph_full *full)
{
	struct cv_graph *g = &full->pub;
	CV_AUTO(cv_auto_free) struct by_address *list = calloc(g->image_count + 1, sizeof *list);

	full->by_file = calloc(g->image_count + 1, sizeof *full->by_file);
	if (!list || !full->by_file)
		return false;
	for (uint32_t i = 0; i < g->image_count; i++)
		list[i] = (struct by_address){ (uintptr_t)g->images[i].file, i };
	qsort(list, g->image_count, sizeof *list, compare_addresses);
	for (size_t i = 0; i < g->image_count; i++)
		full->by_file[i] = list[i].image;
	return true;
}

typedef void cv_build_step(struct cv_build *b);
static cv_build_step *const resolve_steps[] = {
	cv_names_follow, cv_resolve_by_name, cv_identities_make, cv_resolve_identities, cv_raw_decide,
	cv_identities_make, cv_resolve_by_identity, cv_claims_match,
};
static cv_build_step *const image_steps[] = {
	cv_check_given, cv_notes_names, cv_notes_perhaps, cv_shape, cv_claims_group, cv_notes_state,
	cv_check_images, cv_check_parents, cv_check_collector, cv_check_identities, cv_check_references, cv_check_leftovers,
	cv_check_operations, cv_check_metadata, cv_judge, cv_check_policy,
	cv_check_exhaustion, cv_check_unclaimed,
};

static bool run(struct cv_build *b, cv_build_step *const *steps, size_t count)
{
	for (size_t i = 0; i < count && !b->failed; i++)
		steps[i](b);
	return !b->failed;
}

/* What was read of an image in use may have been half written. That it is in use is certain. */
static void mark_advisory(struct cv_build *b)
{
	for (size_t i = 0; i < b->findings.len; i++) {
		struct cv_finding *f = &b->findings.at[i];

		f->advisory = f->image != CV_NO_IMAGE && f->id != CV_GEN_IMAGE_IN_USE &&
			      (b->notes[f->image].busy == f->image || b->notes[f->image].users);
	}
}

static bool build(struct cv_build *b, struct cv_graph_full *full)
{
	return cv_nodes_make(b) && run(b, resolve_steps, CV_COUNT(resolve_steps)) && cv_images_make(b) &&
	       run(b, image_steps, CV_COUNT(image_steps)) && (mark_advisory(b), sort_findings(b)) && index_files(full);
}

static struct cv_graph *make(struct cv_build *b, const struct cv_graph_policy *policy, const struct cv_check *checks,
			     struct cv_err *err)
{
	struct cv_graph_full *full = calloc(1, sizeof *full);
	struct cv_scan_progress progress = cv_scan_progress(b->scan);
	bool ok = false;

	if (full) {
		b->g = &full->pub;
		b->policy = policy ? *policy : b->policy;
		b->policy.depth_warn = b->policy.depth_warn ? b->policy.depth_warn : 25;
		b->policy.depth_limit = b->policy.depth_limit ? b->policy.depth_limit : 30;
		full->pub.policy = b->policy;
		full->pub.scan = b->scan;
		full->pub.refs = b->refs;
		full->pub.checks = checks;
		full->pub.partial = !progress.done || progress.cancelled;
		full->pub.arena = cv_arena_new(TEXT_CAP);
		ok = full->pub.arena && build(b, full);
	}
	free_build(b);
	if (ok)
		return &full->pub;
	cv_graph_free(full ? &full->pub : NULL);
	cv_fail(err, CV_ENOMEM, "not enough memory for the graph of %zu files", cv_scan_file_count(b->scan));
	return NULL;
}

struct cv_graph *cv_graph_build(const struct cv_scan *scan, const struct cv_references *refs,
				const struct cv_check *checks, const struct cv_graph_policy *policy, struct cv_err *err)
{
	struct cv_build b = { .scan = scan, .refs = refs, .incomplete = UINT32_MAX };

	return make(&b, policy, checks, err);
}

struct cv_graph *cv_graph_rebuild(const struct cv_graph *g, const struct cv_finding *findings, size_t count,
				  struct cv_err *err)
{
	struct cv_build b = {
		.scan = g->scan, .refs = g->refs, .incomplete = UINT32_MAX, .given = findings, .given_count = count,
	};

	return make(&b, &g->policy, g->checks, err);
}

void cv_graph_free(struct cv_graph *g)
{
	if (!g)
		return;
	free(((struct cv_graph_full *)(void *)g)->by_file);
	free(g->images);
	free(g->children);
	free(g->roots);
	free(g->references);
	free(g->findings);
	free(g->ignored);
	cv_arena_free(g->arena);
	free(g);
}
