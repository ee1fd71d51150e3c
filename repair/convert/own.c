/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See own.h. */
#include "repair/convert/own.h"

#define MOST_COMPRESSED ((uint64_t)2 << 20)

static bool is_own(const struct cv_extent *e)
{
	return e->layer == 0 && e->kind != CV_EXTENT_PARENT;
}

static struct cv_extent part_of(const struct cv_extent *e, uint64_t off, uint64_t end)
{
	struct cv_extent part = *e;

	part.at = (struct cv_range){ off, end - off };
	part.host += e->placed && !e->compressed ? off - e->at.off : 0;
	return part;
}

static bool settle(struct cv_own *own, struct cv_extent e, enum cv_extent_kind kind)
{
	e.kind = kind;
	return cv_own_parts_push(&own->out, e);
}

/* The unit is complete: all of it, or nothing of it, becomes the new image's own. */
static bool settle_unit(struct cv_own *own)
{
	struct cv_own_parts *unit = &own->unit;
	bool any = false, bytes = false, ok = true;
	struct cv_extent whole;

	for (size_t i = 0; i < unit->len; i++) {
		any |= is_own(&unit->at[i]);
		bytes |= unit->at[i].kind == CV_EXTENT_DATA || unit->at[i].kind == CV_EXTENT_BAD;
	}
	whole = part_of(&unit->at[0], unit->at[0].at.off, unit->at[unit->len - 1].at.off + unit->at[unit->len - 1].at.len);
	if (!any || !bytes)
		ok = settle(own, whole, any ? CV_EXTENT_ZERO : CV_EXTENT_PARENT);
	for (size_t i = 0; ok && any && bytes && i < unit->len; i++)
		ok = settle(own, unit->at[i], unit->at[i].kind == CV_EXTENT_ZERO ? CV_EXTENT_PARENT : unit->at[i].kind);
	unit->len = 0;
	return ok;
}

/* Within one unit. */
static bool add_part(struct cv_own *own, const struct cv_extent *e, uint64_t off, uint64_t end)
{
	if (off == end)
		return true;
	if (!cv_own_parts_push(&own->unit, part_of(e, off, end)))
		return false;
	return (end % own->grain && end != own->size) || settle_unit(own);
}

static uint64_t up(const struct cv_own *own, uint64_t off)
{
	return (off + own->grain - 1) / own->grain * own->grain;
}

/* The whole units of it: empty ones lie at their end. */
static struct cv_range whole_units(const struct cv_own *own, const struct cv_extent *e)
{
	uint64_t end = e->at.off + e->at.len, from = up(own, e->at.off), to = end == own->size ? end : end / own->grain * own->grain;

	if (from > end)
		from = end;
	return (struct cv_range){ from, to > from ? to - from : 0 };
}

bool cv_own_push(struct cv_own *own, const struct cv_extent *e)
{
	struct cv_range whole = whole_units(own, e);
	uint64_t end = e->at.off + e->at.len, behind = whole.off + whole.len;

	if (!add_part(own, e, e->at.off, whole.off))
		return false;
	if (whole.len && !settle(own, part_of(e, whole.off, behind), is_own(e) ? e->kind : CV_EXTENT_PARENT))
		return false;
	return add_part(own, e, behind, end);
}

bool cv_own_needs(const struct cv_own *own, const struct cv_extent *e)
{
	return is_own(e) || whole_units(own, e).len != e->at.len;
}

void cv_own_fini(struct cv_own *own)
{
	free(own->unit.at);
	free(own->out.at);
	*own = (struct cv_own){ 0 };
}

/* The guest bytes of a compressed extent, until what it became was copied. */
struct held {
	struct cv_range at;
	uint8_t *bytes;
};
CV_VEC(held_vec, struct held);

struct own_feed {
	struct cv_feed feed;         /* first */
	struct cv_feed *inner;
	struct cv_own own;
	struct held_vec held;
};

static bool hold(struct own_feed *f, const struct cv_extent *e, struct cv_err *err)
{
	struct held h = { .at = e->at };

	if (e->at.len > MOST_COMPRESSED)
		return cv_fail(err, CV_ELIMIT, "a compressed cluster of %" PRIu64 " B", e->at.len);
	h.bytes = malloc(e->at.len);
	if (!h.bytes || !held_vec_push(&f->held, h)) {
		free(h.bytes);
		return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return f->inner->inflate(f->inner, e, h.bytes, err);
}

/* Those that lie before what is not settled yet have been copied. */
static void drop_held(struct own_feed *f)
{
	uint64_t from = f->own.unit.len ? f->own.unit.at[0].at.off : UINT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < f->held.len; i++) {
		if (f->held.at[i].at.off + f->held.at[i].at.len > from)
			f->held.at[kept++] = f->held.at[i];
		else
			free(f->held.at[i].bytes);
	}
	f->held.len = kept;
}

static bool own_next(struct cv_feed *feed, const struct cv_extent **extents, size_t *count, struct cv_err *err)
{
	struct own_feed *f = (struct own_feed *)feed;
	const struct cv_extent *list;
	size_t n;

	drop_held(f);
	f->own.out.len = 0;
	do {
		if (!f->inner->next(f->inner, &list, &n, err))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct cv_extent e = list[i];

			/* a compressed one is the last of the list: its bytes come now, or not at all */
			if (e.kind == CV_EXTENT_DATA && e.compressed && cv_own_needs(&f->own, &e) && !hold(f, &e, err))
				return false;
			if (!cv_own_push(&f->own, &e))
				return cv_fail(err, CV_ENOMEM, "out of memory");
		}
	} while (n && !f->own.out.len);
	*extents = f->own.out.at;
	*count = f->own.out.len;
	return true;
}

static bool own_inflate(struct cv_feed *feed, const struct cv_extent *e, uint8_t *buf, struct cv_err *err)
{
	const struct own_feed *f = (const struct own_feed *)feed;

	for (size_t i = 0; i < f->held.len; i++) {
		const struct held *h = &f->held.at[i];

		if (e->at.off < h->at.off || e->at.off + e->at.len > h->at.off + h->at.len)
			continue;
		memcpy(buf, h->bytes + (e->at.off - h->at.off), e->at.len);
		return true;
	}
	return cv_fail(err, CV_EFORMAT, "guest offset %" PRIu64 ": the bytes of a compressed cluster are missing", e->at.off);
}

static void own_close(struct cv_feed *feed)
{
	struct own_feed *f = (struct own_feed *)feed;

	for (size_t i = 0; i < f->held.len; i++)
		free(f->held.at[i].bytes);
	free(f->held.at);
	cv_own_fini(&f->own);
	cv_feed_close(f->inner);
	free(f);
}

struct cv_feed *cv_own_feed(struct cv_feed *inner, uint64_t size, uint32_t grain, struct cv_err *err)
{
	struct own_feed *f = inner ? calloc(1, sizeof *f) : NULL;

	if (!inner)
		return NULL;
	if (!f) {
		cv_feed_close(inner);
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*f = (struct own_feed){ .feed = *inner, .inner = inner, .own = { .size = size, .grain = grain } };
	f->feed.next = own_next;
	f->feed.inflate = own_inflate;
	f->feed.close = own_close;
	return &f->feed;
}
