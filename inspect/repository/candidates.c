/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a name to a file of the scan: opened once, recognised by its inode, handed to the workers. Lists no
 * directories and does not look into files.
 */
#include "inspect/repository/scanning.h"
#include "inspect/base/arena.h"
#include <strings.h>
#include <unistd.h>

/* Ordinary images take about a kilobyte. A repository of hostile ones must not take the machine's memory. */
#define FACTS_TOTAL ((size_t)1 << 30)

/* When memory is short the mark on the repository has to do. */
static void add_trouble(struct cv_scan *s, uint32_t territory, const char *path, const char *text)
{
	struct cv_trouble *t = cv_arena_alloc(s->files.arena, sizeof *t);

	if (!t)
		return;
	*t = (struct cv_trouble){ .repository = territory, .path = cv_files_text(&s->files, path),
				  .text = cv_files_text(&s->files, text) };
	if (t->path && t->text && !cv_trouble_vec_push(&s->troubles, t))
		t->text = NULL;
}

void cv_trouble_note(struct cv_scan *s, uint32_t territory, const char *path, const char *what, int os_errno)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };

	s->territories[territory].pub.failed = true;
	cv_text_add(&text, what);
	if (os_errno)
		cv_text_addf(&text, ": %s", strerror(os_errno));
	if (!text.failed)
		add_trouble(s, territory, path, cv_text_str(&text));
}

void cv_trouble_mounted(struct cv_scan *s, uint32_t territory, const char *path)
{
	s->territories[territory].left_alone = true;
	add_trouble(s, territory, path, "another file system is mounted here; --cross-file-systems enters it");
}

/* A path in a repository that is reported on goes before one in a place that is only searched for relatives, and a
 * name of the file itself before a symbolic link to it. */
static bool add_path(struct cv_scan *s, size_t file, uint32_t territory, const char *path, bool link)
{
	const struct cv_territory *was = &s->territories[cv_files_at(&s->files, file)->repository];
	const struct cv_territory *is = &s->territories[territory];

	if (cv_files_alias(&s->files, file, path, territory, 2 * ((int)is->pub.other - (int)was->pub.other) + link))
		return true;
	s->territories[territory].pub.failed = true;
	return false;
}

static enum cv_format_id declared_format(const char *path)
{
	size_t len = strlen(path);

	return len > 4 && !strcasecmp(path + len - 4, ".raw") ? CV_FORMAT_RAW : CV_FORMAT_NONE;
}

static struct cv_file file_of_entry(const struct cv_entry *entry, uint32_t territory, const char *path)
{
	return (struct cv_file){
		.repository = territory, .path = path, .block_device = entry->kind == CV_ENTRY_BLOCK,
		.device = entry->device, .inode = entry->inode, .links = entry->links, .size = entry->size, .allocated = entry->allocated,
		.mtime_ns = entry->mtime_ns,
	};
}

static void fail_file(struct cv_scan *s, size_t number, const char *text)
{
	struct cv_file *file = cv_files_at(&s->files, number);

	file->state = CV_FILE_FAILED;
	file->trouble = cv_files_text(&s->files, text);
	s->files_read++;
}

/* A file that is there, or was a moment ago, and cannot be opened. */
static void add_failed(struct cv_scan *s, const struct cv_file *file, bool identified, const struct cv_entry *why,
		       const struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	size_t number = cv_files_add(&s->files, file, identified);

	if (why->os_errno)
		cv_text_addf(&text, "cannot open: %s", strerror(why->os_errno));
	else
		cv_text_add(&text, err->text);
	cv_trouble_note(s, file->repository, file->path, cv_text_str(&text), 0);
	if (number != SIZE_MAX)
		fail_file(s, number, cv_text_str(&text));
}

/* Takes the descriptor. */
static void add_opened(struct cv_scan *s, int fd, const struct cv_file *file, bool identified)
{
	uint64_t offset = s->territories[file->repository].pub.offset;
	size_t number = cv_files_add(&s->files, file, identified);
	struct cv_job job = { .fd = fd, .declared = declared_format(file->path), .tag = number, .offset = offset };

	if (number == SIZE_MAX) {
		cv_trouble_note(s, file->repository, file->path, "not enough memory", 0);
		close(fd);
		return;
	}
	s->bytes_found += file->allocated;
	s->current = cv_files_at(&s->files, number)->path;
	job.length = file->size > offset ? file->size - offset : 0;
	if (cv_pool_submit(s->pool, &job))
		return;
	close(fd);
	fail_file(s, number, "there is no process left to read it");
}

/*
 * The directory gives an inode number for nothing. Where it is known already the entry is most likely another
 * name of the same file; but on a mount point it is the number of what lies below, so it is asked for.
 */
static bool is_known(struct cv_scan *s, uint32_t territory, const char *rel, const char *path, uint64_t device,
		     uint64_t inode)
{
	struct cv_entry entry;
	size_t known;

	if (cv_files_by_path(&s->files, path) != SIZE_MAX)
		return true;
	if (!inode || cv_files_by_inode(&s->files, device, inode) == SIZE_MAX)
		return false;
	entry = cv_root_stat(&s->territories[territory].root, rel);
	known = cv_files_by_inode(&s->files, entry.device, entry.inode);
	if (entry.kind != CV_ENTRY_REGULAR || known == SIZE_MAX)
		return false;
	add_path(s, known, territory, path, false);
	return true;
}

