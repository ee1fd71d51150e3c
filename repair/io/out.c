/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Whole reads and writes, holes and messages on top of the table of system calls. Makes no system call of its
 * own.
 */
#include "repair/io/io.h"
#include <chainview/text.h>
#include <fcntl.h>

enum { HOLE = 4096 };

bool cv_io_fail(struct cv_err *err, const char *what, const char *name)
{
	struct cv_text t = { 0 };
	int saved = errno;

	cv_text_escape(&t, cv_bytes_of(name));
	errno = saved;
	cv_fail_errno(err, "cannot %s %s", what, cv_text_str(&t));
	cv_text_fini(&t);
	return false;
}

static bool out_open(struct cv_file_out *out, const struct cv_io *io, int dir, const char *name, int flags,
		     struct cv_err *err)
{
	*out = (struct cv_file_out){ .io = io, .fd = io->openat(io, dir, name, flags | O_RDWR, 0644), .name = name };
	return out->fd >= 0 || cv_io_fail(err, flags & O_CREAT ? "create" : "open", name);
}

bool cv_out_create(struct cv_file_out *out, const struct cv_io *io, int dir, const char *name, struct cv_err *err)
{
	return out_open(out, io, dir, name, O_CREAT | O_EXCL, err);
}

bool cv_out_open(struct cv_file_out *out, const struct cv_io *io, int dir, const char *name, struct cv_err *err)
{
	return out_open(out, io, dir, name, 0, err);
}

bool cv_out_close(struct cv_file_out *out, bool ok, struct cv_err *err)
{
	int fd = out->fd;

	out->fd = -1;
	if (fd >= 0 && out->io->close(out->io, fd) != 0 && ok)
		return cv_io_fail(err, "close", out->name);
	return ok;
}

bool cv_out_write(const struct cv_file_out *out, const void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	const uint8_t *at = buf;

	while (len) {
		ssize_t n = out->io->pwrite(out->io, out->fd, at, len, off);

		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return cv_io_fail(err, "write", out->name);
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

static bool all_zero(const uint8_t *at, size_t len)
{
	return len == 0 || (at[0] == 0 && !memcmp(at, at + 1, len - 1));
}

/* The bytes up to the next page of the file, at most len. */
static size_t page_part(uint64_t off, size_t len)
{
	size_t part = HOLE - (size_t)(off % HOLE);

	return part < len ? part : len;
}

bool cv_out_write_counted(const struct cv_file_out *out, const void *buf, size_t len, uint64_t off, uint64_t *written, struct cv_err *err)
{
	const uint8_t *at = buf;

	while (len) {
		size_t part = page_part(off, len), run = 0;

		if (all_zero(at, part)) {
			run = part;
		} else {
			while (run < len && !all_zero(at + run, part = page_part(off + run, len - run)))
				run += part;
			if (!cv_out_write(out, at, run, off, err))
				return false;
			*written += run;
		}
		at += run;
		off += run;
		len -= run;
	}
	return true;
}

bool cv_out_write_sparse(const struct cv_file_out *out, const void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	uint64_t written = 0;

	return cv_out_write_counted(out, buf, len, off, &written, err);
}

bool cv_out_read(const struct cv_file_out *out, void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	uint8_t *at = buf;

	while (len) {
		ssize_t n = out->io->pread(out->io, out->fd, at, len, off);

		if (n == 0)
			return cv_fail(err, CV_EFORMAT, "the file ends before offset %" PRIu64, off + len);
		if (n < 0)
			return cv_io_fail(err, "read", out->name);
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

bool cv_out_resize(const struct cv_file_out *out, uint64_t size, struct cv_err *err)
{
	return out->io->ftruncate(out->io, out->fd, size) == 0 || cv_io_fail(err, "set the length of", out->name);
}

bool cv_out_size(const struct cv_file_out *out, uint64_t *size, struct cv_err *err)
{
	struct stat st;

	if (out->io->fstat(out->io, out->fd, &st) != 0)
		return cv_io_fail(err, "look at", out->name);
	*size = (uint64_t)st.st_size;
	return true;
}
