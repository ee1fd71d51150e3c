/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which files are raw because somebody declares them so. The content of a raw image is guest data: what it
 * looks like is noted and never followed. A statement about a file counts only if the image that makes it is
 * itself taken for what it looks like; otherwise a guest could decide about the images of others by what it
 * writes into its own disk. Where statements contradict each other the file stays what it looks like, so that
 * no parent of it is forgotten; that it is disputed is kept.
 */
#include "inspect/chain/build.h"

CV_VEC(node_vec, uint32_t);

struct deciding {
	struct cv_build *b;
	uint32_t *open;             /* for each node: statements about it whose makers are not decided yet */
	uint32_t *open_of_identity; /* the same for statements about whoever has an identity, at its first entry */
	bool *relied_on;            /* at the first entry of an identity: somebody who counts looks for it */
	struct node_vec queue;      /* nodes that are decided and not yet looked at */
};

/* "It is raw" or "it is what it looks like", about one node. */
struct statement {
	uint32_t about;
	bool raw;
};

/* The up to two statements that a node makes about others by name. */
static unsigned statements_of(const struct cv_build *b, const struct cv_node *n, struct statement out[2])
{
	const struct cv_facts *looks = n->status == CV_PARENT_FOUND ? b->nodes[n->parent].facts : NULL;
	unsigned count = 0;

	if (n->status == CV_PARENT_FOUND && &b->nodes[n->parent] != n &&
	    (n->declares_raw || (looks && looks->format != CV_FORMAT_NONE && looks->format == n->facts->parent_format)))
		out[count++] = (struct statement){ n->parent, n->declares_raw };
	if (n->data != CV_NO_FILE)
		out[count++] = (struct statement){ n->data, true };
	return count;
}

/* The first entry of an identity; SIZE_MAX if nobody has it. */
static size_t entry_of(const struct cv_build *b, enum cv_format_id format, const uint8_t uuid[16])
{
	size_t count;
	const struct cv_identity *ids = cv_identity_find(b, format, uuid, &count);

	return count ? (size_t)(ids - b->identities) : SIZE_MAX;
}

static size_t own_identity(const struct cv_build *b, const struct cv_node *n)
{
	return cv_has(n->facts, CV_FACT_UUID) ? entry_of(b, n->facts->format, n->facts->uuid) : SIZE_MAX;
}

/* The identity that a node relies on others to have; its own does not count. */
static size_t wanted_identity(const struct cv_build *b, const struct cv_node *n)
{
	size_t entry = SIZE_MAX;

	if (cv_has(n->facts, CV_FACT_PARENT) && cv_has(n->facts, CV_FACT_PARENT_UUID))
		entry = entry_of(b, n->facts->format, n->facts->parent_uuid);
	return entry == own_identity(b, n) ? SIZE_MAX : entry;
}

static void decide(struct deciding *d, uint32_t node, enum cv_standing standing)
{
	d->b->nodes[node].standing = standing;
	d->b->failed |= !node_vec_push(&d->queue, node);
}

/* Decides a node if nothing that is still open could be about it; with force whatever is open. */
static void consider(struct deciding *d, uint32_t node, bool force)
{
	struct cv_node *n = &d->b->nodes[node];
	size_t own;

	if (n->standing != CV_UNDECIDED)
		return;
	own = own_identity(d->b, n);
	if (!force && (d->open[node] || (own != SIZE_MAX && d->open_of_identity[own])))
		return;
	n->relied_on |= own != SIZE_MAX && d->relied_on[own];
	decide(d, node, n->said_raw && !n->relied_on ? CV_AS_RAW : CV_AS_PROBED);
}

/* Nothing is open any more about those who have this identity. */
static void consider_all_of(struct deciding *d, size_t entry)
{
	const struct cv_identity *ids = d->b->identities;

	for (size_t i = entry; i < d->b->identity_count && ids[i].format == ids[entry].format &&
			       !memcmp(ids[i].uuid, ids[entry].uuid, 16); i++)
		consider(d, ids[i].node, false);
}

/* What a decided node says about others counts, if it does, and is open no longer. */
static void settle_statements(struct deciding *d, const struct cv_node *n)
{
	size_t wanted = wanted_identity(d->b, n);
	struct statement out[2];

	for (unsigned k = statements_of(d->b, n, out); k--;) {
		struct cv_node *about = &d->b->nodes[out[k].about];

		about->said_raw |= n->standing == CV_AS_PROBED && out[k].raw;
		about->relied_on |= n->standing == CV_AS_PROBED && !out[k].raw;
		d->open[out[k].about]--;
		consider(d, out[k].about, false);
	}
	if (wanted == SIZE_MAX)
		return;
	d->relied_on[wanted] |= n->standing == CV_AS_PROBED;
	if (!--d->open_of_identity[wanted])
		consider_all_of(d, wanted);
}

static void count_open(struct deciding *d)
{
	struct statement out[2];

	for (uint32_t i = 0; i < d->b->node_count; i++) {
		size_t wanted = wanted_identity(d->b, &d->b->nodes[i]);

		for (unsigned k = statements_of(d->b, &d->b->nodes[i], out); k--;)
			d->open[out[k].about]++;
		if (wanted != SIZE_MAX)
			d->open_of_identity[wanted]++;
	}
}

static void drain(struct deciding *d, size_t *at)
{
	while (*at < d->queue.len && !d->b->failed)
		settle_statements(d, &d->b->nodes[d->queue.at[(*at)++]]);
}

/* Makers of statements are decided before those whom they are about. In rings of statements nobody is first:
 * what is declared raw from outside the ring is raw, and the rest stays undecided and what it looks like. */
static void spread(struct deciding *d)
{
	size_t at = 0;

	count_open(d);
	for (uint32_t i = 0; i < d->b->node_count; i++)
		if (d->b->nodes[i].standing != CV_UNDECIDED)
			d->b->failed |= !node_vec_push(&d->queue, i);
		else
			consider(d, i, false);
	drain(d, &at);
	for (uint32_t i = 0; i < d->b->node_count && !d->b->failed; i++)
		if (d->b->nodes[i].said_raw) {
			consider(d, i, true);
			drain(d, &at);
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

/* Its targets stay: what the content names is not followed, but nobody may call it unneeded. */
static void make_raw(struct cv_build *b, struct cv_node *n)
{
	if (n->facts && n->facts->format == CV_FORMAT_RAW)
		return;
	n->facts = raw_facts(b, n);
	n->status = CV_PARENT_NONE;
	n->basis = CV_BASIS_NONE;
	n->parent = n->data = CV_NO_FILE;
	n->name = CV_NO_NAME;
	n->declares_raw = false;
}

void cv_raw_take(struct cv_build *b, struct cv_node *n)
{
	n->standing = CV_AS_RAW;
	make_raw(b, n);
}

void cv_raw_decide(struct cv_build *b)
{
	struct deciding d = {
		.b = b, .open = calloc((size_t)b->node_count + 1, sizeof *d.open),
		.open_of_identity = calloc(b->identity_count + 1, sizeof *d.open_of_identity),
		.relied_on = calloc(b->identity_count + 1, sizeof *d.relied_on),
	};

	b->failed |= !d.open || !d.open_of_identity || !d.relied_on;
	if (!b->failed)
		spread(&d);
	for (uint32_t i = 0; i < b->node_count && !b->failed; i++)
		if (b->nodes[i].standing == CV_AS_RAW)
			make_raw(b, &b->nodes[i]);
	free(d.open);
	free(d.open_of_identity);
	free(d.relied_on);
	free(d.queue.at);
}
