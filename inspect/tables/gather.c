/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Merging and counting of findings before they become facts. */
#include "inspect/tables/gather.h"
#include <stdio.h>

static bool same_kind(const struct cv_gathered *a, const struct cv_gathered *b)
{
	return a->finding.id == b->finding.id && a->finding.severity == b->finding.severity && !strcmp(a->one, b->one);
}

/* When there are more kinds than rows the last row takes them all. */
static struct cv_gather_kind *kind_of(struct cv_gather *g, const struct cv_gathered *one)
{
	for (size_t i = 0; i < g->kinds; i++)
		if (same_kind(&g->kind[i].last, one) || same_kind(&g->kind[i].rest, one))
			return &g->kind[i];
	if (g->kinds == CV_GATHER_KINDS)
		return &g->kind[CV_GATHER_KINDS - 1];
	g->kind[g->kinds].last = *one;
	g->kind[g->kinds].last.count = 0;
	return &g->kind[g->kinds++];
}

static size_t listed(const struct cv_gather *g, enum cv_problem_id id)
{
	size_t n = 0;

	for (uint32_t i = 0; i < g->facts->finding_count; i++)
		n += g->facts->findings[i].id == id;
	return n;
}

static void give(struct cv_gather *g, const struct cv_gathered *one, const char *more)
{
	struct cv_finding f = one->finding;
	char what[96];

	if (one->count == 1 && !*more)
		snprintf(what, sizeof what, "%s", one->one);
	else
		snprintf(what, sizeof what, "%" PRIu64 "%s %s", one->count, more,
			 one->count == 1 ? one->one : one->many);
	f.arg[0] = cv_arg_text(what);
	cv_facts_find(g->facts, f);
}

static void settle(struct cv_gather *g, struct cv_gather_kind *kind)
{
	struct cv_gathered *last = &kind->last, *rest = &kind->rest;

	if (!last->count)
		return;
	if (!kind->listed || (!rest->count && listed(g, last->finding.id) < CV_GATHER_LISTED)) {
		kind->listed = true;
		give(g, last, "");
	} else if (!rest->count) {
		*rest = *last;
	} else {
		rest->count += last->count;
		rest->finding.bytes += last->finding.bytes;
	}
	last->count = 0;
}

static bool same_arg(const struct cv_arg *a, const struct cv_arg *b)
{
	return a->kind == b->kind && (a->kind != CV_ARG_NUMBER || a->number == b->number) &&
	       (a->kind != CV_ARG_TEXT || cv_bytes_equal(a->text, b->text));
}

static bool goes_on(const struct cv_gathered *last, const struct cv_gathered *one)
{
	const struct cv_finding *a = &last->finding, *b = &one->finding;

	return last->count && same_kind(last, one) && a->has_where && b->has_where &&
	       a->where.off + a->where.len == b->where.off && same_arg(&a->arg[2], &b->arg[2]) &&
	       same_arg(&a->arg[3], &b->arg[3]);
}

void cv_gather(struct cv_gather *g, const struct cv_gathered *one)
{
	struct cv_gather_kind *kind = kind_of(g, one);

	if (!one->count)
		return;
	if (!goes_on(&kind->last, one)) {
		settle(g, kind);
		kind->last = *one;
		return;
	}
	kind->last.count += one->count;
	kind->last.finding.where.len += one->finding.where.len;
	kind->last.finding.bytes += one->finding.bytes;
}

void cv_gather_end(struct cv_gather *g)
{
	for (size_t i = 0; i < g->kinds; i++)
		settle(g, &g->kind[i]);
	for (size_t i = 0; i < g->kinds; i++) {
		if (g->kind[i].rest.count)
			give(g, &g->kind[i].rest, " more");
		g->kind[i].rest.count = 0;
	}
}
