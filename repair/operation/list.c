/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What was done in a repository, and what lies in its trash: read from its journals, without changing anything. */
#include "repair/operation/former.h"

const char *cv_operation_state_name(enum cv_operation_state state)
{
	static const char *const names[] = { "pending", "done", "aborted", "damaged" };

	return names[state];
}

CV_VEC(cv_entry_vec, struct cv_operation_entry);

struct reading {
	struct cv_store store;
	struct cv_arena *arena;
	struct cv_entry_vec entries;
	struct cv_host host;
};

static const char *kept(struct cv_arena *arena, struct cv_bytes raw)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, raw);
	return t.failed ? NULL : cv_arena_dup(arena, cv_text_str(&t), t.len);
}

static enum cv_operation_state state_of(const struct cv_journal_log *log)
{
	if (log->damaged || !log->records.len)
		return CV_OPERATION_DAMAGED;
	if (cv_journal_last(log, CV_RECORD_DONE))
		return CV_OPERATION_DONE;
	return cv_journal_last(log, CV_RECORD_ABORTED) ? CV_OPERATION_ABORTED : CV_OPERATION_PENDING;
}

/* What a conversion made was not there yet when its items were noted. */
static void add_made(struct cv_operation_entry *e, const struct cv_journal_log *log)
{
	const struct cv_record *publish = cv_journal_last(log, CV_RECORD_PUBLISH);

	if ((e->kind == CV_PLAN_CONVERT || e->kind == CV_PLAN_CONVERT_TREE) && publish)
		cv_made_read(publish, (struct cv_plan_item *)(uintptr_t)e->items, e->item_count);
}

