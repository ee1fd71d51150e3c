/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Every open of the program. Lookups go through openat2() with O_PATH, are classified by fstat(), and only what
 * is a regular file (or a block device that the user named) is opened again, through its descriptor, so that
 * nothing can be exchanged in between. Nothing here opens for writing.
 */
#include "inspect/source/open.h"
#include <chainview/scan.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* RESOLVE_BENEATH gives EAGAIN when something was renamed during the lookup; so many times it is asked again. */
#define LOOKUP_TRIES 64
#define LOOKUP_FLAGS (O_PATH | O_CLOEXEC)
#define NO_ATIME_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME)

static const char *const entry_kind_names[CV_ENTRY_KIND_COUNT] = {
	[CV_ENTRY_REGULAR] = "a regular file", [CV_ENTRY_BLOCK] = "a block device",
	[CV_ENTRY_DIRECTORY] = "a directory", [CV_ENTRY_FIFO] = "a FIFO", [CV_ENTRY_SOCKET] = "a socket",
	[CV_ENTRY_CHARACTER] = "a character device", [CV_ENTRY_SYMLINK] = "a symbolic link",
	[CV_ENTRY_MISSING] = "not there", [CV_ENTRY_OUTSIDE] = "outside",
	[CV_ENTRY_OTHER_FS] = "on another file system", [CV_ENTRY_DENIED] = "not permitted",
	[CV_ENTRY_FAILED] = "not accessible",
};

const char *cv_entry_kind_name(enum cv_entry_kind kind)
{
	return entry_kind_names[kind];
}

static enum cv_entry_kind kind_of_mode(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return CV_ENTRY_REGULAR;
	case S_IFBLK: return CV_ENTRY_BLOCK;
	case S_IFDIR: return CV_ENTRY_DIRECTORY;
	case S_IFIFO: return CV_ENTRY_FIFO;
	case S_IFSOCK: return CV_ENTRY_SOCKET;
	case S_IFCHR: return CV_ENTRY_CHARACTER;
	case S_IFLNK: return CV_ENTRY_SYMLINK;
	default: return CV_ENTRY_FAILED;
	}
}

/* Why a lookup failed. EXDEV is told apart by the caller. */
static struct cv_entry entry_of_errno(int number)
{
	static const struct { int number; enum cv_entry_kind kind; } rows[] = {
		{ ENOENT, CV_ENTRY_MISSING }, { ENOTDIR, CV_ENTRY_MISSING }, { ENAMETOOLONG, CV_ENTRY_MISSING },
		{ EXDEV, CV_ENTRY_OUTSIDE }, { ELOOP, CV_ENTRY_SYMLINK }, { EACCES, CV_ENTRY_DENIED },
		{ EPERM, CV_ENTRY_DENIED },
	};
	struct cv_entry entry = { .kind = CV_ENTRY_FAILED, .os_errno = number };

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].number == number)
			entry.kind = rows[i].kind;
	return entry;
}

static struct cv_entry entry_of_fd(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return entry_of_errno(errno);
	return (struct cv_entry){
		.kind = kind_of_mode(st.st_mode),
		.links = (uint32_t)st.st_nlink,
		.owner = st.st_uid,
		.mode = st.st_mode & 07777,
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.allocated = (uint64_t)st.st_blocks * 512,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
	};
}

/* True if one of the components is "..". */
static bool climbs(const char *path)
{
	for (const char *at = path; *at; at += strcspn(at, "/"), at += strspn(at, "/"))
		if (at[0] == '.' && at[1] == '.' && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

/*
 * One component of walk(). O_NOFOLLOW does not keep O_PATH from opening a link itself, so for all but the last
 * component O_DIRECTORY has to; the second look only tells a link from what else is no directory.
 */
static int walk_step(int at, const char *name, bool last)
{
	int next = openat(at, name, LOOKUP_FLAGS | O_NOFOLLOW | (last ? 0 : O_DIRECTORY));
	struct stat st;

	if (next < 0 && errno == ENOTDIR) {
		bool link = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);

		errno = link ? ELOOP : ENOTDIR;
	}
	return next;
}

/*
 * What openat2() does with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, for kernels before 5.6 (XenServer's dom0
 * has 4.19) and containers that forbid the call: one component after the other, none of them a link. The
 * caller has refused "..".
 */
static int walk(const struct cv_root *root, const char *rel)
{
	int at = fcntl(root->dirfd, F_DUPFD_CLOEXEC, 0);

	while (at >= 0 && *rel) {
		size_t len = strcspn(rel, "/");
		CV_AUTO(cv_auto_close) int from = at;
		char name[NAME_MAX + 1];
		struct stat st;

		if (len > NAME_MAX)
			return errno = ENAMETOOLONG, -1;
		memcpy(name, rel, len);
		name[len] = '\0';
		at = walk_step(from, name, !rel[len]);
		if (at >= 0 && !root->cross_file_systems && (fstat(at, &st) < 0 || st.st_dev != root->device)) {
			cv_auto_close(&at);
			return errno = EXDEV, -1;
		}
		rel += len;
		rel += strspn(rel, "/");
	}
	return at;
}

static int look(int dirfd, const char *rel, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = LOOKUP_FLAGS | flags, .resolve = resolve };
	long fd;
	int tries = LOOKUP_TRIES;

	do
		fd = syscall(SYS_openat2, dirfd, rel, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && --tries > 0);
	return (int)fd;
}

