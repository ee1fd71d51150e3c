/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See tree_nodes.h. */
#include "repair/plan/tree_nodes.h"
#include "repair/relink/relink.h"
#include <strings.h>

static bool is_one(const struct cv_graph *g, uint32_t repository, uint32_t image, uint32_t i)
{
	return image == CV_NO_IMAGE ? g->images[i].repository == repository : g->images[i].root == g->images[image].root;
}

struct ordered {
	uint32_t image, depth;
};

static int by_depth(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int order = (x->depth > y->depth) - (x->depth < y->depth);

	return order ? order : (x->image > y->image) - (x->image < y->image);
}

/* Edges that lead to an image that is known to be the parent, and to no other. */
static void link_node(struct cv_tree_nodes *n, const struct cv_graph *g, uint32_t repository, size_t i)
{
	struct cv_tree_node *node = &n->at[i];
	const struct cv_image *m = &g->images[node->image];

	n->node_of[node->image] = (uint32_t)i;
	if (m->status == CV_PARENT_FOUND)
		node->parent = n->node_of[m->parent];
	if (m->status != CV_PARENT_NONE && m->status != CV_PARENT_FOUND && n->without == CV_NO_IMAGE)
		n->without = node->image;
	if ((m->repository != repository || (m->status == CV_PARENT_FOUND && node->parent == UINT32_MAX)) && n->outside == CV_NO_IMAGE)
		n->outside = node->image;
}

bool cv_tree_nodes_find(struct cv_tree_nodes *n, const struct cv_graph *g, uint32_t repository, uint32_t image, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct ordered *order = calloc(g->image_count + 1, sizeof *order);

	*n = (struct cv_tree_nodes){ .at = calloc(g->image_count + 1, sizeof *n->at), .outside = CV_NO_IMAGE, .without = CV_NO_IMAGE,
				     .node_of = calloc(g->image_count + 1, sizeof *n->node_of) };
	if (!order || !n->at || !n->node_of)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < g->image_count; i++) {
		n->node_of[i] = UINT32_MAX;
		if (is_one(g, repository, image, i))
			order[n->count++] = (struct ordered){ i, g->images[i].depth };
	}
	qsort(order, n->count, sizeof *order, by_depth);
	for (size_t i = 0; i < n->count; i++) {
		n->at[i] = (struct cv_tree_node){ .image = order[i].image, .parent = UINT32_MAX };
		link_node(n, g, repository, i);
	}
	return true;
}

/* What people call images: an ending that is none of these is a part of the name. */
static bool is_ending(const char *dot)
{
	static const char *const endings[] = { ".vhd", ".vhdx", ".avhd", ".avhdx", ".vpc", ".qcow", ".qcow2", ".raw", ".img" };

	for (size_t i = 0; i < CV_COUNT(endings); i++)
		if (!strcasecmp(dot, endings[i]))
			return true;
	return false;
}

/* What stays in its format keeps its name. */
static void add_name(const struct cv_image *from, const char *folder, enum cv_format_id to, struct cv_text *out)
{
	const char *id = from->id;
	const char *slash = strrchr(id, '/'), *dot = strrchr(slash ? slash : id, '.');
	size_t len = dot && dot > (slash ? slash + 1 : id) && is_ending(dot) ? (size_t)(dot - id) : strlen(id);

	cv_text_addf(out, "%s%s", folder, *folder ? "/" : "");
	cv_text_add_bytes(out, id, from->format == to ? strlen(id) : len);
	if (from->format != to)
		cv_text_addf(out, ".%s", cv_format_name(to));
}

/* As cv_relink_relative() has it, which wants absolute paths. */
static bool add_relative(const char *from, const char *to, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 }, path = { 0 };
	const char *slash = strrchr(from, '/');
	struct cv_plan_link link;

	cv_text_add(&folder, "/");
	cv_text_add_bytes(&folder, from, slash ? (size_t)(slash - from) : 0);
	cv_text_addf(&path, "/%s", to);
	link = (struct cv_plan_link){ .folder = cv_text_str(&folder), .path = cv_text_str(&path) };
	cv_relink_relative(&link, out);
	return !folder.failed && !path.failed && !out->failed;
}

bool cv_tree_nodes_name(struct cv_tree_nodes *n, struct cv_plan_maker *m, const struct cv_graph *g, const char *folder,
			enum cv_format_id to, struct cv_err *err)
{
	for (size_t i = 0; i < n->count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, relative = { 0 };
		struct cv_tree_node *node = &n->at[i];

		add_name(&g->images[node->image], folder, to, &name);
		node->path = name.failed ? NULL : cv_plan_keep(m, cv_text_str(&name));
		if (node->path && node->parent != UINT32_MAX && add_relative(node->path, n->at[node->parent].path, &relative))
			node->parent_path = cv_plan_keep(m, cv_text_str(&relative));
		if (!node->path || (node->parent != UINT32_MAX && !node->parent_path))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return true;
}

struct named {
	const char *path;
	uint32_t node;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->path, ((const struct named *)b)->path);
}

bool cv_tree_nodes_collide(const struct cv_tree_nodes *n, struct cv_plan_maker *m, uint32_t pair[2])
{
	CV_AUTO(cv_auto_free) struct named *names = calloc(n->count + 1, sizeof *names);

	m->failed |= !names;
	for (size_t i = 0; names && i < n->count; i++)
		names[i] = (struct named){ n->at[i].path, (uint32_t)i };
	if (names)
		qsort(names, n->count, sizeof *names, by_path);
	for (size_t i = 1; names && i < n->count; i++) {
		if (strcmp(names[i - 1].path, names[i].path) != 0)
			continue;
		pair[0] = names[i - 1].node;
		pair[1] = names[i].node;
		return true;
	}
	return false;
}

void cv_tree_nodes_fini(struct cv_tree_nodes *n)
{
	free(n->at);
	free(n->node_of);
	*n = (struct cv_tree_nodes){ 0 };
}
