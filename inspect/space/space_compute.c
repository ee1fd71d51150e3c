/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The accounting of a whole graph: tree by tree, then what follows from the sums: findings and plans.
 */
#include "inspect/space/space.h"

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

static bool all_trees(struct cv_space *s, const struct cv_space_role *roles, const uint32_t *order,
		      const struct cv_space_options *options, struct cv_err *err)
{
	size_t count = s->graph->image_count;

	for (size_t first = 0, end; first < count; first = end) {
		end = first + 1;
		while (end < count && roles[order[end]].tree == roles[order[first]].tree)
			end++;
		if (s->cancelled || !is_wanted(s->graph, roles, order + first, end - first))
			continue;
		if (cv_space_tree(s, roles, order + first, end - first, options, err))
			continue;
		if (err->code != CV_ECANCELLED)
			return false;
		cv_err_clear(err);
		s->cancelled = true;
	}
	return true;
}

static void find(struct cv_space *s, uint32_t image, enum cv_problem_id id, uint64_t bytes)
{
	struct cv_finding f = cv_finding_of(id);

	f.image = image;
	f.repository = s->graph->images[image].repository;
	f.bytes = bytes;
	f.arg[0] = cv_arg_number(bytes);
	if (id == CV_SPC_LEAKED_CLUSTERS) {
		f.arg[1] = cv_arg_number(s->images[image].leaked_pieces);
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

struct cv_space *cv_space_compute(const struct cv_graph *g, const struct cv_space_options *options, struct cv_err *err)
{
	static const struct cv_space_options usual = { 0 };
	CV_AUTO(cv_auto_free) struct cv_space_role *roles = cv_space_roles(g);
	CV_AUTO(cv_auto_free) uint32_t *order = roles ? sorted(g, roles) : NULL;
	struct cv_space *s = new_space(g);
	bool ok = false;

	options = options ? options : &usual;
	if (!roles || !order || !s)
		cv_fail(err, CV_ENOMEM, "out of memory");
	else
		ok = all_trees(s, roles, order, options, err);
	if (ok) {
		conclude(s);
		ok = cv_space_plan_all(s, roles, options->reserve, err);
	}
	if (ok)
		return s;
	cv_space_free(s);
	return NULL;
}
