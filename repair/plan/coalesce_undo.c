/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan that takes a merge back. That those who stood on the image read the same through it again rests on three things: the
 * image is what it was, the parent is what it was when all of the image's data was read back from it, and nobody else stands on
 * the parent. Later merges into the same parent come first: when they are taken back, too, what they left in it lies under the
 * images that it came from.
 *
 * What the parent was comes back only if the merge has kept it, and if nothing of a later one is left in it.
 */
#include "inspect/repository/reopen.h"
#include "repair/operation/former.h"
#include "repair/operation/relinking.h"
#include "repair/plan/make.h"
#include "repair/plan/rebase.h"
#include <chainview/operation.h>

enum { IMAGE = 0, PARENT = 1, FIRST_CHILD = 2 };

struct planning {
	struct cv_plan_maker m;
	struct cv_writing w;                 /* for looking only */
	const struct cv_graph *g;
	const struct cv_operation_entry *done;
	const struct cv_operation_list *all;
	struct cv_journal_log log;           /* of what is taken back */
	uint32_t repository, parent;
	bool full;                           /* what it was comes back */
	struct cv_text name, parent_name;    /* escaped */
};

/* --- the image ------------------------------------------------------------------------------------------- */

static bool is_as_merged(const struct planning *p)
{
	const struct cv_plan_item *image = &p->done->items[IMAGE];
	struct cv_err none = { .code = CV_OK };
	CV_AUTO(cv_auto_close) int dir = cv_place_trash(&p->w, p->done->id, false, &none);
	struct stat st;

	return dir >= 0 && p->w.io->fstatat(p->w.io, dir, cv_trash_name(IMAGE, image->path).s, &st) == 0 &&
	       (uint64_t)st.st_size == image->size && cv_stat_mtime(&st) == image->mtime_ns;
}

static const char *against_image(const struct planning *p, enum cv_whereabouts where, bool taken)
{
	if (where == CV_AT_HOME)
		return "it is back already: this merge was undone, or the image was restored";
	if (where != CV_IN_TRASH)
		return "it is not in the trash any more: it was purged";
	if (taken)
		return "something else has its name now: move that away first";
	return is_as_merged(p) ? NULL : "it was written to in the trash";
}

static bool check_image(struct planning *p, struct cv_err *err)
{
	bool taken;
	enum cv_whereabouts where = cv_place_find(&p->w, p->done->id, IMAGE, &p->done->items[IMAGE], &taken, err);
	const char *reason;

	if (where == CV_UNKNOWN)
		return false;
	reason = against_image(p, where, taken);
	cv_plan_check(&p->m, "in-trash", !reason, "%s: %s", cv_text_str(&p->name), reason ? reason : "in the trash, as it was merged");
	return true;
}

/* --- the parent ------------------------------------------------------------------------------------------ */

static bool is_of_parent(const struct planning *p, const struct cv_operation_entry *e)
{
	return e->kind == CV_PLAN_COALESCE && e->state == CV_OPERATION_DONE && e->item_count >= FIRST_CHILD &&
	       e->items[PARENT].inode == p->done->items[PARENT].inode && !strcmp(e->items[PARENT].path, p->done->items[PARENT].path);
}

/* The last of the merges into the parent, whose image must be back if it is a later one. */
static const struct cv_operation_entry *last_merge(struct planning *p, struct cv_err *err)
{
	const struct cv_operation_entry *last = p->done;

	for (size_t i = p->all->count; i-- > 0 && memcmp(p->all->entries[i].id, p->done->id, 16) != 0;) {
		const struct cv_operation_entry *e = &p->all->entries[i];
		CV_AUTO(cv_text_fini) struct cv_text what = { 0 };
		enum cv_whereabouts where;
		bool taken;

		if (!is_of_parent(p, e))
			continue;
		where = cv_place_find(&p->w, e->id, IMAGE, &e->items[IMAGE], &taken, err);
		if (where == CV_UNKNOWN)
			return NULL;
		last = last == p->done ? e : last;
		if (where == CV_AT_HOME)
			continue;
		cv_text_escape(&what, cv_bytes_of(e->items[IMAGE].path));
		cv_plan_check(&p->m, "last-merge-first", false, "%s was merged into %s after it: chainview undo %s comes first",
			      cv_text_str(&what), cv_text_str(&p->parent_name), cv_uuid_str(e->id).s);
		break;
	}
	return last;
}

