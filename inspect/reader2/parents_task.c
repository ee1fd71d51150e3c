/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The process that compares two parents of one image. See parents.h. */
#include "inspect/reader2/content.h"
#include "inspect/reader2/parents.h"
#include "inspect/reader2/tasks.h"
#include <chainview/format.h>

#define EXTENTS_AT_ONCE 16384u

/* One of the two chains below the image. */
struct side {
	struct cv_chain chain;       /* borrows layers of the whole */
	struct cv_extents list;
	size_t at;
	uint8_t *buf;                /* CV_CONTENT_PIECE bytes */
};

struct work {
	struct cv_chain all;         /* owns the layers */
	struct side sides[2];
	struct cv_parents_result found;
	struct cv_pace pace;
};

static void side_fini(struct side *s)
{
	free(s->chain.layers);
	cv_extents_fini(&s->list);
	free(s->buf);
}

static void work_fini(struct work *w)
{
	side_fini(&w->sides[0]);
	side_fini(&w->sides[1]);
	cv_content_close(&w->all);
}

/* The layers of its own, and then those of both. */
static bool side_init(struct side *s, const struct cv_chain *all, size_t first, size_t own, size_t both, struct cv_err *err)
{
	s->chain.layers = calloc(own + both + 1, sizeof *s->chain.layers);
	s->buf = malloc(CV_CONTENT_PIECE);
	s->list.max = EXTENTS_AT_ONCE;
	if (!s->chain.layers || !s->buf)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < own; i++)
		s->chain.layers[s->chain.count++] = all->layers[first + i];
	for (size_t i = 0; i < both; i++)
		s->chain.layers[s->chain.count++] = all->layers[all->count - both + i];
	return true;
}

/* What one side has from pos on, as far as it says one thing, at most up to end. Behind the end of its disk are zeros. */
static bool side_at(struct side *s, uint64_t pos, uint64_t end, struct cv_extent *e, struct cv_err *err)
{
	uint64_t size = s->chain.count ? s->chain.layers[0]->size : 0, stop;

	if (pos >= size) {
		*e = (struct cv_extent){ .at = { pos, end - pos }, .kind = CV_EXTENT_ZERO };
		return true;
	}
	while (s->at < s->list.len && s->list.at[s->at].at.off + s->list.at[s->at].at.len <= pos)
		s->at++;
	if (s->at == s->list.len || s->list.at[s->at].at.off > pos) {
		s->at = 0;
		if (!cv_chain_extents(&s->chain, (struct cv_range){ pos, size - pos }, &s->list, err))
			return false;
	}
	*e = s->list.at[s->at];
	stop = e->at.off + e->at.len < end ? e->at.off + e->at.len : end;
	*e = cv_content_part(e, pos, stop - pos);
	return true;
}

static bool is_zero(const struct cv_extent *e)
{
	return e->kind == CV_EXTENT_ZERO || e->kind == CV_EXTENT_PARENT;
}

/* The same bytes of the same file, or zeros on both sides. */
static bool same_place(const struct work *w, const struct cv_extent *a, const struct cv_extent *b)
{
	if (is_zero(a) && is_zero(b))
		return true;
	return a->kind == CV_EXTENT_DATA && b->kind == CV_EXTENT_DATA && a->placed && b->placed && a->host == b->host &&
	       a->compressed == b->compressed &&
	       w->sides[0].chain.layers[a->layer] == w->sides[1].chain.layers[b->layer];
}

static void count_differences(struct work *w, uint64_t pos, size_t len)
{
	const uint8_t *a = w->sides[0].buf, *b = w->sides[1].buf;

	w->found.compared += len;
	if (!memcmp(a, b, len))
		return;
	for (size_t i = 0; i < len; i++) {
		if (a[i] == b[i])
			continue;
		if (!w->found.differing++)
			w->found.first = pos + i;
	}
}

