/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* All links of a graph against a set of fingerprints: what has changed, and what is to be kept from now on. */
#include "inspect/chain/build.h"
#include "inspect/fingerprint/links.h"

#define TEXTS ((size_t)1 << 30)

CV_VEC(link_vec, struct cv_link);

struct comparing {
	const struct cv_graph *g;
	const struct cv_fingerprints *known;
	const struct cv_fingerprint_options *options;
	struct cv_fingerprinted *out;
	struct link_vec links;
	uint8_t *whole;                  /* of each image: 0 not known yet, or one of the values below */
};

enum { WHOLE = 1, BROKEN };

/* From the image down to its root. Each image is looked at once. */
static uint8_t judge(struct comparing *c, uint32_t image)
{
	const struct cv_graph *g = c->g;
	uint32_t at = image;
	uint8_t state = 0;

	while (!state) {
		const struct cv_image *m = &g->images[at];

		if (c->whole[at])
			state = c->whole[at];
		else if (m->format == CV_FORMAT_NONE || m->file->state != CV_FILE_READ ||
			 (m->status != CV_PARENT_NONE && m->status != CV_PARENT_FOUND))
			state = BROKEN;
		else if (m->status == CV_PARENT_NONE)
			state = WHOLE;
		else
			at = m->parent;
	}
	for (uint32_t i = image; !c->whole[i]; i = g->images[i].parent) {
		c->whole[i] = state;
		if (i == at)
			break;
	}
	return state;
}

static bool has_error(const struct cv_graph *g, uint32_t image)
{
	return g->images[image].any_finding && g->images[image].worst == CV_ERROR;
}

static bool is_called(const struct cv_file *f, const char *path)
{
	if (!strcmp(f->path, path))
		return true;
	for (uint32_t i = 0; i < f->alias_count; i++)
		if (!strcmp(f->aliases[i], path))
			return true;
	return false;
}

static bool same_identity(const struct cv_facts *f, bool known, const uint8_t uuid[16])
{
	return cv_has(f, CV_FACT_UUID) == known && (!known || !memcmp(f->uuid, uuid, 16));
}

/* What is known of this link: the same child on the same parent. */
static const struct cv_fingerprint *known_of(const struct comparing *c, uint32_t child)
{
	const struct cv_image *m = &c->g->images[child], *parent = &c->g->images[m->parent];
	const struct cv_fingerprint *f = c->known && !c->options->renew ? cv_fingerprints_of(c->known, m->file->path) : NULL;

	if (!f || !is_called(parent->file, f->parent) || !same_identity(m->facts, f->child_known, f->child_uuid) ||
	    !same_identity(parent->facts, f->parent_known, f->parent_uuid))
		return NULL;
	return f;
}

static bool find_links(struct comparing *c)
{
	for (uint32_t i = 0; i < c->g->image_count; i++) {
		const struct cv_image *m = &c->g->images[i];
		const struct cv_repository *r = cv_scan_repository(c->g->scan, m->repository);
		struct cv_link link = { .child = i, .parent = m->parent };

		if (m->status != CV_PARENT_FOUND || r->other || judge(c, i) == BROKEN)
			continue;
		link.known = known_of(c, i);
		if (!link.known && (has_error(c->g, i) || has_error(c->g, m->parent)))
			continue;
		if (!link_vec_push(&c->links, link))
			return false;
	}
	return true;
}

static bool keep(struct comparing *c, const struct cv_fingerprint *f)
{
	struct cv_fingerprint *to = &c->out->now->at[c->out->now->count];

	*to = *f;
	to->child = cv_arena_dup(c->out->now->arena, f->child, strlen(f->child));
	to->parent = cv_arena_dup(c->out->now->arena, f->parent, strlen(f->parent));
	c->out->now->count++;
	return to->child && to->parent;
}

static bool record(struct comparing *c, const struct cv_link *link)
{
	const struct cv_image *m = &c->g->images[link->child], *parent = &c->g->images[link->parent];
	struct cv_fingerprint f = {
		.child = m->file->path, .parent = parent->file->path, .size = link->record.size,
		.recorded = c->options->now, .seen = c->options->now, .count = link->record.fresh_count,
		.child_known = cv_has(m->facts, CV_FACT_UUID), .parent_known = cv_has(parent->facts, CV_FACT_UUID),
	};

	if (f.child_known)
		memcpy(f.child_uuid, m->facts->uuid, 16);
	if (f.parent_known)
		memcpy(f.parent_uuid, parent->facts->uuid, 16);
	memcpy(f.samples, link->record.fresh, sizeof f.samples);
	c->out->recorded++;
	return keep(c, &f);
}

