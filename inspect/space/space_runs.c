/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lists of runs: adding, joining, asking. Memory is bounded by a number of runs that all lists share; what the
 * runs stand for is not known here.
 */
#include "inspect/space/space_runs.h"

#define FIRST_JOIN 65536u

static int by_offset(const void *a, const void *b)
{
	const struct cv_range *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

static uint64_t end_of(const struct cv_range *r)
{
	return r->off + r->len;
}

static bool in_order(const struct cv_space_runs *runs)
{
	for (size_t i = 1; i < runs->len; i++)
		if (runs->at[i].off <= end_of(&runs->at[i - 1]))
			return false;
	return true;
}

void cv_space_runs_join(struct cv_space_runs *runs)
{
	size_t n = 0;

	if (runs->len < 2 || in_order(runs))
		return;
	qsort(runs->at, runs->len, sizeof *runs->at, by_offset);
	for (size_t i = 1; i < runs->len; i++) {
		const struct cv_range *r = &runs->at[i];
		struct cv_range *last = &runs->at[n];

		if (r->off > end_of(last))
			runs->at[++n] = *r;
		else if (end_of(r) > end_of(last))
			last->len = end_of(r) - last->off;
	}
	runs->len = n + 1;
}

/* The part of the bytes that lies in the slice. */
static struct cv_range clip(struct cv_range bytes, struct cv_range slice)
{
	uint64_t end, stop = slice.off + slice.len;

	if (__builtin_add_overflow(bytes.off, bytes.len, &end) || end > stop)
		end = stop;
	if (bytes.off < slice.off)
		bytes.off = slice.off;
	bytes.len = bytes.off < end ? end - bytes.off : 0;
	return bytes;
}

static bool make_room(struct cv_space_account *a, enum cv_claim_class class, struct cv_err *err)
{
	struct cv_space_runs *runs = &a->runs[class];
	size_t before = runs->len;

	if (runs->len < (a->join_at[class] ? a->join_at[class] : FIRST_JOIN) && *a->held < a->most)
		return true;
	cv_space_runs_join(runs);
	*a->held -= before - runs->len;
	a->join_at[class] = runs->len * 2 > FIRST_JOIN ? runs->len * 2 : FIRST_JOIN;
	return *a->held < a->most || cv_fail(err, CV_ELIMIT, "more than %zu pieces", a->most);
}

bool cv_space_claim(struct cv_space_account *a, enum cv_claim_class class, struct cv_range bytes, struct cv_err *err)
{
	struct cv_space_runs *runs = &a->runs[class];
	struct cv_range r = clip(bytes, a->slice), *last = runs->len ? &runs->at[runs->len - 1] : NULL;

	if (!r.len)
		return true;
	a->claimed[class] += r.len;
	if (last && r.off >= last->off && r.off <= end_of(last)) {
		if (end_of(&r) > end_of(last))
			last->len = end_of(&r) - last->off;
		return true;
	}
	if (!make_room(a, class, err))
		return false;
	if (!cv_space_runs_push(runs, r))
		return cv_fail(err, CV_ENOMEM, "out of memory for %zu pieces", runs->len);
	++*a->held;
	return true;
}

void cv_space_account_join(struct cv_space_account *a)
{
	for (int c = 0; c < CV_CLAIM_CLASS_COUNT; c++)
		cv_space_runs_join(&a->runs[c]);
}

int cv_space_claimed(const struct cv_space_account *a, size_t cursor[CV_CLAIM_CLASS_COUNT], uint64_t pos,
		     uint64_t *end)
{
	*end = a->slice.off + a->slice.len;
	for (int c = CV_CLAIM_CLASS_COUNT; c--;) {
		const struct cv_space_runs *runs = &a->runs[c];
		size_t *i = &cursor[c];

		while (*i < runs->len && end_of(&runs->at[*i]) <= pos)
			++*i;
		if (*i == runs->len)
			continue;
		if (runs->at[*i].off <= pos) {
			if (end_of(&runs->at[*i]) < *end)
				*end = end_of(&runs->at[*i]);
			return c;
		}
		if (runs->at[*i].off < *end)
			*end = runs->at[*i].off;
	}
	return -1;
}

void cv_space_account_fini(struct cv_space_account *a)
{
	for (int c = 0; c < CV_CLAIM_CLASS_COUNT; c++) {
		free(a->runs[c].at);
		a->runs[c] = (struct cv_space_runs){ 0 };
		a->join_at[c] = 0;
		a->claimed[c] = 0;
	}
}

static uint64_t common(struct cv_range a, struct cv_range b)
{
	uint64_t from = a.off > b.off ? a.off : b.off, upto = end_of(&a) < end_of(&b) ? end_of(&a) : end_of(&b);

	return from < upto ? upto - from : 0;
}

/* The first piece of the map that ends behind pos. */
static size_t first_behind(const struct cv_space_disk *d, uint64_t pos)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&d->map[middle]) <= pos)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The next bytes on disk at or behind pos, as far as the source knows; all of the rest if it does not. */
static struct cv_range next_held(struct cv_space_disk *d, uint64_t pos, uint64_t limit)
{
	uint64_t from, upto;

	if (pos >= d->held.off && pos < end_of(&d->held))
		return d->held;
	if (!d->source->ops->hole || !d->source->ops->hole(d->source, pos, &from, &upto) || from < pos || upto < from)
		return (struct cv_range){ pos, limit - pos };
	d->held = (struct cv_range){ from, upto - from };
	return d->held;
}

uint64_t cv_space_on_disk(struct cv_space_disk *d, struct cv_range range)
{
	uint64_t limit = d->source->size, sum = 0, end = end_of(&range), pos = range.off;

	if (end < range.off || end > limit)
		end = limit;
	if (pos >= end)
		return 0;
	range.len = end - pos;
	if (d->map) {
		for (size_t i = first_behind(d, pos); i < d->count && d->map[i].off < end; i++)
			sum += common(range, d->map[i]);
		return sum;
	}
	while (pos < end) {
		struct cv_range r = next_held(d, pos, limit);

		if (!r.len || r.off >= end)
			break;
		sum += common((struct cv_range){ pos, end - pos }, r);
		pos = end_of(&r);
	}
	return sum;
}
