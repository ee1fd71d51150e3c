/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The walk over the disks of a tree, window by window: what each image is asked for by those who stand on it, which
 * of its data that reaches, and what it asks of its parent in turn. Images come after their parents, so children
 * are looked at by going backwards.
 */
#include "inspect/space/space_work.h"

#define HELD_ALL 131072u                     /* extents of all lists together */
#define HELD_FEW 64u                         /* for one of very many lists */
#define HELD_LEAST 4608u                     /* what one needs to hold all sectors of the smallest window */
#define FIRST_STEP (UINT64_C(64) << 20)
#define LARGEST_STEP (UINT64_C(1) << 46)
#define ALIGNED (UINT64_C(2) << 20)          /* the largest cluster: windows do not cut any */
#define MOST_READS (1u << 20)                /* ranges of one window that are kept for flattening */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Holds the extents of a layer in the window and shortens it to what one list has room for. One that is torn in so
 * many pieces that this would cut clusters gets more room. */
static bool hold(struct cv_layer *layer, struct cv_extents *list, size_t max, struct cv_range *window,
		 struct cv_err *err)
{
	uint64_t end = smaller(layer->size, window->off + window->len);
	struct cv_range all = { window->off, end - window->off };

	list->max = max;
	cv_extents_begin(list, (struct cv_range){ window->off, 0 });
	if (window->off >= end)
		return true;
	if (!cv_layer_extents(layer, all, list, err))
		return false;
	if (max < HELD_LEAST && cv_extents_end(list) < smaller(end, window->off + ALIGNED)) {
		list->max = HELD_LEAST;
		if (!cv_layer_extents(layer, all, list, err))
			return false;
	}
	if (cv_extents_end(list) < end)
		window->len = cv_extents_end(list) - window->off;
	return true;
}

static bool hold_all(struct cv_space_tree *t, struct cv_range *window, struct cv_err *err)
{
	size_t max = HELD_ALL / (t->lists + 1);
	uint64_t asked = window->len, end;

	if (max < HELD_FEW)
		max = HELD_FEW;
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_node *n = &t->nodes[i];

		if (n->layer && !hold(n->layer, &n->list, max, window, err))
			return cv_wrap(err, "image %zu", i);
		for (uint32_t k = 0; n->snapshots && k < n->ask->snapshots; k++)
			if (!hold(n->snapshots[k], &n->snapshot_lists[k], max, window, err))
				return cv_wrap(err, "internal snapshot %" PRIu32 " of image %zu", k, i);
	}
	end = (window->off + window->len) & ~(ALIGNED - 1);
	if (window->len < asked && end > window->off)
		window->len = end - window->off;
	return true;
}

/* Where one of the needs begins or ends. */
struct edge {
	uint64_t at;
	int live, orphan;
};

