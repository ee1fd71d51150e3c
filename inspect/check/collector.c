/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the garbage collector of XenServer / XCP-ng would do next, said where that is dangerous. Garbage is a hidden
 * image without children, and whatever has nothing but garbage on it: whether that is hidden itself is not asked.
 */
#include "inspect/check/check.h"

#define SHOWN 4u

static bool is_referred(const struct cv_build *b, const struct cv_image *image)
{
	for (uint32_t i = 0; i < image->reference_count; i++)
		if (!b->g->references[image->first_reference + i].claim->in_use)
			return true;
	return false;
}

/* A raw disk has no mark: in a repository of XenServer it counts as visible. */
static bool is_unmarked_disk(const struct cv_build *b, const struct cv_image *image)
{
	const struct cv_repository *r = cv_scan_repository(b->scan, image->repository);

	return image->format == CV_FORMAT_RAW && r && r->kind == CV_REPOSITORY_XEN_FILE_SR;
}

/* The garbage on an image, in the order in which it goes: what stands on something before that. */
static void add_garbage(struct cv_build *b, struct cv_text *t, uint32_t image)
{
	CV_AUTO(cv_auto_free) uint32_t *list = NULL;
	size_t count = 0, shown = 0;

	b->failed |= !cv_graph_impact(b->g, image, &list, &count);
	for (size_t i = count; i-- > 0 && shown < SHOWN; shown++)
		cv_text_addf(t, "%s%s", shown ? ", " : "", cv_image_label(b->g, b->g->images[image].repository, list[i]));
	if (count > shown)
		cv_text_addf(t, ", %zu more", count - shown);
}

void cv_check_collector(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->g->image_count && !b->failed && !b->g->partial; i++) {
		const struct cv_image *image = &b->g->images[i];
		struct cv_finding f = cv_finding_of(CV_CHN_VISIBLE_BASE_WITH_HIDDEN_CHILDREN);
		struct cv_text order = { 0 };

		if (!image->child_count || !b->notes[i].garbage || image->status == CV_PARENT_CYCLE ||
		    (image->mark != CV_MARK_VISIBLE && !is_unmarked_disk(b, image)))
			continue;
		cv_text_add(&order, "the next run of the garbage collector would delete ");
		add_garbage(b, &order, i);
		cv_text_add(&order, ", and then this image");
		f.arg[0] = cv_arg_number(image->child_count);
		f.arg[1] = cv_arg_kept(b, &order);
		if (image->mark != CV_MARK_VISIBLE)
			f.arg[2] = cv_arg_text("it is raw: there is no place in it for a mark");
		cv_found(b, i, f);
	}
}

struct cv_arg cv_collector_takes(const struct cv_build *b, uint32_t i)
{
	if (is_referred(b, &b->g->images[i]))
		return cv_arg_text("somebody refers to it, but a garbage collector goes by the mark alone and would delete it: "
				   "have the mark taken away first");
	return cv_arg_text("the next run of the garbage collector deletes it, unless a relink_ journal names it");
}

bool cv_collector_endangers(const struct cv_build *b, uint32_t i)
{
	return b->g->images[i].role == CV_ROLE_ORPHAN && is_referred(b, &b->g->images[i]);
}
