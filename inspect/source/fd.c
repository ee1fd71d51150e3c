/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A byte source over an open descriptor. It does not open anything and has no way to write. */
#include <chainview/source.h>
#include <fcntl.h>
#include <unistd.h>

struct fd_source {
	struct cv_source base;
	int fd;
};

static ssize_t fd_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct fd_source *s = (struct fd_source *)self;

	if (off >= self->size)
		return 0;
	/* A file that grew since it was opened still has the size that everything was checked against. */
	if (len > self->size - off)
		len = self->size - off;
	return pread(s->fd, buf, len, (off_t)off);
}

static void fd_close(struct cv_source *self)
{
	struct fd_source *s = (struct fd_source *)self;

	close(s->fd);
	free(s);
}

static uint64_t within(const struct cv_source *self, off_t found)
{
	return (uint64_t)found < self->size ? (uint64_t)found : self->size;
}

static bool fd_hole(struct cv_source *self, uint64_t off, uint64_t *start_of_data, uint64_t *end_of_data)
{
	struct fd_source *s = (struct fd_source *)self;
	off_t data = lseek(s->fd, (off_t)off, SEEK_DATA), end;

	if (data < 0 && errno == ENXIO)
		data = (off_t)self->size;
	if (data < 0 || (uint64_t)data < off)
		return false;
	end = (uint64_t)data < self->size ? lseek(s->fd, data, SEEK_HOLE) : data;
	if (end < data)
		return false;
	*start_of_data = within(self, data);
	*end_of_data = within(self, end);
	return true;
}

static void fd_expect(struct cv_source *self, uint64_t off, uint64_t len)
{
	posix_fadvise(((struct fd_source *)self)->fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
}

static const struct cv_source_ops fd_ops = { fd_pread, fd_close, fd_hole, fd_expect };

struct cv_source *cv_source_fd_adopt(int fd, uint64_t size, struct cv_err *err)
{
	struct fd_source *s = size <= INT64_MAX ? calloc(1, sizeof *s) : NULL;

	if (s) {
		*s = (struct fd_source){ { &fd_ops, size }, fd };
		return &s->base;
	}
	close(fd);
	if (size > INT64_MAX)
		cv_fail(err, CV_EUSAGE, "a file cannot have %" PRIu64 " B", size);
	else
		cv_fail(err, CV_ENOMEM, "out of memory");
	return NULL;
}
