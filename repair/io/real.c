/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The real back-end of struct cv_io: one line for each system call, tried again when a signal interrupts it.
 * No policy and no messages here.
 */
#include "repair/io/io.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int real_openat(const struct cv_io *io, int dir, const char *name, int flags, mode_t mode)
{
	(void)io;
	return TEMP_FAILURE_RETRY(openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, mode));
}

/* The descriptor is gone after close() in any case, so an interrupted one is not tried again. */
static int real_close(const struct cv_io *io, int fd)
{
	(void)io;
	return close(fd);
}

static ssize_t real_pread(const struct cv_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	(void)io;
	return TEMP_FAILURE_RETRY(pread(fd, buf, len, (off_t)off));
}

static ssize_t real_pwrite(const struct cv_io *io, int fd, const void *buf, size_t len, uint64_t off)
{
	(void)io;
	return TEMP_FAILURE_RETRY(pwrite(fd, buf, len, (off_t)off));
}

static int real_ftruncate(const struct cv_io *io, int fd, uint64_t size)
{
	(void)io;
	return TEMP_FAILURE_RETRY(ftruncate(fd, (off_t)size));
}

static int real_fsync(const struct cv_io *io, int fd)
{
	(void)io;
	return TEMP_FAILURE_RETRY(fsync(fd));
}

static int real_fstat(const struct cv_io *io, int fd, struct stat *st)
{
	(void)io;
	return fstat(fd, st);
}

static int real_mkdirat(const struct cv_io *io, int dir, const char *name, mode_t mode)
{
	(void)io;
	return mkdirat(dir, name, mode);
}

static int real_unlinkat(const struct cv_io *io, int dir, const char *name, int flags)
{
	(void)io;
	return unlinkat(dir, name, flags);
}

static int real_renameat(const struct cv_io *io, int dir, const char *from, const char *to)
{
	(void)io;
	return renameat(dir, from, dir, to);
}

static int real_linkat(const struct cv_io *io, int dir, const char *from, const char *to)
{
	(void)io;
	return linkat(dir, from, dir, to, 0);
}

static int real_symlinkat(const struct cv_io *io, const char *target, int dir, const char *name)
{
	(void)io;
	return symlinkat(target, dir, name);
}

static int real_mkfifoat(const struct cv_io *io, int dir, const char *name, mode_t mode)
{
	(void)io;
	return mkfifoat(dir, name, mode);
}

static int real_fchmodat(const struct cv_io *io, int dir, const char *name, mode_t mode)
{
	(void)io;
	return fchmodat(dir, name, mode, 0);
}

static int real_utimensat(const struct cv_io *io, int dir, const char *name, struct timespec when)
{
	const struct timespec both[2] = { when, when };

	(void)io;
	return utimensat(dir, name, both, AT_SYMLINK_NOFOLLOW);
}

static bool real_is_empty(const struct cv_io *io, int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	bool empty = true;
	int saved;

	(void)io;
	if (!d) {
		saved = errno;
		cv_auto_close(&copy);
		errno = saved;
		return false;
	}
	errno = 0;
	for (struct dirent *e; empty && (e = readdir(d));)
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	saved = errno;
	closedir(d);
	errno = empty ? saved : 0;
	return empty && !saved;
}

const struct cv_io cv_io_real = {
	.openat = real_openat,
	.close = real_close,
	.pread = real_pread,
	.pwrite = real_pwrite,
	.ftruncate = real_ftruncate,
	.fsync = real_fsync,
	.fstat = real_fstat,
	.mkdirat = real_mkdirat,
	.unlinkat = real_unlinkat,
	.renameat = real_renameat,
	.linkat = real_linkat,
	.symlinkat = real_symlinkat,
	.mkfifoat = real_mkfifoat,
	.fchmodat = real_fchmodat,
	.utimensat = real_utimensat,
	.is_empty = real_is_empty,
};
