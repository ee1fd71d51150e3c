/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The candidates of one lost link as text: what follows, then each with its score and what makes it up. */
#include <stdio.h>

#include <chainview/candidates.h>
#include "inspect/report/words.h"

#define SHOWN       5
#define KIND_COLUMN 11
#define TEXT_COLUMN 24

static const char *verdict_words(const struct cv_lost *l)
{
	static const char *const words[] = {
		[CV_LOST_NONE] = "not found: ",
		[CV_LOST_SAFE] = "found: ",
		[CV_LOST_ASKS] = "perhaps: ",
		[CV_LOST_TIE] = "undecided: ",
	};

	return words[l->verdict];
}

static void draw_verdict(struct cv_page *o, const struct cv_lost *l)
{
	const struct cv_problem *p = cv_problem_by_id(l->problem);

	cv_page_end(o);
	cv_page_str(o, CV_PAINT_BOLD, "Candidates for its parent");
	cv_page_addf(o, CV_PAINT_DIM, " (%s)", p ? p->name : "");
	cv_page_end(o);
	cv_page_to(o, 2);
	cv_page_str(o, l->verdict == CV_LOST_SAFE ? CV_PAINT_PLAIN : CV_PAINT_WARNING, verdict_words(l));
	cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(l->reason), 4);
	cv_page_end(o);
}

/* Before its name: its number, or "-" if it cannot be it; behind it, its score. */
static void draw_name(struct cv_page *o, const struct cv_graph *g, const struct cv_lost *l, size_t number)
{
	const struct cv_candidate *c = &l->candidates[number];
	const struct cv_image *m = &c->graph->images[c->image];
	bool here = c->place == CV_CANDIDATE_HERE && m->repository == g->images[l->child].repository;
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	char before[24] = "  -  ", tail[24];
	size_t left;

	if (!c->against)
		snprintf(before, sizeof before, "%3zu  ", number + 1);
	snprintf(tail, sizeof tail, "  %s%d", c->against ? "cannot be it, " : "", c->score);
	cv_text_escape(&name, cv_bytes_of(here ? m->id : m->file->path));
	cv_page_to(o, 2);
	cv_page_str(o, CV_PAINT_DIM, before);
	left = cv_page_left(o);
	cv_page_elided(o, c->against ? CV_PAINT_DIM : CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&name)),
		       left == SIZE_MAX      ? left
		       : left > strlen(tail) ? left - strlen(tail)
					     : 1);
	cv_page_str(o, CV_PAINT_DIM, tail);
	cv_page_end(o);
	o->ok &= !name.failed;
}

static void draw_evidence(struct cv_page *o, const struct cv_evidence *e)
{
	char weight[16];

	snprintf(weight, sizeof weight, "%+d", e->weight);
	cv_page_right(o, e->against ? CV_PAINT_ERROR : CV_PAINT_DIM, weight, KIND_COLUMN);
	cv_page_to(o, KIND_COLUMN + 1);
	cv_page_str(o, CV_PAINT_DIM, cv_evidence_name(e->kind));
	cv_page_to(o, o->column < TEXT_COLUMN ? TEXT_COLUMN : o->column + 1);
	cv_page_wrapped(o, e->against ? CV_PAINT_ERROR : CV_PAINT_PLAIN, cv_bytes_of(e->text), TEXT_COLUMN + 2);
	cv_page_end(o);
}

static void draw_rest(struct cv_page *o, const struct cv_lost *l, size_t shown)
{
	if (shown < l->count) {
		cv_page_addf(o, CV_PAINT_DIM, "  and %zu more (-v lists them)", l->count - shown);
		cv_page_end(o);
	}
	if (l->left_out) {
		cv_page_to(o, 2);
		cv_page_addf(o, CV_PAINT_DIM, "%zu more have the same name or identity and were not compared",
			     l->left_out);
		cv_page_end(o);
	}
}

bool cv_report_lost(const struct cv_graph *g, const struct cv_lost *lost, const struct cv_style *style,
		    const struct cv_sink *sink)
{
	size_t shown = !style->verbose && lost->count > SHOWN ? SHOWN : lost->count;
	struct cv_page out;

	cv_page_init(&out, style, sink);
	draw_verdict(&out, lost);
	for (size_t i = 0; i < shown && out.ok; i++) {
		draw_name(&out, g, lost, i);
		for (size_t k = 0; k < lost->candidates[i].evidence_count && out.ok; k++)
			draw_evidence(&out, &lost->candidates[i].evidence[k]);
	}
	draw_rest(&out, lost, shown);
	return cv_page_fini(&out);
}
