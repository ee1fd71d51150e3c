/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See overlap.h. All pieces of a file are sorted by their places; what begins before the one with the farthest end ends
 * shares bytes with it. */
#include "inspect/salvage/overlap.h"

static int by_host(const void *a, const void *b)
{
	const struct cv_held_bytes *x = a, *y = b;

	return x->host.off < y->host.off ? -1 : x->host.off > y->host.off;
}

static int by_guest(const void *a, const void *b)
{
	const struct cv_range *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* Of data the part that is shared, of a table all that it says. */
static bool doubt(struct cv_doubt_vec *doubts, const struct cv_held_bytes *h, struct cv_range shared)
{
	if (!h->guest.len)
		return true;
	if (h->guest.len != h->host.len)
		return cv_doubt_vec_push(doubts, h->guest);
	return cv_doubt_vec_push(doubts, (struct cv_range){ h->guest.off + (shared.off - h->host.off), shared.len });
}

static void join(struct cv_doubt_vec *doubts)
{
	size_t kept = 0;

	if (doubts->len)
		qsort(doubts->at, doubts->len, sizeof *doubts->at, by_guest);
	for (size_t i = 0; i < doubts->len; i++) {
		struct cv_range *last = kept ? &doubts->at[kept - 1] : NULL, now = doubts->at[i];

		if (!last || now.off > last->off + last->len)
			doubts->at[kept++] = now;
		else if (now.off + now.len > last->off + last->len)
			last->len = now.off + now.len - last->off;
	}
	doubts->len = kept;
}

bool cv_overlap_of(struct cv_held_vec *held, struct cv_doubt_vec *doubts, struct cv_err *err)
{
	size_t farthest = 0;
	bool ok = true;

	if (held->len)
		qsort(held->at, held->len, sizeof *held->at, by_host);
	for (size_t i = 1; ok && i < held->len; i++) {
		const struct cv_held_bytes *a = &held->at[farthest], *b = &held->at[i];
		uint64_t a_end = a->host.off + a->host.len, b_end = b->host.off + b->host.len;

		if (b->host.off < a_end) {
			struct cv_range shared = { b->host.off, (b_end < a_end ? b_end : a_end) - b->host.off };

			ok = doubt(doubts, a, shared) && doubt(doubts, b, shared);
		}
		if (b_end > a_end)
			farthest = i;
	}
	join(doubts);
	return ok || cv_fail(err, CV_ENOMEM, "out of memory for what is in one place");
}

/* The tables of formats whose data may lie on them; the maps of the others look at that themselves. */
static bool (*const tables[CV_FORMAT_COUNT])(struct cv_layer *layer, struct cv_held_vec *held, struct cv_err *err) = {
	[CV_FORMAT_QCOW2] = cv_qcow2_add_held,
};

/* Extents that go on where the one before ends, in the file and on the disk, are one piece. */
static bool add_data(struct cv_held_vec *held, const struct cv_extent *e)
{
	struct cv_held_bytes *last = held->len ? &held->at[held->len - 1] : NULL;

	if (e->kind == CV_EXTENT_BAD || !e->placed || e->compressed)
		return true;
	if (last && last->guest.len == last->host.len && last->host.off + last->host.len == e->host &&
	    last->guest.off + last->guest.len == e->at.off) {
		last->host.len += e->at.len;
		last->guest.len += e->at.len;
		return true;
	}
	return cv_held_vec_push(held, (struct cv_held_bytes){ { e->host, e->at.len }, e->at });
}

static bool gather(struct cv_layer *layer, const struct cv_overlap_watch *watch, struct cv_held_vec *held,
		   struct cv_err *err)
{
	CV_AUTO(cv_extents_fini) struct cv_extents list = { .max = 16384 };

	for (uint64_t pos = 0; pos < layer->size && held->len <= CV_OVERLAP_MOST; pos = cv_extents_end(&list)) {
		/* a window at a time, so that there are signs of life */
		uint64_t len = layer->size - pos < UINT64_C(1) << 36 ? layer->size - pos : UINT64_C(1) << 36;

		if (!cv_layer_extents(layer, (struct cv_range){ pos, len }, &list, err))
			return false;
		for (size_t i = 0; i < list.len; i++)
			if (!add_data(held, &list.at[i]))
				return cv_fail(err, CV_ENOMEM, "out of memory for the pieces of a damaged image");
		if (!watch->alive(watch->ctx))
			return cv_fail(err, CV_EIO, "nobody listens any more");
	}
	return true;
}

bool cv_overlap_find(struct cv_layer *layer, enum cv_format_id format, const struct cv_overlap_watch *watch,
		     struct cv_doubt_vec *doubts, struct cv_err *err)
{
	struct cv_held_vec held = { 0 };
	bool ok = gather(layer, watch, &held, err);

	if (ok && !layer->data_file && (unsigned)format < CV_COUNT(tables) && tables[format])
		ok = tables[format](layer, &held, err);
	if (ok && held.len <= CV_OVERLAP_MOST)
		ok = cv_overlap_of(&held, doubts, err);
	free(held.at);
	return ok;
}

uint64_t cv_doubt_until(const struct cv_doubt_vec *doubts, uint64_t off, uint64_t end, bool *doubtful)
{
	size_t low = 0, high = doubts->len;

	/* the first that ends behind off */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (doubts->at[middle].off + doubts->at[middle].len > off)
			high = middle;
		else
			low = middle + 1;
	}
	*doubtful = low < doubts->len && doubts->at[low].off <= off;
	if (low == doubts->len)
		return end;
	off = *doubtful ? doubts->at[low].off + doubts->at[low].len : doubts->at[low].off;
	return off < end ? off : end;
}
