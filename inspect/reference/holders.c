/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The lines in which the kernel says who holds a file, turned into numbers. Reads no files. */
#include "inspect/reference/holders.h"
#include <stdio.h>
#include <sys/sysmacros.h>

/*
 * qemu's image locks (block/file-posix.c): a lock on byte 100 + i says "I use permission i", one on 200 + i "I do
 * not share permission i". The permissions: 0 consistent read, 1 write, 2 write unchanged, 3 resize, 4 graph.
 */
#define USES_FIRST 100
#define REFUSES_FIRST 200
#define PERMISSIONS 5
#define USES_WRITE (USES_FIRST + 1)
#define USES_RESIZE (USES_FIRST + 3)

const char *cv_hold_words(unsigned holds)
{
	static const struct { unsigned hold; const char *words; } rows[] = {
		{ CV_HOLD_WRITING, "writing" }, { CV_HOLD_READING, "reading" },
		{ CV_HOLD_OPEN_WRITE, "open for writing" },
		{ CV_HOLD_OPEN, "open for reading" }, { CV_HOLD_LOCKED, "locked" }, { CV_HOLD_MAPPED, "mapped" },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (holds & rows[i].hold)
			return rows[i].words;
	return "in use";
}

static bool touches(struct cv_range range, uint64_t first, uint64_t count)
{
	return cv_ranges_touch(range, (struct cv_range){ first, count });
}

static unsigned hold_of_range(struct cv_range range)
{
	if (range.off < USES_FIRST || range.off + range.len > REFUSES_FIRST + PERMISSIONS)
		return CV_HOLD_LOCKED;  /* a lock on the whole file is not qemu's */
	if (touches(range, USES_WRITE, 1) || touches(range, USES_RESIZE, 1))
		return CV_HOLD_WRITING;
	if (touches(range, USES_FIRST, PERMISSIONS) || touches(range, REFUSES_FIRST, PERMISSIONS))
		return CV_HOLD_READING;
	return CV_HOLD_LOCKED;
}

bool cv_lock_line_read(const char *line, struct cv_lock_line *lock)
{
	char type[16], mode[16], access[16], last[24];
	unsigned major, minor;
	unsigned long long inode, first, end = 0;

	/* "1: OFDLCK ADVISORY  READ -1 fd:01:1234 100 101"; a lock that is waited for has "->" before its type */
	if (sscanf(line, "%*[0-9]: %15s %15s %15s %*d %x:%x:%llu %llu %23s", type, mode, access, &major, &minor,
		   &inode, &first, last) != 8)
		return false;
	if (strcmp(type, "OFDLCK") && strcmp(type, "POSIX") && strcmp(type, "FLOCK"))
		return false;
	*lock = (struct cv_lock_line){ .device = makedev(major, minor), .inode = inode, .hold = CV_HOLD_LOCKED };
	end = strcmp(last, "EOF") ? strtoull(last, NULL, 10) : UINT64_MAX - 1;
	if (strcmp(type, "FLOCK") && end >= first && end < UINT64_MAX - 1)
		lock->hold = hold_of_range((struct cv_range){ first, end - first + 1 });
	return true;
}

bool cv_map_line_read(char *line, struct cv_map_line *map)
{
	unsigned major, minor;
	unsigned long long inode;
	int used = 0;

	/* "7f0c1000-7f0c2000 rw-s 00000000 fd:01 1234      /path" */
	if (sscanf(line, "%*x-%*x %*s %*x %x:%x %llu %n", &major, &minor, &inode, &used) != 3 || !inode)
		return false;
	*map = (struct cv_map_line){ .device = makedev(major, minor), .inode = inode, .path = used ? line + used : "" };
	return true;
}

char *cv_next_line(char **rest)
{
	char *line = *rest, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	*rest = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return line;
}
