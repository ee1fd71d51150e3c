/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of a scan share: the places, the walk, the files. Nothing outside this folder looks inside.
 */
#ifndef CV_INSPECT_REPOSITORY_SCANNING_H
#define CV_INSPECT_REPOSITORY_SCANNING_H

#include <dirent.h>
#include "inspect/repository/files.h"
#include "inspect/sandbox/pool.h"
#include "inspect/source/open.h"

/* Our own folder in a repository: journal and trash, never part of what is scanned. */
#define CV_OWN_FOLDER ".chainview"
/* What the name of the journal of an operation ends in. */
#define CV_OWN_JOURNAL_END ".cvj"

CV_VEC(cv_name_vec, const char *);

/* Another path that leads into a repository by a mount, and what it leads to: below the root, "" for all of it. */
struct cv_elsewhere {
	const char *path, *rel;
};
CV_VEC(cv_elsewhere_vec, struct cv_elsewhere);

/* One repository. */
struct cv_territory {
	struct cv_repository pub;
	struct cv_root root;        /* directories only; all zero and dirfd -1 for an image */
	bool is_directory;
	bool left_alone;            /* something in it was not looked at on purpose */
	struct cv_name_vec operations;
	struct cv_elsewhere_vec elsewhere;
};

/* Something still to be looked at. */
struct cv_errand {
	uint32_t territory;
	enum cv_errand_kind { CV_ERRAND_DIRECTORY, CV_ERRAND_FILE, CV_ERRAND_LINK } kind;
	char *rel;                  /* below the root, owned; NULL: the place itself */
};
CV_VEC(cv_errand_vec, struct cv_errand);

CV_VEC(cv_trouble_vec, struct cv_trouble *);

/* The directory that is being listed. */
struct cv_listing {
	DIR *dir;
	uint32_t territory;
	uint64_t device;
	struct cv_text rel, path;   /* of the directory: below the root, "" for the root; absolute */
};

struct cv_scan {
	struct cv_territory *territories;
	size_t territory_count;
	/* Places inside other places: their absolute real paths in the order of cv_path_order(). A walk that comes
	 * by leaves them alone, they are walked on their own account. */
	char **enclaves;
	size_t enclave_count;
	struct cv_files files;
	struct cv_trouble_vec troubles;
	struct cv_errand_vec todo, links;    /* links wait until all files are known */
	struct cv_listing listing;
	struct cv_text scratch_rel, scratch_path;
	struct cv_pool *pool;
	char *sandbox;
	size_t files_read;
	uint64_t bytes_found;
	size_t facts_bytes;               /* held for all images */
	const char *current;
	bool done, cancelled;
};

/* places.c: opens what the user named, and folds places that lie inside others. */
bool cv_places_open(struct cv_scan *s, const struct cv_scan_options *options, struct cv_err *err);
/* Paths as trees are listed: "/" before every other byte, so that what lies inside a directory follows it. */
int cv_path_order(const char *a, const char *b);
/* What is left of path below base ("" if it is base itself); NULL if it does not lie there. By text alone. */
const char *cv_path_below(const char *path, const char *base);

/* walk.c: takes the next entry of the directories, if there is one. */
void cv_walk_next(struct cv_scan *s);
void cv_walk_stop(struct cv_scan *s);

/* own.c: notes the operations whose journals lie in our own folder rel; in order, when all are known. */
void cv_own_folder(struct cv_scan *s, uint32_t territory, const char *rel);
void cv_own_sort(struct cv_territory *t);

/* mounts.c: finds the other paths of all repositories; the path in a repository that such a path means. */
void cv_mounts_note(struct cv_scan *s);
bool cv_mounts_translate(const struct cv_scan *s, const char *path, struct cv_text *out);

/* candidates.c: from a name to a cv_file that a worker reads. inode: as the directory says, 0 if it did not. */
void cv_candidate(struct cv_scan *s, uint32_t territory, const char *rel, const char *path, uint64_t device,
		  uint64_t inode);
void cv_candidate_named(struct cv_scan *s, uint32_t territory);
void cv_candidate_link(struct cv_scan *s, uint32_t territory, const char *rel, const char *path);
void cv_candidate_read(void *scan, uint64_t tag, struct cv_facts *facts, const struct cv_err *why);
/* Records what could not be looked at; "what: errno text", or what alone if os_errno is 0. */
void cv_trouble_note(struct cv_scan *s, uint32_t territory, const char *path, const char *what, int os_errno);
/* Records a mount point that was not entered. */
void cv_trouble_mounted(struct cv_scan *s, uint32_t territory, const char *path);

/* lookup.c: what lies under rel, through links as long as they stay below the root; absolute ones too. */
struct cv_entry cv_territory_resolve(const struct cv_territory *t, const char *rel);

/* kinds.c: what sort of repository it is; from the path alone before anything was read. */
enum cv_repository_kind cv_kind_by_path(const char *path);
void cv_kinds_decide(struct cv_scan *s);

#endif
