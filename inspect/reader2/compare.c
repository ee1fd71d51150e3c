/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What guests read from two chains, side by side, up to the first difference. */
#include "inspect/reader2/content.h"
#include "inspect/reader2/tasks.h"

/* One of the two, with what is left of its present piece. */
struct side {
	struct cv_chain chain;
	struct cv_content content;
	struct cv_content_piece piece;
};

static void sides_fini(struct side (*sides)[2])
{
	for (size_t i = 0; i < CV_COUNT(*sides); i++) {
		cv_content_fini(&(*sides)[i].content);
		cv_content_close(&(*sides)[i].chain);
	}
}

static bool side_init(struct side *s, struct cv_source **sources, struct cv_source **data,
		      const struct cv_task_image *images, size_t count, struct cv_err *err)
{
	return cv_content_open(&s->chain, sources, data, images, count, err) &&
	       cv_content_init(&s->content, &s->chain, err);
}

/* A damaged chain as far as it goes: what is not there is in the list of what was lost. */
static bool salvaged_init(struct side *s, struct cv_source **sources, struct cv_source **data,
			  const struct cv_task_image *images, size_t count, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };

	return cv_content_open_found(&s->chain, sources, data, images, count, &why, err) &&
	       cv_content_init(&s->content, &s->chain, err);
}

static bool hold(struct side *s, struct cv_err *err)
{
	return s->piece.len || cv_content_next(&s->content, &s->piece, err);
}

static void drop(struct side *s, uint64_t len)
{
	s->piece.len -= len;
	if (s->piece.bytes)
		s->piece.bytes += len;
}

static const uint8_t *bytes_of(const struct side *s)
{
	return s->piece.bytes ? s->piece.bytes : cv_content_zeros;
}

/* The first byte that is not the same within len; len if there is none. */
static uint64_t first_difference(const struct side *a, const struct side *b, uint64_t len)
{
	const uint8_t *x = bytes_of(a), *y = bytes_of(b);
	uint64_t i = 0;

	if ((!a->piece.bytes && !b->piece.bytes) || !memcmp(x, y, len))
		return len;
	while (x[i] == y[i])
		i++;
	return i;
}

/* How much can be compared in one go. */
static uint64_t common(const struct side *a, const struct side *b)
{
	uint64_t n = a->piece.len < b->piece.len ? a->piece.len : b->piece.len;

	return (a->piece.bytes || b->piece.bytes) && n > CV_CONTENT_PIECE ? CV_CONTENT_PIECE : n;
}

static bool compare(struct side *s, struct cv_compared_record *found, struct cv_pace *pace, struct cv_err *err)
{
	uint64_t pos = 0;

	for (;;) {
		uint64_t n, same;

		if (!hold(&s[0], err) || !hold(&s[1], err))
			return false;
		n = common(&s[0], &s[1]);
		same = n ? first_difference(&s[0], &s[1], n) : 0;
		found->first = pos + same;
		found->differ = same < n;
		if (!n || found->differ)
			return true;
		pos += n;
		drop(&s[0], n);
		drop(&s[1], n);
		if (!cv_pace_tell(pace, pos, err))
			return false;
	}
}

/* Is what the longer one has left nothing but zeros? */
static bool look_at_tail(struct side *s, struct cv_compared_record *found, struct cv_pace *pace, struct cv_err *err)
{
	uint64_t done = found->first;

	found->tail_is_zero = true;
	while (hold(s, err) && s->piece.len && found->tail_is_zero) {
		size_t n = s->piece.len < CV_CONTENT_PIECE ? (size_t)s->piece.len : CV_CONTENT_PIECE;

		if (!s->piece.bytes)
			n = 0;
		found->tail_is_zero = !memcmp(bytes_of(s), cv_content_zeros, n);
		done += s->piece.bytes ? n : s->piece.len;
		drop(s, s->piece.bytes ? n : s->piece.len);
		if (!cv_pace_tell(pace, done, err))
			return false;
	}
	return !err->code;
}

bool cv_compare_task(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		     const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	CV_AUTO(sides_fini) struct side sides[2] = { { .piece = { 0 } } };
	struct cv_compared_record found = { .first = 0 };
	struct cv_pace pace = { .out = out };
	struct cv_compare_request r = { .first = 0 };

	if (request_len == sizeof r)
		memcpy(&r, request, sizeof r);
	if (!r.first || r.first >= count)
		return cv_fail(err, CV_EUSAGE, "two chains are needed");
	if (!(r.salvaged ? salvaged_init : side_init)(&sides[0], sources, data, images, r.first, err) ||
	    !side_init(&sides[1], sources + r.first, data + r.first, images + r.first, count - r.first, err))
		return false;
	if (r.incomplete)
		cv_content_ends_early(&sides[0].chain);
	sides[0].content.lost = r.lost;
	sides[0].content.lost_count = r.lost_count;
	found.sizes[0] = sides[0].content.end;
	found.sizes[1] = sides[1].content.end;
	if (!compare(sides, &found, &pace, err))
		return false;
	if (!found.differ && found.sizes[0] != found.sizes[1] &&
	    !look_at_tail(&sides[found.sizes[1] > found.sizes[0]], &found, &pace, err))
		return false;
	return cv_task_say(out, CV_VERIFY_COMPARED, &found, sizeof found, err);
}
