/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The scan of the graph's tests: tables in memory behind the functions of scan.h. */
#include "tests/support/fake_scan.h"
#include "inspect/repository/lookup.h"
#include <assert.h>

#define MOST_REPOSITORIES 8
#define BUCKETS (1u << 18)

/* A path and what lies under it. */
struct entry {
	struct entry *next, *next_in_bucket;
	struct cv_lookup lookup;
	char path[];
};

struct cv_scan {
	struct cv_repository repositories[MOST_REPOSITORIES];
	size_t repository_count;
	struct cv_file **files;
	size_t file_count, file_room;
	struct entry *entries, **buckets;
	struct cv_scan_progress progress;
	size_t lookups;
};

struct cv_scan *fake_scan_new(void)
{
	struct cv_scan *s = calloc(1, sizeof *s);

	assert(s);
	s->progress.done = true;
	s->buckets = calloc(BUCKETS, sizeof *s->buckets);
	assert(s->buckets);
	return s;
}

void cv_scan_free(struct cv_scan *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->repository_count; i++)
		free((char *)(uintptr_t)s->repositories[i].path);
	for (size_t i = 0; i < s->file_count; i++) {
		cv_facts_free((struct cv_facts *)(uintptr_t)s->files[i]->facts);
		free((void *)(uintptr_t)s->files[i]->aliases);
		free(s->files[i]);
	}
	while (s->entries) {
		struct entry *next = s->entries->next;

		free(s->entries);
		s->entries = next;
	}
	free(s->files);
	free(s->buckets);
	free(s);
}

void fake_scan_running(struct cv_scan *s, bool running)
{
	s->progress.done = !running;
}

struct cv_repository *fake_repository(struct cv_scan *s, const char *path)
{
	struct cv_repository *r = &s->repositories[s->repository_count++];

	assert(s->repository_count <= MOST_REPOSITORIES);
	*r = (struct cv_repository){ .path = strdup(path), .complete = true };
	return r;
}

static struct entry **bucket_of(const struct cv_scan *s, const char *path)
{
	uint32_t hash = 2166136261u;

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * 16777619u;
	return &s->buckets[hash % BUCKETS];
}

static const char *add_entry(struct cv_scan *s, const char *path, struct cv_lookup lookup)
{
	struct entry *e = malloc(sizeof *e + strlen(path) + 1), **bucket = bucket_of(s, path);

	assert(e);
	e->lookup = lookup;
	memcpy(e->path, path, strlen(path) + 1);
	e->next = s->entries;
	s->entries = e;
	e->next_in_bucket = *bucket;
	*bucket = e;
	return e->path;
}

static bool lies_under(const char *path, const char *base)
{
	size_t len = strcmp(base, "/") ? strlen(base) : 0;

	return !strncmp(path, base, len) && (path[len] == '/' || !path[len]);
}

static uint32_t repository_of(const struct cv_scan *s, const char *path)
{
	for (uint32_t i = 0; i < s->repository_count; i++)
		if (lies_under(path, s->repositories[i].path))
			return i;
	return UINT32_MAX;
}

struct cv_file *fake_file(struct cv_scan *s, const char *path)
{
	struct cv_file *f = calloc(1, sizeof *f);

	if (s->file_count == s->file_room) {
		s->file_room = s->file_room ? s->file_room * 2 : 16;
		s->files = realloc(s->files, s->file_room * sizeof(struct cv_file *));
	}
	assert(f && s->files);
	f->repository = repository_of(s, path);
	assert(f->repository != UINT32_MAX);
	f->state = CV_FILE_READ;
	f->device = 1;
	f->inode = 100 + s->file_count;
	f->links = 1;
	f->size = f->allocated = 1 << 20;
	f->mtime_ns = INT64_C(1700000000) * 1000000000;
	f->facts = cv_facts_new();
	assert(f->facts);
	f->path = add_entry(s, path, (struct cv_lookup){ .found = CV_FOUND_FILE, .file = s->file_count });
	s->files[s->file_count++] = f;
	return f;
}

struct cv_facts *fake_facts(struct cv_file *file)
{
	return (struct cv_facts *)(uintptr_t)file->facts;
}

void fake_alias(struct cv_scan *s, struct cv_file *f, const char *path)
{
	const char **aliases = realloc((void *)(uintptr_t)f->aliases, (f->alias_count + 1) * sizeof *aliases);
	size_t index = f->inode - 100;

	assert(aliases);
	aliases[f->alias_count++] = add_entry(s, path, (struct cv_lookup){ .found = CV_FOUND_FILE, .file = index });
	f->aliases = aliases;
	f->links++;
}

void fake_leads(struct cv_scan *s, const char *path, const struct cv_file *f)
{
	add_entry(s, path, (struct cv_lookup){ .found = CV_FOUND_FILE, .file = f->inode - 100 });
}

void fake_other(struct cv_scan *s, const char *path, enum cv_found found, const char *what)
{
	add_entry(s, path, (struct cv_lookup){ .found = found, .what = what });
}

size_t fake_lookups(const struct cv_scan *s)
{
	return s->lookups;
}

struct cv_scan_progress cv_scan_progress(const struct cv_scan *s)
{
	return s->progress;
}

size_t cv_scan_repository_count(const struct cv_scan *s)
{
	return s->repository_count;
}

const struct cv_repository *cv_scan_repository(const struct cv_scan *s, size_t i)
{
	return &s->repositories[i];
}

size_t cv_scan_file_count(const struct cv_scan *s)
{
	return s->file_count;
}

const struct cv_file *cv_scan_file(const struct cv_scan *s, size_t i)
{
	return s->files[i];
}

/* Nothing went wrong in a table. */
size_t cv_scan_trouble_count(const struct cv_scan *s)
{
	(void)s;
	return 0;
}

const struct cv_trouble *cv_scan_trouble(const struct cv_scan *s, size_t i)
{
	(void)s, (void)i;
	return NULL;
}

static const struct entry *find_entry(const struct cv_scan *s, const char *path)
{
	for (const struct entry *e = *bucket_of(s, path); e; e = e->next_in_bucket)
		if (!strcmp(e->path, path))
			return e;
	return NULL;
}

/* ".." leads to what was added for the path as it is, otherwise to where the text says. */
struct cv_lookup cv_scan_lookup(const struct cv_scan *s, const char *path)
{
	const struct entry *e = find_entry(s, path);
	struct cv_text clean = { 0 };
	struct cv_lookup l = { .found = CV_FOUND_OUTSIDE };

	((struct cv_scan *)(uintptr_t)s)->lookups++;
	if (!e && cv_path_join(&clean, "/", cv_bytes_of(path)))
		e = find_entry(s, clean.at);
	if (e)
		l = e->lookup;
	else if (repository_of(s, cv_text_str(&clean)) != UINT32_MAX)
		l.found = CV_FOUND_MISSING;
	cv_text_fini(&clean);
	return l;
}

uint32_t cv_scan_links_elsewhere(const struct cv_scan *s, const struct cv_file *file)
{
	(void)s;
	return file->links - 1 - file->alias_count;
}

const char *cv_scan_mounted_elsewhere(const struct cv_scan *s, const struct cv_file *file)
{
	(void)s, (void)file;
	return NULL;
}

size_t cv_scan_by_inode(const struct cv_scan *s, uint64_t device, uint64_t inode)
{
	return device == 1 && inode >= 100 && inode - 100 < s->file_count ? inode - 100 : SIZE_MAX;
}
