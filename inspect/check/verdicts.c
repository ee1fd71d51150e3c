/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Verdicts: may this image be merged into its parent, may it be moved to the trash, and why or why not. The
 * rules are asked in order; the first that objects gives the reason. Writers ask again when they plan.
 */
#include "inspect/check/verdicts.h"
#include "inspect/repository/lookup.h"

static const char *escaped(struct cv_question *q)
{
	struct cv_text out = { 0 };

	cv_text_escape(&out, cv_bytes_of(cv_text_str(&q->why)));
	out.failed |= q->why.failed;
	cv_text_clear(&q->why);
	return cv_keep(q->b, &out);
}

/* A node without a mark is merged only by name, unless a complete source says that nobody refers to it. */
static bool is_settled(const struct cv_question *q)
{
	return q->image->mark == CV_MARK_HIDDEN || cv_knows_references(q->b);
}

static void merge_reason(struct cv_question *q)
{
	const char *into = cv_label(q, q->image->parent);

	if (q->image->mark == CV_MARK_HIDDEN)
		cv_text_addf(&q->why, "hidden base copy, the only child of %s: can be merged", into);
	else if (is_settled(q))
		cv_text_addf(&q->why, "no source of references names it, the only child of %s: can be merged", into);
	else
		cv_text_addf(&q->why,
			     "the only child of %s, without a hidden mark: is merged only when named explicitly", into);
}

static void judge_merge(struct cv_question *q)
{
	struct cv_image *image = &q->b->g->images[q->i];
	bool possible = !cv_objects_to_merge(q);
	struct cv_finding f = cv_finding_of(CV_SPC_COALESCABLE);

	if (possible)
		merge_reason(q);
	image->coalesce.possible = possible;
	image->coalesce.leaf = q->only_leaf;
	image->coalesce.into = q->parent ? image->parent : CV_NO_IMAGE;
	image->coalesce.reason = escaped(q);
	if (!possible || !is_settled(q))
		return;
	f.arg[0] = cv_arg_text(cv_label(q, image->parent));
	cv_found(q->b, q->i, f);
}

static void delete_reason(struct cv_question *q)
{
	uint32_t links = cv_scan_links_elsewhere(q->b->scan, q->image->file);

	cv_text_add(&q->why, "nothing stands on it and no source of references names it");
	if (links)
		cv_text_addf(&q->why, "; its content stays under %" PRIu32 " other %s (hard links) outside the places "
				      "that were searched", links, links == 1 ? "name" : "names");
}

static void judge_delete(struct cv_question *q)
{
	struct cv_image *image = &q->b->g->images[q->i];

	q->parent = NULL;               /* its parent does not mind */
	q->b->notes[q->i].needed = cv_needs(q);
	image->deletable.possible = !q->b->notes[q->i].needed && !cv_doubts(q);
	if (image->deletable.possible)
		delete_reason(q);
	image->deletable.reason = escaped(q);
}

void cv_judge(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->g->image_count && !b->failed; i++) {
		struct cv_question q = { .b = b, .i = i, .image = &b->g->images[i] };

		if (q.image->status == CV_PARENT_FOUND)
			q.parent = &b->g->images[q.image->parent];
		judge_merge(&q);
		judge_delete(&q);
		cv_text_fini(&q.why);
	}
}
