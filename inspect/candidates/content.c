/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Samples of candidates: against the fingerprint that was recorded while the chain was whole, and, where several have the
 * identity that is looked for, against each other. All links of all searches go through the same processes.
 */
#include "inspect/candidates/candidates.h"

CV_VEC(link_vec, struct cv_link);
CV_VEC(where_vec, struct cv_suspect *);

struct comparing {
	const struct cv_graph *g;
	bool (*stop)(void);
	struct link_vec links;
	struct where_vec of; /* the candidate of each link */
	bool failed;
};

static void add_link(struct comparing *c, const struct cv_search *s, struct cv_suspect *x,
		     const struct cv_fingerprint *known)
{
	struct cv_link link = {
		.child = s->index, .parent = x->pub.image, .parent_graph = x->pub.graph, .known = known
	};

	c->failed |= !link_vec_push(&c->links, link) || !where_vec_push(&c->of, x);
}

static bool run(struct comparing *c, struct cv_err *err)
{
	if (c->failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t next = 0; next < c->links.len && !(c->stop && c->stop());)
		if (!cv_links_batch(c->g, c->links.at, c->links.len, &next, err))
			return false;
	return true;
}

static enum cv_content content_of(const struct cv_link *link, struct cv_fingerprint_match *m)
{
	if (!link->done)
		return CV_CONTENT_UNREAD;
	*m = cv_link_match(link);
	return m->differing ? CV_CONTENT_DIFFERS : m->compared ? CV_CONTENT_AGREES : CV_CONTENT_UNKNOWN;
}

static bool can_be_read(const struct cv_suspect *x)
{
	const struct cv_graph *g = x->pub.graph;
	const struct cv_image *m = &g->images[x->pub.image];

	return m->file->state == CV_FILE_READ && (m->status == CV_PARENT_NONE || m->status == CV_PARENT_FOUND) &&
	       g->images[m->root].status == CV_PARENT_NONE;
}

/* Of a disk that is empty, or looks the same everywhere, every other one like that has the same samples. */
static bool is_telling(const struct cv_fingerprint *f)
{
	for (uint32_t i = 1; i < f->count; i++)
		if (memcmp(f->samples[i].digest, f->samples[0].digest, sizeof f->samples[0].digest) != 0)
			return true;
	return false;
}

static enum cv_content content_of_known(const struct cv_link *link, struct cv_fingerprint_match *m)
{
	enum cv_content content = content_of(link, m);

	return content == CV_CONTENT_AGREES && !is_telling(link->known) ? CV_CONTENT_UNKNOWN : content;
}

/* Against the fingerprint of the child. */
static bool compare_known(struct comparing *c, struct cv_search *at, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; at[i].known && k < at[i].suspects.len; k++) {
			struct cv_suspect *x = &at[i].suspects.at[k];

			x->content = CV_CONTENT_UNREAD;
			if (!x->pub.against && can_be_read(x))
				add_link(c, &at[i], x, at[i].known);
		}
	if (!run(c, err))
		return false;
	for (size_t i = 0; i < c->links.len; i++)
		c->of.at[i]->content = content_of_known(&c->links.at[i], &c->of.at[i]->match);
	c->links.len = c->of.len = 0;
	return true;
}

static bool is_twin(const struct cv_suspect *x)
{
	return x->pub.identity && !x->pub.against && x->content != CV_CONTENT_DIFFERS;
}

/* The first of those that have the identity; NULL if it is the only one. */
static struct cv_suspect *first_twin(struct cv_search *s)
{
	struct cv_suspect *first = NULL;

	for (size_t i = 0; i < s->suspects.len; i++) {
		if (!is_twin(&s->suspects.at[i]))
			continue;
		if (first)
			return first;
		first = &s->suspects.at[i];
	}
	return NULL;
}

/* Takes samples of the first. */
static bool sample_twins(struct comparing *c, struct cv_search *at, size_t count, struct cv_err *err)
{
	size_t next = 0;

	for (size_t i = 0; i < count; i++) {
		struct cv_suspect *first = first_twin(&at[i]);

		if (first && can_be_read(first))
			add_link(c, &at[i], first, NULL);
	}
	if (!run(c, err))
		return false;
	for (size_t i = 0; i < count && next < c->links.len; i++) {
		const struct cv_link *link = &c->links.at[next];
		struct cv_fingerprint *f;

		if (at[i].index != link->child)
			continue;
		next++;
		f = link->done && link->record.fresh_count ? cv_arena_alloc(at[i].arena, sizeof *f) : NULL;
		if (!f)
			continue;
		f->count = link->record.fresh_count;
		memcpy(f->samples, link->record.fresh, sizeof f->samples);
		at[i].of_first = f;
		c->of.at[next - 1]->twin = CV_CONTENT_AGREES;
	}
	c->links.len = c->of.len = 0;
	return true;
}

static bool compare_twins(struct comparing *c, struct cv_search *at, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; at[i].of_first && k < at[i].suspects.len; k++) {
			struct cv_suspect *x = &at[i].suspects.at[k];

			if (is_twin(x) && x->twin != CV_CONTENT_AGREES && can_be_read(x))
				add_link(c, &at[i], x, at[i].of_first);
		}
	if (!run(c, err))
		return false;
	for (size_t i = 0; i < c->links.len; i++)
		c->of.at[i]->twin = content_of(&c->links.at[i], &c->of.at[i]->twin_match);
	return true;
}

bool cv_searches_compare(const struct cv_graph *g, struct cv_search *at, size_t count, bool (*stop)(void),
			 struct cv_err *err)
{
	struct comparing c = { .g = g, .stop = stop };
	bool ok = compare_known(&c, at, count, err) && sample_twins(&c, at, count, err) &&
		  compare_twins(&c, at, count, err);

	free(c.links.at);
	free(c.of.at);
	return ok;
}
