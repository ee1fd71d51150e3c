/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The files of a scan and their two indexes. One file has one record however many paths lead to it. Touches
 * no file system.
 */
#include "inspect/repository/files.h"
#include <sys/random.h>

#define FIRST_SLOTS 256

bool cv_files_init(struct cv_files *f)
{
	*f = (struct cv_files){ .arena = cv_arena_new(SIZE_MAX) };
	/* Without a seed the tables still work, they are only easier to slow down. */
	if (getrandom(&f->seed, sizeof f->seed, GRND_NONBLOCK) != (ssize_t)sizeof f->seed)
		f->seed = (uintptr_t)f->arena;
	return f->arena;
}

void cv_files_fini(struct cv_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct cv_file *file = cv_files_at(f, i);

		cv_facts_free((struct cv_facts *)(uintptr_t)file->facts);
		free((void *)(uintptr_t)file->aliases);
	}
	for (size_t i = 0; i < f->blocks.len; i++)
		free(f->blocks.at[i]);
	free(f->blocks.at);
	free(f->paths.at);
	free(f->by_path.at);
	free(f->by_inode.at);
	cv_arena_free(f->arena);
	*f = (struct cv_files){ 0 };
}

const char *cv_files_text(struct cv_files *f, const char *text)
{
	return cv_arena_dup(f->arena, text, strlen(text));
}

/* Folds the product of two 64-bit numbers: every bit of the result depends on every bit of both. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_inode(const struct cv_files *f, uint64_t device, uint64_t inode)
{
	return mix(mix(device ^ f->seed, 0x9e3779b97f4a7c15ull) ^ inode, f->seed | 1);
}

static uint64_t hash_path(const struct cv_files *f, const char *path)
{
	uint64_t h = f->seed, word;
	size_t len = strlen(path), i;

	for (i = 0; i + sizeof word <= len; i += sizeof word) {
		memcpy(&word, path + i, sizeof word);
		h = mix(h ^ word, 0x9e3779b97f4a7c15ull ^ f->seed);
	}
	word = 0;
	memcpy(&word, path + i, len - i);
	return mix(h ^ word, len ^ 0xd1b54a32d192ed03ull);
}

typedef uint64_t hash_fn(const struct cv_files *f, uint32_t number);

static uint64_t hash_of_path(const struct cv_files *f, uint32_t number)
{
	return hash_path(f, f->paths.at[number].path);
}

static uint64_t hash_of_file(const struct cv_files *f, uint32_t number)
{
	const struct cv_file *file = cv_files_at(f, number);

	return hash_inode(f, file->device, file->inode);
}

static void put(struct cv_slots *s, uint64_t hash, uint32_t number)
{
	size_t i = hash & (s->size - 1);

	while (s->at[i])
		i = (i + 1) & (s->size - 1);
	s->at[i] = number + 1;
	s->used++;
}

/* Keeps at least a quarter of the slots free. */
static bool make_room(const struct cv_files *f, struct cv_slots *s, hash_fn *hash)
{
	struct cv_slots bigger = { .size = s->size ? s->size * 2 : FIRST_SLOTS };

	if (s->size && s->used < s->size / 4 * 3)
		return true;
	bigger.at = calloc(bigger.size, sizeof *bigger.at);
	if (!bigger.at)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->at[i])
			put(&bigger, hash(f, s->at[i] - 1), s->at[i] - 1);
	free(s->at);
	*s = bigger;
	return true;
}

size_t cv_files_by_path(const struct cv_files *f, const char *path)
{
	const struct cv_slots *s = &f->by_path;
	size_t i = s->size ? hash_path(f, path) & (s->size - 1) : 0;

	for (; s->size && s->at[i]; i = (i + 1) & (s->size - 1))
		if (!strcmp(f->paths.at[s->at[i] - 1].path, path))
			return f->paths.at[s->at[i] - 1].file;
	return SIZE_MAX;
}

size_t cv_files_by_inode(const struct cv_files *f, uint64_t device, uint64_t inode)
{
	const struct cv_slots *s = &f->by_inode;
	size_t i = s->size ? hash_inode(f, device, inode) & (s->size - 1) : 0;

	for (; s->size && s->at[i]; i = (i + 1) & (s->size - 1)) {
		const struct cv_file *file = cv_files_at(f, s->at[i] - 1);

		if (file->device == device && file->inode == inode)
			return s->at[i] - 1;
	}
	return SIZE_MAX;
}

static bool index_path(struct cv_files *f, const char *path, size_t file)
{
	if (!make_room(f, &f->by_path, hash_of_path) ||
	    !cv_path_vec_push(&f->paths, (struct cv_path_entry){ path, (uint32_t)file }))
		return false;
	put(&f->by_path, hash_path(f, path), (uint32_t)(f->paths.len - 1));
	return true;
}

static struct cv_file *next_file(struct cv_files *f)
{
	struct cv_file *block;

	if (f->count >= UINT32_MAX - 1)
		return NULL;
	if (f->count == f->blocks.len * CV_FILES_IN_BLOCK) {
		block = calloc(CV_FILES_IN_BLOCK, sizeof *block);
		if (!block || !cv_block_vec_push(&f->blocks, block)) {
			free(block);
			return NULL;
		}
	}
	return cv_files_at(f, f->count);
}

size_t cv_files_add(struct cv_files *f, const struct cv_file *what, bool identified)
{
	struct cv_file *file = next_file(f);
	const char *path = cv_files_text(f, what->path);
	size_t number = f->count;

	if (!file || !path || !make_room(f, &f->by_inode, hash_of_file) || !index_path(f, path, number))
		return SIZE_MAX;
	*file = *what;
	file->path = path;
	if (identified)
		put(&f->by_inode, hash_inode(f, file->device, file->inode), (uint32_t)number);
	f->count++;
	return number;
}

/* The room for further paths doubles whenever their number reaches a power of two. */
static bool push_alias(struct cv_file *file, const char *path)
{
	uint32_t n = file->alias_count;
	const char **list = (const char **)(uintptr_t)file->aliases;

	if (!(n & (n - 1))) {
		list = realloc(list, (n ? (size_t)n * 2 : 1) * sizeof *list);
		if (!list)
			return false;
		file->aliases = list;
	}
	list[file->alias_count++] = path;
	return true;
}

bool cv_files_alias(struct cv_files *f, size_t number, const char *path, uint32_t repository, int rank)
{
	struct cv_file *file = cv_files_at(f, number);
	const char *copy;

	if (cv_files_by_path(f, path) != SIZE_MAX)
		return true;
	copy = cv_files_text(f, path);
	if (!copy || !index_path(f, copy, number))
		return false;
	if (rank > 0 || (!rank && strcmp(file->path, copy) < 0))
		return push_alias(file, copy);
	if (!push_alias(file, file->path))
		return false;
	file->path = copy;
	file->repository = repository;
	return true;
}

static int compare_paths(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

void cv_files_sort(struct cv_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct cv_file *file = cv_files_at(f, i);

		if (file->alias_count > 1)
			qsort((void *)(uintptr_t)file->aliases, file->alias_count, sizeof *file->aliases,
			      compare_paths);
	}
}
