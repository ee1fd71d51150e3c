/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a guest reads through a chain: the extents of all layers walked side by side, each layer asked for
 * growing windows and only where those above it leave something open. Knows no format.
 */
#include <chainview/extent.h>

/*
 * A layer is first asked for a little, and for twice as much each time the walk comes to its very end: a
 * fragmented layer is then read in large pieces, and one that is mostly covered by others in small ones.
 */
#define FIRST_BLOCKS 64u
#define FIRST_BYTES (UINT64_C(1) << 20)
#define LARGEST_STEP (UINT64_C(1) << 50)

/* Extents that are held for all layers together, and the most and the least for one. */
#define HELD_ALL 262144u
#define HELD_MOST 4096u
#define HELD_LEAST 64u

/* The extents of one layer around the position of the walk, which only goes forward. */
struct cursor {
	struct cv_extents list;
	size_t at;
	uint64_t step;
};

struct walk {
	const struct cv_chain *chain;
	struct cursor *cursors;
	uint64_t end;
};

static void walk_fini(struct walk *w)
{
	for (size_t i = 0; w->cursors && i < w->chain->count; i++)
		cv_extents_fini(&w->cursors[i].list);
	free(w->cursors);
}

static bool walk_init(struct walk *w, struct cv_err *err)
{
	size_t count = w->chain->count, held = HELD_ALL / count;

	w->cursors = calloc(count, sizeof *w->cursors);
	if (!w->cursors)
		return cv_fail(err, CV_ENOMEM, "out of memory for a chain of %zu images", count);
	for (size_t i = 0; i < count; i++)
		w->cursors[i].list.max = held > HELD_MOST ? HELD_MOST : held < HELD_LEAST ? HELD_LEAST : held;
	return true;
}

static uint64_t extent_end(const struct cv_extent *e)
{
	return e->at.off + e->at.len;
}

/* Asks for a window that begins at pos. It ends on a multiple of its size, so that blocks are not cut. */
static bool refill(struct cursor *c, struct cv_layer *layer, uint64_t pos, uint64_t end, struct cv_err *err)
{
	uint64_t first = (uint64_t)layer->block_size * FIRST_BLOCKS, stop;

	if (first < FIRST_BYTES)
		first = FIRST_BYTES;
	if (!c->list.len || cv_extents_end(&c->list) != pos)
		c->step = first;
	else if (c->step < LARGEST_STEP)
		c->step *= 2;
	stop = (pos / c->step + 1) * c->step;
	if (stop > end)
		stop = end;
	if (stop > layer->size)
		stop = layer->size;
	c->at = 0;
	return cv_layer_extents(layer, (struct cv_range){ pos, stop - pos }, &c->list, err);
}

/* The extent of a layer that holds pos, which must lie on its disk. NULL on error. */
static const struct cv_extent *extent_at(struct walk *w, size_t layer, uint64_t pos, struct cv_err *err)
{
	struct cursor *c = &w->cursors[layer];

	while (c->at < c->list.len && extent_end(&c->list.at[c->at]) <= pos)
		c->at++;
	if (c->at == c->list.len && !refill(c, w->chain->layers[layer], pos, w->end, err))
		return NULL;
	return &c->list.at[c->at];
}

/* The part [pos, end) of an extent. */
static struct cv_extent part(const struct cv_extent *e, uint64_t pos, uint64_t end, size_t layer)
{
	struct cv_extent p = *e;

	p.at = (struct cv_range){ pos, end - pos };
	p.layer = (uint32_t)layer;
	if (p.placed && !p.compressed)
		p.host += pos - e->at.off;
	return p;
}

/* From pos on, as far as one layer decides without a change in those above it. */
static bool decide(struct walk *w, uint64_t pos, struct cv_extent *found, struct cv_err *err)
{
	const struct cv_chain *chain = w->chain;
	uint64_t end = w->end;
	bool ended = false;

	for (size_t i = 0; i < chain->count && !ended; i++) {
		const struct cv_extent *e;

		/* Nobody has what lies behind a smaller parent, not even that parent's own parents. */
		ended = pos >= chain->layers[i]->size;
		if (ended)
			break;
		e = extent_at(w, i, pos, err);
		if (!e)
			return cv_wrap(err, "layer %zu", i);
		if (extent_end(e) < end)
			end = extent_end(e);
		if (e->kind != CV_EXTENT_PARENT) {
			*found = part(e, pos, end, i);
			return true;
		}
	}
	*found = (struct cv_extent){
		.at = { pos, end - pos },
		.kind = chain->incomplete && !ended ? CV_EXTENT_BAD : CV_EXTENT_PARENT,
		.layer = (uint32_t)chain->count,
		.why = chain->incomplete && !ended ? CV_LOST_PARENT : CV_LOST_UNKNOWN,
	};
	return true;
}

static bool asked_for_something_real(const struct cv_chain *chain, struct cv_range range, struct cv_err *err)
{
	if (!chain->count)
		return cv_fail(err, CV_EUSAGE, "a chain without images");
	if (!cv_range_inside(range, chain->layers[0]->size))
		return cv_fail(err, CV_EUSAGE, "%" PRIu64 " B at guest offset %" PRIu64 " do not lie on a disk of %"
			       PRIu64 " B", range.len, range.off, chain->layers[0]->size);
	return true;
}

bool cv_chain_extents(const struct cv_chain *chain, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	CV_AUTO(walk_fini) struct walk w = { .chain = chain };
	uint64_t pos = range.off;

	cv_extents_begin(list, range);
	if (!asked_for_something_real(chain, range, err) || !walk_init(&w, err))
		return false;
	w.end = range.off + range.len;
	while (pos < w.end && !list->full) {
		struct cv_extent e = { 0 };

		if (!decide(&w, pos, &e, err) || !cv_extents_add(list, e, err))
			return false;
		pos = extent_end(&e);
	}
	return true;
}
