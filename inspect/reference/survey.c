/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The processes of this host, looked through for those that have a wanted file open, mapped or locked right now. Only
 * files of /proc are opened.
 */
#include "inspect/reference/holders.h"
#include "inspect/source/open.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LARGEST_FILE ((size_t)64 << 20)
#define KERNEL_THREAD 0x00200000u       /* PF_KTHREAD, include/linux/sched.h */

/* A lock whose holder is still to be found. */
struct lock {
	size_t file;
	unsigned hold;
};
CV_VEC(lock_vec, struct lock);

struct held {
	size_t file;
	unsigned holds;
};
CV_VEC(held_vec, struct held);

struct survey {
	const struct cv_wanted *wanted;
	struct cv_looked *looked;
	struct lock_vec locks;
	struct held_vec held;           /* by the process that is being looked at */
	struct cv_text text;
	bool failed;                    /* memory is short */
};

/* Reads /proc/PID/name into s->text. */
static bool read_file(struct survey *s, long pid, const char *name)
{
	char path[80];
	struct cv_err err = { 0 };

	snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
	cv_text_clear(&s->text);
	return cv_system_read_all(path, LARGEST_FILE, &s->text, &err) && s->text.len;
}

/* Adds to what is known of the file. */
static void hold(struct survey *s, size_t file, unsigned holds)
{
	for (size_t i = 0; i < s->held.len; i++)
		if (s->held.at[i].file == file) {
			s->held.at[i].holds |= holds;
			return;
		}
	if (!held_vec_push(&s->held, (struct held){ file, holds }))
		s->failed = true;
}

static bool is_denied(void)
{
	return errno == EACCES || errno == EPERM;
}

/*
 * The file behind an open descriptor, by its link in /proc: asking for that opens nothing, and cached attributes
 * will do, so that a dead file server cannot keep us. Who may list the links need not see where they lead (root
 * without CAP_SYS_PTRACE): hidden.
 */
static size_t file_of_link(const struct survey *s, int dirfd, const char *name, bool *hidden)
{
	struct statx st;
	char target;

	if (statx(dirfd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO, &st) < 0) {
		*hidden = is_denied() && readlinkat(dirfd, name, &target, 1) < 0 && is_denied();
		return SIZE_MAX;
	}
	if (S_ISREG(st.stx_mode))
		return s->wanted->by_inode(s->wanted->ctx, makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino);
	if (S_ISBLK(st.stx_mode))
		return s->wanted->by_device(s->wanted->ctx, makedev(st.stx_rdev_major, st.stx_rdev_minor));
	return SIZE_MAX;
}

/* How the descriptor was opened and what it locks. */
static unsigned holds_of_descriptor(struct survey *s, long pid, const char *name)
{
	unsigned holds = CV_HOLD_OPEN;
	struct cv_lock_line lock;
	char file[40], *rest, *line;

	snprintf(file, sizeof file, "fdinfo/%.20s", name);
	if (!read_file(s, pid, file))
		return holds;
	rest = s->text.at;
	while ((line = cv_next_line(&rest))) {
		if (!strncmp(line, "flags:", 6) && (strtoul(line + 6, NULL, 8) & O_ACCMODE) != O_RDONLY)
			holds |= CV_HOLD_OPEN_WRITE;
		if (!strncmp(line, "lock:\t", 6) && cv_lock_line_read(line + 6, &lock))
			holds |= lock.hold;
	}
	return holds;
}

/* False if the process does not let us look. */
static bool look_at_descriptors(struct survey *s, long pid)
{
	char path[40];
	const struct dirent *entry;
	bool hidden = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%ld/fd", pid);
	dir = opendir(path);
	if (!dir)
		return !is_denied();
	while (!hidden && (entry = readdir(dir))) {
		size_t file = entry->d_name[0] == '.' ? SIZE_MAX : file_of_link(s, dirfd(dir), entry->d_name, &hidden);

		if (file != SIZE_MAX)
			hold(s, file, holds_of_descriptor(s, pid, entry->d_name));
	}
	closedir(dir);
	return !hidden;
}

/*
 * The file of a mapping. Where stat() and the kernel's own tables give different device numbers for one file
 * (btrfs subvolumes), its path and its inode number have to agree instead.
 */
static size_t file_of_map(const struct survey *s, const struct cv_map_line *map)
{
	size_t file = s->wanted->by_inode(s->wanted->ctx, map->device, map->inode);

	return file != SIZE_MAX || map->path[0] != '/' ? file : s->wanted->by_path(s->wanted->ctx, map->path, map->inode);
}

static void look_at_mappings(struct survey *s, long pid)
{
	uint64_t previous = 0;
	struct cv_map_line map;
	char *rest, *line;

	if (!read_file(s, pid, "maps"))
		return;
	rest = s->text.at;
	while ((line = cv_next_line(&rest))) {
		size_t file;

		if (!cv_map_line_read(line, &map) || map.inode == previous)
			continue;
		previous = map.inode;
		file = file_of_map(s, &map);
		if (file != SIZE_MAX)
			hold(s, file, CV_HOLD_MAPPED);
	}
}

