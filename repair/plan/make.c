/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See make.h. */
#include "repair/plan/make.h"
#include "inspect/repository/reopen.h"
#include "repair/convert/job.h"
#include "repair/journal/journal.h"
#include "repair/operation/pack.h"
#include "repair/operation/work.h"
#include <openssl/evp.h>
#include <stdarg.h>

bool cv_plan_begin(struct cv_plan_maker *m, enum cv_plan_kind kind, const char *repository, struct cv_err *err)
{
	*m = (struct cv_plan_maker){ .plan = calloc(1, sizeof *m->plan) };
	if (m->plan)
		m->plan->arena = cv_arena_new(SIZE_MAX);
	if (!m->plan || !m->plan->arena) {
		free(m->plan);
		return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	m->plan->kind = kind;
	m->plan->repository = cv_plan_keep(m, repository);
	if (!m->failed)
		return true;
	cv_plan_free(m->plan);
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

const char *cv_plan_keep(struct cv_plan_maker *m, const char *text)
{
	const char *copy = text ? cv_arena_dup(m->plan->arena, text, strlen(text)) : NULL;

	m->failed |= text && !copy;
	return copy;
}

void cv_plan_item(struct cv_plan_maker *m, struct cv_plan_item item)
{
	item.path = cv_plan_keep(m, item.path);
	item.parent = cv_plan_keep(m, item.parent);
	/* What has no path is not planned with: the plan has failed anyway. */
	m->failed = m->failed || !cv_plan_items_push(&m->items, item);
}

struct cv_plan_item cv_plan_item_of(const struct cv_graph *g, uint32_t i)
{
	const struct cv_image *m = &g->images[i];
	struct cv_plan_item item = { .path = m->id, .device = m->file->device, .inode = m->file->inode,
				     .size = m->file->size, .allocated = m->file->allocated, .mtime_ns = m->file->mtime_ns };

	memcpy(item.uuid, m->facts->uuid, sizeof item.uuid);
	if (m->parent != CV_NO_IMAGE && g->images[m->parent].repository == m->repository) {
		const struct cv_image *p = &g->images[m->parent];

		item.parent = p->id;
		item.parent_inode = p->file->inode;
		item.parent_size = p->file->size;
		item.parent_mtime_ns = p->file->mtime_ns;
	}
	return item;
}

static void add_source(struct cv_plan_maker *m, const struct cv_file *file)
{
	struct cv_plan_source source = { cv_plan_keep(m, file->path), file->device, file->inode, file->size, file->mtime_ns };

	m->failed |= !cv_plan_sources_push(&m->sources, source);
}

void cv_plan_source(struct cv_plan_maker *m, const struct cv_graph *g, uint32_t image)
{
	const struct cv_image *read = &g->images[image];
	const struct cv_file *data = read->facts->flags & CV_FACT_DATA_FILE
					     ? cv_scan_data_file(g->scan, read->file, read->facts) : NULL;

	add_source(m, read->file);
	if (data)
		add_source(m, data);
}

void cv_plan_link(struct cv_plan_maker *m, struct cv_plan_link link)
{
	struct cv_plan_link *copy = cv_arena_alloc(m->plan->arena, sizeof *copy);

	link.folder = cv_plan_keep(m, link.folder);
	link.path = cv_plan_keep(m, link.path);
	link.former = cv_plan_keep(m, link.former);
	m->failed |= !copy;
	if (copy)
		*copy = link;
	m->plan->link = copy;
}

void cv_plan_step(struct cv_plan_maker *m, const char *kind, const char *target, uint64_t bytes, const char *why)
{
	struct cv_plan_step step = { kind, cv_plan_keep(m, target), bytes, cv_plan_keep(m, why) };

	m->failed |= !cv_plan_steps_push(&m->steps, step);
}

void cv_plan_check(struct cv_plan_maker *m, const char *name, bool ok, const char *fmt, ...)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct cv_plan_check check = { name, ok, NULL };
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	check.text = cv_plan_keep(m, line);
	m->plan->refused |= !ok;
	m->failed |= !cv_plan_checks_push(&m->checks, check);
}

void cv_plan_searched(struct cv_plan_maker *m, const char *path)
{
	m->failed |= !cv_plan_paths_push(&m->searched, cv_plan_keep(m, path));
}

void cv_plan_check_search(struct cv_plan_maker *m, const struct cv_graph *g)
{
	size_t failed = 0, incomplete = 0;

	for (size_t i = 0; i < cv_scan_repository_count(g->scan); i++) {
		const struct cv_repository *r = cv_scan_repository(g->scan, i);

		cv_plan_searched(m, r->path);
		incomplete += !r->complete;
	}
	for (size_t i = 0; i < cv_scan_file_count(g->scan); i++)
		failed += cv_scan_file(g->scan, i)->state == CV_FILE_FAILED;
	cv_plan_check(m, "search-complete", !incomplete && !failed && !g->partial,
		      incomplete || failed || g->partial
			      ? "%zu places were not looked at completely, %zu files could not be read: any of them may need it"
			      : "all places and all files in them could be looked at", incomplete, failed);
}

/* What is carried out, and nothing that only explains it. */
static bool digest(const struct cv_plan *plan, const struct cv_pack *carried, uint8_t out[32])
{
	struct cv_pack p = { 0 };
	unsigned len = 32;
	bool ok;

	cv_pack_number(&p, plan->kind);
	cv_pack_bytes(&p, plan->repository, strlen(plan->repository));
	for (size_t i = 0; i < plan->source_count; i++)
		cv_source_pack(&p, &plan->sources[i]);
	if (plan->link)
		cv_link_pack(&p, plan->link);
	cv_pack_bytes(&p, carried->at, carried->len);
	ok = !carried->failed && cv_items_pack(&p, "", plan->items, plan->item_count) &&
	     EVP_Digest(p.at, p.len, out, &len, EVP_sha256(), NULL);
	cv_pack_fini(&p);
	return ok;
}

/* The name of the image, or of the repository when there are several. */
static const char *consent(struct cv_plan_maker *m)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *path = m->items.len == 1 || m->plan->merge || m->plan->kind == CV_PLAN_COALESCE_UNDO ? m->items.at[0].path : m->plan->repository;
	const char *slash = strrchr(path, '/');

	cv_text_escape(&t, cv_bytes_of(slash && slash[1] ? slash + 1 : path));
	m->failed |= t.failed;
	return cv_plan_keep(m, cv_text_str(&t));
}

