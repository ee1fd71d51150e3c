/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How a scanned image is held open on this host, and the lines in which the kernel says so. Used by the source
 * "proc" only.
 */
#ifndef CV_INSPECT_REFERENCE_HOLDERS_H
#define CV_INSPECT_REFERENCE_HOLDERS_H

#include "inspect/reference/gather.h"

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

/* What one process, or the kernel itself, holds. */
struct cv_held {
	size_t file;
	unsigned holds;
};
CV_VEC(cv_held_vec, struct cv_held);
/* Adds to what is known of the file. False when memory is short. */
bool cv_held_add(struct cv_held_vec *held, size_t file, unsigned holds);

/* The files that loop devices stand on. False when memory is short. */
bool cv_loops_read(struct cv_gather *g);

#endif
