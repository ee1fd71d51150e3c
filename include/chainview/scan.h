/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The scan: which files are in the repositories, and what each of them says about itself.
 *
 * A scan is advanced in steps by whoever owns the event loop; between two steps everything that was found
 * so far may be looked at, and a graph may be built of it. It starts no threads. Images are opened here and
 * read by worker processes that cannot open, write or connect to anything; one that dies or stalls costs
 * one image its verdict.
 *
 * Identity is (device, inode): hard links, links to files and two ways to one file are one cv_file with
 * several paths.
 *
 * A repository is complete when every entry was looked at. What was left alone on purpose (another file system that
 * is mounted inside it) makes it incomplete like what could not be looked at: both are recorded as trouble. Only the
 * latter is a failure, for which programs end with status 8.
 */
#ifndef CHAINVIEW_SCAN_H
#define CHAINVIEW_SCAN_H

#include <chainview/error.h>
#include <chainview/facts.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_repository_kind {
	CV_REPOSITORY_DIRECTORY, CV_REPOSITORY_IMAGE, CV_REPOSITORY_XEN_FILE_SR, CV_REPOSITORY_LIBVIRT,
	CV_REPOSITORY_PROXMOX, CV_REPOSITORY_HYPERV, CV_REPOSITORY_KIND_COUNT
};
CV_API const char *cv_repository_kind_name(enum cv_repository_kind kind);

/* One place to look at, as the user gave it. */
struct cv_place {
	const char *path;        /* a directory, an image file, a block device */
	bool other;              /* from --with: children and parents may lie here, but it is not reported on */
	uint64_t offset;         /* the image starts at this byte of the file (--offset); files and devices only */
};

struct cv_scan_options {
	const struct cv_place *places;
	size_t place_count;
	bool cross_file_systems; /* also enter directories on other file systems */
	unsigned workers;        /* reading processes; 0 = one for each processor, at most 8 */
	bool require_sandbox;    /* fail rather than read with a weaker sandbox than the kernel could give */
};

struct cv_repository {
	const char *path;        /* absolute, raw bytes */
	enum cv_repository_kind kind;
	bool other, complete;    /* complete: every entry was looked at; known when the scan is done */
	bool failed;             /* something could not be looked at, so it is not complete */
	uint64_t device;
	uint64_t size_bytes, free_bytes;   /* of its file system; free as an unprivileged user sees it */
	uint64_t offset;
	const char *const *operations;     /* paths of journals of our own operations that are not finished */
	size_t operation_count;
};

enum cv_file_state { CV_FILE_WAITING, CV_FILE_READ, CV_FILE_FAILED };

struct cv_file {
	uint32_t repository;     /* of the first path */
	enum cv_file_state state;
	bool block_device;
	uint64_t device, inode;
	uint32_t links;
	uint64_t size, allocated;          /* bytes */
	int64_t mtime_ns;                  /* since 1970 */
	const char *path;                  /* absolute, raw bytes; the first in byte order of its own names, then of links */
	const char *const *aliases;        /* further absolute paths in byte order */
	uint32_t alias_count;
	const struct cv_facts *facts;      /* NULL until read; kept also when it failed half way */
	const char *trouble;               /* why it could not be read: one escaped line; NULL if it could */
};

/* Something that was not looked at: a directory without permission, a file that vanished, another file system. */
struct cv_trouble {
	uint32_t repository;
	const char *path;        /* absolute, raw bytes */
	const char *text;        /* one escaped line */
};

struct cv_scan_progress {
	size_t files_found, files_read;
	uint64_t bytes_found;              /* allocated */
	bool walking, done, cancelled;
	const char *current;               /* the directory or file last opened, raw bytes; may be NULL */
};

struct cv_scan;

/* Opens the places. Fails if one of them cannot be opened or no worker can be started. */
CV_API struct cv_scan *cv_scan_new(const struct cv_scan_options *options, struct cv_err *err);
CV_API void cv_scan_free(struct cv_scan *scan);

/* Works for about budget_ms (0: only what is ready; -1: until done). True while there is more to do.
 * Trouble with single files is recorded, not returned. */
CV_API bool cv_scan_step(struct cv_scan *scan, int budget_ms);
/* Stops looking further; what was found stays, and its repositories are marked incomplete, also when the scan was
 * done just before. Images that were being read stay CV_FILE_WAITING. */
CV_API void cv_scan_cancel(struct cv_scan *scan);
/* A descriptor that becomes readable when a step has something to do, for poll(); -1 if a step should just
 * be called again. */
CV_API int cv_scan_poll_fd(const struct cv_scan *scan);

CV_API struct cv_scan_progress cv_scan_progress(const struct cv_scan *scan);
CV_API size_t cv_scan_repository_count(const struct cv_scan *scan);
CV_API const struct cv_repository *cv_scan_repository(const struct cv_scan *scan, size_t i);
CV_API size_t cv_scan_file_count(const struct cv_scan *scan);
/* Stable pointer; the contents change only inside a step. */
CV_API const struct cv_file *cv_scan_file(const struct cv_scan *scan, size_t i);
CV_API size_t cv_scan_trouble_count(const struct cv_scan *scan);
CV_API const struct cv_trouble *cv_scan_trouble(const struct cv_scan *scan, size_t i);
/* One line about the protection the workers run under: "Landlock ABI 7, seccomp, 256 MiB, 10 s CPU". */
CV_API const char *cv_scan_sandbox(const struct cv_scan *scan);

/* What lies under an absolute path that came from an image. Nothing outside the repositories is touched,
 * and nothing is opened for reading. The path must be clean: no ".", double or trailing slashes (cv_path_join);
 * ".." may stand behind a name and leads to where it leads the kernel, which matters if the name is a link. */
enum cv_found {
	CV_FOUND_FILE,           /* file = index of a scanned file */
	CV_FOUND_MISSING,
	CV_FOUND_OUTSIDE,        /* not under any repository, or only through a link that leaves it */
	CV_FOUND_NOT_REGULAR,    /* a directory, FIFO, socket or device: what says which */
	CV_FOUND_UNREADABLE,     /* permission, I/O error */
};
struct cv_lookup {
	enum cv_found found;
	size_t file;
	const char *what;        /* static text: "a FIFO", "a directory" */
};
CV_API struct cv_lookup cv_scan_lookup(const struct cv_scan *scan, const char *path);
/* The file with this device and inode; SIZE_MAX if there is none. */
CV_API size_t cv_scan_by_inode(const struct cv_scan *scan, uint64_t device, uint64_t inode);

/* Appends base/name with ".", ".." and repeated slashes resolved by text alone; an absolute name replaces
 * base; ".." above the root stays at the root. False if the result would be longer than PATH_MAX or the name holds a NUL. */
CV_API bool cv_path_join(struct cv_text *out, const char *base_directory, struct cv_bytes name);

#ifdef __cplusplus
}
#endif
#endif
