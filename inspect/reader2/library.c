/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The calls of libvhdi and libqcow behind one table, and their errors as ours. */
#include "inspect/reader2/library.h"
#include <chainview/text.h>
#include <libqcow.h>
#include <libvhdi.h>

/* Less, and the library says nothing at all. */
#define BACKTRACE_BYTES 8192

/* The error objects of all of these libraries are of one kind. */
typedef intptr_t *library_error;

struct cv_library {
	const char *name;
	int (*initialize)(intptr_t **file, library_error *error);
	int (*open)(intptr_t *file, libbfio_handle_t *handle, int flags, library_error *error);
	int (*set_parent)(intptr_t *file, intptr_t *parent, library_error *error);
	int (*size)(intptr_t *file, size64_t *size, library_error *error);
	ssize_t (*read)(intptr_t *file, void *buf, size_t len, off64_t off, library_error *error);
	int (*free)(intptr_t **file, library_error *error);
	int (*backtrace)(library_error error, char *text, size_t len);
	void (*error_free)(library_error *error);
};

static const struct cv_library vhdi = {
	"libvhdi", libvhdi_file_initialize, libvhdi_file_open_file_io_handle, libvhdi_file_set_parent_file,
	libvhdi_file_get_media_size, libvhdi_file_read_buffer_at_offset, libvhdi_file_free,
	libvhdi_error_backtrace_sprint, libvhdi_error_free,
};

static const struct cv_library qcow = {
	"libqcow", libqcow_file_initialize, libqcow_file_open_file_io_handle, libqcow_file_set_parent_file,
	libqcow_file_get_media_size, libqcow_file_read_buffer_at_offset, libqcow_file_free,
	libqcow_error_backtrace_sprint, libqcow_error_free,
};

static const struct cv_library *const libraries[CV_FORMAT_COUNT] = {
	[CV_FORMAT_VHD] = &vhdi, [CV_FORMAT_VHDX] = &vhdi, [CV_FORMAT_QCOW] = &qcow, [CV_FORMAT_QCOW2] = &qcow,
};

/* The first line of its backtrace is the cause; the ones after it only say who called whom. */
static bool fail_library(const struct cv_library *l, library_error *error, struct cv_err *err, const char *doing)
{
	CV_AUTO(cv_auto_free) char *trace = malloc(BACKTRACE_BYTES);
	CV_AUTO(cv_text_fini) struct cv_text cause = { 0 };

	if (trace && *error && l->backtrace(*error, trace, BACKTRACE_BYTES) > 0)
		cv_text_escape(&cause, (struct cv_bytes){ trace, strcspn(trace, "\n") });
	l->error_free(error);
	return cv_fail(err, CV_EIO, "%s %s: %s", l->name, doing, cause.len ? cv_text_str(&cause) : "no reason given");
}

bool cv_library_init(struct cv_library_chain *c, enum cv_format_id format, size_t count, struct cv_err *err)
{
	*c = (struct cv_library_chain){ .library = libraries[format] };
	if (!c->library)
		return cv_fail(err, CV_EUSAGE, "no library for %s images", cv_format_name(format));
	c->files = calloc(count, sizeof *c->files);
	if (!c->files)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	c->count = count;
	return true;
}

bool cv_library_open(struct cv_library_chain *c, size_t i, struct cv_source **view, uint64_t *size, struct cv_err *err)
{
	struct cv_library_file *f = &c->files[i];
	library_error error = NULL;
	size64_t bytes = 0;

	f->view = cv_take(*view);
	f->handle = cv_bfio_new(f->view, err);
	if (!f->handle)
		return false;
	if (c->library->initialize(&f->file, &error) != 1 ||
	    c->library->open(f->file, f->handle, LIBBFIO_ACCESS_FLAG_READ, &error) != 1 ||
	    c->library->size(f->file, &bytes, &error) != 1)
		return fail_library(c->library, &error, err, "cannot open an image");
	*size = bytes;
	return true;
}

bool cv_library_link(struct cv_library_chain *c, struct cv_err *err)
{
	library_error error = NULL;

	for (size_t i = c->count; i-- > 1;)
		if (c->library->set_parent(c->files[i - 1].file, c->files[i].file, &error) != 1)
			return fail_library(c->library, &error, err, "does not take a parent");
	return true;
}

bool cv_library_read(struct cv_library_chain *c, void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	library_error error = NULL;
	ssize_t n = c->library->read(c->files[0].file, buf, len, (off64_t)off, &error);

	if (n == (ssize_t)len)
		return true;
	if (n >= 0)
		return cv_fail(err, CV_EIO, "%s gave %zd of %zu B at guest offset %" PRIu64, c->library->name, n, len, off);
	fail_library(c->library, &error, err, "cannot read");
	return cv_wrap(err, "guest offset %" PRIu64, off);
}

void cv_library_fini(struct cv_library_chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->files[i].file)
			c->library->free(&c->files[i].file, NULL);
	for (size_t i = 0; i < c->count; i++) {
		if (c->files[i].handle)
			libbfio_handle_free(&c->files[i].handle, NULL);
		cv_source_close(c->files[i].view);
	}
	free(c->files);
	*c = (struct cv_library_chain){ .count = 0 };
}