/* *noted: that is there. */
static bool read_merged(struct planning *p, const struct cv_operation_entry *e, struct cv_merged *merged, bool *noted, struct cv_err *err)
{
	struct cv_journal_log log;
	bool ok = cv_done_read(&p->w, e->id, &log, err);

	*noted = ok && cv_journal_last(&log, CV_RECORD_VERIFIED);
	ok = ok && (!*noted || cv_merged_read(&log, merged, err));
	cv_journal_log_fini(&log);
	return ok;
}

/* Nothing of a later merge is left in the parent: each was taken back, and it got back what it was. */
static bool is_pure(struct planning *p)
{
	struct cv_merged merged;
	bool pure = true, noted;

	for (size_t i = p->all->count; pure && i-- > 0 && memcmp(p->all->entries[i].id, p->done->id, 16) != 0;) {
		const struct cv_operation_entry *e = &p->all->entries[i], *by = is_of_parent(p, e) ? cv_operation_taken_back(p->all, e) : NULL;
		struct cv_err none = { .code = CV_OK };

		if (is_of_parent(p, e))
			pure = by && by->kind == CV_PLAN_COALESCE_UNDO && read_merged(p, by, &merged, &noted, &none) && noted;
	}
	return pure;
}

/* What the parent was like behind the last merge, or when that was taken back and the parent got back what it was. */
static bool read_last(struct planning *p, const struct cv_operation_entry *last, struct cv_merged *merged, struct cv_err *err)
{
	const struct cv_operation_entry *by = last == p->done ? NULL : cv_operation_taken_back(p->all, last);
	bool noted = false;

	if (by && by->kind == CV_PLAN_COALESCE_UNDO && !read_merged(p, by, merged, &noted, err))
		return false;
	return noted || (read_merged(p, last, merged, &noted, err) &&
			 (noted || cv_fail(err, CV_EREFUSED, "its journal does not say what the parent was like when it was read back")));
}

static bool check_parent(struct planning *p, struct cv_err *err)
{
	const struct cv_operation_entry *last = last_merge(p, err);
	struct cv_merged merged;
	const struct cv_file *file;
	bool same;

	if (!last)
		return false;
	p->parent = cv_plan_image(p->g, p->repository, &p->done->items[PARENT]);
	if (p->parent == CV_NO_IMAGE) {
		cv_plan_check(&p->m, "parent-as-merged", false, "%s is not there any more", cv_text_str(&p->parent_name));
		return true;
	}
	if (!read_last(p, last, &merged, err))
		return false;
	file = p->g->images[p->parent].file;
	same = file->size == merged.size && file->mtime_ns == merged.mtime_ns;
	cv_plan_check(&p->m, "parent-as-merged", same, "%s %s", cv_text_str(&p->parent_name), same
		      ? "is as it was when what was merged was read back from it" : "was changed since: what is new in it would show");
	return true;
}

/* --- what it was ----------------------------------------------------------------------------------------- */

static bool add_merge(struct planning *p, struct cv_err *err)
{
	struct cv_plan_merge *merge = cv_arena_alloc(p->m.plan->arena, sizeof *merge);

	if (!merge)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	*merge = (struct cv_plan_merge){ .parent_format = p->g->images[p->parent].format, .keeps = true };
	cv_pack_number(&p->m.carried, merge->parent_format);
	p->m.plan->merge = merge;
	return true;
}

/* Holes are filled; and the file system may write to other places, or what is there may be shared. */
static void add_room(struct planning *p, const struct cv_keep *k)
{
	const struct cv_file *file = p->g->images[p->parent].file;
	uint64_t was = p->done->items[PARENT].allocated, bytes = k->whole ? 0 : k->bytes;
	uint64_t room = was > file->allocated ? was - file->allocated : 0;

	room += cv_plan_rewrite(&p->m, p->g->images[p->parent].id, bytes);
	if (__builtin_add_overflow(p->m.plan->space.peak, room, &p->m.plan->space.peak))
		p->m.plan->space.peak = UINT64_MAX;
	p->m.plan->space.net += (int64_t)cv_former_allocated(&p->w, p->done->id);
}

