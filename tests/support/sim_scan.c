/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sim_scan.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "inspect/repository/lookup.h"
#include "inspect/repository/reopen.h"
#include "tests/support/sim_scan.h"
#include "tests/support/simdisk_io.h"
#include <chainview/format.h>

enum { MOST_FILES = 32, COPIES = 2 * MOST_FILES, PIECE = 64 };

/* A file as it was: sectors have numbers, so that it is quickly seen to be the same still. */
struct copy {
	uint32_t *sector;
	size_t count;
	uint64_t size, allocated, used;
	int fd;                      /* -1: this one is free */
	void *map;
};

struct entry {
	struct cv_file file;
	const struct copy *copy;
	bool fresh;                  /* it was not known */
	char path[sizeof SIM_REPOSITORY + 64], trouble[512];
};

struct cv_scan {
	struct cv_repository repository;
	struct entry entries[MOST_FILES];
	size_t count;
};

static struct copy copies[COPIES] = { [0 ... COPIES - 1] = { .fd = -1 } };
static uint64_t turn;

/* --- copies ---------------------------------------------------------------------------------------------- */

static void copy_fini(struct copy *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->map)
		munmap(c->map, c->size);
	free(c->sector);
	*c = (struct copy){ .fd = -1 };
}

void sim_scan_forget(void)
{
	for (size_t i = 0; i < COPIES; i++)
		copy_fini(&copies[i]);
}

static void write_out(const struct sim *s, const struct sim_content *c, int fd)
{
	uint8_t bytes[PIECE * SIM_SECTOR];

	assert_int_equal(ftruncate(fd, (off_t)c->size), 0);
	for (size_t i = 0, n; i < c->count && i * SIM_SECTOR < c->size; i += n ? n : 1) {
		size_t len;

		for (n = 0; n < PIECE && i + n < c->count && (i + n) * SIM_SECTOR < c->size && c->sector[i + n] != SIM_HOLE; n++)
			memcpy(bytes + n * SIM_SECTOR, sim_bytes(s->pool, c->sector[i + n]), SIM_SECTOR);
		len = n * SIM_SECTOR;
		if (!n)
			continue;
		if (i * SIM_SECTOR + len > c->size)
			len = (size_t)(c->size - i * SIM_SECTOR);
		assert_int_equal(pwrite(fd, bytes, len, (off_t)(i * SIM_SECTOR)), len);
	}
}

static struct copy *oldest(void)
{
	struct copy *best = &copies[0];

	for (size_t i = 1; i < COPIES; i++)
		if (copies[i].used < best->used)
			best = &copies[i];
	copy_fini(best);
	return best;
}

static const struct copy *copy_of(const struct sim *s, uint32_t inode, bool *fresh)
{
	const struct sim_content *c = &s->inodes.at[inode].now;
	struct copy *made;
	struct stat st;

	for (size_t i = 0; i < COPIES; i++)
		if (copies[i].fd >= 0 && copies[i].size == c->size && copies[i].count == c->count &&
		    (!c->count || !memcmp(copies[i].sector, c->sector, c->count * sizeof *c->sector))) {
			copies[i].used = ++turn;
			*fresh = false;
			return &copies[i];
		}
	made = oldest();
	*made = (struct copy){ calloc(c->count + 1, sizeof *c->sector), c->count, c->size, 0, ++turn,
			       memfd_create("copy", MFD_CLOEXEC), NULL };
	*fresh = true;
	assert_true(made->sector && made->fd >= 0);
	if (c->count)
		memcpy(made->sector, c->sector, c->count * sizeof *c->sector);
	write_out(s, c, made->fd);
	assert_int_equal(fstat(made->fd, &st), 0);
	made->allocated = (uint64_t)st.st_blocks * 512;
	if (made->size)
		made->map = mmap(NULL, made->size, PROT_READ, MAP_SHARED, made->fd, 0);
	assert_true(made->map != MAP_FAILED);
	return made;
}

/* --- the scan -------------------------------------------------------------------------------------------- */

static const struct entry *entry_of(const struct cv_file *file)
{
	return (const struct entry *)(const void *)((const char *)file - offsetof(struct entry, file));
}

