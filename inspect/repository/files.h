/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The files that a scan has found, findable by path and by (device, inode). Memory and lookup only: nothing
 * here touches a file system or knows where a file came from.
 */
#ifndef CV_INSPECT_REPOSITORY_FILES_H
#define CV_INSPECT_REPOSITORY_FILES_H

#include <chainview/scan.h>
#include <chainview/vec.h>
#include "inspect/base/arena.h"

/* An open hash table of numbers of things that are kept elsewhere. */
struct cv_slots {
	uint32_t *at;               /* number + 1; 0 is free */
	size_t size, used;          /* size is a power of two */
};

struct cv_path_entry {
	const char *path;
	uint32_t file;
};
CV_VEC(cv_path_vec, struct cv_path_entry);

#define CV_FILES_IN_BLOCK 256
CV_VEC(cv_block_vec, struct cv_file *);

struct cv_files {
	struct cv_arena *arena;     /* paths and texts */
	struct cv_block_vec blocks; /* files never move */
	size_t count;
	struct cv_path_vec paths;   /* every path of every file */
	struct cv_slots by_path, by_inode;
	uint64_t seed;              /* names are chosen by strangers: they must not be able to choose their slots */
};

bool cv_files_init(struct cv_files *f);
void cv_files_fini(struct cv_files *f);

static inline struct cv_file *cv_files_at(const struct cv_files *f, size_t i)
{
	return &f->blocks.at[i / CV_FILES_IN_BLOCK][i % CV_FILES_IN_BLOCK];
}

/* A copy of the text that lives as long as the files; NULL when memory is short. */
const char *cv_files_text(struct cv_files *f, const char *text);

/* Adds a file; the path is copied. identified: (device, inode) are its own and may be looked for. SIZE_MAX when
 * memory is short. */
size_t cv_files_add(struct cv_files *f, const struct cv_file *what, bool identified);

/* Gives a file another path; one that it has already is no change. rank < 0: it goes before the path that is
 * first now, > 0: behind it, 0: byte order decides. False when memory is short. */
bool cv_files_alias(struct cv_files *f, size_t file, const char *path, uint32_t repository, int rank);

/* Puts the further paths of all files into byte order. */
void cv_files_sort(struct cv_files *f);

/* SIZE_MAX if there is none. */
size_t cv_files_by_path(const struct cv_files *f, const char *path);
size_t cv_files_by_inode(const struct cv_files *f, uint64_t device, uint64_t inode);

#endif
