/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The index over a snapshot: one walk through the graph, then sums from the leaves down to the roots. No
 * recursion: chains may be as long as there are images.
 */
#include "tui/console_model.h"

static bool allocate(struct cv_index *x, const struct cv_snapshot *s)
{
	size_t n = s->graph->image_count;

	x->images = calloc(n + 1, sizeof *x->images);
	x->order = calloc(n + 1, sizeof *x->order);
	x->repositories = calloc(s->repository_count + 1, sizeof *x->repositories);
	return x->images && x->order && x->repositories;
}

void cv_index_fini(struct cv_index *x)
{
	free(x->images);
	free(x->order);
	free(x->repositories);
	*x = (struct cv_index){ 0 };
}

/* Breadth first: order itself is the queue. A cycle ends where it meets an image that was seen. */
static void walk_from(struct cv_index *x, const struct cv_graph *g, uint32_t root, bool *seen)
{
	size_t next = x->order_len;

	if (root >= g->image_count || seen[root])
		return;
	seen[root] = true;
	x->images[root].up = CV_NO_IMAGE;
	x->order[x->order_len++] = root;
	for (; next < x->order_len; next++) {
		const struct cv_image *image = &g->images[x->order[next]];

		for (uint32_t i = 0; i < image->child_count; i++) {
			uint32_t child = cv_graph_child(g, image, i);

			if (child >= g->image_count || seen[child])
				continue;
			seen[child] = true;
			x->images[child].up = x->order[next];
			x->order[x->order_len++] = child;
		}
	}
}

static bool walk(struct cv_index *x, const struct cv_graph *g)
{
	CV_AUTO(cv_auto_free) bool *seen = calloc(g->image_count + 1, sizeof *seen);

	if (!seen)
		return false;
	for (size_t i = 0; i < g->root_count; i++)
		walk_from(x, g, g->roots[i], seen);
	for (size_t i = 0; i < g->image_count; i++)
		walk_from(x, g, (uint32_t)i, seen);
	return true;
}

static void sum_image(struct cv_index *x, const struct cv_snapshot *s, uint32_t i)
{
	const struct cv_image *image = &s->graph->images[i];
	struct cv_image_sum *sum = &x->images[i];
	struct cv_repository_sum *repo =
		image->repository < s->repository_count ? &x->repositories[image->repository] : NULL;

	sum->allocated = image->file ? image->file->allocated : 0;
	sum->newest = cv_image_mtime(image);
	sum->deepest = image->depth;
	if (!repo)
		return;
	repo->images++;
	repo->trees += sum->up == CV_NO_IMAGE;
	repo->leaves += image->role == CV_ROLE_LEAF;
	repo->bases += image->role == CV_ROLE_BASE;
	repo->orphans += image->role == CV_ROLE_ORPHAN;
	repo->unread += !image->file || image->file->state != CV_FILE_READ;
	repo->formats[image->format < CV_FORMAT_COUNT ? image->format : 0]++;
	repo->allocated += sum->allocated;
	if (image->depth >= repo->longest)
		repo->longest = image->depth + 1;
}

static void sum_findings(struct cv_index *x, const struct cv_snapshot *s)
{
	for (size_t i = 0; i < s->graph->finding_count; i++) {
		const struct cv_finding *f = &s->graph->findings[i];

		if (f->severity > CV_ERROR)
			continue;
		if (f->repository < s->repository_count)
			x->repositories[f->repository].count[f->severity]++;
		if (f->image >= s->graph->image_count)
			continue;
		x->images[f->image].findings++;
		if (x->images[f->image].worst <= f->severity)
			x->images[f->image].worst = (uint8_t)(f->severity + 1);
	}
}

static void add_up(struct cv_image_sum *to, const struct cv_image_sum *from)
{
	to->below += from->below + 1;
	to->allocated += from->allocated;
	to->findings += from->findings;
	to->deepest = to->deepest > from->deepest ? to->deepest : from->deepest;
	to->newest = to->newest > from->newest ? to->newest : from->newest;
	to->worst = to->worst > from->worst ? to->worst : from->worst;
}

bool cv_index_build(struct cv_index *x, const struct cv_snapshot *s)
{
	*x = (struct cv_index){ 0 };
	if (!allocate(x, s) || !walk(x, s->graph)) {
		cv_index_fini(x);
		return false;
	}
	for (size_t i = 0; i < s->graph->image_count; i++)
		sum_image(x, s, (uint32_t)i);
	sum_findings(x, s);
	for (size_t i = x->order_len; i-- > 0;) {
		uint32_t image = x->order[i], up = x->images[image].up;

		if (up != CV_NO_IMAGE)
			add_up(&x->images[up], &x->images[image]);
	}
	return true;
}
