/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sim_real.h. */
#include "tests/support/sim_real.h"
#include "repair/plan/network.h"

/* No descriptor of the process has such a number: what asks the kernel about one fails, and harms nobody. */
enum { FIRST_FD = 1 << 20 };

static struct sim *disk;
static struct sim_host *writer;

void sim_real_is(struct sim *s, struct sim_host *host)
{
	disk = s;
	writer = host;
}

void sim_real_close_all(void)
{
	for (size_t i = 0; i < disk->fds.len; i++)
		if (disk->fds.at[i].inode)
			disk->io.close(&disk->io, (int)i);
}

bool cv_host_here(struct cv_host *host, bool make_key, struct cv_err *err)
{
	(void)make_key;
	(void)err;
	*host = writer->host;
	host->ctx = writer;
	return true;
}

/* It lies in memory. */
const char *cv_plan_network(const char *path)
{
	(void)path;
	return NULL;
}

static int in(int fd)
{
	return fd >= FIRST_FD ? fd - FIRST_FD : fd == AT_FDCWD ? AT_FDCWD : -1;
}

static int out(int fd)
{
	return fd < 0 ? fd : fd + FIRST_FD;
}

/* Whatever ends in "/." is the folder itself. */
static int real_openat(const struct cv_io *io, int dir, const char *name, int flags, mode_t mode)
{
	char path[512];
	size_t len = strlen(name);

	(void)io;
	if (len < 3 || len >= sizeof path || strcmp(name + len - 2, "/.") != 0)
		return out(disk->io.openat(&disk->io, in(dir), name, flags, mode));
	memcpy(path, name, len - 2);
	path[len - 2] = '\0';
	return out(disk->io.openat(&disk->io, in(dir), path, flags, mode));
}

static int real_dup(const struct cv_io *io, int fd)
{
	(void)io;
	return out(disk->io.dup(&disk->io, in(fd)));
}

#define PARAMETERS(...) (const struct cv_io *io, __VA_ARGS__)
#define MEMBER(type, member, parameters, ...)                                                                  \
	static type real_##member PARAMETERS parameters                                                        \
	{                                                                                                      \
		(void)io;                                                                                      \
		return disk->io.member(&disk->io, __VA_ARGS__);                                                \
	}

MEMBER(int, close, (int fd), in(fd))
MEMBER(ssize_t, pread, (int fd, void *buf, size_t len, uint64_t off), in(fd), buf, len, off)
MEMBER(ssize_t, pwrite, (int fd, const void *buf, size_t len, uint64_t off), in(fd), buf, len, off)
MEMBER(int, ftruncate, (int fd, uint64_t size), in(fd), size)
MEMBER(int, fallocate, (int fd, int mode, uint64_t off, uint64_t len), in(fd), mode, off, len)
MEMBER(ssize_t, copy_range, (int from, uint64_t from_off, int to, uint64_t to_off, size_t len), in(from), from_off, in(to),
       to_off, len)
MEMBER(int, clone_range, (int from, uint64_t from_off, int to, uint64_t to_off, uint64_t len), in(from), from_off, in(to),
       to_off, len)
MEMBER(int, write_over, (int fd), in(fd))
MEMBER(int64_t, seek, (int fd, uint64_t off, int whence), in(fd), off, whence)
MEMBER(int, forget, (int fd, uint64_t off, uint64_t len), in(fd), off, len)
MEMBER(int, fsync, (int fd), in(fd))
MEMBER(int, fdatasync, (int fd), in(fd))
MEMBER(int, fstat, (int fd, struct stat *st), in(fd), st)
MEMBER(int, fstatat, (int dir, const char *name, struct stat *st), in(dir), name, st)
MEMBER(int, fstatvfs, (int fd, struct statvfs *st), in(fd), st)
MEMBER(int, mkdirat, (int dir, const char *name, mode_t mode), in(dir), name, mode)
MEMBER(int, unlinkat, (int dir, const char *name, int flags), in(dir), name, flags)
MEMBER(int, renameat, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags), in(from_dir), from,
       in(to_dir), to, flags)
MEMBER(int, linkat, (int from_dir, const char *from, int to_dir, const char *to), in(from_dir), from, in(to_dir), to)
MEMBER(int, symlinkat, (const char *target, int dir, const char *name), target, in(dir), name)
MEMBER(int, mkfifoat, (int dir, const char *name, mode_t mode), in(dir), name, mode)
MEMBER(int, fchmodat, (int dir, const char *name, mode_t mode), in(dir), name, mode)
MEMBER(int, utimensat, (int dir, const char *name, struct timespec when), in(dir), name, when)
MEMBER(int, fchown, (int fd, uid_t owner, gid_t group), in(fd), owner, group)
MEMBER(int, fchmod, (int fd, mode_t mode), in(fd), mode)
MEMBER(int, lock, (int fd, short type, uint64_t off, uint64_t len), in(fd), type, off, len)
MEMBER(int, locked, (int fd, uint64_t off, uint64_t len), in(fd), off, len)
MEMBER(int, lease, (int fd, int type), in(fd), type)
MEMBER(int, lease_state, (int fd), in(fd))
MEMBER(bool, holder, (int fd, bool writers, struct cv_text *who), in(fd), writers, who)
MEMBER(int, list, (int dir, bool (*each)(void *ctx, const char *name), void *ctx), in(dir), each, ctx)
MEMBER(int, priority, (int value), value)

static uint64_t real_clock_ms(const struct cv_io *io)
{
	(void)io;
	return disk->io.clock_ms(&disk->io);
}

static void real_nap(const struct cv_io *io, uint64_t ms)
{
	(void)io;
	disk->io.nap(&disk->io, ms);
}

const struct cv_io cv_io_real = {
	.openat = real_openat, .close = real_close, .pread = real_pread, .pwrite = real_pwrite, .ftruncate = real_ftruncate,
	.fallocate = real_fallocate, .copy_range = real_copy_range, .clone_range = real_clone_range,
	.write_over = real_write_over, .seek = real_seek, .forget = real_forget, .fsync = real_fsync,
	.fdatasync = real_fdatasync, .fstat = real_fstat, .fstatat = real_fstatat, .fstatvfs = real_fstatvfs,
	.mkdirat = real_mkdirat, .unlinkat = real_unlinkat, .renameat = real_renameat, .linkat = real_linkat,
	.symlinkat = real_symlinkat, .mkfifoat = real_mkfifoat, .fchmodat = real_fchmodat, .utimensat = real_utimensat,
	.fchown = real_fchown, .fchmod = real_fchmod, .lock = real_lock, .locked = real_locked, .lease = real_lease,
	.lease_state = real_lease_state, .dup = real_dup, .holder = real_holder, .list = real_list,
	.clock_ms = real_clock_ms, .nap = real_nap, .priority = real_priority,
};
