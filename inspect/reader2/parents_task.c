/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The process that compares two parents of one image. See parents.h. */
#include "inspect/reader2/content.h"
#include "inspect/reader2/parents.h"
#include "inspect/reader2/sides.h"
#include "inspect/reader2/tasks.h"
#include <chainview/format.h>

#define EXTENTS_AT_ONCE 16384u

enum { PAGE = 4096 };

/* The unit that is gone over: what copying into the image would take there. */
struct tally {
	uint64_t number, bytes, runs;
	bool own, lacks;             /* the image has something in it; has not all of it */
};

struct work {
	struct cv_parents_request r;
	struct tally tally;
	struct cv_chain all;         /* owns the layers */
	struct cv_side sides[2];
	uint8_t *bufs[2];            /* CV_CONTENT_PIECE bytes each */
	struct cv_parents_result found;
	struct cv_pace pace;
};

static void work_fini(struct work *w)
{
	for (size_t i = 0; i < 2; i++) {
		cv_side_fini(&w->sides[i]);
		free(w->bufs[i]);
	}
	cv_content_close(&w->all);
}

/* --- what copying would take ----------------------------------------------------------------------------- */

/* What is written into a hole of the file takes whole pages, at both of its ends. */
static void settle_unit(struct work *w)
{
	struct tally *t = &w->tally;
	uint64_t unit = w->r.unit, pages = t->bytes + 2 * PAGE * t->runs;

	w->found.copied += t->bytes;
	if (!t->own && t->bytes)
		w->found.fresh++;
	else if (t->own && w->r.whole && t->lacks)
		w->found.partly += unit;
	else if (t->own)
		w->found.partly += pages < unit ? pages : unit;
	*t = (struct tally){ .number = t->number };
}

static struct tally *unit_at(struct work *w, uint64_t pos)
{
	uint64_t number = pos / w->r.unit;

	if (w->tally.number != number) {
		settle_unit(w);
		w->tally.number = number;
	}
	return &w->tally;
}

/* Something of the image's own: of those between nothing has to be known. */
static void count_own(struct work *w, struct cv_range at)
{
	unit_at(w, at.off)->own = true;
	unit_at(w, at.off + at.len - 1)->own = true;
}

static void count_lacking(struct work *w, struct cv_range at)
{
	unit_at(w, at.off)->lacks = true;
	unit_at(w, at.off + at.len - 1)->lacks = true;
}

static void count_run(struct work *w, uint64_t pos, uint64_t len)
{
	for (uint64_t end = pos + len, n; pos < end; pos += n) {
		struct tally *t = unit_at(w, pos);

		n = w->r.unit - pos % w->r.unit;
		n = n < end - pos ? n : end - pos;
		t->bytes += n;
		t->runs++;
	}
}

static void count_differences(struct work *w, uint64_t pos, size_t len)
{
	const uint8_t *a = w->bufs[0], *b = w->bufs[1];
	size_t begun = len;

	w->found.compared += len;
	if (!memcmp(a, b, len))
		return;
	for (size_t at = 0, n; at < len; at += n) {
		n = PAGE - (pos + at) % PAGE;
		n = len - at < n ? len - at : n;
		if (!memcmp(a + at, b + at, n)) {
			if (begun < at)
				count_run(w, pos + begun, at - begun);
			begun = len;
			continue;
		}
		begun = begun < at ? begun : at;
		for (size_t i = at; i < at + n; i++)
			if (a[i] != b[i] && !w->found.differing++)
				w->found.first = pos + i;
	}
	if (begun < len)
		count_run(w, pos + begun, len - begun);
}

/* No other parent, which reads as zeros: what the present one has is not read for that. */
static void count_data(struct work *w, const struct cv_extent *e)
{
	if (!w->found.differing)
		w->found.first = e->at.off;
	w->found.differing += e->at.len;
	count_run(w, e->at.off, e->at.len);
}

/* --- comparing ------------------------------------------------------------------------------------------- */

/* A part of the disk that the image has nothing in. */
static bool compare_range(struct work *w, struct cv_range range, struct cv_err *err)
{
	uint64_t pos = range.off, end = range.off + range.len;

	while (pos < end) {
		uint64_t stop = end - pos > CV_CONTENT_PIECE ? pos + CV_CONTENT_PIECE : end;
		struct cv_extent a, b;
		uint64_t n;

		/* What need not be read need not be cut. */
		if (!cv_side_at(&w->sides[0], pos, end, &a, err) || !cv_side_at(&w->sides[1], pos, end, &b, err))
			return false;
		n = a.at.len < b.at.len ? a.at.len : b.at.len;
		if (!w->sides[1].chain.count && a.kind == CV_EXTENT_DATA) {
			count_data(w, &a);
		} else if (!cv_sides_same(&w->sides[0], &a, &w->sides[1], &b)) {
			n = n < stop - pos ? n : stop - pos;
			a = cv_content_part(&a, pos, n);
			b = cv_content_part(&b, pos, n);
			if (!cv_content_read(&w->sides[0].chain, &a, w->bufs[0], err))
				return cv_wrap(err, "through the present parent");
			if (!cv_content_read(&w->sides[1].chain, &b, w->bufs[1], err))
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
			else if (e->kind == CV_EXTENT_PARENT) {
				count_lacking(w, e->at);
				ok = compare_range(w, e->at, err);
			} else {
				count_own(w, e->at);
			}
		}
		pos = cv_extents_end(&list);
		ok = ok && cv_pace_tell(&w->pace, pos, err);
	}
	settle_unit(w);
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
	struct cv_parents_request *r = &w.r;
	size_t both;

	if (request_len == sizeof *r)
		memcpy(r, request, sizeof *r);
	if (!count || r->now >= count || r->then >= count - r->now || !r->unit)
		return cv_fail(err, CV_EUSAGE, "an image and two parents are needed");
	both = count - 1 - r->now - r->then;
	w.bufs[0] = malloc(CV_CONTENT_PIECE);
	w.bufs[1] = malloc(CV_CONTENT_PIECE);
	if (!w.bufs[0] || !w.bufs[1])
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!check_tables(&w, sources[0], images[0].format, err))
		return false;
	if (!w.found.damaged &&
	    (!cv_content_open(&w.all, sources, data, images, count, err) ||
	     !cv_side_init(&w.sides[0], &w.all, 1, r->now, both, err) ||
	     !cv_side_init(&w.sides[1], &w.all, 1 + r->now, r->then, both, err) || !compare(&w, err)))
		return false;
	return cv_task_send(out, CV_PARENTS_RESULT, &w.found, sizeof w.found) ||
	       cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
}