/* A part of the disk that the image has nothing in. */
static bool compare_range(struct work *w, struct cv_range range, struct cv_err *err)
{
	uint64_t pos = range.off, end = range.off + range.len;

	while (pos < end) {
		uint64_t stop = end - pos > CV_CONTENT_PIECE ? pos + CV_CONTENT_PIECE : end;
		struct cv_extent a, b;
		uint64_t n;

		/* What need not be read need not be cut. */
		if (!side_at(&w->sides[0], pos, end, &a, err) || !side_at(&w->sides[1], pos, end, &b, err))
			return false;
		n = a.at.len < b.at.len ? a.at.len : b.at.len;
		if (!same_place(w, &a, &b)) {
			n = n < stop - pos ? n : stop - pos;
			a = cv_content_part(&a, pos, n);
			b = cv_content_part(&b, pos, n);
			if (!cv_content_read(&w->sides[0].chain, &a, w->sides[0].buf, err))
				return cv_wrap(err, "through the present parent");
			if (!cv_content_read(&w->sides[1].chain, &b, w->sides[1].buf, err))
				return cv_wrap(err, "through the new parent");
			count_differences(w, pos, (size_t)n);
		}
		pos += n;
		if (!cv_pace_tell(&w->pace, pos, err))
			return false;
	}
	return true;
}

static bool compare(struct work *w, struct cv_err *err)
{
	struct cv_layer *image = w->all.layers[0];
	struct cv_extents list = { .max = EXTENTS_AT_ONCE };
	uint64_t pos = 0;
	bool ok = true;

	while (ok && pos < image->size) {
		ok = cv_layer_extents(image, (struct cv_range){ pos, image->size - pos }, &list, err);
		for (size_t i = 0; ok && i < list.len; i++) {
			const struct cv_extent *e = &list.at[i];

			if (e->kind == CV_EXTENT_BAD)
				ok = cv_fail(err, CV_EFORMAT, "the image is damaged at guest offset %" PRIu64, e->at.off);
			else if (e->kind == CV_EXTENT_PARENT)
				ok = compare_range(w, e->at, err);
		}
		pos = cv_extents_end(&list);
		ok = ok && cv_pace_tell(&w->pace, pos, err);
	}
	cv_extents_fini(&list);
	return ok;
}

static bool check_tick(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err)
{
	(void)done;
	(void)total;
	return cv_pace_tell(c->ctx, 0, err);
}

/* The tables of the image: what claims two places at once could be overwritten by what names its parent. */
static bool check_tables(struct work *w, struct cv_source *source, enum cv_format_id id, struct cv_err *err)
{
	const struct cv_format *format = cv_format_by_id(id);
	struct cv_checking c = { .source = cv_source_borrow(source, err), .facts = cv_facts_new(), .tick = check_tick,
				 .ctx = &w->pace };
	bool ok = c.source && (c.facts || cv_fail(err, CV_ENOMEM, "out of memory")) &&
		  cv_image_read(c.source, id, c.facts, err) && (!format || !format->check || format->check(&c, err));

	for (uint32_t i = 0; ok && i < c.facts->finding_count; i++)
		w->found.damaged += c.facts->findings[i].severity == CV_ERROR;
	cv_facts_free(c.facts);
	cv_source_close(c.source);
	return ok;
}

bool cv_parents_task(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		     const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	CV_AUTO(work_fini) struct work w = { .pace = { .out = out } };
	struct cv_parents_request r = { 0, 0 };
	size_t both;

	if (request_len == sizeof r)
		memcpy(&r, request, sizeof r);
	if (!count || r.now >= count || r.then >= count - r.now)
		return cv_fail(err, CV_EUSAGE, "an image and two parents are needed");
	both = count - 1 - r.now - r.then;
	if (!check_tables(&w, sources[0], images[0].format, err))
		return false;
	if (!w.found.damaged &&
	    (!cv_content_open(&w.all, sources, data, images, count, err) ||
	     !side_init(&w.sides[0], &w.all, 1, r.now, both, err) ||
	     !side_init(&w.sides[1], &w.all, 1 + r.now, r.then, both, err) || !compare(&w, err)))
		return false;
	return cv_task_send(out, CV_PARENTS_RESULT, &w.found, sizeof w.found) ||
	       cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
}