struct cv_source *sim_scan_source(const struct cv_file *file)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = cv_source_memory(entry_of(file)->copy->map, (size_t)file->size, &err);

	if (!source)
		fail_msg("%s", err.text);
	return source;
}

static void read_facts(struct entry *e)
{
	struct cv_facts *facts = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	CV_AUTO(cv_auto_source) struct cv_source *source = sim_scan_source(&e->file);

	assert_non_null(facts);
	e->file.state = CV_FILE_READ;
	e->file.facts = facts;
	if (cv_image_read(source, CV_FORMAT_NONE, facts, &err))
		return;
	e->file.state = CV_FILE_FAILED;
	snprintf(e->trouble, sizeof e->trouble, "%s", err.text);
	e->file.trouble = e->trouble;
}

static void add(struct cv_scan *scan, struct sim *s, const struct sim_entry *name)
{
	struct entry *e = &scan->entries[scan->count++];
	const struct sim_inode *inode = &s->inodes.at[name->inode];
	const struct copy *copy = copy_of(s, name->inode, &e->fresh);

	assert_true(scan->count <= MOST_FILES);
	snprintf(e->path, sizeof e->path, SIM_REPOSITORY "/%s", name->name);
	e->copy = copy;
	e->file = (struct cv_file){ .device = s->device, .inode = inode->number, .links = 1, .size = inode->now.size,
				    .allocated = copy->allocated, .path = e->path,
				    .mtime_ns = (int64_t)inode->mtime.tv_sec * 1000000000 + inode->mtime.tv_nsec };
	read_facts(e);
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(const struct sim_entry *const *)a)->name, (*(const struct sim_entry *const *)b)->name);
}

struct cv_scan *sim_scan(struct sim *s)
{
	struct cv_scan *scan = calloc(1, sizeof *scan);
	uint32_t folder = sim_lookup(s, SIM_REPOSITORY + 1);
	const struct sim_entry *names[MOST_FILES];
	size_t count = 0;

	assert_non_null(scan);
	scan->repository = (struct cv_repository){ .path = SIM_REPOSITORY, .complete = true, .device = s->device,
						   .size_bytes = (uint64_t)SIM_FREE_MIB << 20,
						   .free_bytes = (uint64_t)SIM_FREE_MIB << 20 };
	for (size_t i = 0; i < s->now.len && count < MOST_FILES; i++)
		if (s->now.at[i].dir == folder && s->now.at[i].inode && !s->inodes.at[s->now.at[i].inode].directory)
			names[count++] = &s->now.at[i];
	qsort(names, count, sizeof names[0], by_path);
	for (size_t i = 0; i < count; i++)
		add(scan, s, names[i]);
	return scan;
}

void cv_scan_free(struct cv_scan *scan)
{
	for (size_t i = 0; scan && i < scan->count; i++)
		cv_facts_free((struct cv_facts *)(uintptr_t)scan->entries[i].file.facts);
	free(scan);
}

struct cv_scan_progress cv_scan_progress(const struct cv_scan *scan)
{
	return (struct cv_scan_progress){ .files_found = scan->count, .files_read = scan->count, .done = true };
}

size_t cv_scan_repository_count(const struct cv_scan *scan)
{
	(void)scan;
	return 1;
}

const struct cv_repository *cv_scan_repository(const struct cv_scan *scan, size_t i)
{
	(void)i;
	return &scan->repository;
}

size_t cv_scan_file_count(const struct cv_scan *scan)
{
	return scan->count;
}

const struct cv_file *cv_scan_file(const struct cv_scan *scan, size_t i)
{
	return &scan->entries[i].file;
}

size_t cv_scan_trouble_count(const struct cv_scan *scan)
{
	(void)scan;
	return 0;
}

const struct cv_trouble *cv_scan_trouble(const struct cv_scan *scan, size_t i)
{
	(void)scan, (void)i;
	return NULL;
}

struct cv_lookup cv_scan_lookup(const struct cv_scan *scan, const char *path)
{
	CV_AUTO(cv_text_fini) struct cv_text clean = { 0 };

