/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which files are raw because somebody declares them so. The content of a raw image is guest data: what it
 * looks like is noted and never followed. A declaration counts only if the image that makes it is itself
 * taken for what it looks like; otherwise a guest could declare the images of others raw by what it writes
 * into its own disk.
 */
#include "inspect/chain/build.h"

CV_VEC(node_vec, uint32_t);

struct declarations {
	uint32_t *open;             /* for each node: declarations whose declarer is not decided yet */
	struct node_vec queue;      /* nodes that are decided and not yet looked at */
};

/* The up to two nodes that a node declares raw. */
static unsigned declared_by(const struct cv_node *n, uint32_t out[2])
{
	unsigned count = 0;

	if (n->declares_raw && n->status == CV_PARENT_FOUND)
		out[count++] = n->parent;
	if (n->data != CV_NO_FILE)
		out[count++] = n->data;
	return count;
}

static void decide(struct cv_build *b, struct declarations *d, uint32_t node, enum cv_standing standing)
{
	if (b->nodes[node].standing != CV_UNDECIDED)
		return;
	b->nodes[node].standing = standing;
	b->failed |= !node_vec_push(&d->queue, node);
}

/* Declarers are decided before those whom they declare; rings of declarations stay undecided. */
static void spread(struct cv_build *b, struct declarations *d)
{
	uint32_t out[2];

	for (uint32_t i = 0; i < b->node_count; i++)
		for (unsigned k = declared_by(&b->nodes[i], out); k--;)
			d->open[out[k]]++;
	for (uint32_t i = 0; i < b->node_count; i++)
		if (b->nodes[i].standing != CV_UNDECIDED)
			b->failed |= !node_vec_push(&d->queue, i);
		else if (!d->open[i])
			decide(b, d, i, CV_AS_PROBED);
	for (size_t at = 0; at < d->queue.len && !b->failed; at++) {
		const struct cv_node *n = &b->nodes[d->queue.at[at]];

		for (unsigned k = declared_by(n, out); k--;) {
			d->open[out[k]]--;
			if (n->standing == CV_AS_PROBED)
				decide(b, d, out[k], CV_AS_RAW);
			else if (!d->open[out[k]])
				decide(b, d, out[k], CV_AS_PROBED);
		}
	}
}

/* Facts of a raw image: as long as its file, and nothing else is known. */
static const struct cv_facts *raw_facts(struct cv_build *b, const struct cv_node *n)
{
	struct cv_facts *f = cv_arena_alloc(b->g->arena, sizeof *f);

	if (!f) {
		b->failed = true;
		return n->facts;
	}
	f->format = CV_FORMAT_RAW;
	f->variant = CV_VARIANT_RAW;
	f->flags = CV_FACT_SIZE;
	f->virtual_size = n->file->size;
	if (n->facts && n->facts->format != CV_FORMAT_NONE) {
		f->lookalike = n->facts->format;
		f->flags |= CV_FACT_RAW_LOOKALIKE;
	}
	return f;
}

static void make_raw(struct cv_build *b, struct cv_node *n)
{
	if (n->facts && n->facts->format == CV_FORMAT_RAW)
		return;
	n->facts = raw_facts(b, n);
	n->target_count = 0;
	n->status = CV_PARENT_NONE;
	n->basis = CV_BASIS_NONE;
	n->parent = n->data = CV_NO_FILE;
	n->name = CV_NO_NAME;
	n->declares_raw = false;
}

void cv_raw_decide(struct cv_build *b)
{
	struct declarations d = { .open = calloc(b->node_count ? b->node_count : 1, sizeof *d.open) };

	if (!d.open) {
		b->failed = true;
		return;
	}
	spread(b, &d);
	for (uint32_t i = 0; i < b->node_count; i++)
		if (b->nodes[i].standing == CV_AS_RAW)
			make_raw(b, &b->nodes[i]);
	free(d.open);
	free(d.queue.at);
}