/* The command: the kernel cuts its name after 15 bytes, the command line often has the rest. */
static void find_command(struct survey *s, long pid, struct cv_text *name)
{
	const char *base;

	if (read_file(s, pid, "comm"))
		cv_text_add_bytes(name, s->text.at, s->text.len - (s->text.at[s->text.len - 1] == '\n'));
	if (name->len == 15 && read_file(s, pid, "cmdline")) {
		base = strrchr(s->text.at, '/');
		base = base ? base + 1 : s->text.at;
		if (!strncmp(base, name->at, name->len)) {
			cv_text_clear(name);
			cv_text_add(name, base);
		}
	}
}

static void tell(struct survey *s, const struct held *held, long pid, const char *command)
{
	struct cv_holder holder = { .pid = pid, .command = command, .holds = held->holds };

	if (!s->wanted->held(s->wanted->ctx, held->file, &holder))
		s->failed = true;
}

/* A lock is settled by a process that has one of its kind; the number of locks is small. */
static void settle_locks(struct survey *s, const struct held *held)
{
	for (size_t i = 0; i < s->locks.len; i++)
		if (s->locks.at[i].file == held->file && held->holds & s->locks.at[i].hold)
			s->locks.at[i].file = SIZE_MAX;
}

/* What we hold ourselves is known, and only settled. */
static void tell_held(struct survey *s, long pid)
{
	CV_AUTO(cv_text_fini) struct cv_text command = { 0 };
	bool own = pid == (long)getpid();

	if (s->held.len && !own)
		find_command(s, pid, &command);
	for (size_t i = 0; i < s->held.len; i++) {
		if (!own)
			tell(s, &s->held.at[i], pid, command.len ? command.at : "a process");
		settle_locks(s, &s->held.at[i]);
	}
	s->held.len = 0;
}

/* Kernel threads and the dead have no files. proc(5): "pid (comm) state ppid pgrp session tty tpgid flags". */
static bool has_no_files(struct survey *s, long pid)
{
	char state;
	unsigned flags;
	const char *end;

	if (!read_file(s, pid, "stat"))
		return true;            /* gone */
	end = strrchr(s->text.at, ')');
	if (!end || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	return state == 'Z' || state == 'X' || flags & KERNEL_THREAD;
}

static void look_at_process(struct survey *s, long pid)
{
	s->looked->processes++;
	if (look_at_descriptors(s, pid))
		look_at_mappings(s, pid);
	else if (!has_no_files(s, pid))
		s->looked->unread++;
	tell_held(s, pid);
}

static bool look_at_processes(struct survey *s)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		return false;
	while (!s->failed && (entry = readdir(dir))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid > 0 && !*end)
			look_at_process(s, pid);
	}
	closedir(dir);
	return true;
}

/* Before the processes: a lock that goes away meanwhile is in the list for nothing, none is missed. */
static void collect_locks(struct survey *s)
{
	struct cv_err err = { 0 };
	struct cv_lock_line line;
	char *rest, *at;

	cv_text_clear(&s->text);
	if (!cv_system_read_all("/proc/locks", LARGEST_FILE, &s->text, &err))
		return;
	rest = s->text.at;
	while ((at = cv_next_line(&rest))) {
		size_t file = SIZE_MAX;

		if (cv_lock_line_read(at, &line))
			file = s->wanted->by_inode(s->wanted->ctx, line.device, line.inode);
		if (file != SIZE_MAX && !lock_vec_push(&s->locks, (struct lock){ file, line.hold }))
			s->failed = true;
	}
}

/* Locks whose holders were not among the processes that we can see: other namespaces, other users. */
static void tell_unseen(struct survey *s)
{
	for (size_t i = 0; i < s->locks.len; i++)
		if (s->locks.at[i].file != SIZE_MAX)
			hold(s, s->locks.at[i].file, s->locks.at[i].hold);
	for (size_t i = 0; i < s->held.len; i++)
		tell(s, &s->held.at[i], 0, "");
}

void cv_looked_words(const struct cv_looked *looked, struct cv_text *out)
{
	if (!looked->listed) {
		cv_text_add(out, "/proc cannot be listed");
		return;
	}
	if (looked->unread)
		cv_text_addf(out, "%zu of %zu processes could not be looked at", looked->unread, looked->processes);
	if (looked->hidden)
		cv_text_addf(out, "%sthe processes of other users are hidden", looked->unread ? ", " : "");
}

bool cv_holders_find(const struct cv_wanted *wanted, struct cv_looked *looked)
{
	struct survey s = { .wanted = wanted, .looked = looked };

	*looked = (struct cv_looked){ .hidden = access("/proc/1", F_OK) < 0 };
	collect_locks(&s);
	looked->listed = look_at_processes(&s);
	tell_unseen(&s);
	if (!s.failed && !cv_loops_find(wanted))
		s.failed = true;
	free(s.locks.at);
	free(s.held.at);
	cv_text_fini(&s.text);
	return !s.failed;
}
