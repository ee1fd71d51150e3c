/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How a file is held open on this host: who has it, and the lines in which the kernel says so. Which files are wanted
 * is given by who asks: the source "proc" wants all that were scanned, a claim that was refused the one it is about.
 */
#ifndef CV_INSPECT_REFERENCE_HOLDERS_H
#define CV_INSPECT_REFERENCE_HOLDERS_H

#include <chainview/text.h>
#include <chainview/vec.h>

/* Several may be true of one process and one image. */
enum cv_hold {
	CV_HOLD_MAPPED = 1 << 0,
	CV_HOLD_LOCKED = 1 << 1,          /* some lock that says nothing more */
	CV_HOLD_OPEN = 1 << 2,
	CV_HOLD_OPEN_WRITE = 1 << 3,
	CV_HOLD_READING = 1 << 4,         /* qemu's image locks say so */
	CV_HOLD_WRITING = 1 << 5,
};

/* "writing", "open for reading"...: the strongest of them. */
const char *cv_hold_words(unsigned holds);

/* One line of /proc/locks, or of the "lock:" lines of /proc/PID/fdinfo/FD. */
struct cv_lock_line {
	uint64_t device, inode;
	unsigned hold;                    /* one of enum cv_hold */
};
/* False for lines that are no lock on a file's bytes or whole (leases, waiting locks). */
bool cv_lock_line_read(const char *line, struct cv_lock_line *lock);

/* One line of /proc/PID/maps. path is borrowed from the line, "" if there is none. False if no file is mapped. */
struct cv_map_line {
	uint64_t device, inode;
	const char *path;
};
bool cv_map_line_read(char *line, struct cv_map_line *map);

/* The next line of a text of lines, NUL-terminated in place; NULL at the end. */
char *cv_next_line(char **rest);

/* Who holds a file. */
struct cv_holder {
	long pid;                         /* 0: none that can be seen from here */
	const char *command;              /* of pid: raw bytes */
	const char *loop;                 /* "loop3": not a process but this loop device; else NULL */
	unsigned holds;
};

/* The files whose holders are wanted. Each finder gives the number of a file, or SIZE_MAX. */
struct cv_wanted {
	void *ctx;
	size_t (*by_inode)(void *ctx, uint64_t device, uint64_t inode);
	size_t (*by_device)(void *ctx, uint64_t number);        /* an open block device */
	size_t (*by_path)(void *ctx, const char *path, uint64_t inode);  /* inode 0: whichever it has */
	/* Somebody holds it. False ends it all: memory is short. */
	bool (*held)(void *ctx, size_t file, const struct cv_holder *holder);
};

struct cv_looked {
	bool listed;                      /* there are processes to look at */
	bool hidden;                      /* those of other users are not listed */
	size_t processes, unread;         /* unread: they do not let us look */
};

/* Asks held() for every process but our own, every lock that none of them has, and every loop device. Opens only files of
 * /proc and /sys. False when memory is short. */
bool cv_holders_find(const struct cv_wanted *wanted, struct cv_looked *looked);
/* The part with the loop devices. */
bool cv_loops_find(const struct cv_wanted *wanted);
/* "12 of 140 processes could not be looked at"; nothing when all could. */
void cv_looked_words(const struct cv_looked *looked, struct cv_text *out);

#endif
