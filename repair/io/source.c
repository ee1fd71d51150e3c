/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See source.h. */
#include "repair/io/source.h"

struct io_source {
	struct cv_source base;
	const struct cv_io *io;
	int fd;
};

static ssize_t io_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	const struct io_source *s = (const struct io_source *)self;

	return s->io->pread(s->io, s->fd, buf, len, off);
}

static void io_close(struct cv_source *self)
{
	free(self);
}

static const struct cv_source_ops ops = { .pread = io_pread, .close = io_close };

struct cv_source *cv_io_source(const struct cv_io *io, int fd, struct cv_err *err)
{
	struct io_source *s = calloc(1, sizeof *s);
	struct stat st;

	if (!s) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	if (io->fstat(io, fd, &st) != 0) {
		cv_fail_errno(err, "cannot look at an image");
		free(s);
		return NULL;
	}
	*s = (struct io_source){ { &ops, (uint64_t)st.st_size }, io, fd };
	return &s->base;
}
