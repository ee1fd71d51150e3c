/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The walk through the directories, one entry at a time and without recursion: one directory is open, the others
 * wait by name. What becomes of a file is decided in candidates.c.
 */
#include "inspect/repository/scanning.h"
#include <sys/stat.h>

/* Sets t to base/name; base may be empty. */
static bool join(struct cv_text *t, const char *base, const char *name)
{
	cv_text_clear(t);
	cv_text_add(t, base);
	if (*base && *name && base[strlen(base) - 1] != '/')
		cv_text_add(t, "/");
	cv_text_add(t, name);
	return !t->failed;
}

static void out_of_memory(struct cv_scan *s, uint32_t territory)
{
	s->territories[territory].pub.failed = true;
}

static void put_off(struct cv_scan *s, struct cv_errand_vec *list, uint32_t territory, enum cv_errand_kind kind,
		    const char *rel)
{
	struct cv_errand e = { .territory = territory, .kind = kind, .rel = strdup(rel) };

	if (e.rel && cv_errand_vec_push(list, e))
		return;
	free(e.rel);
	out_of_memory(s, territory);
}

static int compare_to_enclave(const void *key, const void *slot)
{
	return cv_path_order(key, *(char *const *)slot);
}

/* True for a directory that is walked on its own account because the user named it, too. */
static bool is_enclave(struct cv_scan *s, const struct cv_territory *t, const char *rel)
{
	if (!s->enclave_count || !join(&s->scratch_path, t->root.real, rel))
		return false;
	return bsearch(s->scratch_path.at, s->enclaves, s->enclave_count, sizeof *s->enclaves, compare_to_enclave);
}

static enum cv_errand_kind kind_of_entry(const struct cv_territory *t, const char *rel, bool *wanted)
{
	enum cv_entry_kind kind = cv_root_stat(&t->root, rel).kind;

	*wanted = kind != CV_ENTRY_BLOCK && kind != CV_ENTRY_FIFO && kind != CV_ENTRY_SOCKET &&
		  kind != CV_ENTRY_CHARACTER;
	if (kind == CV_ENTRY_DIRECTORY)
		return CV_ERRAND_DIRECTORY;
	return kind == CV_ENTRY_SYMLINK ? CV_ERRAND_LINK : CV_ERRAND_FILE;
}

static void take_entry(struct cv_scan *s, const struct dirent *entry)
{
	struct cv_listing *l = &s->listing;
	const struct cv_territory *t = &s->territories[l->territory];
	enum cv_errand_kind kind = CV_ERRAND_FILE;
	bool wanted = true;

	if (!join(&s->scratch_rel, cv_text_str(&l->rel), entry->d_name)) {
		out_of_memory(s, l->territory);
		return;
	}
	if (entry->d_type == DT_UNKNOWN)
		kind = kind_of_entry(t, s->scratch_rel.at, &wanted);
	else if (entry->d_type == DT_DIR)
		kind = CV_ERRAND_DIRECTORY;
	else if (entry->d_type == DT_LNK)
		kind = CV_ERRAND_LINK;
	else
		wanted = entry->d_type == DT_REG;
	if (!wanted)
		return;
	if (kind == CV_ERRAND_DIRECTORY && !strcmp(entry->d_name, CV_OWN_FOLDER))
		cv_own_folder(s, l->territory, s->scratch_rel.at);
	else if (kind == CV_ERRAND_DIRECTORY && !is_enclave(s, t, s->scratch_rel.at))
		put_off(s, &s->todo, l->territory, kind, s->scratch_rel.at);
	else if (kind == CV_ERRAND_LINK)
		put_off(s, &s->links, l->territory, kind, s->scratch_rel.at);
	else if (!join(&s->scratch_path, cv_text_str(&l->path), entry->d_name))
		out_of_memory(s, l->territory);
	else if (kind == CV_ERRAND_FILE)
		cv_candidate(s, l->territory, s->scratch_rel.at, s->scratch_path.at, l->device, entry->d_ino);
}

static void close_listing(struct cv_scan *s)
{
	if (s->listing.dir)
		closedir(s->listing.dir);
	s->listing.dir = NULL;
}

/* Directories that are not listed hide what is in them. */
static void note_directory(struct cv_scan *s, uint32_t territory, const struct cv_entry *entry)
{
	const char *path = cv_text_str(&s->listing.path);

	if (entry->kind == CV_ENTRY_OTHER_FS)
		cv_trouble_mounted(s, territory, path);
	else if (entry->os_errno)
		cv_trouble_note(s, territory, path, "cannot open", entry->os_errno);
	else
		cv_trouble_note(s, territory, path, "it was a directory and is one no more", 0);
}

static void open_listing(struct cv_scan *s, const struct cv_errand *e)
{
	struct cv_listing *l = &s->listing;
	struct cv_territory *t = &s->territories[e->territory];
	const char *rel = e->rel ? e->rel : "";
	struct cv_err err = { 0 };
	struct cv_entry entry;
	int fd;

	l->territory = e->territory;
	if (!join(&l->rel, "", rel) || !join(&l->path, t->pub.path, rel)) {
		out_of_memory(s, e->territory);
		return;
	}
	fd = cv_root_open_directory(&t->root, *rel ? rel : ".", &entry, &err);
	if (fd < 0) {
		note_directory(s, e->territory, &entry);
		return;
	}
	l->dir = fdopendir(fd);
	if (!l->dir) {
		cv_trouble_note(s, e->territory, cv_text_str(&l->path), "cannot list", errno);
		cv_auto_close(&fd);
		return;
	}
	l->device = entry.device;
	s->current = l->path.at;
}

static void list_entry(struct cv_scan *s)
{
	const struct dirent *entry;

	errno = 0;
	entry = readdir(s->listing.dir);
	if (!entry) {
		if (errno)
			cv_trouble_note(s, s->listing.territory, cv_text_str(&s->listing.path), "cannot list", errno);
		close_listing(s);
	} else if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
		take_entry(s, entry);
	}
}

static void run_errand(struct cv_scan *s, const struct cv_errand *e)
{
	const struct cv_territory *t = &s->territories[e->territory];

	if (e->kind == CV_ERRAND_DIRECTORY)
		open_listing(s, e);
	else if (!e->rel)
		cv_candidate_named(s, e->territory);
	else if (!join(&s->scratch_path, t->pub.path, e->rel))
		out_of_memory(s, e->territory);
	else if (e->kind == CV_ERRAND_LINK)
		cv_candidate_link(s, e->territory, e->rel, s->scratch_path.at);
	else
		cv_candidate(s, e->territory, e->rel, s->scratch_path.at, 0, 0);
}

void cv_walk_next(struct cv_scan *s)
{
	struct cv_errand_vec *list = s->todo.len ? &s->todo : &s->links;
	struct cv_errand e;

	if (s->listing.dir) {
		list_entry(s);
	} else if (list->len) {
		e = list->at[--list->len];
		run_errand(s, &e);
		free(e.rel);
	}
}

static void forget(struct cv_errand_vec *list)
{
	while (list->len)
		free(list->at[--list->len].rel);
	free(list->at);
	*list = (struct cv_errand_vec){ 0 };
}

void cv_walk_stop(struct cv_scan *s)
{
	close_listing(s);
	forget(&s->todo);
	forget(&s->links);
	s->current = NULL;
}
