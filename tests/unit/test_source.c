/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Byte sources of all kinds, and the libbfio handle over them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "inspect/source/bfio.h"
#include <libqcow.h>
#include <libvhdi.h>
#include "inspect/source/open.h"
#include "tests/support/run.h"

static uint8_t pattern[5000];

/* A source over memory that interrupts, gives a few bytes at a time, and fails in one place. */
struct odd_source {
	struct cv_source base;
	const uint8_t *bytes;
	size_t at_most;
	struct cv_range bad;
	uint64_t really;       /* where it ends, whatever its size says */
	unsigned calls, *closed;
};

static ssize_t odd_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct odd_source *s = (struct odd_source *)self;

	if (++s->calls % 3 == 0)
		return errno = EINTR, -1;
	if (off >= s->really)
		return 0;
	len = len < s->at_most ? len : s->at_most;
	len = len < s->really - off ? len : s->really - off;
	if (off < s->bad.off && len > s->bad.off - off)
		len = s->bad.off - off;
	if (cv_ranges_touch((struct cv_range){ off, len }, s->bad))
		return errno = EIO, -1;
	memcpy(buf, s->bytes + off, len);
	return (ssize_t)len;
}

static void odd_close(struct cv_source *self)
{
	struct odd_source *s = (struct odd_source *)self;

	if (s->closed)
		++*s->closed;
	free(s);
}

static const struct cv_source_ops odd_ops = { .pread = odd_pread, .close = odd_close };

static struct odd_source *odd_new(uint64_t bad_off, uint64_t bad_len)
{
	struct odd_source *s = calloc(1, sizeof *s);

	assert_non_null(s);
	*s = (struct odd_source){ .base = { &odd_ops, sizeof pattern }, .bytes = pattern, .at_most = 7,
		.bad = { bad_off, bad_len }, .really = sizeof pattern };
	return s;
}

static int fill_pattern(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)(i * 131 + i / 256);
	return 0;
}

/* Every start and a few lengths, whatever pieces the source gives them in. */
static void reads_as_pattern(struct cv_source *s, const uint8_t *wanted, size_t len)
{
	static const size_t lengths[] = { 0, 1, 2, 13, 511, 512, 700 };
	uint8_t buf[700];
	struct cv_err err = { 0 };

	assert_int_equal(s->size, len);
	for (size_t off = 0; off <= len; off += off % 64 < 3 || len - off < 4 ? 1 : 61)
		for (size_t i = 0; i < CV_COUNT(lengths); i++) {
			if (off + lengths[i] > len)
				continue;
			assert_true(cv_source_read(s, buf, lengths[i], off, &err));
			assert_memory_equal(buf, wanted + off, lengths[i]);
		}
}

static void short_and_interrupted_reads_are_continued(void **state)
{
	struct cv_source *s = &odd_new(0, 0)->base;

	(void)state;
	reads_as_pattern(s, pattern, sizeof pattern);
	cv_source_close(s);
	cv_source_close(NULL);
}

static void errors_name_length_and_offset(void **state)
{
	struct odd_source *odd = odd_new(3000, 10);
	struct cv_err err = { 0 };
	uint8_t buf[512];

	(void)state;
	assert_false(cv_source_read(&odd->base, buf, 512, 2900, &err));
	assert_int_equal(err.code, CV_EIO);
	assert_int_equal(err.os_errno, EIO);
	assert_string_equal(err.text, "cannot read 512 B at offset 2900: Input/output error");
	cv_err_clear(&err);
	assert_false(cv_source_read(&odd->base, buf, 512, 4800, &err));
	assert_string_equal(err.text, "cannot read 512 B at offset 4800: it has only 5000 B");
	cv_err_clear(&err);
	assert_false(cv_source_read(&odd->base, buf, 512, UINT64_MAX - 1, &err));
	assert_int_equal(err.code, CV_EFORMAT);
	cv_err_clear(&err);
	odd->really = 4000;
	assert_false(cv_source_read(&odd->base, buf, 512, 3900, &err));
	assert_string_equal(err.text,
			    "cannot read 512 B at offset 3900: it ends after 100 B of them, was it cut meanwhile?");
	cv_source_close(&odd->base);
}

static void memory_reads_back(void **state)
{
	struct cv_err err = { 0 };
	struct cv_source *s = cv_source_memory(pattern, sizeof pattern, &err);

	(void)state;
	assert_non_null(s);
	reads_as_pattern(s, pattern, sizeof pattern);
	cv_source_close(s);
	s = cv_source_memory(NULL, 0, &err);
	assert_non_null(s);
	assert_int_equal(s->ops->pread(s, NULL, 0, 0), 0);
	cv_source_close(s);
}

