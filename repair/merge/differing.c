/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See differing.h. Pages are what is told apart: then few of them are changed in part. Knows no format. */
#include "repair/merge/differing.h"
#include "inspect/reader2/content.h"
#include "inspect/reader2/sides.h"

#define EXTENTS_AT_ONCE 4096u

struct differing {
	struct cv_differing d;
	struct cv_extents own;               /* of the image */
	struct cv_side now, then;
	uint8_t *mine, *theirs;              /* CV_CONTENT_PIECE bytes each */
};

/* --- what is read through the present chain, as if it were the file of the layer ------------------------- */

struct through {
	struct cv_source base;
	const struct cv_chain *chain;
};

static ssize_t through_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	const struct cv_chain *chain = ((const struct through *)self)->chain;
	uint64_t size = chain->count ? chain->layers[0]->size : 0, there = size > off ? size - off : 0;
	struct cv_err err = { .code = CV_OK };

	if (off >= self->size)
		return 0;
	len = len < self->size - off ? len : (size_t)(self->size - off);
	there = there < len ? there : len;
	memset((uint8_t *)buf + there, 0, (size_t)(len - there));
	if (!there || cv_chain_read(chain, buf, (struct cv_range){ off, there }, &err))
		return (ssize_t)len;
	errno = EIO;
	return -1;
}

static void through_close(struct cv_source *self)
{
	free(self);
}

static const struct cv_source_ops through_ops = { .pread = through_pread, .close = through_close };

static struct cv_source *through(const struct cv_chain *chain, uint64_t size)
{
	struct through *t = calloc(1, sizeof *t);

	if (t)
		*t = (struct through){ { &through_ops, size }, chain };
	return t ? &t->base : NULL;
}

/* --- extents --------------------------------------------------------------------------------------------- */

static bool add(struct cv_extents *list, uint64_t off, uint64_t len, enum cv_extent_kind kind, struct cv_err *err)
{
	return cv_extents_add(list, (struct cv_extent){ .at = { off, len }, .kind = kind, .placed = kind == CV_EXTENT_DATA,
							.host = kind == CV_EXTENT_DATA ? off : 0 }, err);
}

static bool is_same(const struct differing *f, uint64_t at, uint64_t len)
{
	return !memcmp(f->mine + at, f->theirs + at, (size_t)len);
}

/* Both were read: runs of pages that differ, and those that do not. */
static bool add_compared(const struct differing *f, const struct cv_extent *now, struct cv_extents *list, struct cv_err *err)
{
	enum cv_extent_kind kind = now->kind == CV_EXTENT_DATA ? CV_EXTENT_DATA : CV_EXTENT_ZERO;
	bool ok = true;

	for (uint64_t at = 0, n; ok && at < now->at.len; at += n) {
		n = CV_MERGE_PAGE - (now->at.off + at) % CV_MERGE_PAGE;
		n = now->at.len - at < n ? now->at.len - at : n;
		ok = add(list, now->at.off + at, n, is_same(f, at, n) ? CV_EXTENT_PARENT : kind, err);
	}
	return ok;
}

/* One piece of what the image does not have, which each of both says one thing about. */
static bool add_piece(struct differing *f, struct cv_extent now, struct cv_extent then, struct cv_extents *list, struct cv_err *err)
{
	uint64_t n = now.at.len < then.at.len ? now.at.len : then.at.len;

	if (cv_sides_same(&f->now, &now, &f->then, &then))
		return add(list, now.at.off, n, CV_EXTENT_PARENT, err);
	if (!f->then.chain.count && now.kind == CV_EXTENT_DATA)
		return add(list, now.at.off, n, CV_EXTENT_DATA, err);
	n = n < CV_CONTENT_PIECE ? n : CV_CONTENT_PIECE;
	now = cv_content_part(&now, now.at.off, n);
	then = cv_content_part(&then, then.at.off, n);
	if (!cv_content_read(&f->now.chain, &now, f->mine, err))
		return cv_wrap(err, "through the present parent");
	if (!cv_content_read(&f->then.chain, &then, f->theirs, err))
		return cv_wrap(err, "through the new parent");
	return add_compared(f, &now, list, err);
}

static bool add_lacking(struct differing *f, struct cv_range at, struct cv_extents *list, struct cv_err *err)
{
	uint64_t end = at.off + at.len;

	for (uint64_t pos = at.off; pos < end && !list->full; pos = cv_extents_end(list)) {
		struct cv_extent now, then;

		if (!cv_side_at(&f->now, pos, end, &now, err) || !cv_side_at(&f->then, pos, end, &then, err) ||
		    !add_piece(f, now, then, list, err))
			return false;
	}
	return true;
}

