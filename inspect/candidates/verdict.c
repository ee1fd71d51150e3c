/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What follows from the evidence. Safe is one thing only: the only image with the recorded identity, in the same repository,
 * with nothing against it. What two images have in common decides nothing: then nobody is taken.
 */
#include "inspect/candidates/candidates.h"

/* What they add up to: less is no more than chance. */
#define LEAST_SCORE 15

static int compare_suspects(const void *a, const void *b)
{
	const struct cv_suspect *x = a, *y = b;

	if (x->pub.against != y->pub.against)
		return x->pub.against ? 1 : -1;
	if (x->pub.score != y->pub.score)
		return x->pub.score < y->pub.score ? 1 : -1;
	if (x->pub.place != y->pub.place)
		return x->pub.place < y->pub.place ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

/* The candidates by group: those with the identity, and those that can be it at all. */
struct view {
	struct cv_search *s;
	size_t possible; /* they come first */
	size_t identical, identical_possible;
	const struct cv_suspect *twin; /* the first with the identity that can be it */
};

static struct view view_of(struct cv_search *s)
{
	struct view v = { .s = s };

	for (size_t i = 0; i < s->suspects.len; i++) {
		const struct cv_suspect *x = &s->suspects.at[i];
		bool possible = !x->pub.against;

		v.possible += possible;
		v.identical += x->pub.identity;
		v.identical_possible += x->pub.identity && possible;
		if (x->pub.identity && possible && !v.twin)
			v.twin = x;
	}
	return v;
}

static void add_name(struct cv_search *s, const struct cv_suspect *x)
{
	const struct cv_pooled *e = cv_suspect_of(s, x);
	bool here = x->pub.place == CV_CANDIDATE_HERE;

	cv_text_escape(&s->reason, cv_bytes_of(here ? e->image->id : e->image->file->path));
}

static void ask(struct cv_search *s, const struct cv_suspect *x, const char *why)
{
	s->verdict = CV_LOST_ASKS;
	s->chosen = x;
	add_name(s, x);
	cv_text_add(&s->reason, why);
}

/* NULL: nothing stands against taking the only one with the identity without asking. */
static const char *unsafe(const struct cv_search *s, const struct cv_suspect *x)
{
	const struct cv_image *m = cv_suspect_of(s, x)->image;

	if (x->pub.place == CV_CANDIDATE_TRASH)
		return " is the only one with the recorded identity, but it lies in the trash (chainview trash "
		       "restore)";
	if (x->pub.place != CV_CANDIDATE_HERE)
		return " is the only one with the recorded identity, but it lies outside the repository";
	if (s->g->partial || !cv_scan_repository(s->g->scan, s->child->repository)->complete)
		return " is the only one with the recorded identity, but not everything was looked at";
	if (m->file->state != CV_FILE_READ)
		return " is the only one with the recorded identity, but it could not be read completely";
	if (m->size_known && s->child->size_known && m->virtual_size != s->child->virtual_size)
		return " is the only one with the recorded identity, but its disk is of another size";
	if (m->facts->block_size && s->child->facts->block_size && m->facts->block_size != s->child->facts->block_size)
		return " is the only one with the recorded identity, but its blocks are of another size";
	if (s->known && x->content != CV_CONTENT_AGREES && x->content != CV_CONTENT_UNKNOWN)
		return " is the only one with the recorded identity, but its content could not be compared with the "
		       "fingerprint";
	return NULL;
}

static void only_one(struct cv_search *s, const struct cv_suspect *x)
{
	const char *why = unsafe(s, x);

	if (why) {
		ask(s, x, why);
		return;
	}
	s->verdict = CV_LOST_SAFE;
	s->chosen = x;
	add_name(s, x);
	cv_text_addf(&s->reason, " is the only image with the recorded identity, and %s",
		     x->content == CV_CONTENT_AGREES ? "holds what it held while the chain was whole"
						     : "nothing speaks against it");
}

/* Of several of one identity that can be it: the one that is told from the others, or NULL. */
static const struct cv_suspect *told_apart(const struct view *v, const char **why)
{
	const struct cv_suspect *agrees = NULL, *named = NULL;
	size_t agreeing = 0, names = 0, equal = 0;

	for (size_t i = 0; i < v->s->suspects.len; i++) {
		const struct cv_suspect *x = &v->s->suspects.at[i];

		if (!x->pub.identity || x->pub.against)
			continue;
		agreeing += x->content == CV_CONTENT_AGREES;
		agrees = x->content == CV_CONTENT_AGREES ? x : agrees;
		names += x->pub.named;
		named = x->pub.named ? x : named;
		equal += x->twin == CV_CONTENT_AGREES;
	}
	*why = " is the only one of several with the recorded identity that holds what the fingerprint says";
	if (agreeing == 1)
		return agrees;
	*why = " is where the recorded name leads; others with the recorded identity hold the same, as far as was "
	       "compared";
	return names == 1 && equal == v->identical_possible ? named : NULL;
}

static void several(const struct view *v)
{
	const char *why;
	const struct cv_suspect *x = v->s->twins_left ? NULL : told_apart(v, &why);

	if (x) {
		ask(v->s, x, why);
		return;
	}
	v->s->verdict = CV_LOST_TIE;
	cv_text_addf(&v->s->reason, "%zu images have the recorded identity, and nothing tells them apart for certain",
		     v->identical_possible + v->s->twins_left);
}

/* Something that is about this image and no other. How images are numbered is not: the next one is another one. */
static bool has_basis(const struct cv_suspect *x)
{
	bool basis = x->content == CV_CONTENT_AGREES;

	for (size_t i = 0; i < x->evidence.len; i++) {
		const struct cv_evidence *e = &x->evidence.at[i];

		basis |= e->kind == CV_EVIDENCE_NAME || (e->kind == CV_EVIDENCE_TIME && e->weight == CV_WEIGHT_OF_TIME);
	}
	return basis && x->pub.score >= LEAST_SCORE;
}

static void without_identity(const struct view *v)
{
	struct cv_search *s = v->s;
	const struct cv_suspect *first = &s->suspects.at[0], *second = v->possible > 1 ? first + 1 : NULL;
	bool decided = first->content == CV_CONTENT_AGREES;

	if (!has_basis(first)) {
		cv_text_add(&s->reason, "too little speaks for any of them");
	} else if (second && first->pub.score - second->pub.score < CV_TIE_MARGIN) {
		s->verdict = CV_LOST_TIE;
		cv_text_add(&s->reason, "as much speaks for ");
		add_name(s, first);
		cv_text_add(&s->reason, " as for ");
		add_name(s, second);
	} else if (s->names_left && !decided && !first->pub.named && first->common <= s->left_common) {
		s->verdict = CV_LOST_TIE;
		cv_text_addf(&s->reason, "%zu more images have the same name", s->names_left);
	} else {
		ask(s, first,
		    decided         ? " holds what the fingerprint says; no identity proves it"
		    : s->identified ? " has not the recorded identity, but nothing that can be it has more for it"
				    : " has most for it; no identity proves it");
	}
}

void cv_search_judge(struct cv_search *s)
{
	struct view v;

	if (s->suspects.len)
		qsort(s->suspects.at, s->suspects.len, sizeof *s->suspects.at, compare_suspects);
	v = view_of(s);
	s->verdict = CV_LOST_NONE;
	if (!s->suspects.len)
		cv_text_add(&s->reason, "nothing that was looked at could be the parent");
	else if (!v.possible)
		cv_text_add(&s->reason, "something speaks against each of them");
	else if (v.identical_possible > 1 || (v.identical_possible && s->twins_left))
		several(&v);
	else if (v.twin && v.identical == 1)
		only_one(s, v.twin);
	else if (v.twin)
		ask(s, v.twin, " is the only one with the recorded identity that can be it; others have it, too");
	else if (v.identical)
		cv_text_add(&s->reason, "something speaks against each that has the recorded identity");
	else
		without_identity(&v);
}

/* --- together -------------------------------------------------------------------------------------------- */

static int compare_index(const void *key, const void *search)
{
	uint32_t x = *(const uint32_t *)key, y = ((const struct cv_search *)search)->index;

	return (x > y) - (x < y);
}

/* The parent that an image of the graph has, or would have then; CV_NO_IMAGE where its chain ends or leaves the graph. */
static uint32_t parent_then(const struct cv_search *at, size_t count, uint32_t image)
{
	const struct cv_graph *g = at->g;
	const struct cv_search *s = bsearch(&image, at, count, sizeof *at, compare_index);
	const struct cv_image *m = &g->images[image];

	if (s && s->chosen)
		return s->chosen->pub.graph == g ? s->chosen->pub.image : CV_NO_IMAGE;
	return m->status == CV_PARENT_FOUND || m->status == CV_PARENT_CYCLE ? m->parent : CV_NO_IMAGE;
}

/* On a ring if its own chain comes back to it. */
static bool is_on_ring(const struct cv_search *at, size_t count, const struct cv_search *s)
{
	uint32_t image = parent_then(at, count, s->index);

	for (size_t steps = 0; image != CV_NO_IMAGE && image != s->index && steps < s->g->image_count; steps++)
		image = parent_then(at, count, image);
	return image == s->index;
}

void cv_searches_open_rings(struct cv_search *at, size_t count)
{
	CV_AUTO(cv_auto_free) bool *rings = calloc(count + 1, sizeof *rings);

	for (size_t i = 0; i < count; i++)
		if (!rings)
			at[i].failed = true;
		else
			rings[i] = at[i].chosen && is_on_ring(at, count, &at[i]);
	for (size_t i = 0; rings && i < count; i++) {
		if (!rings[i])
			continue;
		at[i].verdict = CV_LOST_TIE;
		cv_text_clear(&at[i].reason);
		cv_text_add(&at[i].reason, "what has most for it, ");
		add_name(&at[i], at[i].chosen);
		cv_text_add(&at[i].reason, ", would lead back to this image together with others that are lost");
		at[i].chosen = NULL;
	}
}
