/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan that takes a repair back: the damaged bytes are given back exactly, wherever what was written is still there. Images
 * that the repair did not come to, or that were put back at once, are left out.
 */
#include "inspect/repository/reopen.h"
#include "repair/fix/fix.h"
#include "repair/operation/relinking.h"
#include "repair/plan/make.h"

struct planning {
	struct cv_plan_maker m;
	struct cv_writing w;                 /* for looking only */
	const struct cv_graph *g;
	const struct cv_operation_entry *done;
	struct cv_journal_log log;
	uint32_t repository;
};

static void add_item(struct planning *p, size_t index, uint32_t image, uint64_t bytes)
{
	struct cv_plan_item item = cv_plan_item_of(p->g, image);

	memcpy(item.from, p->done->id, sizeof item.from);
	item.from_index = (uint32_t)index;
	cv_plan_item(&p->m, item);
	cv_plan_step(&p->m, "put-back", item.path, bytes, "the bytes that the repair has changed, as they were before");
}

static bool look(struct planning *p, size_t index, uint32_t image, struct cv_source *source, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_err why = { .code = CV_OK };
	struct cv_relink change = { .say = cv_fix_says };
	bool is_old, ok;
	uint64_t bytes;

	if (!cv_relinking_is_old(&p->log, true, index, source, &is_old, err))
		return false;
	if (is_old)
		return true;
	ok = cv_relinking_taken(&p->log, true, index, source, &change, &why);
	bytes = cv_relink_bytes(&change);
	cv_relink_fini(&change);
	if (!ok && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_text_escape(&name, cv_bytes_of(p->g->images[image].id));
	p->m.failed |= name.failed;
	cv_plan_check(&p->m, "bytes-as-left", ok, "%s: %s", cv_text_str(&name), ok ? "what was written is as the repair left it" : why.text);
	add_item(p, index, image, bytes);
	return true;
}

static bool plan_item(struct planning *p, size_t index, struct cv_err *err)
{
	uint32_t image = cv_plan_image(p->g, p->repository, &p->done->items[index]);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_source *source;
	struct cv_range part;
	bool ok;
	int fd;

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

static bool plan(struct planning *p, struct cv_err *err)
{
	if (!cv_done_read(&p->w, p->done->id, &p->log, err))
		return false;
	for (size_t i = 0; i < p->done->item_count; i++)
		if (!plan_item(p, i, err))
			return false;
	return true;
}

static struct cv_plan *make(struct planning *p, uint64_t reserve, struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(p->g->scan, p->repository);
	struct cv_plan *made = NULL;

	if (!cv_plan_begin(&p->m, CV_PLAN_REPAIR, r->path, err))
		return NULL;
	p->m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = reserve };
	if (plan(p, err))
		made = cv_plan_end(&p->m, err);
	else
		cv_plan_drop(&p->m);
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
