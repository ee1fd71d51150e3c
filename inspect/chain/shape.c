/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The shape of the forest: cycles, children, depth, root, how many images stand on each, role. Every walk is
 * a loop; each is linear in the number of images, however deep the chains are.
 */
#include "inspect/chain/build.h"

static bool has_edge(const struct cv_image *image)
{
	return image->status == CV_PARENT_FOUND || image->status == CV_PARENT_CYCLE;
}

static void mark_ring(struct cv_graph *g, uint32_t member)
{
	while (g->images[member].status != CV_PARENT_CYCLE) {
		g->images[member].status = CV_PARENT_CYCLE;
		member = g->images[member].parent;
	}
}

/* Each walk leaves its number behind; meeting one's own number closes a ring. */
static void find_cycles(struct cv_graph *g, uint32_t *walk)
{
	for (uint32_t start = 0; start < g->image_count; start++) {
		uint32_t at = start;

		while (!walk[at]) {
			walk[at] = start + 1;
			if (!has_edge(&g->images[at]))
				break;
			at = g->images[at].parent;
		}
		if (walk[at] == start + 1 && g->images[at].status == CV_PARENT_FOUND)
			mark_ring(g, at);
	}
}

/* Grouped by parent; in the order of the images, because they are taken in that order. */
static bool group_children(struct cv_graph *g)
{
	CV_AUTO(cv_auto_free) uint32_t *used = calloc(g->image_count + 1, sizeof *used);
	uint32_t next = 0;

	g->children = calloc(g->image_count + 1, sizeof *g->children);
	if (!used || !g->children)
		return false;
	for (size_t i = 0; i < g->image_count; i++)
		if (has_edge(&g->images[i]))
			g->images[g->images[i].parent].child_count++;
	for (size_t i = 0; i < g->image_count; i++) {
		g->images[i].first_child = next;
		next += g->images[i].child_count;
	}
	g->child_count = next;
	for (uint32_t i = 0; i < g->image_count; i++) {
		const struct cv_image *parent = has_edge(&g->images[i]) ? &g->images[g->images[i].parent] : NULL;

		if (parent)
			g->children[parent->first_child + used[g->images[i].parent]++] = i;
	}
	return true;
}

/* An order in which parents come before their children, and a cycle's members before all that stands on them. */
struct order {
	uint32_t *at;
	size_t len;
};

/* Puts the ring of a member into the order; the first member is its root. */
static void place_ring(struct cv_graph *g, struct order *o, uint32_t first)
{
	uint32_t member = first, len = 0;

	do {
		len++;
		o->at[o->len++] = member;
		member = g->images[member].parent;
	} while (member != first);
	for (size_t i = o->len - len; i < o->len; i++) {
		g->images[o->at[i]].depth = len - 1;
		g->images[o->at[i]].root = first;
	}
}

static void place_roots(struct cv_graph *g, struct order *o)
{
	for (uint32_t i = 0; i < g->image_count; i++) {
		struct cv_image *image = &g->images[i];

		if (image->status == CV_PARENT_FOUND)
			continue;
		if (image->status == CV_PARENT_CYCLE) {
			/* placing the first member of a ring gives all others another root than themselves */
			if (image->root == i) {
				place_ring(g, o, i);
				g->roots[g->root_count++] = i;
			}
			continue;
		}
		image->depth = image->status != CV_PARENT_NONE;
		image->root = i;
		o->at[o->len++] = i;
		g->roots[g->root_count++] = i;
	}
}

static void place_children(struct cv_graph *g, struct order *o)
{
	for (size_t at = 0; at < o->len; at++) {
		const struct cv_image *parent = &g->images[o->at[at]];

		for (uint32_t k = 0; k < parent->child_count; k++) {
			uint32_t child = cv_graph_child(g, parent, k);

			if (g->images[child].status == CV_PARENT_CYCLE)
				continue;
			g->images[child].depth = parent->depth + 1;
			g->images[child].root = parent->root;
			o->at[o->len++] = child;
		}
	}
}

/* In a ring everybody stands on everybody else. */
static void count_ring(struct cv_graph *g, uint32_t first)
{
	uint32_t member = first, total = 0;

	do {
		total += g->images[member].below + 1;
		member = g->images[member].parent;
	} while (member != first);
	do {
		g->images[member].below = total - 1;
		member = g->images[member].parent;
	} while (member != first);
}

static void count_below(struct cv_graph *g, const struct order *o)
{
	for (size_t at = o->len; at--;) {
		const struct cv_image *image = &g->images[o->at[at]];

		if (image->status == CV_PARENT_FOUND)
			g->images[image->parent].below += image->below + 1;
	}
	for (size_t i = 0; i < g->root_count; i++)
		if (g->images[g->roots[i]].status == CV_PARENT_CYCLE)
			count_ring(g, g->roots[i]);
}

/* Walks the order backwards: what is true of all children is known before their parent is looked at. */
static void judge_garbage(struct cv_build *b, const struct order *o)
{
	struct cv_graph *g = b->g;

	for (size_t at = o->len; at--;) {
		const struct cv_image *image = &g->images[o->at[at]];
		struct cv_note *note = &b->notes[o->at[at]];

		note->garbage = image->child_count || image->mark == CV_MARK_HIDDEN;
		if (image->status == CV_PARENT_CYCLE)
			note->garbage = false;
		for (uint32_t k = 0; k < image->child_count && note->garbage; k++)
			note->garbage = b->notes[cv_graph_child(g, image, k)].garbage;
	}
}

static void set_roles(struct cv_build *b)
{
	for (size_t i = 0; i < b->g->image_count; i++) {
		struct cv_image *image = &b->g->images[i];

		if (image->child_count || b->notes[i].data_of != CV_NO_IMAGE)
			image->role = CV_ROLE_BASE;
		else
			image->role = image->mark == CV_MARK_HIDDEN ? CV_ROLE_ORPHAN : CV_ROLE_LEAF;
	}
}

void cv_shape(struct cv_build *b)
{
	struct cv_graph *g = b->g;
	CV_AUTO(cv_auto_free) uint32_t *walk = calloc(g->image_count + 1, sizeof *walk);
	CV_AUTO(cv_auto_free) uint32_t *at = calloc(g->image_count + 1, sizeof *at);
	struct order o = { .at = at };

	g->roots = calloc(g->image_count + 1, sizeof *g->roots);
	if (!walk || !at || !g->roots) {
		b->failed = true;
		return;
	}
	find_cycles(g, walk);
	if (!group_children(g)) {
		b->failed = true;
		return;
	}
	place_roots(g, &o);
	place_children(g, &o);
	count_below(g, &o);
	judge_garbage(b, &o);
	set_roles(b);
}
