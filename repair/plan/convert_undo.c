/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Taking conversions back: what they made goes to the trash. */
#include "repair/operation/work.h"
#include "repair/plan/convert.h"
#include <chainview/convert.h>

/* It goes with it. */
static bool is_made_too(const struct cv_plan_maker *m, const struct cv_file *file)
{
	for (size_t i = 0; i < m->items.len; i++)
		if (m->items.at[i].inode == file->inode && m->items.at[i].device == file->device)
			return true;
	return false;
}

void cv_plan_check_unnamed(struct cv_plan_maker *m, const struct cv_graph *g, const char *dest, const char *way)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 }, who = { 0 };

	cv_text_addf(&path, "%s/%s", m->plan->repository, dest);
	for (uint32_t i = 0; i < g->image_count; i++) {
		if (!cv_plan_names(&g->images[i], cv_text_str(&path)) || is_made_too(m, g->images[i].file))
			continue;
		cv_text_escape(&who, cv_bytes_of(g->images[i].file->path));
		cv_plan_check(m, "not-a-parent", false, "%s names it as its parent: %s", cv_text_str(&who), way);
		return;
	}
	cv_plan_check(m, "not-a-parent", true, "no image names it as its parent");
}

static void check_made(struct cv_plan_maker *m, const struct cv_writing *w, const struct cv_plan_item *made)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct stat st;

	cv_text_escape(&name, cv_bytes_of(made->path));
	if (!cv_place_stat(w, made->path, &st) || !cv_place_same(w, &st, made->device, made->inode))
		cv_plan_check(m, "made-file-there", false, "%s is not there any more", cv_text_str(&name));
	else if ((uint64_t)st.st_size != made->size ||
		 cv_stat_mtime(&st) != made->mtime_ns)
		cv_plan_check(m, "made-file-there", false, "%s was written to since: what is new in it is nowhere else",
			      cv_text_str(&name));
	else
		cv_plan_check(m, "made-file-there", true, "%s is as it was made", cv_text_str(&name));
}

/* One of a tree stands on another that was made with it. */
static struct cv_plan_item with_parent(const struct cv_operation_entry *operation, struct cv_plan_item item)
{
	for (size_t i = 0; item.parent && i < operation->item_count; i++) {
		const struct cv_plan_item *parent = &operation->items[i];

		if (strcmp(parent->path, item.parent) != 0)
			continue;
		item.parent_inode = parent->inode;
		item.parent_size = parent->size;
		item.parent_mtime_ns = parent->mtime_ns;
	}
	return item;
}

struct cv_plan *cv_plan_undo_convert(const struct cv_graph *g, const char *repository,
				     const struct cv_operation_entry *operation, struct cv_err *err)
{
	struct cv_writing w = { .io = &cv_io_real };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(repository, err);
	struct cv_plan_maker m;
	struct statvfs vfs;

	w.root = root;
	if (root < 0 || !cv_plan_begin(&m, CV_PLAN_TRASH, repository, err))
		return NULL;
	/* children before their parents */
	for (size_t i = operation->item_count; i-- > 0;) {
		struct cv_plan_item made = with_parent(operation, operation->items[i]);

		memcpy(made.from, operation->id, sizeof made.from);
		cv_plan_item(&m, made);
		cv_plan_step(&m, "move", made.path, made.allocated, "the image that the conversion made");
	}
	for (size_t i = 0; i < m.items.len; i++) {
		check_made(&m, &w, &m.items.at[i]);
		cv_plan_check_unnamed(&m, g, m.items.at[i].path, "it is needed");
	}
	cv_plan_check_search(&m, g);
	if (w.io->fstatvfs(w.io, root, &vfs) == 0)
		m.plan->space.free_now = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return cv_plan_end(&m, err);
}
