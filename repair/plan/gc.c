/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Plans that take away what nothing needs, put it back, or remove it for good. What is needed was decided by those who
 * judge (inspect/check): a plan never takes what they do not call deletable.
 */
#include "repair/plan/make.h"

static bool is_wanted(const struct cv_image *m, const struct cv_gc_options *options)
{
	if (!m->deletable.possible || m->file->block_device)
		return false;
	return m->role == CV_ROLE_ORPHAN || (options->unreferenced && m->role == CV_ROLE_LEAF);
}

/* An image that was chosen by name, and why it is not taken. */
static void check_chosen(struct cv_plan_maker *m, const struct cv_image *image)
{
	CV_AUTO(cv_text_fini) struct cv_text id = { 0 };

	cv_text_escape(&id, cv_bytes_of(image->id));
	cv_plan_check(m, "not-needed", false, "%s: %s", cv_text_str(&id),
		      !image->deletable.possible    ? image->deletable.reason
		      : image->file->block_device ? "block devices are not moved to the trash"
						  : "it is not what gc takes away");
}

static void take(struct cv_plan_maker *m, const struct cv_graph *g, uint32_t i)
{
	const struct cv_image *image = &g->images[i];

	cv_plan_item(m, cv_plan_item_of(g, i));
	cv_plan_step(m, "move", image->id, image->file->allocated,
		     image->role == CV_ROLE_ORPHAN ? "hidden base copy without children" : "leaf that no reference names");
}

static const struct cv_image *image_called(const struct cv_graph *g, uint32_t repository, const char *id)
{
	for (uint32_t i = 0; i < g->image_count; i++)
		if (g->images[i].repository == repository && !strcmp(g->images[i].id, id))
			return &g->images[i];
	return NULL;
}

/* In the order of the graph, so that the same choice is the same plan. */
static bool is_chosen(const struct cv_image *image, const struct cv_gc_options *options)
{
	for (size_t i = 0; i < options->only_count; i++)
		if (!strcmp(image->id, options->only[i]))
			return true;
	return !options->only_count;
}

static void check_all_there(struct cv_plan_maker *m, const struct cv_graph *g, uint32_t repository,
			    const struct cv_gc_options *options)
{
	for (size_t i = 0; i < options->only_count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text id = { 0 };

		if (image_called(g, repository, options->only[i]))
			continue;
		cv_text_escape(&id, cv_bytes_of(options->only[i]));
		cv_plan_check(m, "chosen-there", false, "%s is not there any more", cv_text_str(&id));
	}
}

static void check_references(struct cv_plan_maker *m, const struct cv_graph *g)
{
	const struct cv_references *refs = g->refs;

	if (refs && refs->complete && !refs->none)
		cv_plan_check(m, "references-complete", true, "every source of references was read");
	else
		cv_plan_check(m, "references-complete", false, "%s",
			      refs && refs->none ? "--refs=none knows of no references: give a source that knows them all "
						   "(--refs=list:FILE)"
						 : "no source knows every reference: give one that does (--refs=list:FILE)");
}

static void check_device(struct cv_plan_maker *m, const struct cv_repository *r)
{
	size_t elsewhere = 0;

	for (size_t i = 0; i < m->items.len; i++)
		elsewhere += m->items.at[i].device != r->device;
	cv_plan_check(m, "one-file-system", !elsewhere,
		      elsewhere ? "%zu images are on another file system than the repository: their trash would be, too"
				: "the trash is on the file system of the images", elsewhere);
}

struct cv_plan *cv_plan_gc(const struct cv_graph *g, uint32_t repository, const struct cv_gc_options *options,
			   struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(g->scan, repository);
	struct cv_plan_maker m;

	if (!cv_plan_begin(&m, CV_PLAN_TRASH, r->path, err))
		return NULL;
	for (uint32_t i = 0; i < g->image_count; i++) {
		const struct cv_image *image = &g->images[i];

		if (image->repository != repository || !is_chosen(image, options))
			continue;
		if (is_wanted(image, options))
			take(&m, g, i);
		else if (options->only_count)
			check_chosen(&m, image);
	}
	check_all_there(&m, g, repository, options);
	check_references(&m, g);
	cv_plan_check_search(&m, g);
	check_device(&m, r);
	m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = options->reserve };
	return cv_plan_end(&m, err);
}
