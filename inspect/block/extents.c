/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The one adder of extents: order, gaps and merging are decided here and nowhere else. Knows no format and
 * reads nothing.
 */
#include <chainview/extent.h>
#include <chainview/vec.h>

#define USUAL_MAX 65536u

void cv_extents_begin(struct cv_extents *list, struct cv_range asked)
{
	if (!list->max)
		list->max = USUAL_MAX;
	list->len = 0;
	list->asked = asked;
	list->full = false;
}

uint64_t cv_extents_end(const struct cv_extents *list)
{
	const struct cv_extent *last = list->len ? &list->at[list->len - 1] : NULL;

	return last ? last->at.off + last->at.len : list->asked.off;
}

/* Does b say the same as a, and lie behind it in the file too? An unreadable piece is not told from the next. */
static bool continues(const struct cv_extent *a, const struct cv_extent *b)
{
	if (a->kind != b->kind || a->layer != b->layer || a->placed != b->placed || a->compressed || b->compressed ||
	    a->why != b->why)
		return false;
	return !a->placed || a->host + a->at.len == b->host;
}

/* What is wrong with an extent in itself; NULL if nothing. */
static const char *nonsense(const struct cv_extent *e)
{
	if (!e->at.len)
		return "is empty";
	if (e->kind > CV_EXTENT_BAD)
		return "is of no kind";
	if (e->compressed && e->kind != CV_EXTENT_DATA)
		return "is compressed without being data";
	if (e->placed != (e->kind == CV_EXTENT_DATA) && e->kind != CV_EXTENT_ZERO)
		return e->placed ? "has a place that its kind cannot have" : "is data without a place";
	if (e->placed && !cv_range_inside((struct cv_range){ e->host, e->at.len }, UINT64_MAX))
		return "wraps in the file";
	return NULL;
}

static bool push(struct cv_extents *list, const struct cv_extent *extent, struct cv_err *err)
{
	if (list->len == list->cap) {
		struct cv_extent *grown = cv_vec_grow(list->at, &list->cap, list->len + 1, sizeof *list->at);

		if (!grown)
			return cv_fail(err, CV_ENOMEM, "out of memory for %zu extents", list->len + 1);
		list->at = grown;
	}
	list->at[list->len++] = *extent;
	list->full = list->len >= list->max;
	return true;
}

bool cv_extents_add(struct cv_extents *list, struct cv_extent extent, struct cv_err *err)
{
	struct cv_extent *last = list->len ? &list->at[list->len - 1] : NULL;
	uint64_t end = cv_extents_end(list);
	const char *wrong;

	/* The consumer asks again from the end: whatever comes after that would be a gap. */
	if (list->full)
		return true;
	wrong = nonsense(&extent);
	if (!wrong && extent.at.off != end)
		wrong = "does not follow the one before";
	if (!wrong && extent.at.len > list->asked.len - (end - list->asked.off))
		wrong = "leaves the range that was asked for";
	if (wrong)
		return cv_fail(err, CV_EUSAGE, "extent of %" PRIu64 " B at guest offset %" PRIu64 " %s", extent.at.len,
			       extent.at.off, wrong);
	if (!extent.placed && extent.kind != CV_EXTENT_BAD)
		extent.host = 0;
	if (extent.kind == CV_EXTENT_BAD && list->limit && !extent.why)
		extent.why = extent.host >= list->limit ? CV_LOST_PAST_END : CV_LOST_ENTRY;
	if (!last || !continues(last, &extent))
		return push(list, &extent, err);
	last->at.len += extent.at.len;
	return true;
}

void cv_extents_fini(struct cv_extents *list)
{
	free(list->at);
	*list = (struct cv_extents){ .max = list->max };
}