	if (!cv_path_join(&clean, "/", cv_bytes_of(path)) || strncmp(cv_text_str(&clean), SIM_REPOSITORY "/", sizeof SIM_REPOSITORY) != 0)
		return (struct cv_lookup){ .found = CV_FOUND_OUTSIDE };
	for (size_t i = 0; i < scan->count; i++)
		if (!strcmp(scan->entries[i].path, cv_text_str(&clean)))
			return (struct cv_lookup){ .found = CV_FOUND_FILE, .file = i };
	return (struct cv_lookup){ .found = CV_FOUND_MISSING };
}

size_t cv_scan_by_inode(const struct cv_scan *scan, uint64_t device, uint64_t inode)
{
	for (size_t i = 0; i < scan->count; i++)
		if (scan->entries[i].file.inode == inode && scan->entries[i].file.device == device)
			return i;
	return SIZE_MAX;
}

uint32_t cv_scan_links_elsewhere(const struct cv_scan *scan, const struct cv_file *file)
{
	(void)scan, (void)file;
	return 0;
}

const char *cv_scan_mounted_elsewhere(const struct cv_scan *scan, const struct cv_file *file)
{
	(void)scan, (void)file;
	return NULL;
}

int cv_scan_reopen(const struct cv_scan *scan, const struct cv_file *file, struct cv_range *part, struct cv_err *err)
{
	int fd = dup(entry_of(file)->copy->fd);

	(void)scan;
	*part = (struct cv_range){ 0, file->size };
	if (fd < 0)
		cv_fail_errno(err, "open a copy");
	return fd;
}

const struct cv_file *cv_scan_data_file(const struct cv_scan *scan, const struct cv_file *file, const struct cv_facts *facts)
{
	(void)scan, (void)file, (void)facts;
	return NULL;
}

/* --- the house ------------------------------------------------------------------------------------------- */

static void refer_to(struct sim_house *h, const char *needed)
{
	struct cv_references *r = &h->refs;

	*r = (struct cv_references){ .claims = calloc(MOST_FILES, sizeof *r->claims), .complete = needed, .none = !needed,
				     .sources = calloc(1, sizeof *r->sources) };
	assert_true(r->claims && r->sources);
	if (!needed)
		return;
	r->source_count = 1;
	r->sources[0] = (struct cv_claim_source){ .name = "list", .read = true, .complete = true };
	for (const char *at = needed, *end; *at; at = end + (*end == '\n')) {
		end = at + strcspn(at, "\n");

		for (size_t i = 0; i < h->scan->count; i++) {
			const struct cv_file *f = &h->scan->entries[i].file;
			const char *name = f->path + sizeof SIM_REPOSITORY;

			if (strlen(name) == (size_t)(end - at) && !memcmp(name, at, strlen(name)))
				r->claims[r->claim_count++] = (struct cv_claim){ .kind = CV_CLAIM_INODE, .device = f->device,
										 .inode = f->inode, .who = cv_bytes_of("the list") };
		}
	}
	r->sources[0].claims = r->claim_count;
}

void sim_house_open(struct sim_house *h, struct sim *s, const char *needed, bool changed)
{
	struct cv_err err = { .code = CV_OK };
	bool fresh[MOST_FILES];

	*h = (struct sim_house){ .scan = sim_scan(s) };
	refer_to(h, needed);
	for (size_t i = 0; i < h->scan->count; i++)
		fresh[i] = h->scan->entries[i].fresh;
	h->check = cv_check_new(h->scan, &(struct cv_check_options){ .workers = 1, .wanted = changed ? fresh : NULL }, &err);
	if (!h->check)
		fail_msg("%s", err.text);
	while (cv_check_step(h->check, -1))
		;
	h->graph = cv_graph_build(h->scan, &h->refs, h->check, NULL, &err);
	if (!h->graph)
		fail_msg("%s", err.text);
}

void sim_house_close(struct sim_house *h)
{
	cv_graph_free(h->graph);
	cv_check_free(h->check);
	free(h->refs.claims);
	free(h->refs.sources);
	cv_scan_free(h->scan);
	*h = (struct sim_house){ 0 };
}

uint32_t sim_house_image(const struct sim_house *h, const char *id)
{
	for (uint32_t i = 0; i < h->graph->image_count; i++)
		if (!strcmp(h->graph->images[i].id, id))
			return i;
	return CV_NO_IMAGE;
}
