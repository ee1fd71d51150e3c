/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The only place where the program opens anything. Names from directories and images are looked up below a root
 * that the user gave, never through links or mount points, and classified before they are opened, so that a
 * FIFO, a terminal or a device is never touched. All descriptors are close-on-exec and read-only.
 */
#ifndef CV_INSPECT_SOURCE_OPEN_H
#define CV_INSPECT_SOURCE_OPEN_H

#include <chainview/error.h>
#include <chainview/text.h>

enum cv_entry_kind {
	CV_ENTRY_REGULAR, CV_ENTRY_BLOCK, CV_ENTRY_DIRECTORY, CV_ENTRY_FIFO, CV_ENTRY_SOCKET, CV_ENTRY_CHARACTER,
	CV_ENTRY_SYMLINK,     /* the entry is a link, or (os_errno ELOOP) a link stands in the way to it */
	CV_ENTRY_MISSING,
	CV_ENTRY_OUTSIDE,     /* the name leads out of the root */
	CV_ENTRY_OTHER_FS,    /* behind a mount point, and the root may not be left that way */
	CV_ENTRY_DENIED,      /* no permission */
	CV_ENTRY_FAILED,      /* anything else, see os_errno */
	CV_ENTRY_KIND_COUNT
};

/* "a regular file", "a FIFO", "not there"...: static text. */
const char *cv_entry_kind_name(enum cv_entry_kind kind);

/* What lies under a name. The numbers are only set for kinds up to CV_ENTRY_SYMLINK with os_errno 0. */
struct cv_entry {
	enum cv_entry_kind kind;
	int os_errno;                  /* why, for SYMLINK (in the way) and the kinds below it; 0 otherwise */
	uint32_t links, owner, mode;   /* mode: permission bits */
	uint64_t device, inode;
	uint64_t size, allocated;      /* bytes; the size of a block device is found when it is opened */
	int64_t mtime_ns;              /* since 1970 */
};

struct cv_root {
	int dirfd;                     /* O_PATH; -1 when closed */
	bool cross_file_systems;
	uint64_t device, inode;
	char *path;                    /* absolute; as the user wrote it, without "." and double slashes */
	char *real;                    /* absolute; without symbolic links */
};

/* A directory that the user named; links on the way are followed. False if it is none. */
bool cv_root_open(const char *path, bool cross_file_systems, struct cv_root *root, struct cv_err *err);
/* Also fine on an all-zero struct that was never opened. */
void cv_root_close(struct cv_root *root);

/*
 * rel is relative to the root: "a/b.vhd"; "." is the root itself. Absolute names and those that climb out are
 * CV_ENTRY_OUTSIDE. Nothing is opened for reading; no call here can block on a FIFO or wake a device.
 */
struct cv_entry cv_root_stat(const struct cv_root *root, const char *rel);
/* As above, but relative links are followed as long as they stay below the root. An absolute link is
 * CV_ENTRY_OUTSIDE, wherever it leads: look its text up with cv_root_readlink(). */
struct cv_entry cv_root_follow(const struct cv_root *root, const char *rel);
/* Appends the text of the symbolic link rel. */
bool cv_root_readlink(const struct cv_root *root, const char *rel, struct cv_text *target, struct cv_err *err);

enum cv_open_flag {
	CV_OPEN_FOLLOW = 1 << 0,       /* as cv_root_follow() */
	CV_OPEN_BLOCK_DEVICE = 1 << 1, /* the user named it, so it may be a block device */
};

/*
 * Opens an image for reading. Returns the descriptor, or -1 with err set; entry says in both cases what is
 * there (entry->kind tells a FIFO from a missing file, say). Only regular files are opened, and block devices
 * with the flag. Access times stay as they are where the system allows that.
 */
int cv_root_open_image(const struct cv_root *root, const char *rel, unsigned flags, struct cv_entry *entry,
		       struct cv_err *err);
/* An image file or block device that the user named; links are followed, cv_entry.size is that of the device. */
int cv_named_open_image(const char *path, struct cv_entry *entry, struct cv_err *err);
/* What lies under a name that the user gave; links are followed. */
struct cv_entry cv_named_stat(const char *path);

/* A directory below the root, to be listed (fdopendir). -1 with err set; entry as above. */
int cv_root_open_directory(const struct cv_root *root, const char *rel, struct cv_entry *entry, struct cv_err *err);

/* A fixed file of the system, such as /proc/locks, whose name comes from our own source code. -1 with err set. */
int cv_system_open(const char *path, struct cv_err *err);
/* Appends all of it. False also when it is longer than cap bytes (CV_ELIMIT). */
bool cv_system_read_all(const char *path, size_t cap, struct cv_text *text, struct cv_err *err);

#endif