static void refuse(struct cv_scan *s, uint32_t territory, const char *rel, struct cv_file *file,
		   const struct cv_entry *why, const struct cv_err *err)
{
	struct cv_entry entry;

	if (why->kind == CV_ENTRY_OTHER_FS) {
		cv_trouble_mounted(s, territory, file->path);   /* a single file can be a mount point, too */
		return;
	}
	if (!why->os_errno) {
		cv_trouble_note(s, territory, file->path, err->text, 0);
		return;
	}
	entry = cv_root_stat(&s->territories[territory].root, rel);
	if (entry.kind == CV_ENTRY_REGULAR)
		*file = file_of_entry(&entry, territory, file->path);
	add_failed(s, file, entry.kind == CV_ENTRY_REGULAR, why, err);
}

void cv_candidate(struct cv_scan *s, uint32_t territory, const char *rel, const char *path, uint64_t device,
		  uint64_t inode)
{
	struct cv_file file = { .repository = territory, .device = device, .inode = inode, .path = path };
	struct cv_err err = { 0 };
	struct cv_entry entry;
	size_t known;
	int fd;

	if (is_known(s, territory, rel, path, device, inode))
		return;
	fd = cv_root_open_image(&s->territories[territory].root, rel, 0, &entry, &err);
	if (fd < 0) {
		refuse(s, territory, rel, &file, &entry, &err);
		return;
	}
	file = file_of_entry(&entry, territory, path);
	known = cv_files_by_inode(&s->files, entry.device, entry.inode);
	if (known == SIZE_MAX) {
		add_opened(s, fd, &file, true);
		return;
	}
	close(fd);
	add_path(s, known, territory, path, false);
}

/* What cannot be opened still has its sizes. */
static void refuse_named(struct cv_scan *s, uint32_t territory, struct cv_file *file, const struct cv_entry *why,
			 const struct cv_err *err)
{
	struct cv_entry entry = cv_named_stat(file->path);
	bool is_file = entry.kind == CV_ENTRY_REGULAR || entry.kind == CV_ENTRY_BLOCK;

	if (is_file)
		*file = file_of_entry(&entry, territory, file->path);
	add_failed(s, file, is_file && cv_files_by_inode(&s->files, entry.device, entry.inode) == SIZE_MAX, why, err);
}

void cv_candidate_named(struct cv_scan *s, uint32_t territory)
{
	struct cv_territory *t = &s->territories[territory];
	struct cv_file file = { .repository = territory, .path = t->pub.path };
	struct cv_err err = { 0 };
	struct cv_entry entry;
	int fd = cv_named_open_image(t->pub.path, &entry, &err);
	size_t known;

	if (fd < 0) {
		refuse_named(s, territory, &file, &entry, &err);
		return;
	}
	known = cv_files_by_inode(&s->files, entry.device, entry.inode);
	file = file_of_entry(&entry, territory, t->pub.path);
	if (file.block_device) {
		t->pub.size_bytes = file.size;
		t->pub.free_bytes = 0;
	}
	if (known == SIZE_MAX || t->pub.offset) {
		add_opened(s, fd, &file, known == SIZE_MAX);
		return;
	}
	close(fd);
	add_path(s, known, territory, t->pub.path, false);
}

void cv_candidate_link(struct cv_scan *s, uint32_t territory, const char *rel, const char *path)
{
	struct cv_entry entry = cv_territory_resolve(&s->territories[territory], rel);
	size_t known = SIZE_MAX;

	if (entry.kind == CV_ENTRY_REGULAR)
		known = cv_files_by_inode(&s->files, entry.device, entry.inode);
	else if (entry.kind == CV_ENTRY_DENIED || entry.kind == CV_ENTRY_FAILED)
		cv_trouble_note(s, territory, path, "cannot follow the link", entry.os_errno);
	if (known != SIZE_MAX)
		add_path(s, known, territory, path, true);
}

void cv_candidate_read(void *scan, uint64_t tag, struct cv_facts *facts, const struct cv_err *why)
{
	struct cv_scan *s = scan;
	struct cv_file *file = cv_files_at(&s->files, tag);

	if (facts && __builtin_add_overflow(s->facts_bytes, cv_arena_given(facts->arena), &s->facts_bytes))
		s->facts_bytes = SIZE_MAX;
	if (s->facts_bytes > FACTS_TOTAL) {
		cv_facts_free(facts);
		fail_file(s, tag, "the facts of all images before it already take 1 GiB of memory");
		cv_trouble_note(s, file->repository, file->path, file->trouble ? file->trouble : "not enough memory", 0);
		return;
	}
	file->facts = facts;
	if (why) {
		fail_file(s, tag, why->text);
		return;
	}
	file->state = CV_FILE_READ;
	s->files_read++;
}