static int by_place(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Several lists of needs become one, ascending and disjoint. */
static bool combine(struct cv_space_node *n, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct edge *edges = malloc((n->in.len * 2 + 1) * sizeof *edges);
	struct cv_space_needs old;
	size_t count = 0;
	int live = 0, orphan = 0;

	if (!edges)
		return cv_fail(err, CV_ENOMEM, "out of memory for %zu needs", n->in.len);
	for (size_t i = 0; i < n->in.len; i++) {
		const struct cv_space_need *s = &n->in.at[i];
		int is_live = s->mask & CV_NEED_LIVE ? 1 : 0, is_orphan = s->mask & CV_NEED_ORPHAN ? 1 : 0;

		edges[count++] = (struct edge){ s->off, is_live, is_orphan };
		edges[count++] = (struct edge){ s->off + s->len, -is_live, -is_orphan };
	}
	qsort(edges, count, sizeof *edges, by_place);
	n->spare.len = 0;
	for (size_t i = 0; i + 1 < count; i++) {
		struct cv_space_need s = { edges[i].at, edges[i + 1].at - edges[i].at, 0 };

		live += edges[i].live;
		orphan += edges[i].orphan;
		s.mask = (uint8_t)((live ? CV_NEED_LIVE : 0) | (orphan ? CV_NEED_ORPHAN : 0));
		if (s.mask && s.len && !cv_space_needs_push(&n->spare, s))
			return cv_fail(err, CV_ENOMEM, "out of memory for %zu needs", n->spare.len);
	}
	old = n->in;
	n->in = n->spare;
	n->spare = old;
	return true;
}

/* What the image itself is needed for goes on top of what its children ask. */
static bool settle_needs(struct cv_space_node *n, struct cv_range window, struct cv_err *err)
{
	struct cv_space_need all = { window.off, window.len, (uint8_t)n->ask->need };

	if (n->ask->need & CV_NEED_LIVE)
		n->in.len = n->askers = 0;
	if (n->ask->need) {
		n->askers++;
		if (!cv_space_needs_push(&n->in, all))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return n->askers < 2 || combine(n, err);
}

/* The need at pos and how far it goes, at most to end; *i moves along the list. */
static uint8_t need_at(const struct cv_space_needs *needs, size_t *i, uint64_t pos, uint64_t *end)
{
	while (*i < needs->len && needs->at[*i].off + needs->at[*i].len <= pos)
		++*i;
	if (*i == needs->len)
		return 0;
	if (needs->at[*i].off > pos) {
		*end = smaller(*end, needs->at[*i].off);
		return 0;
	}
	*end = smaller(*end, needs->at[*i].off + needs->at[*i].len);
	return needs->at[*i].mask;
}

static enum cv_claim_class class_of(uint8_t mask)
{
	return mask & CV_NEED_LIVE ? CV_CLAIM_LIVE : mask ? CV_CLAIM_ORPHANED : CV_CLAIM_SHADOWED;
}

static bool claim_data(struct cv_space_node *n, const struct cv_extent *e, uint64_t pos, uint64_t end, uint8_t mask,
		       struct cv_err *err)
{
	struct cv_space_account *a = n->layer->data_file ? &n->host.data_account : &n->host.account;
	struct cv_range bytes = { e->host + (pos - e->at.off), end - pos };

	if (e->compressed && (!n->host.ops || !n->host.ops->packed))
		return true;
	if (e->compressed && !n->host.ops->packed(&n->host, e, &bytes, err))
		return false;
	return cv_space_claim(a, class_of(mask), bytes, err);
}

static bool ask_parent(struct cv_space_tree *t, const struct cv_space_node *n, struct cv_space_need s,
		       struct cv_err *err)
{
	if (n->ask->parent == CV_SPACE_NOBODY)
		return true;
	return cv_space_needs_push(&t->nodes[n->ask->parent].in, s) ||
	       cv_fail(err, CV_ENOMEM, "out of memory for needs");
}

/* One extent of an image: its data are claimed, what it leaves to the parent is asked of it. What cannot be read
 * might be anything, so the parent is asked for it too. */
static bool settle_extent(struct cv_space_tree *t, struct cv_space_node *n, const struct cv_extent *e, uint64_t stop,
			  size_t *i, struct cv_err *err)
{
	uint64_t pos = e->at.off, last = smaller(e->at.off + e->at.len, stop), end;

	if (e->kind == CV_EXTENT_ZERO)
		return true;
	for (; pos < last; pos = end) {
		uint8_t mask;

		end = last;
		mask = need_at(&n->in, i, pos, &end);
		if (e->kind == CV_EXTENT_DATA
			    ? !claim_data(n, e, pos, end, mask, err)
			    : mask && !ask_parent(t, n, (struct cv_space_need){ pos, end - pos, mask }, err))
			return false;
	}
	return true;
}

/* An internal snapshot reads the parent where it has nothing itself. */
static bool settle_snapshot(struct cv_space_tree *t, struct cv_space_node *n, const struct cv_extents *list,
			    uint64_t stop, struct cv_err *err)
{
	for (size_t i = 0; i < list->len && list->at[i].at.off < stop; i++) {
		const struct cv_extent *e = &list->at[i];
		struct cv_space_need s = { e->at.off, smaller(e->at.off + e->at.len, stop) - e->at.off,
					   (uint8_t)n->ask->snapshots_need };

		if ((e->kind == CV_EXTENT_PARENT || e->kind == CV_EXTENT_BAD) && !ask_parent(t, n, s, err))
			return false;
	}
	return true;
}

static bool settle_node(struct cv_space_tree *t, struct cv_space_node *n, struct cv_range window, struct cv_err *err)
{
	uint64_t stop = window.off + window.len;
	size_t at = 0;

	if (!settle_needs(n, window, err))
		return false;
	if (n->ask->parent != CV_SPACE_NOBODY)
		t->nodes[n->ask->parent].askers += 1 + (n->snapshots ? n->ask->snapshots : 0);
	/* Nobody knows what it leaves to its parent. */
	if (!n->layer)
		return ask_parent(t, n, (struct cv_space_need){ window.off, window.len, CV_NEED_LIVE }, err);
	for (size_t i = 0; i < n->list.len && n->list.at[i].at.off < stop; i++) {
		struct cv_extent e = n->list.at[i];

		e.at.len = smaller(e.at.off + e.at.len, stop) - e.at.off;
		if (!settle_extent(t, n, &e, stop, &at, err))
			return false;
		if (t->deep && t->first && !cv_space_count_zeros(t, n, &e, err))
			return false;
	}
	for (uint32_t k = 0; n->snapshots && k < n->ask->snapshots; k++)
		if (!settle_snapshot(t, n, &n->snapshot_lists[k], stop, err))
			return false;
	return true;
}

/* Adds the part of the parent's data that lies in the range; *i moves along them. */
static bool read_through(const struct cv_space_runs *from, struct cv_range r, size_t *i, struct cv_space_runs *to,
			 struct cv_space_runs *through)
{
	uint64_t stop = r.off + r.len;

	while (*i < from->len && from->at[*i].off + from->at[*i].len <= r.off)
		++*i;
	for (size_t k = *i; k < from->len && from->at[k].off < stop; k++) {
		uint64_t a = from->at[k].off > r.off ? from->at[k].off : r.off;
		uint64_t b = smaller(from->at[k].off + from->at[k].len, stop);

		if (!cv_space_runs_push(to, (struct cv_range){ a, b - a }) ||
		    !cv_space_runs_push(through, (struct cv_range){ a, b - a }))
			return false;
	}
	return true;
}

/* The data that each image shows, parents first, and how much of them comes from below. */
static bool follow_reads(struct cv_space_tree *t, uint64_t stop, struct cv_err *err)
{
	static const struct cv_space_runs nothing = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < t->count && t->flatten; i++) {
		struct cv_space_node *n = &t->nodes[i];
		const struct cv_space_runs *below = n->ask->parent == CV_SPACE_NOBODY ? &nothing
										     : &t->nodes[n->ask->parent].reads;
		size_t at = 0;

		n->reads.len = t->through.len = 0;
		for (size_t k = 0; k < n->list.len && n->list.at[k].at.off < stop; k++) {
			struct cv_range r = n->list.at[k].at;

			r.len = smaller(r.off + r.len, stop) - r.off;
			if (n->list.at[k].kind == CV_EXTENT_DATA ? !cv_space_runs_push(&n->reads, r)
			    : n->list.at[k].kind == CV_EXTENT_PARENT &&
			      !read_through(below, r, &at, &n->reads, &t->through))
				return cv_fail(err, CV_ENOMEM, "out of memory");
		}
		if (!cv_space_flatten_window(t, n, err))
			return false;
		kept += n->reads.len;
		t->flatten = kept < MOST_READS;
	}
	return true;
}

static bool settle_window(struct cv_space_tree *t, struct cv_range window, struct cv_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		t->nodes[i].in.len = t->nodes[i].askers = 0;
		t->nodes[i].written.len = 0;
	}
	for (size_t i = t->count; i--;)
		if (!settle_node(t, &t->nodes[i], window, err))
			return false;
	if (!t->first)
		return true;
	for (size_t i = 0; i < t->count; i++)
		if (!cv_space_merge_window(t, &t->nodes[i], window, err))
			return false;
	return follow_reads(t, window.off + window.len, err);
}

