/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A byte source made of pieces of another one: a range of a bigger file, the segments of a logical volume. */
#include <chainview/source.h>

struct piece {
	uint64_t start;            /* where it begins in this source */
	uint64_t off, len;         /* its bytes in the underlying source */
};

struct extents_source {
	struct cv_source base;
	struct cv_source *under;
	size_t count;
	struct piece piece[];
};

/* The piece that holds this offset; the caller knows that there is one. */
static const struct piece *piece_at(const struct extents_source *s, uint64_t off)
{
	size_t low = 0, high = s->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->piece[middle].start <= off)
			low = middle;
		else
			high = middle;
	}
	return &s->piece[low];
}

/* Ends at the end of a piece: the caller asks again for the rest. */
static ssize_t extents_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct extents_source *s = (struct extents_source *)self;
	const struct piece *p;
	uint64_t inside;

	if (off >= self->size)
		return 0;
	p = piece_at(s, off);
	inside = off - p->start;
	if (len > p->len - inside)
		len = p->len - inside;
	return s->under->ops->pread(s->under, buf, len, p->off + inside);
}

static void extents_close(struct cv_source *self)
{
	struct extents_source *s = (struct extents_source *)self;

	cv_source_close(s->under);
	free(s);
}

/* Piece by piece until one has data; that ends with its piece at the latest, the caller asks again. */
static bool extents_hole(struct cv_source *self, uint64_t off, uint64_t *start_of_data, uint64_t *end_of_data)
{
	struct extents_source *s = (struct extents_source *)self;
	const struct piece *p = piece_at(s, off), *last = &s->piece[s->count - 1];
	uint64_t start, end;

	for (; s->under->ops->hole; off = (++p)->start) {
		uint64_t stop = p->off + p->len;

		if (!s->under->ops->hole(s->under, p->off + (off - p->start), &start, &end))
			return false;
		if (start < stop || p == last) {
			*start_of_data = p->start + ((start < stop ? start : stop) - p->off);
			*end_of_data = p->start + ((end < stop ? end : stop) - p->off);
			return true;
		}
	}
	return false;
}

static void extents_expect(struct cv_source *self, uint64_t off, uint64_t len)
{
	struct extents_source *s = (struct extents_source *)self;
	uint64_t n;

	for (const struct piece *p = piece_at(s, off); len && p < s->piece + s->count; p++, off += n, len -= n) {
		n = p->len - (off - p->start) < len ? p->len - (off - p->start) : len;
		cv_source_expect(s->under, p->off + (off - p->start), n);
	}
}

static const struct cv_source_ops extents_ops = { extents_pread, extents_close, extents_hole, extents_expect };

/* Empty extents are left out, so that every piece that is looked for has bytes. */
static bool add_pieces(struct extents_source *s, const struct cv_source_extent *extents, size_t count,
		       uint64_t limit, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t start = s->base.size;

		if (!cv_range_inside((struct cv_range){ extents[i].off, extents[i].len }, limit))
			return cv_fail(err, CV_EUSAGE, "%" PRIu64 " B at offset %" PRIu64 " do not lie in the %" PRIu64
				       " B that are there", extents[i].len, extents[i].off, limit);
		if (__builtin_add_overflow(start, extents[i].len, &s->base.size))
			return cv_fail(err, CV_EUSAGE, "the extents add up to more than 2^64 B");
		if (extents[i].len)
			s->piece[s->count++] = (struct piece){ start, extents[i].off, extents[i].len };
	}
	return true;
}

struct cv_source *cv_source_extents(struct cv_source **under, const struct cv_source_extent *extents, size_t count,
				    struct cv_err *err)
{
	CV_AUTO(cv_auto_source) struct cv_source *taken = cv_take(*under);
	struct extents_source *s = NULL;
	size_t bytes;

	if (!__builtin_mul_overflow(count, sizeof s->piece[0], &bytes) &&
	    !__builtin_add_overflow(bytes, sizeof *s, &bytes))
		s = calloc(1, bytes);
	if (!s) {
		cv_fail(err, CV_ENOMEM, "out of memory for %zu extents", count);
		return NULL;
	}
	s->base.ops = &extents_ops;
	if (!add_pieces(s, extents, count, taken->size, err)) {
		free(s);
		return NULL;
	}
	s->under = cv_take(taken);
	return &s->base;
}
