/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An image in plain words: what it is, who needs it, what breaks without it, what may be done with it. The
 * verdicts come from the graph; here they only become sentences, one paragraph a line.
 */
#include "inspect/report/words.h"

#define NAMES_SHOWN 4

static bool has_parent(const struct cv_image *m)
{
	return m->status != CV_PARENT_NONE && !cv_words_parent_unknown(m);
}

static void add_kind(struct cv_text *t, const struct cv_image *m)
{
	static const char *const roles[] = {
		[CV_ROLE_LEAF] = "a leaf: the top of its chain, the image that a guest would open",
		[CV_ROLE_BASE] = "a base copy: other images stand on it, and it must not change any more",
		[CV_ROLE_ORPHAN] = "an orphan: marked hidden like a base copy, but no image stands on it",
	};

	if (m->format == CV_FORMAT_NONE)
		cv_text_add(t, "This file could not be recognised as an image.");
	else
		cv_text_addf(t, "This %s image is %s.", cv_words_format(m->format), roles[m->role]);
}

static void add_chain(struct cv_text *t, const struct cv_graph *g, uint32_t image)
{
	const struct cv_image *m = &g->images[image];

	if (cv_words_parent_unknown(m)) {
		cv_text_add(t, " Its parent fields cannot be read, so what lies below it is not known.\n");
	} else if (!has_parent(m)) {
		if (m->format != CV_FORMAT_NONE)
			cv_text_add(t, " It has no parent and holds all of its data itself.");
		cv_text_add(t, "\n");
	} else if (m->parent != CV_NO_IMAGE && m->status == CV_PARENT_FOUND) {
		cv_text_add(t, " It holds only what was written since it was put on ");
		cv_words_parent(t, g, image);
		cv_text_addf(t, " (found by %s); a read may walk through ", cv_parent_basis_name(m->basis));
		cv_words_number(t, (uint64_t)m->depth + 1, "image", "images");
		cv_text_add(t, ".\n");
	} else {
		cv_text_add(t, " It holds only changes, and it cannot be read in full: ");
		cv_words_parent_trouble(t, g, image);
		cv_text_add(t, ".\n");
	}
}

static void add_names(struct cv_text *t, const struct cv_graph *g, const uint32_t *list, size_t count, uint32_t from)
{
	for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
		cv_text_add(t, !i ? "" : i + 1 == count ? " and " : ", ");
		cv_words_image(t, g, list[i], from);
	}
	if (count > NAMES_SHOWN)
		cv_text_addf(t, " and %zu more", count - NAMES_SHOWN);
}

static void add_claims(struct cv_text *t, const struct cv_graph *g, const struct cv_image *m)
{
	for (uint32_t i = 0; i < m->reference_count && i < NAMES_SHOWN; i++) {
		const struct cv_claim *c = g->references[m->first_reference + i].claim;

		cv_text_addf(t, "%s%s ", i ? "; " : "", c->in_use ? "in use by" : "named by");
		cv_text_escape(t, c->who);
		cv_text_addf(t, "%s", c->confidence == CV_POSSIBLE ? " (possibly)" : "");
	}
	if (m->reference_count > NAMES_SHOWN)
		cv_text_addf(t, "; and %" PRIu32 " more", m->reference_count - NAMES_SHOWN);
	cv_text_add(t, ".\n");
}

static void add_needs(struct cv_text *t, const struct cv_graph *g, uint32_t image)
{
	const struct cv_image *m = &g->images[image];

	if (m->child_count) {
		cv_text_add(t, "It is needed as the parent of ");
		add_names(t, g, g->children + m->first_child, m->child_count, m->repository);
		cv_text_add(t, ".\n");
	}
	if (m->reference_count) {
		cv_text_add(t, m->child_count ? "It is also " : "It is ");
		add_claims(t, g, m);
	} else if (!m->child_count) {
		cv_text_add(t, "No image that was found stands on it");
		cv_text_add(t, g->refs && g->refs->complete ? ", and no source of references names it.\n" :
			    g->refs && g->refs->none ? "; other references were not asked for.\n" :
						       "; whether a guest needs it is not known for certain.\n");
	}
}

static bool add_impact(struct cv_text *t, const struct cv_graph *g, uint32_t image)
{
	CV_AUTO(cv_auto_free) uint32_t *list = NULL;
	size_t count = 0;

	if (!cv_graph_impact(g, image, &list, &count))
		return false;
	if (!count) {
		cv_text_add(t, "Without it no other image would lose data; what it holds itself would be gone.\n");
		return true;
	}
	cv_text_add(t, "Without it ");
	cv_words_number(t, count, "image", "images");
	cv_text_add(t, " could not be read any more: ");
	add_names(t, g, list, count, g->images[image].repository);
	cv_text_add(t, ".\n");
	return true;
}

static void add_verdict(struct cv_text *t, const struct cv_graph *g, const struct cv_image *m,
			const struct cv_verdict *v, const char *can, const char *cannot)
{
	cv_text_add(t, v->possible ? can : cannot);
	if (v->possible && v->into != CV_NO_IMAGE) {
		cv_text_add(t, " into ");
		cv_words_image(t, g, v->into, m->repository);
	}
	if (v->reason && *v->reason)
		cv_text_addf(t, ": %s", v->reason);
	cv_text_add(t, ".\n");
}

bool cv_describe_image(const struct cv_graph *g, uint32_t image, struct cv_text *out)
{
	const struct cv_image *m = &g->images[image];

	add_kind(out, m);
	add_chain(out, g, image);
	if (m->facts->flags & CV_FACT_LIVE)
		cv_text_add(out, "It looks as if it is open now, so what is said about its state may change.\n");
	if (m->file && m->file->trouble)
		cv_text_addf(out, "It could not be read completely: %s.\n", m->file->trouble);
	add_needs(out, g, image);
	if (!add_impact(out, g, image))
		return false;
	if (has_parent(m))
		add_verdict(out, g, m, &m->coalesce, "It can be merged", "It cannot be merged");
	add_verdict(out, g, m, &m->deletable, "It can be deleted", "It must not be deleted");
	if (g->partial)
		cv_text_add(out, "The scan was not finished: this may change when everything has been seen.\n");
	return !out->failed;
}
