/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What could be freed, image by image, in words. The numbers come from inspect/space, the reasons from the
 * verdicts of the graph.
 */
#include "inspect/report/space_words.h"
#include "inspect/report/words.h"
#include <chainview/vec.h>

static struct cv_space_row *add(struct cv_space_rows *rows, uint32_t image, const char *kind, uint64_t bytes)
{
	struct cv_space_row *grown = rows->len < rows->cap ? rows->at
		: cv_vec_grow(rows->at, &rows->cap, rows->len + 1, sizeof *rows->at);

	if (!grown)
		return NULL;
	rows->at = grown;
	rows->at[rows->len] = (struct cv_space_row){ .bytes = bytes, .kind = kind, .image = image };
	return &rows->at[rows->len++];
}

static const struct cv_image *image_of(const struct cv_space *s, uint32_t i)
{
	return &s->graph->images[i];
}

static bool orphaned(struct cv_space_rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_image *m = image_of(s, i);
	struct cv_space_row *r;

	if (!s->images[i].bytes[CV_SPACE_ORPHANED])
		return true;
	r = add(rows, i, "orphan",
		m->role == CV_ROLE_ORPHAN ? m->file->allocated : s->images[i].bytes[CV_SPACE_ORPHANED]);
	if (!r)
		return false;
	cv_text_add(&r->why, m->role != CV_ROLE_ORPHAN ? "only orphans read it"
			     : s->graph->refs && s->graph->refs->complete ? "no child, no reference"
									  : "no child; references not known");
	if (m->role != CV_ROLE_ORPHAN)
		cv_text_add(&r->cure, "delete the orphans that stand on it");
	else if (m->deletable.possible)
		cv_text_add(&r->cure, "delete to trash");
	else
		cv_text_addf(&r->cure, "delete to trash, but: %s", m->deletable.reason);
	return true;
}

/* What a merge of an image frees, if it can be done. */
static void add_merge(struct cv_text *t, const struct cv_space *s, uint32_t child)
{
	const struct cv_space_merge *m = &s->images[child].merge;

	cv_text_add(t, "merge ");
	cv_words_image(t, s->graph, child, image_of(s, child)->repository);
	cv_text_add(t, " into it");
	if (m->known)
		cv_text_addf(t, ": net %s%s, peak %s", m->net_bytes < 0 ? "-" : "",
			     cv_size_short(m->net_bytes < 0 ? -(uint64_t)m->net_bytes : (uint64_t)m->net_bytes).s,
			     cv_size_short(m->peak_bytes).s);
}

static bool shadowed(struct cv_space_rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_image *m = image_of(s, i);
	const struct cv_image *child = m->child_count ? image_of(s, cv_graph_child(s->graph, m, 0)) : NULL;
	struct cv_space_row *r;

	if (!s->images[i].bytes[CV_SPACE_SHADOWED])
		return true;
	r = add(rows, i, "shadowed", s->images[i].bytes[CV_SPACE_SHADOWED]);
	if (!r)
		return false;
	if (m->child_count > 1) {
		cv_text_addf(&r->why, "has %" PRIu32 " children, all have written there", m->child_count);
		cv_text_add(&r->cure, "delete or flatten all but one of them");
		return true;
	}
	if (!child) {
		cv_text_add(&r->why, "nobody reads it");
		return true;
	}
	cv_text_add(&r->why, child->coalesce.possible ? "its child has written there" : child->coalesce.reason);
	if (child->coalesce.possible || !child->child_count)
		add_merge(&r->cure, s, cv_graph_child(s->graph, m, 0));
	else
		cv_text_add(&r->cure, "what stands in the way of the merge first");
	return true;
}

/* Merges that shorten a chain, whatever they free. */
static bool mergeable(struct cv_space_rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_image *m = image_of(s, i);
	const struct cv_space_merge *merge = &s->images[i].merge;
	struct cv_space_row *r;

	if (!m->coalesce.possible || !merge->known || merge->net_bytes <= 0)
		return true;
	r = add(rows, i, "mergeable", (uint64_t)merge->net_bytes);
	if (!r)
		return false;
	cv_text_add(&r->why, m->coalesce.reason);
	cv_text_addf(&r->cure, "coalesce: peak %s", cv_size_short(merge->peak_bytes).s);
	return true;
}

static bool others(struct cv_space_rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_space_image *m = &s->images[i];
	const struct { uint64_t bytes; const char *kind, *why, *cure;
	} table[] = {
		{ m->bytes[CV_SPACE_LEAKED], "leaked", "nothing in the image points to it",
		  "repair the image, then convert it" },
		{ m->bytes[CV_SPACE_SNAPSHOT], "snapshot", "only internal snapshots hold it",
		  "delete internal snapshots" },
		{ m->zero_bytes, "zeros", "pages that hold zeros only", "sparsify" },
	};

	for (size_t k = 0; k < CV_COUNT(table); k++) {
		struct cv_space_row *r = table[k].bytes ? add(rows, i, table[k].kind, table[k].bytes) : NULL;

		if (table[k].bytes && !r)
			return false;
		if (r) {
			cv_text_add(&r->why, table[k].why);
			cv_text_add(&r->cure, table[k].cure);
		}
	}
	return true;
}

static int by_size(const void *a, const void *b)
{
	const struct cv_space_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->image < y->image ? -1 : x->image > y->image;
}

bool cv_space_rows_make(struct cv_space_rows *rows, const struct cv_space *s, uint32_t repository)
{
	size_t first, end = cv_words_images_of(s->graph, repository, &first);

	for (uint32_t i = (uint32_t)first; i < end; i++)
		if (s->images[i].known && (!orphaned(rows, s, i) || !shadowed(rows, s, i) || !mergeable(rows, s, i) ||
					   !others(rows, s, i)))
			return false;
	if (rows->len)
		qsort(rows->at, rows->len, sizeof *rows->at, by_size);
	return true;
}

void cv_space_rows_fini(struct cv_space_rows *rows)
{
	for (size_t i = 0; i < rows->len; i++) {
		cv_text_fini(&rows->at[i].why);
		cv_text_fini(&rows->at[i].cure);
	}
	free(rows->at);
}

struct cv_space_totals cv_space_totals_of(const struct cv_space *s, uint32_t repository)
{
	size_t first, end = cv_words_images_of(s->graph, repository, &first);
	const struct cv_space_plan *p = &s->plans[repository];
	struct cv_space_totals t = { 0 };

	for (size_t i = first; i < end; i++) {
		t.allocated += s->graph->images[i].file->allocated;
		t.unknown += !s->images[i].known;
		for (int c = 0; s->images[i].known && c < CV_SPACE_CLASS_COUNT; c++)
			t.bytes[c] += s->images[i].bytes[c];
	}
	for (size_t i = 0; i < p->count; i++) {
		bool merge = p->steps[i].action == CV_SPACE_COALESCE;

		*(merge ? &t.merges : &t.orphans) += 1;
		*(merge ? &t.mergeable : &t.deletable) += (uint64_t)p->steps[i].net_bytes;
	}
	return t;
}
