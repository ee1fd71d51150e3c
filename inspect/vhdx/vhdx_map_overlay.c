/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A source that reads as the file would if its log had been replayed: changed pages and ranges of zeros over the
 * bytes of the file. What the changes are was found in vhdx_log.c.
 */
#include "inspect/vhdx/vhdx_log.h"
#include <limits.h>

/* Bytes of the file that the log decides. In order, without touching each other. */
struct piece {
	struct cv_range at;
	uint32_t change;
};
CV_VEC(pieces, struct piece);

struct overlay {
	struct cv_source source;
	struct cv_source *under;
	struct cv_vhdx_log log;
	struct pieces pieces;
};

/* The first piece that ends behind off; the number of pieces if there is none. */
static size_t piece_from(const struct overlay *o, uint64_t off)
{
	size_t low = 0, high = o->pieces.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct cv_range *at = &o->pieces.at[middle].at;

		if (at->off + at->len <= off)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool cv_vhdx_overlay_next(const struct cv_source *overlay, uint64_t off, struct cv_range *at)
{
	const struct overlay *o = (const struct overlay *)overlay;
	size_t n = piece_from(o, off);

	if (n == o->pieces.len)
		return false;
	*at = o->pieces.at[n].at;
	if (at->off < off) {
		at->len -= off - at->off;
		at->off = off;
	}
	return true;
}

static void copy_changed(const struct overlay *o, const struct piece *p, uint8_t *buf, size_t len, uint64_t off)
{
	const struct cv_vhdx_change *c = &o->log.changes.at[p->change];
	uint8_t page[CV_VHDX_PAGE];

	if (!c->page) {
		memset(buf, 0, len);
		return;
	}
	memcpy(page, c->edges->leading, sizeof c->edges->leading);
	memcpy(page + sizeof c->edges->leading, c->page->bytes, sizeof c->page->bytes);
	memcpy(page + sizeof page - sizeof c->edges->trailing, c->edges->trailing, sizeof c->edges->trailing);
	memcpy(buf, page + (off - c->at.off), len);
}

static size_t at_most(size_t len, uint64_t limit)
{
	return len < limit ? len : (size_t)limit;
}

static ssize_t overlay_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct overlay *o = (struct overlay *)self;
	size_t n = piece_from(o, off);
	const struct piece *p = n < o->pieces.len ? &o->pieces.at[n] : NULL;

	if (off >= self->size)
		return 0;
	len = at_most(at_most(len, SSIZE_MAX), self->size - off);
	if (p && p->at.off <= off) {
		len = at_most(len, p->at.off + p->at.len - off);
		copy_changed(o, p, buf, len, off);
		return (ssize_t)len;
	}
	if (p)
		len = at_most(len, p->at.off - off);
	if (off < o->under->size)
		return o->under->ops->pread(o->under, buf, at_most(len, o->under->size - off), off);
	memset(buf, 0, len);
	return (ssize_t)len;
}

static void overlay_close(struct cv_source *self)
{
	struct overlay *o = (struct overlay *)self;

	cv_source_close(o->under);
	free(o->log.bytes);
	free(o->log.changes.at);
	free(o->pieces.at);
	free(o);
}

/* All places where a change begins or ends, and for each the next one behind it that is not decided yet. */
struct canvas {
	uint64_t *edge;
	uint32_t *next, *owner;
	size_t count;
};

static void canvas_fini(struct canvas *c)
{
	free(c->edge);
	free(c->next);
	free(c->owner);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool canvas_init(struct canvas *c, const struct cv_vhdx_changes *changes, struct cv_err *err)
{
	size_t room = 2 * changes->len + 1, kept = 0;

	c->edge = malloc(room * sizeof *c->edge);
	c->next = malloc(room * sizeof *c->next);
	c->owner = malloc(room * sizeof *c->owner);
	if (!c->edge || !c->next || !c->owner)
		return cv_fail(err, CV_ENOMEM, "out of memory for the log");
	for (size_t i = 0; i < changes->len; i++) {
		c->edge[c->count++] = changes->at[i].at.off;
		c->edge[c->count++] = changes->at[i].at.off + changes->at[i].at.len;
	}
	qsort(c->edge, c->count, sizeof *c->edge, by_number);
	for (size_t i = 0; i < c->count; i++)
		if (!kept || c->edge[i] != c->edge[kept - 1])
			c->edge[kept++] = c->edge[i];
	c->count = kept;
	for (uint32_t i = 0; i < room; i++) {
		c->next[i] = i;
		c->owner[i] = UINT32_MAX;
	}
	return true;
}

/* The first place at or behind n that is not decided; shortens the way for those who come after. */
static uint32_t undecided(struct canvas *c, uint32_t n)
{
	while (c->next[n] != n) {
		c->next[n] = c->next[c->next[n]];
		n = c->next[n];
	}
	return n;
}

/* Gives what is not decided of a range to a change. */
static void paint(struct canvas *c, struct cv_range at, uint32_t change)
{
	const uint64_t *first = bsearch(&at.off, c->edge, c->count, sizeof *c->edge, by_number);

	for (uint32_t n = undecided(c, (uint32_t)(first - c->edge)); c->edge[n] < at.off + at.len;
	     n = undecided(c, n)) {
		c->owner[n] = change;
		c->next[n] = n + 1;
	}
}

/* The last change of a place wins, so they are taken from the last to the first. */
static bool flatten(struct overlay *o, struct cv_err *err)
{
	CV_AUTO(canvas_fini) struct canvas c = { .count = 0 };

	if (!canvas_init(&c, &o->log.changes, err))
		return false;
	for (size_t i = o->log.changes.len; i-- > 0;)
		paint(&c, o->log.changes.at[i].at, (uint32_t)i);
	for (size_t n = 0; n + 1 < c.count; n++) {
		struct piece p = { { c.edge[n], c.edge[n + 1] - c.edge[n] }, c.owner[n] };

		if (p.change != UINT32_MAX && !pieces_push(&o->pieces, p))
			return cv_fail(err, CV_ENOMEM, "out of memory for the log");
	}
	return true;
}

struct cv_source *cv_vhdx_overlay_new(struct cv_source **under, struct cv_vhdx_log *log, struct cv_err *err)
{
	static const struct cv_source_ops ops = { .pread = overlay_pread, .close = overlay_close };
	CV_AUTO(cv_auto_source) struct cv_source *taken = cv_take(*under);
	struct overlay *o = calloc(1, sizeof *o);

	if (!o) {
		cv_fail(err, CV_ENOMEM, "out of memory for the log");
		return NULL;
	}
	o->source = (struct cv_source){ &ops, taken->size > log->last_size ? taken->size : log->last_size };
	o->under = cv_take(taken);
	o->log = *log;
	*log = (struct cv_vhdx_log){ .bytes = NULL };
	if (flatten(o, err))
		return &o->source;
	overlay_close(&o->source);
	return NULL;
}
