/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Questions to a finished graph: impact, chain, findings, counts, names of its enums. Changes nothing. */
#include "inspect/chain/build.h"

static const char *const status_names[CV_PARENT_STATUS_COUNT] = {
	[CV_PARENT_NONE] = "none", [CV_PARENT_FOUND] = "found", [CV_PARENT_MISSING] = "missing",
	[CV_PARENT_MISMATCH] = "mismatch", [CV_PARENT_AMBIGUOUS] = "ambiguous", [CV_PARENT_OUTSIDE] = "outside",
	[CV_PARENT_CYCLE] = "cycle", [CV_PARENT_EXTERNAL] = "external", [CV_PARENT_UNREADABLE] = "unreadable",
};

const char *cv_parent_status_name(enum cv_parent_status status)
{
	return status < CV_PARENT_STATUS_COUNT ? status_names[status] : status_names[CV_PARENT_NONE];
}

const char *cv_parent_basis_name(enum cv_parent_basis basis)
{
	static const char *const names[] = { "none", "identity", "name", "identity and name" };

	return basis < CV_COUNT(names) ? names[basis] : names[0];
}

const char *cv_role_name(enum cv_role role)
{
	static const char *const names[] = { "leaf", "base", "orphan" };

	return role < CV_COUNT(names) ? names[role] : names[0];
}

uint32_t cv_graph_by_file(const struct cv_graph *g, const struct cv_file *file)
{
	const uint32_t *by_file = ((const struct cv_graph_full *)(const void *)g)->by_file;
	size_t low = 0, high = g->image_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uintptr_t at = (uintptr_t)g->images[by_file[middle]].file;

		if (at == (uintptr_t)file)
			return by_file[middle];
		if (at < (uintptr_t)file)
			low = middle + 1;
		else
			high = middle;
	}
	return CV_NO_IMAGE;
}

/* Orders findings as in the graph: repository, then those without an image, then by image. */
static int compare_place(const struct cv_finding *f, uint32_t repository, uint32_t image)
{
	if (f->repository != repository)
		return f->repository < repository ? -1 : 1;
	if (f->image == image)
		return 0;
	return f->image == CV_NO_IMAGE || (image != CV_NO_IMAGE && f->image < image) ? -1 : 1;
}

size_t cv_graph_findings_of(const struct cv_graph *g, uint32_t image, const struct cv_finding **first)
{
	size_t low = 0, high = g->finding_count;

	*first = NULL;
	if (image >= g->image_count || !g->images[image].finding_count)
		return 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_place(&g->findings[middle], g->images[image].repository, image) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = &g->findings[low];
	return g->images[image].finding_count;
}

size_t cv_graph_count(const struct cv_graph *g, uint32_t repository, enum cv_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < g->finding_count; i++)
		if (g->findings[i].severity == severity &&
		    (repository == UINT32_MAX || g->findings[i].repository == repository))
			count++;
	return count;
}

bool cv_graph_impact(const struct cv_graph *g, uint32_t image, uint32_t **list, size_t *count)
{
	uint32_t *at = NULL;
	size_t len = 0;

	*list = NULL;
	*count = 0;
	if (image >= g->image_count)
		return false;
	at = calloc((size_t)g->images[image].below + 2, sizeof *at);
	if (!at)
		return false;
	at[len++] = image;
	/* A ring closes at the image itself, and only there: everything else is met once. */
	for (size_t next = 0; next < len; next++) {
		const struct cv_image *i = &g->images[at[next]];

		for (uint32_t k = 0; k < i->child_count; k++)
			if (cv_graph_child(g, i, k) != image)
				at[len++] = cv_graph_child(g, i, k);
	}
	memmove(at, at + 1, (len - 1) * sizeof *at);
	*list = at;
	*count = len - 1;
	return true;
}

bool cv_graph_chain(const struct cv_graph *g, uint32_t image, uint32_t **list, size_t *count)
{
	uint32_t *at, at_most;
	size_t len = 0;

	*list = NULL;
	*count = 0;
	if (image >= g->image_count)
		return false;
	at_most = g->images[image].depth + 1;
	at = calloc((size_t)at_most, sizeof *at);
	if (!at)
		return false;
	/* In and above a ring the depth counts each member once, so that the walk ends before one repeats. */
	while (len < at_most) {
		const struct cv_image *i = &g->images[image];

		at[len++] = image;
		if (i->status != CV_PARENT_FOUND && i->status != CV_PARENT_CYCLE)
			break;
		image = i->parent;
	}
	*list = at;
	*count = len;
	return true;
}
