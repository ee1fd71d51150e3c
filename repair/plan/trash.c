/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Plans for what is in the trash: back to where it was, or gone for good. */
#include "repair/merge/keep.h"
#include "repair/operation/work.h"
#include "repair/plan/make.h"

static void take(struct cv_plan_maker *m, const struct cv_trash_entry *e, const char *kind, const char *why)
{
	struct cv_plan_item item = *e->item;

	memcpy(item.from, e->operation, sizeof item.from);
	item.from_index = e->index;
	cv_plan_item(m, item);
	cv_plan_step(m, kind, item.path, e->allocated, why);
}

static bool is_taken(const struct cv_plan_maker *m, const char *path)
{
	for (size_t i = 0; i < m->items.len; i++)
		if (!strcmp(m->items.at[i].path, path))
			return true;
	return false;
}

/* Its parent must be the file that it stood on, not written to since: else it would read other bytes. */
static void check_parent(struct cv_plan_maker *m, const struct cv_writing *w, const struct cv_plan_item *item)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct stat st;

	if (!item->parent || is_taken(m, item->parent))
		return;
	cv_text_escape(&t, cv_bytes_of(item->parent));
	if (!cv_place_stat(w, item->parent, &st))
		cv_plan_check(m, "parent-as-before", false, "parent %s is not there: it would be unreadable", cv_text_str(&t));
	else if (st.st_ino != item->parent_inode || (uint64_t)st.st_size != item->parent_size ||
		 cv_stat_mtime(&st) != item->parent_mtime_ns)
		cv_plan_check(m, "parent-as-before", false,
			      "parent %s was changed since: it would not read what it did", cv_text_str(&t));
	else
		cv_plan_check(m, "parent-as-before", true, "parent %s is as it was", cv_text_str(&t));
}

static void check_home(struct cv_plan_maker *m, const struct cv_writing *w, const struct cv_plan_item *item)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct stat st;

	if (!cv_place_stat(w, item->path, &st))
		return;
	cv_text_escape(&t, cv_bytes_of(item->path));
	cv_plan_check(m, "name-free", false, "another file is called %s now", cv_text_str(&t));
}

struct cv_plan *cv_plan_restore(const char *repository, const struct cv_trash *trash, const size_t *chosen, size_t count,
				struct cv_err *err)
{
	struct cv_writing w = { .io = &cv_io_real };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(repository, err);
	struct cv_plan_maker m;
	struct statvfs vfs;

	w.root = root;
	if (root < 0 || !cv_plan_begin(&m, CV_PLAN_RESTORE, repository, err))
		return NULL;
	for (size_t i = 0; i < count; i++)
		take(&m, &trash->entries[chosen[i]], "move", "back to where it was");
	for (size_t i = 0; i < m.items.len; i++) {
		check_home(&m, &w, &m.items.at[i]);
		check_parent(&m, &w, &m.items.at[i]);
	}
	if (w.io->fstatvfs(w.io, root, &vfs) == 0)
		m.plan->space.free_now = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return cv_plan_end(&m, err);
}

/* Whether an image says that this one is its parent and has no other. */
static bool stands_on(const struct cv_image *child, const struct cv_plan_item *item, const char *repository)
{
	CV_AUTO(cv_text_fini) struct cv_text home = { 0 };
	const struct cv_facts *f = child->facts;

	if (child->status == CV_PARENT_FOUND || child->status == CV_PARENT_NONE)
		return false;
	if (!cv_uuid_is_null(item->uuid) && f->flags & CV_FACT_PARENT_UUID && !memcmp(f->parent_uuid, item->uuid, 16))
		return true;
	cv_text_addf(&home, "%s/%s", repository, item->path);
	return cv_plan_names(child, cv_text_str(&home));
}

static void check_unneeded(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_plan_item *item)
{
	CV_AUTO(cv_text_fini) struct cv_text what = { 0 }, who = { 0 };

	cv_text_escape(&what, cv_bytes_of(item->path));
	for (uint32_t i = 0; i < g->image_count; i++) {
		if (!stands_on(&g->images[i], item, m->plan->repository))
			continue;
		cv_text_escape(&who, cv_bytes_of(g->images[i].file->path));
		cv_plan_check(m, "not-needed", false, "%s is the parent that %s misses: restore it instead",
			      cv_text_str(&what), cv_text_str(&who));
		return;
	}
	cv_plan_check(m, "not-needed", true, "nothing refers to %s, by identity or by path", cv_text_str(&what));
}

/* What others have, too, stays. */
static void count_net(struct cv_plan_maker *m, const struct cv_trash *trash, const size_t *chosen, size_t count)
{
	uint64_t shared = 0, frees = 0;

	for (size_t i = 0; i < count; i++) {
		const struct cv_trash_entry *e = &trash->entries[chosen[i]];
		CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
		uint64_t kept;

		cv_text_addf(&path, CV_STORE_NAME "/trash/%s/%s", cv_uuid_str(e->operation).s,
			     cv_trash_name(e->index, e->item->path).s);
		m->failed |= path.failed;
		kept = cv_plan_shared(m, cv_text_str(&path));
		cv_text_clear(&path);
		cv_text_addf(&path, CV_STORE_NAME "/trash/%s/" CV_KEEP_NAME, cv_uuid_str(e->operation).s);
		m->failed |= path.failed;
		kept += cv_plan_shared(m, cv_text_str(&path));
		kept = kept < e->allocated ? kept : e->allocated;
		shared += kept;
		frees += e->allocated - kept;
	}
	m->plan->space.net = (int64_t)frees;
	if (shared)
		cv_plan_check(m, "shared-extents", true,
			      "%" PRIu64 " bytes (%s) of it are shared with other files and stay taken as long as one of these is there",
			      shared, cv_size_short(shared).s);
}

struct cv_plan *cv_plan_purge(const struct cv_graph *g, uint32_t repository, const struct cv_trash *trash,
			      const size_t *chosen, size_t count, struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(g->scan, repository);
	struct cv_plan_maker m;

	if (!cv_plan_begin(&m, CV_PLAN_PURGE, r->path, err))
		return NULL;
	m.plan->space.free_now = r->free_bytes;
	for (size_t i = 0; i < count; i++)
		take(&m, &trash->entries[chosen[i]], "unlink", "cannot be undone");
	count_net(&m, trash, chosen, count);
	for (size_t i = 0; i < m.items.len; i++)
		check_unneeded(&m, g, &m.items.at[i]);
	cv_plan_check_search(&m, g);
	return cv_plan_end(&m, err);
}
