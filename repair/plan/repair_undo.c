/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan that takes a repair back: the damaged bytes are given back exactly, wherever what was written is still there. Images
 * that the repair did not come to, or that were put back at once, are left out.
 */
#include "inspect/repository/reopen.h"
#include "repair/fix/fix.h"
#include "repair/operation/moves.h"
#include "repair/operation/relinking.h"
#include "repair/plan/make.h"

CV_VEC(cv_plan_moves, struct cv_plan_move);
CV_VEC(cv_plan_mends, struct cv_plan_mend);

struct planning {
	struct cv_plan_maker m;
	struct cv_writing w;                 /* for looking only */
	const struct cv_graph *g;
	const struct cv_operation_entry *done;
	struct cv_journal_log log;
	struct cv_work was;                  /* the repair, for looking at what it has moved */
	struct cv_moves moves;
	struct cv_plan_moves back;           /* theirs, from last to first */
	struct cv_plan_mends mends;          /* for each item: the pages that change */
	uint32_t repository;
};

/* One that is not among them yet. index: of what is taken back. */
static size_t item_with(struct planning *p, size_t index, struct cv_plan_item item)
{
	for (size_t i = 0; i < p->m.items.len; i++)
		if (p->m.items.at[i].from_index == index)
			return i;
	memcpy(item.from, p->done->id, sizeof item.from);
	item.from_index = (uint32_t)index;
	cv_plan_item(&p->m, item);
	p->m.failed |= !cv_plan_mends_push(&p->mends, (struct cv_plan_mend){ .count = 0 });
	return p->m.items.len - 1;
}

static void add_item(struct planning *p, size_t index, uint32_t image, uint64_t bytes, size_t pages)
{
	size_t i = item_with(p, index, cv_plan_item_of(p->g, image));

	if (p->m.failed)
		return;
	p->mends.at[i].pages = pages;
	cv_plan_step(&p->m, "put-back", p->m.items.at[i].path, bytes, "the bytes that the repair has changed, as they were before");
}

static bool look(struct planning *p, size_t index, uint32_t image, struct cv_source *source, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_err why = { .code = CV_OK };
	struct cv_relink change = { .say = cv_fix_says };
	bool is_old, ok;
	uint64_t bytes;
	size_t pages;

	if (!cv_relinking_is_old(&p->log, true, index, source, &is_old, err))
		return false;
	if (is_old)
		return true;
	ok = cv_relinking_taken(&p->log, true, index, source, &change, &why);
	bytes = cv_relink_bytes(&change);
	pages = change.pages.len;
	cv_relink_fini(&change);
	if (!ok && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_text_escape(&name, cv_bytes_of(p->g->images[image].id));
	p->m.failed |= name.failed;
	cv_plan_check(&p->m, "bytes-as-left", ok, "%s: %s", cv_text_str(&name), ok ? "what was written is as the repair left it" : why.text);
	add_item(p, index, image, bytes, pages);
	return true;
}

/* Under the name that it has now. */
static uint32_t image_of(const struct planning *p, size_t index, struct cv_err *err)
{
	struct cv_plan_item there = p->done->items[index];

	there.path = cv_moves_path(&p->was, &p->moves, index, err);
	return there.path ? cv_plan_image(p->g, p->repository, &there) : CV_NO_IMAGE;
}

static bool plan_item(struct planning *p, size_t index, struct cv_err *err)
{
	uint32_t image = image_of(p, index, err);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_source *source;
	struct cv_range part;
	bool ok;
	int fd;

	if (err->code)
		return false;
	if (image == CV_NO_IMAGE) {
		cv_text_escape(&name, cv_bytes_of(p->done->items[index].path));
		cv_plan_check(&p->m, "bytes-as-left", false, "%s is not where it was", cv_text_str(&name));
		return true;
	}
	fd = cv_scan_reopen(p->g->scan, p->g->images[image].file, &part, err);
	source = fd < 0 ? NULL : cv_source_fd_adopt(fd, p->g->images[image].file->size, err);
	ok = source && look(p, index, image, source, err);
	cv_source_close(source);
	return ok;
}

/* --- places ----------------------------------------------------------------------------------------------- */

static void check_free(struct planning *p, const char *path, const struct cv_plan_move *now)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct stat st;
	bool taken = cv_place_stat(&p->w, path, &st);

	/* What has the name goes back, too, before. */
	for (size_t i = (size_t)(now - p->moves.at) + 1; taken && i < p->moves.count; i++)
		taken = p->moves.at[i].kind == CV_MOVE_TRASH ||
			strcmp(p->moves.at[i].kind == CV_MOVE_RENAME ? p->moves.at[i].to : p->done->items[p->moves.at[i].item].path, path) != 0;
	cv_text_escape(&name, cv_bytes_of(path));
	p->m.failed |= name.failed;
	if (taken)
		cv_plan_check(&p->m, "name-free", false, "something else is called %s now", cv_text_str(&name));
}

static void add_back(struct planning *p, struct cv_plan_move back, struct cv_plan_item item, const char *why)
{
	size_t index = back.item;

	back.item = item_with(p, index, item);
	p->m.failed |= !cv_plan_moves_push(&p->back, back);
	cv_plan_step(&p->m, back.kind == CV_MOVE_RENAME ? "rename" : "move", item.path, item.size, why);
}

