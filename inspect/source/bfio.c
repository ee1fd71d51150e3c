/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The callbacks of a libbfio handle over a byte source. Nothing here can open or write. */
#include "inspect/source/bfio.h"
#include <limits.h>
#include <stdio.h>

struct bfio_io {
	struct cv_source *source;
	uint64_t position;
	bool open;
};

static int io_free(intptr_t **io, libbfio_error_t **error)
{
	(void)error;
	free(*io);
	*io = NULL;
	return 1;
}

static int io_clone(intptr_t **copy, intptr_t *io, libbfio_error_t **error)
{
	struct bfio_io *fresh = malloc(sizeof *fresh);

	(void)error;
	if (!fresh)
		return -1;
	*fresh = *(const struct bfio_io *)io;
	*copy = (intptr_t *)fresh;
	return 1;
}

static int io_open(intptr_t *io, int access_flags, libbfio_error_t **error)
{
	struct bfio_io *b = (struct bfio_io *)io;

	(void)error;
	if (b->open || access_flags != LIBBFIO_ACCESS_FLAG_READ)
		return -1;
	b->open = true;
	b->position = 0;
	return 1;
}

/* The only callback whose success is 0. */
static int io_close(intptr_t *io, libbfio_error_t **error)
{
	struct bfio_io *b = (struct bfio_io *)io;

	(void)error;
	if (!b->open)
		return -1;
	b->open = false;
	return 0;
}

/* The libraries take a short read for an error, so this goes on until all is there or the source ends. */
static ssize_t io_read(intptr_t *io, uint8_t *buffer, size_t size, libbfio_error_t **error)
{
	struct bfio_io *b = (struct bfio_io *)io;
	struct cv_source *s = b->source;
	size_t done = 0;

	(void)error;
	if (!b->open || size > SSIZE_MAX)
		return -1;
	while (done < size) {
		ssize_t n = s->ops->pread(s, buffer + done, size - done, b->position);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
		b->position += (uint64_t)n;
	}
	return (ssize_t)done;
}

static ssize_t io_write(intptr_t *io, const uint8_t *buffer, size_t size, libbfio_error_t **error)
{
	(void)io, (void)buffer, (void)size, (void)error;
	return -1;
}

/* Behind the end is allowed, as for files; before the start is not. */
static off64_t io_seek(intptr_t *io, off64_t offset, int whence, libbfio_error_t **error)
{
	struct bfio_io *b = (struct bfio_io *)io;
	int64_t from, to;

	(void)error;
	if (!b->open || b->source->size > INT64_MAX)
		return -1;
	from = whence == SEEK_CUR ? (int64_t)b->position : whence == SEEK_END ? (int64_t)b->source->size : 0;
	if ((whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) ||
	    __builtin_add_overflow(from, offset, &to) || to < 0)
		return -1;
	b->position = (uint64_t)to;
	return to;
}

static int io_exists(intptr_t *io, libbfio_error_t **error)
{
	(void)io, (void)error;
	return 1;
}

static int io_is_open(intptr_t *io, libbfio_error_t **error)
{
	(void)error;
	return ((const struct bfio_io *)io)->open;
}

static int io_size(intptr_t *io, size64_t *size, libbfio_error_t **error)
{
	(void)error;
	*size = ((const struct bfio_io *)io)->source->size;
	return 1;
}

libbfio_handle_t *cv_bfio_new(struct cv_source *source, struct cv_err *err)
{
	struct bfio_io *b = malloc(sizeof *b);
	libbfio_handle_t *handle = NULL;

	if (!b) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*b = (struct bfio_io){ .source = source };
	if (libbfio_handle_initialize(&handle, (intptr_t *)b, io_free, io_clone, io_open, io_close, io_read, io_write,
				      io_seek, io_exists, io_is_open, io_size,
				      LIBBFIO_FLAG_IO_HANDLE_MANAGED | LIBBFIO_FLAG_IO_HANDLE_CLONE_BY_FUNCTION,
				      NULL) != 1) {
		free(b);
		cv_fail(err, CV_ENOMEM, "cannot make a libbfio handle");
		return NULL;
	}
	return handle;
}
