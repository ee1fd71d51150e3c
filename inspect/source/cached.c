/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A byte source that holds the first and the last bytes of another one in memory, where metadata lies. */
#include <chainview/source.h>

/* The bytes [off, off + want) of the underlying source. */
struct kept {
	uint64_t off;
	size_t want, have;         /* have < want: there was an error, or the file ends early */
	int os_errno;
	uint8_t *bytes;
};

struct cached_source {
	struct cv_source base;
	struct cv_source *under;
	struct kept head, tail;
	uint8_t bytes[];
};

static void fill(struct kept *k, struct cv_source *under)
{
	while (k->have < k->want) {
		ssize_t n = under->ops->pread(under, k->bytes + k->have, k->want - k->have, k->off + k->have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			k->os_errno = errno;
		if (n <= 0)
			return;
		k->have += (size_t)n;
	}
}

/* True if the request begins in what is kept; then *n is the answer. */
static bool answer(const struct kept *k, void *buf, size_t len, uint64_t off, ssize_t *n)
{
	size_t skip;

	if (off < k->off || off - k->off >= k->want)
		return false;
	skip = off - k->off;
	if (skip < k->have) {
		*n = (ssize_t)(len < k->have - skip ? len : k->have - skip);
		memcpy(buf, k->bytes + skip, (size_t)*n);
		return true;
	}
	errno = k->os_errno;
	*n = k->os_errno ? -1 : 0;
	return true;
}

static ssize_t cached_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct cached_source *s = (struct cached_source *)self;
	ssize_t n;

	if (answer(&s->head, buf, len, off, &n) || answer(&s->tail, buf, len, off, &n))
		return n;
	if (off >= self->size)
		return 0;
	/* Up to the tail: asking the system again for what is here would be one call too many. */
	if (len > s->tail.off - off)
		len = s->tail.off - off;
	return s->under->ops->pread(s->under, buf, len, off);
}

static void cached_close(struct cv_source *self)
{
	struct cached_source *s = (struct cached_source *)self;

	cv_source_close(s->under);
	free(s);
}

static bool cached_hole(struct cv_source *self, uint64_t off, uint64_t *start_of_data, uint64_t *end_of_data)
{
	struct cv_source *under = ((struct cached_source *)self)->under;

	return under->ops->hole && under->ops->hole(under, off, start_of_data, end_of_data);
}

static void cached_expect(struct cv_source *self, uint64_t off, uint64_t len)
{
	cv_source_expect(((struct cached_source *)self)->under, off, len);
}

static const struct cv_source_ops cached_ops = { cached_pread, cached_close, cached_hole, cached_expect };

struct cv_source *cv_source_cached(struct cv_source **under, size_t head, size_t tail, struct cv_err *err)
{
	CV_AUTO(cv_auto_source) struct cv_source *taken = cv_take(*under);
	uint64_t size = taken->size;
	struct cached_source *s = NULL;
	size_t bytes;

	/* One read, not two, when they meet. */
	if (head >= size || tail >= size - head) {
		head = size;
		tail = 0;
	}
	if (!__builtin_add_overflow(head, tail, &bytes) && !__builtin_add_overflow(bytes, sizeof *s, &bytes))
		s = malloc(bytes);
	if (!s) {
		cv_fail(err, CV_ENOMEM, "out of memory for %zu B of cache", head);
		return NULL;
	}
	*s = (struct cached_source){ .base = { &cached_ops, size }, .head = { .want = head },
		.tail = { .off = size - tail, .want = tail } };
	s->head.bytes = s->bytes;
	s->tail.bytes = s->bytes + head;
	fill(&s->head, taken);
	fill(&s->tail, taken);
	s->under = cv_take(taken);
	return &s->base;
}