static void say_keeps(struct planning *p, const char *why)
{
	cv_plan_check(&p->m, "parent-keeps-it", true, "%s keeps what was merged into it, under %s: its own former content does not come "
		      "back%s, and all who stand on %s read what they do now", cv_text_str(&p->parent_name), cv_text_str(&p->name), why,
		      cv_text_str(&p->name));
}

static bool check_former(struct planning *p, struct cv_err *err)
{
	bool kept = cv_journal_last(&p->log, CV_RECORD_KEPT), pure = kept && is_pure(p);
	CV_AUTO(cv_keep_close) struct cv_keep k = { .out.fd = -1 };
	struct cv_err why = { .code = CV_OK };

	if (p->m.plan->refused || p->parent == CV_NO_IMAGE)
		return true;
	if (!pure) {
		say_keeps(p, !kept ? "" : " although it was kept, since something of a later merge is left in it");
		return true;
	}
	if (cv_former_open(&p->w, p->done->id, &k, &why)) {
		p->full = true;
		add_room(p, &k);
		cv_plan_check(&p->m, "former-kept", true, "%s becomes byte for byte what it was before; half done, it cannot be "
			      "read: after a power cut, chainview recover comes before any guest", cv_text_str(&p->parent_name));
		return add_merge(p, err);
	}
	if (why.code != CV_EUSAGE && why.code != CV_EFORMAT)
		return cv_fail(err, why.code, "%s", why.text);
	say_keeps(p, ", since what was kept of it is not there any more, or is damaged");
	return true;
}

/* --- those that stood on it ------------------------------------------------------------------------------ */

static bool check_names(struct planning *p, size_t item, const struct cv_image *child, const char *name, struct cv_err *err)
{
	struct cv_range part;
	int fd = cv_scan_reopen(p->g->scan, child->file, &part, err);
	CV_AUTO(cv_auto_source) struct cv_source *source = fd < 0 ? NULL : cv_source_fd_adopt(fd, child->file->size, err);
	struct cv_err why = { .code = CV_OK };
	struct cv_relink change = { 0 };
	bool ok;

	if (!source)
		return false;
	ok = cv_relinking_taken(&p->log, true, item, source, &change, &why);
	cv_relink_fini(&change);
	if (!ok && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_plan_check(&p->m, "names-as-left", ok, "%s: %s", name, ok ? "what names its parent is as the merge left it" : why.text);
	return true;
}

static bool add_child(struct planning *p, size_t item, struct cv_err *err)
{
	uint32_t i = cv_plan_image(p->g, p->repository, &p->done->items[item]);
	const struct cv_image *child = i == CV_NO_IMAGE ? NULL : &p->g->images[i];
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_escape(&name, cv_bytes_of(p->done->items[item].path));
	if (!child || child->status != CV_PARENT_FOUND || child->parent != p->parent) {
		cv_plan_check(&p->m, "children-as-left", false, "%s stood on it, and %s", cv_text_str(&name),
			      child ? "stands on something else now" : "is not there any more: what was done with it must be taken back first");
		return true;
	}
	cv_plan_item(&p->m, cv_plan_item_of(p->g, i));
	cv_plan_check_rebase(&p->m, p->g, child, &p->g->images[p->parent]);
	return p->m.plan->refused || check_names(p, item, child, cv_text_str(&name), err);
}

static bool add_children(struct planning *p, struct cv_err *err)
{
	size_t count = p->done->item_count - FIRST_CHILD;
	const struct cv_image *parent;

	if (p->parent == CV_NO_IMAGE)
		return true;
	parent = &p->g->images[p->parent];
	cv_plan_item(&p->m, cv_plan_item_of(p->g, p->parent));
	for (size_t i = FIRST_CHILD; i < p->done->item_count; i++)
		if (!add_child(p, i, err))
			return false;
	if (parent->child_count > count)
		cv_plan_check(&p->m, "no-other-children", false, "%" PRIu32 " images stand on %s, and the merge left %zu there: the others "
			      "came later, and read what was merged", parent->child_count, cv_text_str(&p->parent_name), count);
	/* Pages that are shared with other files take a place of their own when they are written. */
	if (__builtin_mul_overflow((uint64_t)count, (uint64_t)CV_RELINK_PAGES_MOST * CV_RELINK_PAGE, &p->m.plan->space.peak))
		p->m.plan->space.peak = UINT64_MAX;
	return true;
}

/* --- the plan -------------------------------------------------------------------------------------------- */

static void add_steps(struct planning *p)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	cv_plan_step(&p->m, "move", p->done->items[IMAGE].path, p->done->items[IMAGE].allocated, "back to where it was");
	cv_text_addf(&why, "its parent becomes %s again", cv_text_str(&p->name));
	for (size_t i = FIRST_CHILD; i < p->done->item_count; i++)
		cv_plan_step(&p->m, "relink", p->done->items[i].path, 0, cv_text_str(&why));
	if (p->full)
		cv_plan_step(&p->m, "restore", p->done->items[PARENT].path, p->done->items[PARENT].size,
			     "becomes what it was before, byte for byte; what was kept of it is removed");
	p->m.failed |= why.failed;
}