static bool say_walked(const struct cv_space_tree *t, uint64_t pos, uint64_t end)
{
	struct cv_space_walked w = { .total = end };

	if (__builtin_mul_overflow(end, t->slices, &w.total))
		w.total = UINT64_MAX;
	if (__builtin_mul_overflow(end, t->slice, &w.done) || __builtin_add_overflow(w.done, pos, &w.done))
		w.done = w.total;
	return cv_task_send(t->out, CV_SPACE_WALKED, &w, sizeof w);
}

bool cv_space_walk(struct cv_space_tree *t, struct cv_err *err)
{
	uint64_t end = 0, step = FIRST_STEP, pos = 0;

	for (size_t i = 0; i < t->count; i++)
		if (t->nodes[i].layer && t->nodes[i].layer->size > end)
			end = t->nodes[i].layer->size;
	while (pos < end) {
		struct cv_range window = { pos, smaller(step, end - pos) };
		uint64_t asked = window.len;

		if (!hold_all(t, &window, err) || !settle_window(t, window, err))
			return false;
		pos += window.len;
		if (!say_walked(t, pos, end))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
		/* What was held behind the end of a short window is read again: ask for less. */
		if (window.len < asked)
			step = window.len > ALIGNED ? window.len & ~(ALIGNED - 1) : ALIGNED;
		else if (step < LARGEST_STEP)
			step *= 2;
	}
	return true;
}