bool cv_plan_name_leads(const struct cv_image *child, const struct cv_name *name, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };
	const char *slash = strrchr(child->file->path, '/');

	cv_text_add_bytes(&folder, child->file->path, slash ? (size_t)(slash - child->file->path) : 0);
	return (name->kind == CV_NAME_RELATIVE || name->kind == CV_NAME_ABSOLUTE) &&
	       cv_path_join(out, cv_text_str(&folder), name->path);
}

bool cv_plan_names(const struct cv_image *child, const char *path)
{
	for (uint32_t k = 0; k < child->facts->name_count; k++) {
		CV_AUTO(cv_text_fini) struct cv_text named = { 0 };

		if (cv_plan_name_leads(child, &child->facts->names[k], &named) && !strcmp(cv_text_str(&named), path))
			return true;
	}
	return false;
}

static void gather(struct cv_plan_maker *m)
{
	struct cv_plan *plan = m->plan;

	plan->items = m->items.at;
	plan->item_count = m->items.len;
	plan->sources = m->sources.at;
	plan->source_count = m->sources.len;
	plan->steps = m->steps.at;
	plan->step_count = m->steps.len;
	plan->checks = m->checks.at;
	plan->check_count = m->checks.len;
	plan->searched = m->searched.at;
	plan->searched_count = m->searched.len;
}

struct cv_plan *cv_plan_taken(struct cv_plan_maker *m)
{
	gather(m);
	cv_pack_fini(&m->carried);
	return m->plan;
}

void cv_plan_drop(struct cv_plan_maker *m)
{
	gather(m);
	cv_pack_fini(&m->carried);
	cv_plan_free(m->plan);
	m->plan = NULL;
}

struct cv_plan *cv_plan_end(struct cv_plan_maker *m, struct cv_err *err)
{
	struct cv_plan *plan = m->plan;
	struct cv_plan_space *s = &plan->space;
	struct cv_journal_size room;
	uint64_t journal;

	gather(m);
	room = cv_work_room(plan);
	journal = (uint64_t)CV_JOURNAL_SLOT * (12 + (uint64_t)room.records + room.board) + (uint64_t)m->items.len * 512;
	if (__builtin_add_overflow(s->peak, journal, &s->peak))
		s->peak = UINT64_MAX;
	cv_plan_room(m);
	gather(m);
	plan->confirm = consent(m);
	if (!m->failed && digest(plan, &m->carried, plan->digest)) {
		cv_pack_fini(&m->carried);
		return plan;
	}
	cv_plan_drop(m);
	cv_fail(err, CV_ENOMEM, "out of memory");
	return NULL;
}

uint32_t cv_plan_image(const struct cv_graph *g, uint32_t repository, const struct cv_plan_item *item)
{
	for (uint32_t i = 0; i < g->image_count; i++) {
		const struct cv_image *m = &g->images[i];

		if (m->repository == repository && m->file->inode == item->inode && !strcmp(m->id, item->path))
			return i;
	}
	return CV_NO_IMAGE;
}

void cv_plan_free(struct cv_plan *plan)
{
	if (!plan)
		return;
	if (cv_plan_salvage(plan)) {
		cv_lost_fini(&plan->convert->salvage->lost);
		cv_lost_fini(&plan->convert->salvage->doubtful);
	}
	free((void *)(uintptr_t)plan->items);
	free((void *)(uintptr_t)plan->sources);
	free((void *)(uintptr_t)plan->steps);
	free((void *)(uintptr_t)plan->checks);
	free((void *)(uintptr_t)plan->searched);
	cv_arena_free(plan->arena);
	free(plan);
}