static void extents_come_one_after_the_other(void **state)
{
	static const struct cv_source_extent extents[] = {
		{ 4000, 1000 }, { 7, 0 }, { 0, 1 }, { 100, 900 }, { 100, 300 }, { 5000, 0 },
	};
	uint8_t wanted[2201];
	struct cv_source *under = &odd_new(0, 0)->base, *s;
	unsigned closed = 0;
	struct cv_err err = { 0 };
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(extents); at += extents[i++].len)
		memcpy(wanted + at, pattern + extents[i].off, extents[i].len);
	((struct odd_source *)under)->closed = &closed;
	s = cv_source_extents(&under, extents, CV_COUNT(extents), &err);
	assert_non_null(s);
	assert_null(under);
	reads_as_pattern(s, wanted, sizeof wanted);
	cv_source_close(s);
	assert_int_equal(closed, 1);
}

static void extents_that_cannot_be_are_refused(void **state)
{
	static const struct { struct cv_source_extent extent[2]; size_t count; bool good; } rows[] = {
		{ { { 0, 5000 } }, 1, true }, { { { 0, 5001 } }, 1, false }, { { { 5000, 0 } }, 1, true },
		{ { { 5001, 0 } }, 1, false }, { { { UINT64_MAX, 2 } }, 1, false }, { { { 2, UINT64_MAX } }, 1, false },
		{ { { 1, 1 }, { 4999, 2 } }, 2, false }, { { { 0, 0 } }, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct odd_source *odd = odd_new(0, 0);
		struct cv_source *under = &odd->base, *s;
		unsigned closed = 0;
		struct cv_err err = { 0 };

		odd->closed = &closed;
		s = cv_source_extents(&under, rows[i].extent, rows[i].count, &err);
		assert_int_equal(s != NULL, rows[i].good);
		assert_int_equal(err.code, rows[i].good ? CV_OK : CV_EUSAGE);
		assert_null(under);
		cv_source_close(s);
		assert_int_equal(closed, 1);
	}
}

static void totals_that_wrap_are_refused(void **state)
{
	struct odd_source *odd = odd_new(0, 0);
	struct cv_source *under = &odd->base;
	const struct cv_source_extent twice[] = { { 0, UINT64_MAX }, { 0, 1 } };
	struct cv_err err = { 0 };

	(void)state;
	odd->base.size = UINT64_MAX;
	assert_null(cv_source_extents(&under, twice, 2, &err));
	assert_string_equal(err.text, "the extents add up to more than 2^64 B");
}

static void a_cache_gives_the_same_bytes_with_fewer_reads(void **state)
{
	static const size_t sizes[][2] = {
		{ 0, 0 }, { 1, 1 }, { 100, 50 }, { 2500, 2500 }, { 4000, 2000 }, { 5000, 0 }, { 0, 5000 }, { 9000, 1 },
		{ 1, 9000 }, { 512, 511 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		struct odd_source *odd = odd_new(0, 0);
		struct cv_source *under = &odd->base, *s;
		struct cv_err err = { 0 };
		uint8_t buf[512];
		unsigned calls;

		s = cv_source_cached(&under, sizes[i][0], sizes[i][1], &err);
		assert_non_null(s);
		assert_null(under);
		reads_as_pattern(s, pattern, sizeof pattern);
		calls = odd->calls;
		if (sizes[i][0] >= 512)
			assert_true(cv_source_read(s, buf, 512, 0, &err));
		if (sizes[i][1] >= 511)
			assert_true(cv_source_read(s, buf, 511, sizeof pattern - 511, &err));
		assert_int_equal(odd->calls, calls);
		cv_source_close(s);
	}
}

static void a_cache_keeps_errors_for_those_who_ask(void **state)
{
	struct cv_source *under = &odd_new(700, 100)->base, *s;
	struct cv_err err = { 0 };
	uint8_t buf[1024];

	(void)state;
	s = cv_source_cached(&under, 1000, 200, &err);
	assert_non_null(s);
	assert_true(cv_source_read(s, buf, 700, 0, &err));
	assert_memory_equal(buf, pattern, 700);
	assert_false(cv_source_read(s, buf, 701, 0, &err));
	assert_int_equal(err.os_errno, EIO);
	cv_err_clear(&err);
	assert_true(cv_source_read(s, buf, 1024, 1000, &err));
	assert_memory_equal(buf, pattern + 1000, 1024);
	assert_true(cv_source_read(s, buf, 200, 4800, &err));
	cv_source_close(s);
}

static void a_cache_is_bounded_by_the_size_not_by_the_wish(void **state)
{
	struct cv_source *under = &odd_new(0, 0)->base, *s;
	struct cv_err err = { 0 };

	(void)state;
	s = cv_source_cached(&under, SIZE_MAX, SIZE_MAX, &err);
	assert_non_null(s);
	reads_as_pattern(s, pattern, sizeof pattern);
	cv_source_close(s);
}

struct hoped {
	struct cv_source base;
	struct cv_range said[4];
	size_t count;
};

static void hoped_expect(struct cv_source *self, uint64_t off, uint64_t len)
{
	struct hoped *h = (struct hoped *)self;

	assert_true(h->count < CV_COUNT(h->said));
	h->said[h->count++] = (struct cv_range){ off, len };
}

static ssize_t hoped_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	(void)self, (void)off;
	memset(buf, 0, len);
	return (ssize_t)len;
}

static void hoped_close(struct cv_source *self)
{
	(void)self;
}

/* What will be read is said in places of the file, piece by piece, and never of more than there is. */
static void expectations_reach_the_file_in_its_own_places(void **state)
{
	static const struct cv_source_ops ops = { .pread = hoped_pread, .close = hoped_close, .expect = hoped_expect };
	static const struct cv_source_extent extents[] = { { 5000, 1000 }, { 0, 300 }, { 9000, 700 } };
	static const struct cv_range want[] = { { 5900, 100 }, { 0, 300 }, { 9000, 50 }, { 9690, 10 } };
	struct hoped h = { .base = { &ops, 10000 } };
	struct cv_source *under = &h.base, *pieces, *cached;
	struct cv_err err = { 0 };

	(void)state;
	pieces = cv_source_extents(&under, extents, CV_COUNT(extents), &err);
	cached = cv_source_cached(&pieces, 16, 16, &err);
	assert_non_null(cached);
	cv_source_expect(cached, 900, 450);
	cv_source_expect(cached, 1990, 500);
	cv_source_expect(cached, 2000, 1);
	cv_source_expect(cached, 0, 0);
	assert_int_equal(h.count, CV_COUNT(want));
	for (size_t i = 0; i < CV_COUNT(want); i++)
		assert_true(h.said[i].off == want[i].off && h.said[i].len == want[i].len);
	cv_source_close(cached);
	/* nor does it matter where nobody listens */
	cached = cv_source_memory("x", 1, &err);
	cv_source_expect(cached, 0, 1);
	cv_source_close(cached);
}

static void a_file_that_grows_keeps_its_size(void **state)
{
	char name[] = "/tmp/chainview-source-XXXXXX";
	int fd = mkstemp(name);
	struct cv_err err = { 0 };
	struct cv_source *s;

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(pwrite(fd, pattern, sizeof pattern, 0), sizeof pattern);
	s = cv_source_fd_adopt(dup(fd), 4096, &err);
	assert_non_null(s);
	reads_as_pattern(s, pattern, 4096);
	cv_source_close(s);
	assert_null(cv_source_fd_adopt(fd, UINT64_MAX, &err));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(err.code, CV_EUSAGE);
}

/* libbfio: what the handle promises, and both libraries over it. */
static void a_bfio_handle_reads_seeks_and_never_writes(void **state)
{
	struct cv_err err = { 0 };
	struct cv_source *s = &odd_new(0, 0)->base;
	libbfio_handle_t *h = cv_bfio_new(s, &err);
	uint8_t buf[600];
	size64_t size = 0;

	(void)state;
	assert_non_null(h);
	assert_int_equal(libbfio_handle_open(h, LIBBFIO_OPEN_READ_WRITE, NULL), -1);
	assert_int_equal(libbfio_handle_open(h, LIBBFIO_OPEN_WRITE, NULL), -1);
	assert_int_equal(libbfio_handle_open(h, LIBBFIO_OPEN_READ, NULL), 1);
	assert_int_equal(libbfio_handle_get_size(h, &size, NULL), 1);
	assert_int_equal(size, sizeof pattern);
	assert_int_equal(libbfio_handle_seek_offset(h, -300, SEEK_END, NULL), 4700);
	assert_int_equal(libbfio_handle_read_buffer(h, buf, 600, NULL), 300);
	assert_memory_equal(buf, pattern + 4700, 300);
	assert_int_equal(libbfio_handle_seek_offset(h, 10, SEEK_SET, NULL), 10);
	assert_int_equal(libbfio_handle_read_buffer(h, buf, 600, NULL), 600);
	assert_memory_equal(buf, pattern + 10, 600);
	assert_int_equal(libbfio_handle_seek_offset(h, -1, SEEK_SET, NULL), -1);
	assert_int_equal(libbfio_handle_seek_offset(h, INT64_MAX, SEEK_CUR, NULL), -1);
	assert_int_equal(libbfio_handle_write_buffer(h, buf, 1, NULL), -1);
	assert_int_equal(libbfio_handle_close(h, NULL), 0);
	assert_int_equal(libbfio_handle_free(&h, NULL), 1);
	cv_source_close(s);
}

static struct cv_source *open_source(const char *folder, const char *name)
{
	struct cv_text path = { 0 };
	struct cv_entry entry;
	struct cv_err err = { 0 };
	int fd;

	cv_text_addf(&path, "%s/%s", folder, name);
	fd = cv_named_open_image(cv_text_str(&path), &entry, &err);
	cv_text_fini(&path);
	return fd < 0 ? NULL : cv_source_fd_adopt(fd, entry.size, &err);
}

static void libvhdi_and_libqcow_read_through_the_handle(void **state)
{
	char *folder = cv_test_folder();
	struct cv_err err = { 0 };
	struct cv_source *vhd, *qcow;
	libbfio_handle_t *vhd_handle, *qcow_handle;
	libvhdi_file_t *vhd_file = NULL;
	libqcow_file_t *qcow_file = NULL;
	size64_t size = 0;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		cv_test_folder_remove(folder);
		print_message("skipped: qemu-img is not installed\n");
		skip();
	}
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", "a.vhd",
				    "8M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "a.qcow2", "8M"), 0);
	vhd = open_source(folder, "a.vhd");
	qcow = open_source(folder, "a.qcow2");
	assert_non_null(vhd);
	assert_non_null(qcow);
	vhd_handle = cv_bfio_new(vhd, &err);
	qcow_handle = cv_bfio_new(qcow, &err);
	assert_int_equal(libvhdi_file_initialize(&vhd_file, NULL), 1);
	assert_int_equal(libvhdi_file_open_file_io_handle(vhd_file, vhd_handle, LIBVHDI_OPEN_READ, NULL), 1);
	assert_int_equal(libvhdi_file_get_media_size(vhd_file, &size, NULL), 1);
	assert_int_equal(size, 8 << 20);
	assert_int_equal(libqcow_file_initialize(&qcow_file, NULL), 1);
	assert_int_equal(libqcow_file_open_file_io_handle(qcow_file, qcow_handle, LIBQCOW_OPEN_READ, NULL), 1);
	assert_int_equal(libqcow_file_get_media_size(qcow_file, &size, NULL), 1);
	assert_int_equal(size, 8 << 20);
	libvhdi_file_free(&vhd_file, NULL);
	libqcow_file_free(&qcow_file, NULL);
	libbfio_handle_free(&vhd_handle, NULL);
	libbfio_handle_free(&qcow_handle, NULL);
	cv_source_close(vhd);
	cv_source_close(qcow);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_and_interrupted_reads_are_continued),
		cmocka_unit_test(errors_name_length_and_offset),
		cmocka_unit_test(memory_reads_back),
		cmocka_unit_test(extents_come_one_after_the_other),
		cmocka_unit_test(extents_that_cannot_be_are_refused),
		cmocka_unit_test(totals_that_wrap_are_refused),
		cmocka_unit_test(a_cache_gives_the_same_bytes_with_fewer_reads),
		cmocka_unit_test(a_cache_keeps_errors_for_those_who_ask),
		cmocka_unit_test(a_cache_is_bounded_by_the_size_not_by_the_wish),
		cmocka_unit_test(expectations_reach_the_file_in_its_own_places),
		cmocka_unit_test(a_file_that_grows_keeps_its_size),
		cmocka_unit_test(a_bfio_handle_reads_seeks_and_never_writes),
		cmocka_unit_test(libvhdi_and_libqcow_read_through_the_handle),
	};

	return cmocka_run_group_tests_name("source", tests, fill_pattern, NULL) ? 1 : 0;
}
