/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Our own folder in a repository. Its content is no part of the repository; only the names of the journals of
 * operations that are not finished are noted. Those that are lie in a folder below.
 */
#include "inspect/repository/scanning.h"
#include <unistd.h>

/* More than can be in one repository at a time, as each takes its lock. */
#define MOST_OPERATIONS 1024u

static bool is_journal(const char *name)
{
	size_t len = strlen(name), end = strlen(CV_OWN_JOURNAL_END);

	return len > end && !strcmp(name + len - end, CV_OWN_JOURNAL_END);
}

static void add_operation(struct cv_scan *s, uint32_t territory, const char *folder, const char *name)
{
	struct cv_territory *t = &s->territories[territory];
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const char *kept;

	cv_text_addf(&path, "%s/%s/%s", t->pub.path, folder, name);
	kept = path.failed ? NULL : cv_files_text(&s->files, cv_text_str(&path));
	if (kept && t->operations.len < MOST_OPERATIONS && cv_name_vec_push(&t->operations, kept)) {
		t->pub.operations = t->operations.at;
		t->pub.operation_count = t->operations.len;
	} else if (!kept) {
		t->pub.failed = true;
	}
}

void cv_own_folder(struct cv_scan *s, uint32_t territory, const char *rel)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };
	struct cv_err err = { 0 };
	struct cv_entry entry;
	const struct dirent *e;
	DIR *dir;
	int fd;

	cv_text_addf(&folder, "%s/journal", rel);
	fd = folder.failed ? -1 : cv_root_open_directory(&s->territories[territory].root, folder.at, &entry, &err);
	if (fd < 0) {
		if (folder.failed || entry.kind != CV_ENTRY_MISSING)
			cv_trouble_note(s, territory, cv_text_str(&folder), "the journals of operations cannot be listed",
					folder.failed ? ENOMEM : entry.os_errno);
		return;
	}
	dir = fdopendir(fd);
	if (!dir) {
		cv_trouble_note(s, territory, folder.at, "cannot list", errno);
		close(fd);
		return;
	}
	while ((errno = 0, e = readdir(dir)))
		if (is_journal(e->d_name))
			add_operation(s, territory, folder.at, e->d_name);
	if (errno)
		cv_trouble_note(s, territory, folder.at, "cannot list", errno);
	closedir(dir);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void cv_own_sort(struct cv_territory *t)
{
	if (t->operations.len)
		qsort(t->operations.at, t->operations.len, sizeof *t->operations.at, compare_names);
}