/* All that the image lacks of a unit which it has a part of. */
static bool add_rest(struct differing *f, struct cv_range at, struct cv_extents *list, struct cv_err *err)
{
	uint64_t end = at.off + at.len;

	for (uint64_t pos = at.off; pos < end && !list->full; pos = cv_extents_end(list)) {
		struct cv_extent now;

		if (!cv_side_at(&f->now, pos, end, &now, err))
			return false;
		if (now.kind == CV_EXTENT_BAD)
			return cv_content_read(&f->now.chain, &now, f->mine, err);
		if (!add(list, pos, now.at.len, now.kind == CV_EXTENT_DATA ? CV_EXTENT_DATA : CV_EXTENT_ZERO, err))
			return false;
	}
	return true;
}

typedef bool add_function(struct differing *f, struct cv_range at, struct cv_extents *list, struct cv_err *err);

/* A range of the disk; what the image does not have of it is for each(). */
static bool add_range(struct differing *f, struct cv_range range, add_function *each, struct cv_extents *list, struct cv_err *err)
{
	uint64_t end = range.off + range.len;
	bool ok = true;

	for (uint64_t pos = range.off; ok && pos < end && !list->full; pos = cv_extents_end(list)) {
		ok = cv_layer_extents(f->d.image, (struct cv_range){ pos, end - pos }, &f->own, err);
		for (size_t i = 0; ok && i < f->own.len && !list->full; i++) {
			const struct cv_extent *e = &f->own.at[i];

			ok = e->kind == CV_EXTENT_PARENT ? each(f, e->at, list, err)
			     : add(list, e->at.off, e->at.len, e->kind == CV_EXTENT_BAD ? CV_EXTENT_BAD : CV_EXTENT_PARENT, err);
		}
	}
	return ok;
}

/* --- no other parent, and units that must be whole then --------------------------------------------------- */

static bool any_data(struct differing *f, struct cv_range at, bool *any, struct cv_err *err)
{
	uint64_t end = at.off + at.len;
	struct cv_extent e;

	for (uint64_t pos = at.off; pos < end && !*any; pos += e.at.len) {
		if (!cv_side_at(&f->now, pos, end, &e, err))
			return false;
		*any = e.kind == CV_EXTENT_DATA || e.kind == CV_EXTENT_BAD;
	}
	return true;
}

static bool add_units(struct differing *f, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct cv_merge *m = f->d.m;
	uint64_t end = range.off + range.len;

	for (uint64_t pos = range.off; pos < end && !list->full; pos = cv_extents_end(list)) {
		uint64_t first = pos - pos % m->unit, left = f->d.image->size - first, stop;
		struct cv_range unit = { first, left < m->unit ? left : m->unit };
		bool any = false;

		stop = unit.off + unit.len < end ? unit.off + unit.len : end;
		if (!m->format->has_unit(m, first / m->unit, &any, err) || (!any && !any_data(f, unit, &any, err)))
			return false;
		if (!(any ? add_range(f, (struct cv_range){ pos, stop - pos }, add_rest, list, err)
			  : add(list, pos, stop - pos, CV_EXTENT_PARENT, err)))
			return false;
	}
	return true;
}

static bool extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct differing *f = layer->state;

	if (!f->then.chain.count && f->d.m->format->has_unit)
		return add_units(f, range, list, err);
	return add_range(f, range, add_lacking, list, err);
}

/* --- the layer ------------------------------------------------------------------------------------------- */

static void close_differing(struct cv_layer *layer)
{
	struct differing *f = layer->state;

	cv_side_fini(&f->now);
	cv_side_fini(&f->then);
	cv_extents_fini(&f->own);
	free(f->mine);
	free(f->theirs);
	free(f);
}

static const struct cv_layer_ops differing_ops = { .extents = extents, .close = close_differing };

struct cv_layer *cv_differing_open(const struct cv_differing *d, struct cv_err *err)
{
	struct cv_layer *layer = calloc(1, sizeof *layer);
	struct differing *f = layer ? calloc(1, sizeof *f) : NULL;

	if (!f) {
		free(layer);
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*f = (struct differing){ .d = *d, .own = { .max = EXTENTS_AT_ONCE }, .mine = malloc(CV_CONTENT_PIECE),
				 .theirs = malloc(CV_CONTENT_PIECE) };
	*layer = (struct cv_layer){ .ops = &differing_ops, .size = d->image->size, .block_size = CV_MERGE_SECTOR, .state = f };
	if (!cv_side_init(&f->now, &d->now, 0, d->now.count, 0, err) || !cv_side_init(&f->then, &d->then, 0, d->then.count, 0, err)) {
		cv_layer_close(layer);
		return NULL;
	}
	layer->source = through(&f->now.chain, layer->size);
	if (f->mine && f->theirs && layer->source)
		return layer;
	cv_layer_close(layer);
	cv_fail(err, CV_ENOMEM, "out of memory");
	return NULL;
}