/* The one that it is now, if it was moved and is still there. */
static bool move_back(struct planning *p, const struct cv_plan_move *m, struct cv_err *err)
{
	struct cv_plan_item item = p->done->items[m->item];
	int made = cv_move_is_made(&p->was, m, err);
	uint32_t image;

	if (made <= 0)
		return !made;
	if (m->kind != CV_MOVE_RESTORE)
		check_free(p, item.path, m);
	if (m->kind == CV_MOVE_TRASH) {
		add_back(p, (struct cv_plan_move){ .kind = CV_MOVE_RESTORE, .item = m->item, .apart = m->apart }, item, "back to where it was");
		return true;
	}
	if (m->kind == CV_MOVE_RENAME)
		item.path = m->to;
	image = cv_plan_image(p->g, p->repository, &item);
	if (image != CV_NO_IMAGE)
		item = cv_plan_item_of(p->g, image);
	add_back(p, (struct cv_plan_move){ m->kind == CV_MOVE_RENAME ? CV_MOVE_RENAME : CV_MOVE_TRASH, m->item,
					   m->kind == CV_MOVE_RENAME ? p->done->items[m->item].path : NULL, m->apart }, item,
		 m->kind == CV_MOVE_RENAME ? "gets its former name back" : "to the trash again");
	return true;
}

/* What lies in the trash comes first among the items. */
static bool plan_trashed(struct planning *p, struct cv_err *err)
{
	for (size_t i = p->moves.count; i-- > 0;)
		if (p->moves.at[i].kind == CV_MOVE_TRASH && cv_move_is_made(&p->was, &p->moves.at[i], err) > 0)
			item_with(p, p->moves.at[i].item, p->done->items[p->moves.at[i].item]);
	p->m.plan->elsewhere = p->m.items.len;
	return !err->code;
}

static bool plan_moves(struct planning *p, struct cv_err *err)
{
	struct cv_plan_move *list;

	for (size_t i = p->moves.count; i-- > 0;)
		if (!move_back(p, &p->moves.at[i], err))
			return false;
	list = cv_arena_alloc(p->m.plan->arena, (p->back.len + 1) * sizeof *list);
	p->m.failed |= !list;
	for (size_t i = 0; list && i < p->back.len; i++) {
		list[i] = p->back.at[i];
		list[i].to = cv_plan_keep(&p->m, list[i].to);
		cv_pack_number(&p->m.carried, list[i].kind);
		cv_pack_number(&p->m.carried, list[i].item);
	}
	p->m.plan->moves = list;
	p->m.plan->move_count = list ? p->back.len : 0;
	return true;
}

static bool plan(struct planning *p, struct cv_err *err)
{
	if (!cv_done_read(&p->w, p->done->id, &p->log, err))
		return false;
	p->was = (struct cv_work){ .w = &p->w, .items = p->done->items, .item_count = p->done->item_count, .arena = p->m.plan->arena,
				   .more = cv_items_more(&p->log.records.at[0]) };
	memcpy(p->was.journal.op, p->done->id, sizeof p->was.journal.op);
	if (!cv_moves_of(&p->was, &p->moves, err) || !plan_trashed(p, err) || !plan_moves(p, err))
		return false;
	for (size_t i = 0; i < p->done->item_count; i++)
		if ((!p->moves.count || cv_relinking_is_noted(&p->log, i)) && !plan_item(p, i, err))
			return false;
	return true;
}

/* The list belongs to the arena of the plan. */
static void gather(struct planning *p)
{
	struct cv_plan_mend *mends = cv_arena_alloc(p->m.plan->arena, (p->mends.len + 1) * sizeof *mends);

	p->m.failed |= !mends;
	if (mends && p->mends.len)
		memcpy(mends, p->mends.at, p->mends.len * sizeof *mends);
	p->m.plan->mends = mends;
}

static struct cv_plan *make(struct planning *p, uint64_t reserve, struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(p->g->scan, p->repository);
	struct cv_plan *made = NULL;

	if (!cv_plan_begin(&p->m, CV_PLAN_REPAIR, r->path, err))
		return NULL;
	p->m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = reserve };
	if (plan(p, err)) {
		gather(p);
		made = cv_plan_end(&p->m, err);
	} else {
		cv_plan_drop(&p->m);
	}
	free(p->mends.at);
	free(p->back.at);
	cv_journal_log_fini(&p->log);
	return made;
}

struct cv_plan *cv_plan_repair_undo(const struct cv_graph *g, uint32_t repository, const struct cv_operation_entry *done,
				    uint64_t reserve, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int root = cv_repository_open(cv_scan_repository(g->scan, repository)->path, err);
	struct planning p = { .w = { .io = &cv_io_real, .root = root }, .g = g, .done = done, .repository = repository };
	struct cv_plan *made = NULL;

	if (root >= 0 && cv_host_here(&p.w.host, false, err) &&
	    cv_store_open(&p.w.store, p.w.io, &p.w.host, root, CV_STORE_READ, err)) {
		made = make(&p, reserve, err);
		cv_store_close(&p.w.store);
	}
	return made;
}
