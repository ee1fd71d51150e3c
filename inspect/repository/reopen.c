/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Opens files of a scan once more. What they are was settled when they were scanned; nothing new is found here. */
#include "inspect/repository/reopen.h"
#include "inspect/repository/scanning.h"

/* The path within one repository; -1 with err set if it is not there. */
static int open_in(const struct cv_territory *t, const char *path, struct cv_entry *entry, struct cv_err *err)
{
	const char *rel;

	if (!t->is_directory) {
		if (!strcmp(t->pub.path, path))
			return cv_named_open_image(path, entry, err);
		cv_fail(err, CV_EREFUSED, "it lies in no repository");
		return -1;
	}
	rel = cv_path_below(path, t->root.path);
	if (!rel)
		rel = cv_path_below(path, t->root.real);
	if (rel && *rel)
		return cv_root_open_image(&t->root, rel, 0, entry, err);
	cv_fail(err, CV_EREFUSED, "it lies in no repository");
	return -1;
}

static bool is_same(const struct cv_file *file, const struct cv_entry *entry)
{
	return entry->device == file->device && entry->inode == file->inode;
}

/* Tries one path in every repository that it lies in; the innermost one is the one that may cross to its file
 * system. err keeps the first reason that is about the file itself. */
static int open_path(const struct cv_scan *s, const struct cv_file *file, const char *path, struct cv_range *part,
		     struct cv_err *err)
{
	for (size_t i = 0; i < s->territory_count; i++) {
		const struct cv_territory *t = &s->territories[i];
		struct cv_err trouble = { 0 };
		struct cv_entry entry = { 0 };
		int fd = open_in(t, path, &entry, &trouble);
		bool opened = fd >= 0;

		if (opened && is_same(file, &entry)) {
			part->off = t->pub.offset;
			part->len = entry.size > part->off ? entry.size - part->off : 0;
			return fd;
		}
		cv_auto_close(&fd);
		if (opened)
			cv_fail(err, CV_EREFUSED, "another file has taken its place since it was scanned");
		else if (entry.device || entry.os_errno)
			*err = err->code ? *err : trouble;
	}
	return -1;
}

int cv_scan_reopen(const struct cv_scan *scan, const struct cv_file *file, struct cv_range *part, struct cv_err *err)
{
	struct cv_err why = { 0 };
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	int fd = open_path(scan, file, file->path, part, &why);

	for (uint32_t i = 0; fd < 0 && i < file->alias_count; i++)
		fd = open_path(scan, file, file->aliases[i], part, &why);
	if (fd >= 0)
		return fd;
	cv_text_escape(&name, cv_bytes_of(file->path));
	cv_fail(err, why.code ? why.code : CV_EREFUSED, "%s: %s", cv_text_str(&name),
		why.code ? why.text : "it lies in no repository");
	err->os_errno = why.os_errno;
	return -1;
}

const struct cv_file *cv_scan_data_file(const struct cv_scan *scan, const struct cv_file *file,
					const struct cv_facts *facts)
{
	const char *slash = strrchr(file->path, '/');
	CV_AUTO(cv_auto_free) char *folder = strndup(file->path, slash ? (size_t)(slash - file->path) + 1 : 0);

	for (uint32_t i = 0; folder && i < facts->name_count; i++) {
		const struct cv_name *name = &facts->names[i];
		CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
		struct cv_lookup found;

		if (name->source != CV_NAME_DATA_FILE || !name->path.len ||
		    !cv_path_join(&path, folder, name->path) || path.failed)
			continue;
		found = cv_scan_lookup(scan, cv_text_str(&path));
		if (found.found == CV_FOUND_FILE)
			return cv_scan_file(scan, found.file);
	}
	return NULL;
}