static bool read_entry(struct reading *r, int dir, const char *name, struct cv_operation_entry *e, struct cv_err *err)
{
	struct cv_journal_log log;
	struct cv_err why = { .code = CV_OK };
	const char *command = "";

	*e = (struct cv_operation_entry){ .state = CV_OPERATION_DAMAGED, .archived = dir == r->store.done };
	if (!cv_journal_read(&log, r->store.io, &r->host, dir, name, &why)) {
		e->trouble = kept(r->arena, cv_bytes_of(why.text));
		e->command = kept(r->arena, cv_bytes_of(name));
		return (e->trouble && e->command && why.code != CV_ENOMEM) || cv_fail(err, CV_ENOMEM, "out of memory");
	}
	memcpy(e->id, log.op, sizeof e->id);
	e->state = state_of(&log);
	e->kind = cv_operation_row(log.type) ? log.type : CV_PLAN_NONE;
	e->created_ns = log.created_ns;
	e->own = log.own;
	e->pid = log.pid;
	e->running = e->state == CV_OPERATION_PENDING && !memcmp(log.boot, r->host.boot, 16) &&
		     r->host.alive(&r->host, log.pid, log.pid_start);
	if (e->kind && log.records.len && !log.damaged &&
	    !cv_items_unpack(r->arena, &log.records.at[0], &command, &e->items, &e->item_count, &why)) {
		e->trouble = kept(r->arena, cv_bytes_of(why.text));
		e->items = NULL;
		e->item_count = 0;
	}
	add_made(e, &log);
	e->command = kept(r->arena, cv_bytes_of(command));
	cv_journal_log_fini(&log);
	/* Without memory nothing is known about it: not even that there is nothing in it. */
	return (e->command && why.code != CV_ENOMEM) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool read_folder(struct reading *r, int dir, struct cv_err *err)
{
	struct cv_store_names names;
	bool ok = cv_store_list(&r->store, dir, &names, err);

	for (size_t i = 0; ok && i < names.len; i++) {
		struct cv_operation_entry e;

		ok = read_entry(r, dir, names.at[i], &e, err) &&
		     (cv_entry_vec_push(&r->entries, e) || cv_fail(err, CV_ENOMEM, "out of memory"));
	}
	cv_store_names_fini(&names);
	return ok;
}

static int by_time(const void *a, const void *b)
{
	const struct cv_operation_entry *x = a, *y = b;
	int order = (x->created_ns > y->created_ns) - (x->created_ns < y->created_ns);

	return order ? order : memcmp(x->id, y->id, sizeof x->id);
}

static struct cv_operation_list *list_of(struct reading *r)
{
	struct cv_operation_list *list = calloc(1, sizeof *list);

	if (!list)
		return NULL;
	if (r->entries.len)
		qsort(r->entries.at, r->entries.len, sizeof *r->entries.at, by_time);
	*list = (struct cv_operation_list){ cv_take(r->entries.at), r->entries.len, cv_take(r->arena) };
	return list;
}

struct cv_operation_list *cv_operation_list_read(const char *repository, struct cv_err *err)
{
	struct reading r = { .arena = cv_arena_new(UINT64_C(256) << 20) };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(repository, err);
	struct cv_operation_list *list = NULL;
	struct cv_err none = { .code = CV_OK };
	bool ok = r.arena && root >= 0 && cv_host_here(&r.host, false, err);

	if (ok && cv_store_open(&r.store, &cv_io_real, &r.host, root, CV_STORE_READ, &none)) {
		ok = read_folder(&r, r.store.done, err) && read_folder(&r, r.store.journal, err);
		cv_store_close(&r.store);
	} else if (ok && none.code != CV_EUSAGE) {
		ok = cv_fail(err, none.code, "%s", none.text);
	}
	if (ok)
		list = list_of(&r);
	if (!list && !err->code)
		cv_fail(err, CV_ENOMEM, "out of memory");
	free(r.entries.at);
	cv_arena_free(r.arena);
	return list;
}

void cv_operation_list_free(struct cv_operation_list *list)
{
	if (!list)
		return;
	free(list->entries);
	cv_arena_free(list->arena);
	free(list);
}

/* Where the item of a trash operation is now: in the trash, or not. */
static bool in_trash(const struct cv_writing *w, const struct cv_operation_entry *e, uint32_t i)
{
	struct cv_err err = { .code = CV_OK };
	bool taken;

	return cv_place_find(w, e->id, i, &e->items[i], &taken, &err) == CV_IN_TRASH;
}

/* former: bytes that go with it. */
static bool add_trashed(struct cv_trash *trash, size_t *cap, const struct cv_operation_entry *e, uint32_t i, uint64_t former)
{
	struct cv_trash_entry *list = cv_vec_grow(trash->entries, cap, trash->count + 1, sizeof *list);

	if (!list)
		return false;
	trash->entries = list;
	list[trash->count++] = (struct cv_trash_entry){ .index = i, .item = &e->items[i], .since = (int64_t)(e->created_ns / 1000000000),
							.allocated = e->items[i].allocated + former };
	memcpy(list[trash->count - 1].operation, e->id, sizeof e->id);
	return true;
}

/* How many of its items it may have put there: those come first. */
static size_t trashed(const struct cv_operation_entry *e)
{
	return e->kind == CV_PLAN_TRASH || e->kind == CV_PLAN_REPAIR ? e->item_count : (e->kind == CV_PLAN_COALESCE || e->kind == CV_PLAN_LEAF) && e->item_count;
}

static bool fill_trash(struct cv_trash *trash, const struct cv_writing *w, struct cv_err *err)
{
	size_t cap = 0;

	for (size_t k = 0; k < trash->operations->count; k++) {
		const struct cv_operation_entry *e = &trash->operations->entries[k];

		for (uint32_t i = 0; i < trashed(e); i++)
			if (in_trash(w, e, i) && !add_trashed(trash, &cap, e, i, cv_former_allocated(w, e->id)))
				return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return true;
}

struct cv_trash *cv_trash_read(const char *repository, struct cv_err *err)
{
	struct cv_trash *trash = calloc(1, sizeof *trash);
	struct cv_writing w = { .io = &cv_io_real, .root = -1 };
	bool ok = trash != NULL && cv_host_here(&w.host, false, err);

	if (ok)
		trash->operations = cv_operation_list_read(repository, err);
	ok = ok && trash->operations;
	if (ok && trash->operations->count) {
		w.root = cv_repository_open(repository, err);
		ok = w.root >= 0 && cv_store_open(&w.store, w.io, &w.host, w.root, CV_STORE_READ, err);
		if (ok) {
			ok = fill_trash(trash, &w, err);
			cv_store_close(&w.store);
		}
		cv_auto_close(&w.root);
	}
	if (ok)
		return trash;
	if (!err->code)
		cv_fail(err, CV_ENOMEM, "out of memory");
	cv_trash_free(trash);
	return NULL;
}

void cv_trash_free(struct cv_trash *trash)
{
	if (!trash)
		return;
	cv_operation_list_free(trash->operations);
	free(trash->entries);
	free(trash);
}

/* Purging takes nothing back. They are in order, so this ends whatever journals say. */
const struct cv_operation_entry *cv_operation_taken_back(const struct cv_operation_list *list, const struct cv_operation_entry *e)
{
	for (const struct cv_operation_entry *later = e + 1; later < list->entries + list->count; later++)
		if (later->state == CV_OPERATION_DONE && later->kind != CV_PLAN_PURGE && later->item_count &&
		    !memcmp(later->items[0].from, e->id, sizeof e->id) && !cv_operation_taken_back(list, later))
			return later;
	return NULL;
}
