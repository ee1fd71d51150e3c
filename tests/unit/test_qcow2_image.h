/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A QCOW2 image with everything in it, built in memory byte by byte (not with the reader's own layout
 * header), and the few calls that all tests of the QCOW readers need.
 */
#ifndef CV_TESTS_UNIT_TEST_QCOW2_IMAGE_H
#define CV_TESTS_UNIT_TEST_QCOW2_IMAGE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <chainview/format.h>
#include <cmocka.h>

extern const struct cv_format cv_format_qcow2, cv_format_qcow;

/* Clusters of 4 KiB: header, refcount table, refcount block, L1, snapshots, bitmap directory, a snapshot's L1. */
enum { IMAGE_CLUSTER = 4096, IMAGE_SIZE = 7 * IMAGE_CLUSTER, IMAGE_NAME_AT = 1024, IMAGE_EXTENSIONS = 112,
       BITMAPS_AT = 184 };                           /* the bitmaps extension of the rich image */

static inline void put(uint8_t *image, size_t off, size_t width, uint64_t n)
{
	for (size_t i = width; i-- > 0; n >>= 8)
		image[off + i] = (uint8_t)n;
}

static inline void put_text(uint8_t *image, size_t off, const char *text)
{
	memcpy(image + off, text, strlen(text));
}

/* An overlay of version 3 without anything special: 1 MiB on "base.qcow2", format recorded. */
static inline void build_plain(uint8_t image[IMAGE_SIZE])
{
	static const struct { uint16_t off; uint8_t width; uint64_t n; } fields[] = {
		{ 0, 4, 0x514649fb }, { 4, 4, 3 }, { 8, 8, IMAGE_NAME_AT }, { 16, 4, 10 }, { 20, 4, 12 },
		{ 24, 8, 1 << 20 }, { 32, 4, 0 }, { 36, 4, 1 }, { 40, 8, 3 * IMAGE_CLUSTER },
		{ 48, 8, IMAGE_CLUSTER }, { 56, 4, 1 }, { 60, 4, 0 }, { 64, 8, 0 }, { 96, 4, 4 }, { 100, 4, 112 },
		{ IMAGE_EXTENSIONS, 4, 0xe2792aca }, { IMAGE_EXTENSIONS + 4, 4, 5 },
	};

	memset(image, 0, IMAGE_SIZE);
	for (size_t i = 0; i < CV_COUNT(fields); i++)
		put(image, fields[i].off, fields[i].width, fields[i].n);
	put_text(image, IMAGE_EXTENSIONS + 8, "qcow2");
	put_text(image, IMAGE_NAME_AT, "base.qcow2");
}

/* One snapshot record of 40 + 24 + 2 + 6 bytes. */
static inline void build_snapshot(uint8_t *at, char id, uint64_t vm_state)
{
	put(at, 0, 8, 6 * IMAGE_CLUSTER);
	put(at, 8, 4, 1);
	put(at, 12, 2, 2);
	put(at, 14, 2, 6);
	put(at, 16, 4, 1700000000);
	put(at, 36, 4, 24);
	put(at, 40, 8, vm_state);
	put(at, 48, 8, 1 << 20);
	put_text(at, 64, "1x");
	at[65] = (uint8_t)id;
	put_text(at, 66, "before");
}

/* As plain, and: feature names, a bitmap, a data file, XCP-ng's mark, an unknown extension, two snapshots. */
static inline void build_rich(uint8_t image[IMAGE_SIZE])
{
	size_t at = IMAGE_EXTENSIONS + 16;

	build_plain(image);
	put(image, 79, 1, 4);                        /* incompatible: data file */
	put(image, 95, 1, 1);                        /* autoclear: bitmaps */
	put(image, at, 8, 0x6803f85700000030);
	put_text(image, at + 8, "\x01\x07" "seventh");
	put(image, at += 56, 8, 0x2385287500000018);
	put(image, at + 8, 4, 1);
	put(image, at + 16, 8, 32);
	put(image, at + 24, 8, 5 * IMAGE_CLUSTER);
	put(image, at += 32, 8, 0x4441544100000008);
	put_text(image, at + 8, "data.raw");
	put(image, at += 16, 8, 0x7661746500000008);
	image[at + 8] = 1;
	put(image, at + 16, 8, 0xdeadbeef00000003);
	put(image, 60, 4, 2);
	put(image, 64, 8, 4 * IMAGE_CLUSTER);
	build_snapshot(image + 4 * IMAGE_CLUSTER, 'a', 0);
	build_snapshot(image + 4 * IMAGE_CLUSTER + 72, 'b', 4096);
	put(image, 5 * IMAGE_CLUSTER, 8, 6 * IMAGE_CLUSTER);
	put(image, 5 * IMAGE_CLUSTER + 8, 4, 1);
	put(image, 5 * IMAGE_CLUSTER + 16, 8, 0x0110000400000000);
	put_text(image, 5 * IMAGE_CLUSTER + 24, "bm-0");
}

static inline struct cv_facts *read_source(const struct cv_format *format, struct cv_source *source)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { 0 };

	assert_non_null(f);
	if (!format->read(source, f, &err))
		fail_msg("cannot read: %s", err.text);
	assert_int_equal(err.code, CV_OK);
	return f;
}

static inline struct cv_facts *read_memory(const struct cv_format *format, const void *image, size_t len)
{
	struct cv_err err = { 0 };
	CV_AUTO(cv_auto_source) struct cv_source *source = cv_source_memory(image, len, &err);

	assert_non_null(source);
	return read_source(format, source);
}

/* As the program reads: from a descriptor, head and tail in memory. The format must be the one that knows it. */
static inline struct cv_facts *read_file(const struct cv_format *format, const char *path, uint64_t *size)
{
	struct cv_err err = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CV_AUTO(cv_auto_source) struct cv_source *file = NULL, *cached = NULL;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*size = (uint64_t)st.st_size;
	file = cv_source_fd_adopt(fd, *size, &err);
	assert_non_null(file);
	cached = cv_source_cached(&file, 32 << 10, 1 << 10, &err);
	assert_non_null(cached);
	assert_int_equal(cv_format_qcow2.probe(cached), format == &cv_format_qcow2 ? 100 : 0);
	assert_int_equal(cv_format_qcow.probe(cached), format == &cv_format_qcow ? 100 : 0);
	return read_source(format, cached);
}

/* The names of the findings in their order, one space between them. */
static inline const char *finding_names(const struct cv_facts *f, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < f->finding_count && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? " " : "",
				       cv_problem_by_id(f->findings[i].id)->name);
	return out;
}

static inline uint64_t number_of(const struct cv_facts *f, enum cv_attr_id id, uint32_t index)
{
	const struct cv_attr *attr = cv_facts_attr(f, id, index);

	if (!attr)
		fail_msg("no attribute %s [%u]", cv_attr_rows[id].key, index);
	return attr->number;
}

static inline void assert_text(const struct cv_facts *f, enum cv_attr_id id, uint32_t index, const char *want)
{
	const struct cv_attr *attr = cv_facts_attr(f, id, index);

	if (!attr)
		fail_msg("no attribute %s [%u]", cv_attr_rows[id].key, index);
	if (!cv_bytes_equal(attr->text, cv_bytes_of(want)))
		fail_msg("%s is \"%.*s\", not \"%s\"", cv_attr_rows[id].key, (int)attr->text.len, attr->text.at, want);
}

#endif