/* openat2() gives EXDEV for a link that leaves the root and for a mount point. */
static bool is_other_fs(const struct cv_root *root, const char *rel, bool follow)
{
	int fd, number;

	if (!follow || root->cross_file_systems)
		return !root->cross_file_systems;
	fd = look(root->dirfd, rel, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	number = errno;
	cv_auto_close(&fd);
	return fd >= 0 || number != EXDEV;
}

/* An O_PATH descriptor, or -1; says in both cases what is there. */
static int lookup(const struct cv_root *root, const char *rel, bool follow, struct cv_entry *entry)
{
	uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (follow ? 0 : RESOLVE_NO_SYMLINKS) |
		(root->cross_file_systems ? 0 : RESOLVE_NO_XDEV);
	int fd;

	if (*rel == '/' || climbs(rel)) {
		*entry = entry_of_errno(EXDEV);
		return -1;
	}
	fd = look(root->dirfd, rel, follow ? 0 : O_NOFOLLOW, resolve);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = walk(root, rel);
	*entry = fd >= 0 ? entry_of_fd(fd) : entry_of_errno(errno);
	if (entry->os_errno == EXDEV && is_other_fs(root, rel, follow))
		entry->kind = CV_ENTRY_OTHER_FS;
	return fd;
}

struct cv_entry cv_root_stat(const struct cv_root *root, const char *rel)
{
	struct cv_entry entry;
	CV_AUTO(cv_auto_close) int fd = lookup(root, rel, false, &entry);

	(void)fd;
	return entry;
}

struct cv_entry cv_root_follow(const struct cv_root *root, const char *rel)
{
	struct cv_entry entry;
	CV_AUTO(cv_auto_close) int fd = lookup(root, rel, true, &entry);

	(void)fd;
	return entry;
}

struct cv_entry cv_named_stat(const char *path)
{
	CV_AUTO(cv_auto_close) int fd = open(path, LOOKUP_FLAGS);

	return fd >= 0 ? entry_of_fd(fd) : entry_of_errno(errno);
}

bool cv_root_readlink(const struct cv_root *root, const char *rel, struct cv_text *target, struct cv_err *err)
{
	struct cv_entry entry;
	CV_AUTO(cv_auto_close) int fd = lookup(root, rel, false, &entry);
	char text[PATH_MAX];
	ssize_t n;

	if (fd < 0) {
		errno = entry.os_errno;
		return cv_fail_errno(err, "cannot read the link");
	}
	n = readlinkat(fd, "", text, sizeof text);
	if (n < 0)
		return cv_fail_errno(err, "cannot read the link");
	if ((size_t)n == sizeof text)
		return cv_fail(err, CV_ELIMIT, "the link is longer than %d B", PATH_MAX - 1);
	cv_text_add_bytes(target, text, (size_t)n);
	return !target->failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* Says why what was found is not opened. */
static bool refuse(const struct cv_entry *entry, struct cv_err *err)
{
	switch (entry->kind) {
	case CV_ENTRY_SYMLINK:
		return cv_fail(err, CV_EREFUSED, entry->os_errno ? "reached through a symbolic link, not followed"
								 : "a symbolic link, not followed");
	case CV_ENTRY_OUTSIDE:
		return cv_fail(err, CV_EREFUSED, "leads outside the repository");
	case CV_ENTRY_OTHER_FS:
		return cv_fail(err, CV_EREFUSED, "lies on another file system");
	default:
		if (!entry->os_errno)
			return cv_fail(err, CV_EREFUSED, "%s, not opened", cv_entry_kind_name(entry->kind));
		errno = entry->os_errno;
		return cv_fail_errno(err, "cannot open");
	}
}

/*
 * Opens for reading what an O_PATH descriptor stands for. O_NOATIME is given to owners and to root only: asking
 * for it and asking again is not more work than finding out who we are.
 */
static int reopen(int path_fd, struct cv_entry *entry, struct cv_err *err)
{
	struct cv_entry before = *entry;
	char name[40];
	int fd;

	snprintf(name, sizeof name, "/proc/self/fd/%d", path_fd);
	fd = open(name, NO_ATIME_FLAGS);
	if (fd < 0 && errno == EPERM)
		fd = open(name, NO_ATIME_FLAGS & ~O_NOATIME);
	if (fd < 0) {
		int number = errno;

		*entry = entry_of_errno(number);
		errno = number;
		cv_fail_errno(err, "cannot open");
		return -1;
	}
	*entry = entry_of_fd(fd);
	if (entry->kind == before.kind && entry->device == before.device && entry->inode == before.inode)
		return fd;
	close(fd);
	cv_fail(err, CV_EREFUSED, "it was exchanged while it was opened");
	return -1;
}

/* A block device has no size in its inode. */
static bool measure(int fd, struct cv_entry *entry, struct cv_err *err)
{
	if (entry->kind != CV_ENTRY_BLOCK)
		return true;
	if (ioctl(fd, BLKGETSIZE64, &entry->size) < 0)
		return cv_fail_errno(err, "cannot find out the size of the device");
	entry->allocated = entry->size;
	return true;
}

static int open_as(int path_fd, unsigned kinds, struct cv_entry *entry, struct cv_err *err)
{
	int fd = -1;

	if (path_fd < 0 || entry->os_errno || !(kinds & 1u << entry->kind))
		refuse(entry, err);
	else
		fd = reopen(path_fd, entry, err);
	if (fd >= 0 && !measure(fd, entry, err)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int cv_root_open_image(const struct cv_root *root, const char *rel, unsigned flags, struct cv_entry *entry,
		       struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int path_fd = lookup(root, rel, flags & CV_OPEN_FOLLOW, entry);
	unsigned kinds = 1u << CV_ENTRY_REGULAR | (flags & CV_OPEN_BLOCK_DEVICE ? 1u << CV_ENTRY_BLOCK : 0);

	return open_as(path_fd, kinds, entry, err);
}

int cv_root_open_directory(const struct cv_root *root, const char *rel, struct cv_entry *entry, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int path_fd = lookup(root, rel, false, entry);

	return open_as(path_fd, 1u << CV_ENTRY_DIRECTORY, entry, err);
}

static bool wrap_path(struct cv_err *err, const char *path)
{
	struct cv_text escaped = { 0 };

	cv_text_escape(&escaped, cv_bytes_of(path));
	cv_wrap(err, "%s", cv_text_str(&escaped));
	cv_text_fini(&escaped);
	return false;
}

int cv_named_open_image(const char *path, struct cv_entry *entry, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int path_fd = open(path, LOOKUP_FLAGS);
	int fd;

	*entry = path_fd >= 0 ? entry_of_fd(path_fd) : entry_of_errno(errno);
	fd = open_as(path_fd, 1u << CV_ENTRY_REGULAR | 1u << CV_ENTRY_BLOCK, entry, err);
	if (fd < 0)
		wrap_path(err, path);
	return fd;
}

/* Where the kernel says that an open directory is. */
static char *real_path(int fd)
{
	char name[40], real[PATH_MAX];
	ssize_t n;

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	n = readlink(name, real, sizeof real);
	return n > 0 && (size_t)n < sizeof real ? strndup(real, (size_t)n) : NULL;
}

/* As the user wrote it; with ".." only the kernel knows what is meant. */
static char *clean_path(const char *path, const char *real)
{
	char here[PATH_MAX];
	struct cv_text clean = { 0 };

	if (climbs(path) || !getcwd(here, sizeof here) ||
	    !cv_path_join(&clean, here, cv_bytes_of(path)) || clean.failed) {
		cv_text_fini(&clean);
		return strdup(real);
	}
	return clean.at;
}

bool cv_root_open(const char *path, bool cross_file_systems, struct cv_root *root, struct cv_err *err)
{
	struct cv_entry entry;

	*root = (struct cv_root){ .dirfd = open(path, LOOKUP_FLAGS | O_DIRECTORY) };
	if (root->dirfd < 0) {
		cv_fail_errno(err, "cannot open");
		return wrap_path(err, path);
	}
	entry = entry_of_fd(root->dirfd);
	root->cross_file_systems = cross_file_systems;
	root->device = entry.device;
	root->inode = entry.inode;
	root->real = real_path(root->dirfd);
	root->path = root->real ? clean_path(path, root->real) : NULL;
	if (root->path)
		return true;
	cv_fail(err, CV_EIO, "cannot find out where it lies: is /proc mounted?");
	cv_root_close(root);
	return wrap_path(err, path);
}

void cv_root_close(struct cv_root *root)
{
	/* An all-zero struct was never opened, and descriptor 0 is not its own. */
	if (root->dirfd > 0 || root->real)
		close(root->dirfd);
	free(root->path);
	free(root->real);
	*root = (struct cv_root){ .dirfd = -1 };
}

int cv_system_open(const char *path, struct cv_err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		cv_fail_errno(err, "cannot open %s", path);
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	cv_fail(err, CV_EREFUSED, "%s is not a regular file", path);
	return -1;
}

bool cv_system_read_all(const char *path, size_t cap, struct cv_text *text, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int fd = cv_system_open(path, err);
	char buffer[16384];
	size_t total = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buffer, sizeof buffer)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cv_fail_errno(err, "cannot read %s", path);
		total += (size_t)n;
		if (total > cap)
			return cv_fail(err, CV_ELIMIT, "%s is longer than %zu B", path, cap);
		cv_text_add_bytes(text, buffer, (size_t)n);
	}
	if (fd < 0)
		return false;
	return !text->failed || cv_fail(err, CV_ENOMEM, "out of memory while reading %s", path);
}
