/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The real back-end of struct cv_io: one line for each system call, tried again when a signal interrupts it.
 * No policy and no messages here.
 */
#include "repair/io/io.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
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

static int real_fallocate(const struct cv_io *io, int fd, int mode, uint64_t off, uint64_t len)
{
	(void)io;
	return TEMP_FAILURE_RETRY(fallocate(fd, mode, (off_t)off, (off_t)len));
}

static ssize_t real_copy_range(const struct cv_io *io, int from, uint64_t from_off, int to, uint64_t to_off, size_t len)
{
	off64_t in = (off64_t)from_off, out = (off64_t)to_off;

	(void)io;
	return TEMP_FAILURE_RETRY(copy_file_range(from, &in, to, &out, len, 0));
}

static int real_clone_range(const struct cv_io *io, int from, uint64_t from_off, int to, uint64_t to_off, uint64_t len)
{
	struct file_clone_range range = { from, from_off, len, to_off };

	(void)io;
	return TEMP_FAILURE_RETRY(ioctl(to, FICLONERANGE, &range));
}

static int real_write_over(const struct cv_io *io, int fd)
{
	int flags = 0;

	(void)io;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return -1;
	flags |= FS_NOCOW_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int64_t real_seek(const struct cv_io *io, int fd, uint64_t off, int whence)
{
	(void)io;
	return lseek(fd, (off_t)off, whence);
}

static int real_forget(const struct cv_io *io, int fd, uint64_t off, uint64_t len)
{
	(void)io;
	return posix_fadvise(fd, (off_t)off, (off_t)len, POSIX_FADV_DONTNEED);
}

/* After a failed one nothing is known about what reached the disk, so these are never tried again. */
static int real_fsync(const struct cv_io *io, int fd)
{
	(void)io;
	return fsync(fd);
}

static int real_fdatasync(const struct cv_io *io, int fd)
{
	(void)io;
	return fdatasync(fd);
}

static int real_fstat(const struct cv_io *io, int fd, struct stat *st)
{
	(void)io;
	return fstat(fd, st);
}

static int real_fstatat(const struct cv_io *io, int dir, const char *name, struct stat *st)
{
	(void)io;
	return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW);
}

static int real_fstatvfs(const struct cv_io *io, int fd, struct statvfs *st)
{
	(void)io;
	return fstatvfs(fd, st);
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

static int real_renameat(const struct cv_io *io, int from_dir, const char *from, int to_dir, const char *to,
			 unsigned flags)
{
	(void)io;
	return renameat2(from_dir, from, to_dir, to, flags);
}

static int real_linkat(const struct cv_io *io, int from_dir, const char *from, int to_dir, const char *to)
{
	(void)io;
	return linkat(from_dir, from, to_dir, to, 0);
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

static int real_fchown(const struct cv_io *io, int fd, uid_t owner, gid_t group)
{
	(void)io;
	return fchown(fd, owner, group);
}

static int real_fchmod(const struct cv_io *io, int fd, mode_t mode)
{
	(void)io;
	return fchmod(fd, mode);
}

static int real_lock(const struct cv_io *io, int fd, short type, uint64_t off, uint64_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)off, .l_len = (off_t)len };

	(void)io;
	return TEMP_FAILURE_RETRY(fcntl(fd, F_OFD_SETLK, &lock));
}

static int real_locked(const struct cv_io *io, int fd, uint64_t off, uint64_t len)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)off, .l_len = (off_t)len };

	(void)io;
	return TEMP_FAILURE_RETRY(fcntl(fd, F_OFD_GETLK, &lock)) < 0 ? -1 : lock.l_type;
}

static int real_lease(const struct cv_io *io, int fd, int type)
{
	(void)io;
	return fcntl(fd, F_SETLEASE, type);
}

static int real_lease_state(const struct cv_io *io, int fd)
{
	(void)io;
	return fcntl(fd, F_GETLEASE);
}

static int real_dup(const struct cv_io *io, int fd)
{
	(void)io;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int real_list(const struct cv_io *io, int dir, bool (*each)(void *ctx, const char *name), void *ctx)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	int saved;

	(void)io;
	if (!d) {
		saved = errno;
		cv_auto_close(&copy);
		errno = saved;
		return -1;
	}
	errno = 0;
	for (struct dirent *e; (e = readdir(d)); errno = 0)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !each(ctx, e->d_name)) {
			errno = 0;
			break;
		}
	saved = errno;
	closedir(d);
	errno = saved;
	return saved ? -1 : 0;
}

static uint64_t real_clock_ms(const struct cv_io *io)
{
	struct timespec now;

	(void)io;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Cut short by a signal: whoever waits looks again. */
static void real_nap(const struct cv_io *io, uint64_t ms)
{
	const struct timespec wait = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)io;
	nanosleep(&wait, NULL);
}

static int real_priority(const struct cv_io *io, int value)
{
	int before = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);

	(void)io;
	if (value >= 0 && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) < 0)
		return -1;
	return before;
}

const struct cv_io cv_io_real = {
	.openat = real_openat,
	.close = real_close,
	.pread = real_pread,
	.pwrite = real_pwrite,
	.ftruncate = real_ftruncate,
	.fallocate = real_fallocate,
	.copy_range = real_copy_range,
	.clone_range = real_clone_range,
	.seek = real_seek,
	.forget = real_forget, .write_over = real_write_over,
	.fsync = real_fsync,
	.fdatasync = real_fdatasync,
	.fstat = real_fstat,
	.fstatat = real_fstatat,
	.fstatvfs = real_fstatvfs,
	.mkdirat = real_mkdirat,
	.unlinkat = real_unlinkat,
	.renameat = real_renameat,
	.linkat = real_linkat,
	.symlinkat = real_symlinkat,
	.mkfifoat = real_mkfifoat,
	.fchmodat = real_fchmodat,
	.utimensat = real_utimensat,
	.fchown = real_fchown,
	.fchmod = real_fchmod,
	.lock = real_lock,
	.locked = real_locked,
	.lease = real_lease,
	.lease_state = real_lease_state,
	.dup = real_dup,
	.holder = cv_holder_find,
	.list = real_list,
	.clock_ms = real_clock_ms,
	.nap = real_nap,
	.priority = real_priority,
};
