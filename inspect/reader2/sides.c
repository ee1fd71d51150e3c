/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sides.h. Knows no format. */
#include "inspect/reader2/sides.h"
#include "inspect/reader2/content.h"

#define EXTENTS_AT_ONCE 16384u

bool cv_side_init(struct cv_side *s, const struct cv_chain *all, size_t first, size_t count, size_t both, struct cv_err *err)
{
	*s = (struct cv_side){ .list = { .max = EXTENTS_AT_ONCE } };
	s->chain.layers = calloc(count + both + 1, sizeof *s->chain.layers);
	if (!s->chain.layers)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		s->chain.layers[s->chain.count++] = all->layers[first + i];
	for (size_t i = 0; i < both; i++)
		s->chain.layers[s->chain.count++] = all->layers[all->count - both + i];
	return true;
}

void cv_side_fini(struct cv_side *s)
{
	free(s->chain.layers);
	cv_extents_fini(&s->list);
	s->chain = (struct cv_chain){ .count = 0 };
}

bool cv_side_at(struct cv_side *s, uint64_t pos, uint64_t end, struct cv_extent *e, struct cv_err *err)
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
		if (!cv_chain_extents(&s->chain, (struct cv_range){ pos, size - pos }, &s->list, err)) {
			s->list.len = 0;
			return false;
		}
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

bool cv_sides_same(const struct cv_side *one, const struct cv_extent *a, const struct cv_side *other, const struct cv_extent *b)
{
	if (is_zero(a) && is_zero(b))
		return true;
	return a->kind == CV_EXTENT_DATA && b->kind == CV_EXTENT_DATA && a->placed && b->placed && a->host == b->host &&
	       a->compressed == b->compressed && one->chain.layers[a->layer] == other->chain.layers[b->layer];
}