static bool changed(struct comparing *c, const struct cv_link *link, const struct cv_fingerprint_match *m)
{
	struct cv_finding f = cv_finding_of(CV_CHN_PARENT_CONTENT_CHANGED);
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	const char *label = cv_image_label(c->g, c->g->images[link->child].repository, link->parent), *kept, *name;

	cv_text_addf(&text, "%" PRIu32 " of %" PRIu32 " samples differ, the first at guest offset %" PRIu64
			    "; recorded %s", m->differing, m->compared, m->first_difference,
		     cv_time_utc(link->known->recorded).s);
	kept = text.failed ? NULL : cv_arena_dup(c->out->arena, text.at, text.len);
	name = cv_arena_dup(c->out->arena, label, strlen(label));
	if (!kept || !name)
		return false;
	f.image = link->child;
	f.repository = c->g->images[link->child].repository;
	f.arg[0] = cv_arg_text(name);
	f.arg[1] = cv_arg_text(kept);
	c->out->findings[c->out->finding_count++] = f;
	return keep(c, link->known);
}

/* What the samples of one link say. A child that came to hold most places gets new ones. */
static bool conclude(struct comparing *c, const struct cv_link *link)
{
	struct cv_fingerprint_match m;
	struct cv_fingerprint again;

	if (!link->done) {
		c->out->unknown++;
		return !link->known || keep(c, link->known);
	}
	if (!link->known)
		return record(c, link);
	m = cv_link_match(link);
	c->out->compared++;
	if (m.differing)
		return changed(c, link, &m);
	if (link->record.fresh_count && !has_error(c->g, link->child))
		return record(c, link);
	again = *link->known;
	again.seen = c->options->now;
	return keep(c, &again);
}

static int compare_images(const void *a, const void *b)
{
	const struct cv_finding *x = a, *y = b;

	return (x->image > y->image) - (x->image < y->image);
}

/* What has changed is seen by all that stand on it: where it begins, it is told. */
static void point_down(struct comparing *c)
{
	struct cv_fingerprinted *out = c->out;

	qsort(out->findings, out->finding_count, sizeof *out->findings, compare_images);
	for (size_t i = 0; i < out->finding_count; i++) {
		struct cv_finding key = { .image = c->g->images[out->findings[i].image].parent };

		if (bsearch(&key, out->findings, out->finding_count, sizeof key, compare_images))
			out->findings[i].arg[2] =
				cv_arg_text("the parent's own parent has changed for it too: look there first");
	}
}

static bool look_at_all(struct comparing *c, struct cv_err *err)
{
	struct cv_fingerprinted *out = c->out;

	out->findings = calloc(c->links.len + 1, sizeof *out->findings);
	out->now = calloc(1, sizeof *out->now);
	if (out->now) {
		out->now->at = calloc(c->links.len + 1, sizeof *out->now->at);
		out->now->arena = cv_arena_new(TEXTS);
	}
	if (!out->findings || !out->now || !out->now->at || !out->now->arena)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t next = 0; next < c->links.len && !out->cancelled;) {
		size_t first = next;

		if (!cv_links_batch(c->g, c->links.at, c->links.len, &next, err))
			return false;
		for (size_t i = first; i < next; i++)
			if (!conclude(c, &c->links.at[i]))
				return cv_fail(err, CV_ENOMEM, "out of memory");
		out->cancelled = c->options->stop && c->options->stop();
	}
	point_down(c);
	return true;
}

void cv_fingerprinted_free(struct cv_fingerprinted *f)
{
	if (!f)
		return;
	free(f->findings);
	cv_fingerprints_free(f->now);
	cv_arena_free(f->arena);
	free(f);
}

struct cv_fingerprinted *cv_fingerprint_graph(const struct cv_graph *g, const struct cv_fingerprints *known,
					      const struct cv_fingerprint_options *options, struct cv_err *err)
{
	struct comparing c = { .g = g, .known = known, .options = options, .out = calloc(1, sizeof *c.out),
			       .whole = calloc(g->image_count + 1, 1) };
	bool ok;

	if (c.out)
		c.out->arena = cv_arena_new(TEXTS);
	ok = c.out && c.whole && c.out->arena && find_links(&c);
	ok = ok ? look_at_all(&c, err) : cv_fail(err, CV_ENOMEM, "out of memory");
	free(c.links.at);
	free(c.whole);
	if (ok)
		return c.out;
	cv_fingerprinted_free(c.out);
	return NULL;
}

bool cv_fingerprint_compare(const struct cv_graph *g, uint32_t child, uint32_t candidate,
			    const struct cv_fingerprint *known, struct cv_fingerprint_match *match, struct cv_err *err)
{
	struct cv_link link = { .child = child, .parent = candidate, .known = known };
	size_t next = 0;

	*match = (struct cv_fingerprint_match){ 0 };
	if (!cv_links_batch(g, &link, 1, &next, err))
		return false;
	if (!link.done)
		return cv_fail(err, CV_EIO, "the candidate or its chain cannot be read");
	*match = cv_link_match(&link);
	return true;
}