static bool plan(struct planning *p, struct cv_err *err)
{
	struct cv_plan_item image = p->done->items[IMAGE];

	cv_plan_check_search(&p->m, p->g);
	memcpy(image.from, p->done->id, sizeof image.from);
	image.from_index = IMAGE;
	cv_plan_item(&p->m, image);
	if (!check_image(p, err))
		return false;
	/* What is back, or gone, has nothing to do with the others any more. */
	if (p->m.plan->refused)
		return true;
	if (!cv_done_read(&p->w, p->done->id, &p->log, err) || !check_parent(p, err) || !add_children(p, err) ||
	    !check_former(p, err))
		return false;
	add_steps(p);
	return true;
}

static struct cv_plan *make(struct planning *p, uint64_t reserve, struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(p->g->scan, p->repository);
	struct cv_plan *made = NULL;

	if (!cv_plan_begin(&p->m, CV_PLAN_COALESCE_UNDO, r->path, err))
		return NULL;
	cv_text_escape(&p->name, cv_bytes_of(p->done->items[IMAGE].path));
	cv_text_escape(&p->parent_name, cv_bytes_of(p->done->items[PARENT].path));
	p->m.failed |= p->name.failed || p->parent_name.failed;
	p->m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = reserve };
	if (plan(p, err))
		made = cv_plan_end(&p->m, err);
	else
		cv_plan_drop(&p->m);
	cv_journal_log_fini(&p->log);
	cv_text_fini(&p->name);
	cv_text_fini(&p->parent_name);
	return made;
}

struct cv_plan *cv_plan_coalesce_undo(const struct cv_graph *g, uint32_t repository, const struct cv_operation_entry *done,
				      uint64_t reserve, struct cv_err *err)
{
	const char *path = cv_scan_repository(g->scan, repository)->path;
	CV_AUTO(cv_auto_close) int root = cv_repository_open(path, err);
	struct planning p = { .w = { .io = &cv_io_real, .root = root }, .g = g, .done = done, .repository = repository,
			      .parent = CV_NO_IMAGE };
	struct cv_operation_list *all = root >= 0 ? cv_operation_list_read(path, err) : NULL;
	struct cv_plan *made = NULL;

	p.all = all;
	if (done->item_count < FIRST_CHILD)
		cv_fail(err, CV_EFORMAT, "it is about %zu images", done->item_count);
	else if (all && cv_host_here(&p.w.host, false, err) && cv_store_open(&p.w.store, p.w.io, &p.w.host, root, CV_STORE_READ, err)) {
		made = make(&p, reserve, err);
		cv_store_close(&p.w.store);
	}
	cv_operation_list_free(all);
	return made;
}
