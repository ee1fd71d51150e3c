/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Every system call that changes storage, or asks who else uses it, as a table. Nothing else in repair/ makes such a
 * call directly, so that a simulated disk can take the place of the real one and show what is left after a power cut
 * at any point. The members have the meaning, results and errno of the system calls of their names.
 *
 * Files are always reached from an open directory; openat() adds O_CLOEXEC and O_NOFOLLOW by itself.
 */
#ifndef CV_REPAIR_IO_IO_H
#define CV_REPAIR_IO_IO_H

#include <chainview/text.h>
#include <chainview/error.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

struct cv_io {
	int (*openat)(const struct cv_io *io, int dir, const char *name, int flags, mode_t mode);
	int (*close)(const struct cv_io *io, int fd);
	ssize_t (*pread)(const struct cv_io *io, int fd, void *buf, size_t len, uint64_t off);
	ssize_t (*pwrite)(const struct cv_io *io, int fd, const void *buf, size_t len, uint64_t off);
	int (*ftruncate)(const struct cv_io *io, int fd, uint64_t size);
	int (*fallocate)(const struct cv_io *io, int fd, int mode, uint64_t off, uint64_t len);
	/* copy_file_range(2), without the flags. */
	ssize_t (*copy_range)(const struct cv_io *io, int from, uint64_t from_off, int to, uint64_t to_off, size_t len);
	/* ioctl FICLONERANGE. */
	int (*clone_range)(const struct cv_io *io, int from, uint64_t from_off, int to, uint64_t to_off, uint64_t len);
	/* ioctl FS_IOC_SETFLAGS: what is written in this file, which is empty, will be written over where it is. Only btrfs does
	 * otherwise, and knows this. */
	int (*write_over)(const struct cv_io *io, int fd);
	/* lseek(2) with SEEK_DATA or SEEK_HOLE. */
	int64_t (*seek)(const struct cv_io *io, int fd, uint64_t off, int whence);
	/* posix_fadvise POSIX_FADV_DONTNEED, as a hint and no more: what is on disk is read from there the next time, and what is
	 * not begins to go there. len 0: to the end of the file. */
	int (*forget)(const struct cv_io *io, int fd, uint64_t off, uint64_t len);
	int (*fsync)(const struct cv_io *io, int fd);
	int (*fdatasync)(const struct cv_io *io, int fd);
	int (*fstat)(const struct cv_io *io, int fd, struct stat *st);
	/* Does not follow a link. */
	int (*fstatat)(const struct cv_io *io, int dir, const char *name, struct stat *st);
	int (*fstatvfs)(const struct cv_io *io, int fd, struct statvfs *st);
	int (*mkdirat)(const struct cv_io *io, int dir, const char *name, mode_t mode);
	int (*unlinkat)(const struct cv_io *io, int dir, const char *name, int flags);
	int (*renameat)(const struct cv_io *io, int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
	int (*linkat)(const struct cv_io *io, int from_dir, const char *from, int to_dir, const char *to);
	int (*symlinkat)(const struct cv_io *io, const char *target, int dir, const char *name);
	int (*mkfifoat)(const struct cv_io *io, int dir, const char *name, mode_t mode);
	int (*fchmodat)(const struct cv_io *io, int dir, const char *name, mode_t mode);
	/* Sets both times; does not follow a link. */
	int (*utimensat)(const struct cv_io *io, int dir, const char *name, struct timespec when);
	int (*fchown)(const struct cv_io *io, int fd, uid_t owner, gid_t group);
	int (*fchmod)(const struct cv_io *io, int fd, mode_t mode);
	/* fcntl F_OFD_SETLK: F_RDLCK, F_WRLCK or F_UNLCK on bytes of the file. */
	int (*lock)(const struct cv_io *io, int fd, short type, uint64_t off, uint64_t len);
	/* fcntl F_OFD_GETLK: the type of the first lock of others in that place that a write lock could not stand beside;
	 * F_UNLCK if there is none. */
	int (*locked)(const struct cv_io *io, int fd, uint64_t off, uint64_t len);
	/* fcntl F_SETLEASE: F_WRLCK, F_RDLCK or F_UNLCK. */
	int (*lease)(const struct cv_io *io, int fd, int type);
	/* fcntl F_GETLEASE: our lease, or what it has to become because somebody waits in open() for it. */
	int (*lease_state)(const struct cv_io *io, int fd);
	/* fcntl F_DUPFD_CLOEXEC: the same open file, with its locks and its lease, until the last descriptor is closed. */
	int (*dup)(const struct cv_io *io, int fd);
	/* Appends who else has the file open (with writers: to write to it), for people and escaped: "qemu-nbd (pid 4711)".
	 * Never nothing: who cannot be seen is somebody who cannot be seen. False if nobody is seen to have it. */
	bool (*holder)(const struct cv_io *io, int fd, bool writers, struct cv_text *who);
	/* Calls each for every name in the directory but "." and ".."; each returns false to stop. -1 with errno if it
	 * cannot be read. */
	int (*list)(const struct cv_io *io, int dir, bool (*each)(void *ctx, const char *name), void *ctx);
	/* A clock that only goes forward; waiting for it. */
	uint64_t (*clock_ms)(const struct cv_io *io);
	void (*nap)(const struct cv_io *io, uint64_t ms);
	/* ioprio_get and ioprio_set for this thread: sets it unless it is negative, and returns what it was. */
	int (*priority)(const struct cv_io *io, int value);
};

/* The real one. */
extern const struct cv_io cv_io_real;
/* claim/holder.c: whether anybody is seen to have it, and who; if not, who are those that could not be looked at ("1 of
 * 140 processes could not be looked at"), or nothing. True with nothing if it could not be found out. */
bool cv_holder_seen(const struct cv_io *io, int fd, bool writers, struct cv_text *who);
/* Its member holder. */
bool cv_holder_find(const struct cv_io *io, int fd, bool writers, struct cv_text *who);

/* An open file that is being made, and how to reach it. Borrowed by those who fill it. */
struct cv_file_out {
	const struct cv_io *io;
	int fd;
	const char *name; /* for messages, raw bytes */
};

/* Makes a new file; an existing one is an error. cv_out_close() it. */
bool cv_out_create(struct cv_file_out *out, const struct cv_io *io, int dir, const char *name, struct cv_err *err);
/* Opens an existing file for reading and writing. */
bool cv_out_open(struct cv_file_out *out, const struct cv_io *io, int dir, const char *name, struct cv_err *err);
/* Closes it; ok is what went before: false stays false, and then a failing close is not reported. */
bool cv_out_close(struct cv_file_out *out, bool ok, struct cv_err *err);

/* All of the bytes, at off. */
bool cv_out_write(const struct cv_file_out *out, const void *buf, size_t len, uint64_t off, struct cv_err *err);
/* The same, but pieces of one page that are all zero are left out: in a new file they stay holes. */
bool cv_out_write_sparse(const struct cv_file_out *out, const void *buf, size_t len, uint64_t off, struct cv_err *err);
/* Adds the bytes that were not left out to *written. */
bool cv_out_write_counted(const struct cv_file_out *out, const void *buf, size_t len, uint64_t off, uint64_t *written, struct cv_err *err);
/* Exactly len bytes; a file that ends before is an error. */
bool cv_out_read(const struct cv_file_out *out, void *buf, size_t len, uint64_t off, struct cv_err *err);
/* The length becomes size; what is new reads as zeros and takes no space. */
bool cv_out_resize(const struct cv_file_out *out, uint64_t size, struct cv_err *err);
bool cv_out_size(const struct cv_file_out *out, uint64_t *size, struct cv_err *err);

/* As cv_fail_errno(), with the name escaped: "<what> <name>: Permission denied". */
bool cv_io_fail(struct cv_err *err, const char *what, const char *name);

#endif
