/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the tests of targets share: a disk of which some ranges hold data, written through a target with plain writes
 * where place() says, or packed; and the same disk read back by whoever can.
 */
#ifndef CV_TESTS_UNIT_TEST_TARGET_H
#define CV_TESTS_UNIT_TEST_TARGET_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chainview/extent.h>
#include "inspect/reader2/library.h"
#include "repair/target/target.h"
#include "tests/support/run.h"
#include "tests/support/tables.h"

enum { MOST_RANGES = 64, CHUNK = 1 << 20 };
/* VHDs with larger blocks cost libvhdi minutes for each of them. */
enum { SLOW_BLOCKS = 2 << 20 };

/* Ascending ranges that hold data; all else reads as zeros. */
struct disk {
	uint64_t size;
	struct cv_range at[MOST_RANGES];
	size_t count;
	uint32_t seed;
	bool dull;                   /* the data can be compressed */
};

static inline void add_range(struct disk *d, uint64_t off, uint64_t len)
{
	assert_true(d->count < MOST_RANGES && cv_range_inside((struct cv_range){ off, len }, d->size) && len);
	d->at[d->count++] = (struct cv_range){ off, len };
}

/* The bytes that are put at a place of the disk: each sector tells where it belongs. */
static inline void pattern(const struct disk *d, uint64_t off, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t at = off + i, z = ((d->dull && at % 512 >= 64 ? at / 4096 : at / 8) + d->seed + 1) *
					   UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
		z ^= z >> 32;
		memcpy(buf + i, &z, 8);
	}
}

/* What the disk reads as. */
static inline void model(const struct disk *d, uint64_t off, uint8_t *buf, size_t len)
{
	memset(buf, 0, len);
	for (size_t i = 0; i < d->count; i++) {
		uint64_t from = d->at[i].off > off ? d->at[i].off : off, to = d->at[i].off + d->at[i].len;

		to = to < off + len ? to : off + len;
		if (from < to)
			pattern(d, from, buf + (from - off), (size_t)(to - from));
	}
}

/* Random ranges: many small ones, some that are aligned, one up to the end. */
static inline void random_disk(struct disk *d, uint64_t size, uint32_t seed)
{
	uint64_t at = 0, mean = size / 24 + 512;
	uint32_t r = seed;

	*d = (struct disk){ .size = size, .seed = seed, .dull = seed % 2 };
	while (d->count < MOST_RANGES - 1) {
		uint64_t grain = cv_test_random(&r, 2) ? 512 : 65536;
		uint64_t off = at + cv_test_random(&r, (uint32_t)(2 * mean / 512)) * UINT64_C(512);
		uint64_t len = (1 + cv_test_random(&r, (uint32_t)(2 * mean / grain) + 1)) * grain;

		off = cv_test_random(&r, 4) ? (off + grain - 1) / grain * grain : at;
		if (off >= size || len > size - off)
			break;
		add_range(d, off, len);
		at = off + len;
	}
	if (at < size && cv_test_random(&r, 2))
		add_range(d, size - (size - at < 512 * 9 ? size - at : 512 * (1 + cv_test_random(&r, 9))),
			  size - at < 512 * 9 ? size - at : 512);
}

/* The pieces of t->unit that hold data. */
static inline uint64_t units_of(const struct disk *d, uint64_t unit)
{
	uint64_t units = 0, next = 0;

	for (size_t i = 0; i < d->count; i++) {
		uint64_t first = d->at[i].off / unit, last = (d->at[i].off + d->at[i].len - 1) / unit;

		first = first < next ? next : first;
		units += last + 1 > first ? last + 1 - first : 0;
		next = last + 1 > next ? last + 1 : next;
	}
	return units;
}

static inline bool write_placed(struct cv_target *t, const struct disk *d, struct cv_range range, uint8_t *buf,
				struct cv_err *err)
{
	while (range.len) {
		uint64_t host, run;

		if (!t->format->place(t, range, &host, &run, err))
			return false;
		assert_true(run >= 512 && run <= range.len && run % 512 == 0);
		for (uint64_t at = 0; at < run; at += CHUNK) {
			size_t len = run - at < CHUNK ? (size_t)(run - at) : CHUNK;

			pattern(d, range.off + at, buf, len);
			if (!cv_out_write(t->out, buf, len, host + at, err))
				return false;
		}
		range.off += run;
		range.len -= run;
	}
	return true;
}

static inline bool write_packed(struct cv_target *t, const struct disk *d, uint8_t *buf, struct cv_err *err)
{
	uint64_t next = 0;

	for (size_t i = 0; i < d->count; i++)
		for (uint64_t n = d->at[i].off / t->unit; n <= (d->at[i].off + d->at[i].len - 1) / t->unit; n++) {
			uint64_t off = n * t->unit;
			size_t len = d->size - off < t->unit ? (size_t)(d->size - off) : t->unit;

			if (n < next)
				continue;
			next = n + 1;
			model(d, off, buf, len);
			if (!t->format->pack(t, off, buf, len, err))
				return false;
		}
	return true;
}

/* What overhead() allows the file to have: length, and space that is taken. */
struct most {
	uint64_t length, space;
};

static inline struct most most_of(const struct cv_target *t, const struct disk *d)
{
	const struct cv_target_options *o = &t->options;
	uint64_t data = units_of(d, t->unit), all = (d->size + t->unit - 1) / t->unit;
	uint64_t overhead = t->format->overhead(t, data);
	bool whole = o->fixed || o->preallocation != CV_PREALLOCATE_OFF || t->format->format == CV_FORMAT_RAW;
	bool set_aside = o->preallocation == CV_PREALLOCATE_FALLOC || o->preallocation == CV_PREALLOCATE_FULL;

	return (struct most){ overhead + (whole ? all : data) * t->unit, overhead + (set_aside ? all : data) * t->unit };
}

/* Everything from begin to fini. */
static inline bool write_disk(const struct cv_file_out *out, enum cv_format_id format,
			      const struct cv_target_options *options, const struct disk *d, struct most *most,
			      struct cv_err *err)
{
	uint8_t *buf = malloc(2 * CHUNK);
	struct cv_target t;
	bool ok;

	assert_non_null(buf);
	ok = cv_target_begin(&t, format, options, out, err);
	if (ok && options->compress)
		ok = write_packed(&t, d, buf, err);
	for (size_t i = 0; ok && !options->compress && i < d->count; i++)
		ok = write_placed(&t, d, d->at[i], buf, err);
	ok = ok && cv_target_end(&t, err);
	if (ok)
		*most = most_of(&t, d);
	cv_target_fini(&t);
	free(buf);
	return ok;
}

static inline struct cv_source *open_file(const char *path)
{
	struct cv_err err = { CV_OK };
	struct cv_source *source;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	source = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
	assert_non_null(source);
	return source;
}

/* Our own reader sees the disk as it should be. */
static inline void read_back(const char *path, enum cv_format_id format, const struct disk *d)
{
	struct cv_source *source = open_file(path);
	uint8_t *want = malloc(CHUNK), *got = malloc(CHUNK);
	struct cv_err err = { CV_OK };
	struct cv_layer *layer = cv_layer_open(&source, &(struct cv_source *){ NULL }, format, &err);
	struct cv_chain chain = { .layers = &layer, .count = 1 };

	if (!layer)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(layer->size, d->size);
	for (uint64_t at = 0; at < d->size; at += CHUNK) {
		size_t len = d->size - at < CHUNK ? (size_t)(d->size - at) : CHUNK;

		if (!cv_chain_read(&chain, got, (struct cv_range){ at, len }, &err))
			fail_msg("%s: %s", path, err.text);
		model(d, at, want, len);
		for (size_t i = 0; i < len; i += 512)
			if (memcmp(got + i, want + i, 512))
				fail_msg("%s: the sector at %" PRIu64 " differs", path, at + i);
	}
	cv_layer_close(layer);
	free(want);
	free(got);
}

/* Nobody who reads the metadata or checks the tables finds anything. */
static inline void check_silent(const char *path, enum cv_format_id format)
{
	struct cv_source *source = open_file(path);
	struct cv_facts *facts = cv_facts_new();
	struct cv_tables tables = { .facts = NULL };
	struct cv_err err = { CV_OK };
	char names[512];

	assert_non_null(facts);
	assert_true(cv_image_read(source, CV_FORMAT_NONE, facts, &err));
	assert_int_equal(facts->format, format);
	for (uint32_t i = 0; i < facts->finding_count; i++)
		fail_msg("%s: %s", path, cv_problem_by_id(facts->findings[i].id)->name);
	if (cv_format_by_id(format)->check) {
		cv_tables_check(&tables, cv_format_by_id(format), source);
		cv_tables_names(&tables, names, sizeof names);
		if (!tables.done || names[0] || tables.leaked_bytes || tables.corruptions)
			fail_msg("%s: %s %s, %" PRIu64 " bytes leaked", path, tables.err.text, names, tables.leaked_bytes);
		cv_tables_fini(&tables);
	}
	cv_facts_free(facts);
	cv_source_close(source);
}

/* A file in a folder, for writing; the caller closes it with close_out(). */
static inline void create_out(struct cv_file_out *out, const char *folder, const char *name)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cv_err err = { CV_OK };

	assert_true(dir >= 0);
	if (!cv_out_create(out, &cv_io_real, dir, name, &err))
		fail_msg("%s", err.text);
	close(dir);
}

/* Writes the disk to a new file, which must not be longer nor take more than was said. */
static inline void make_image(const char *folder, const char *name, enum cv_format_id format,
			      const struct cv_target_options *options, const struct disk *d)
{
	struct cv_target_options all = *options;
	struct cv_err err = { CV_OK };
	struct cv_file_out out;
	struct most most = { 0, 0 };
	struct stat st;

	for (int i = 0; i < 4; i++)
		all.uuids[i][15] |= (uint8_t)(0x80 + i); /* none is null */
	create_out(&out, folder, name);
	if (!cv_out_close(&out, write_disk(&out, format, &all, d, &most, &err) && !fstat(out.fd, &st), &err))
		fail_msg("%s: %s", name, err.text);
	/* What the file system needs to know where extents are counts as taken. */
	if ((uint64_t)st.st_size > most.length || (uint64_t)st.st_blocks * 512 > most.space + 16384)
		fail_msg("%s has %" PRIu64 " of %" PRIu64 " bytes and takes %" PRIu64 " of %" PRIu64, name,
			 (uint64_t)st.st_size, most.length, (uint64_t)st.st_blocks * 512, most.space);
}

/* The same disk as a raw file, for peers. */
static inline void make_model(const char *folder, const char *name, const struct disk *d)
{
	make_image(folder, name, CV_FORMAT_RAW, &(struct cv_target_options){ .size = d->size }, d);
}

static inline uint64_t number_in(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

/* qemu opens it at exactly this size and reads the same; its check is silent where it has one. */
static inline void ask_qemu(const char *folder, const char *name, const char *format, const char *raw, uint64_t size)
{
	struct cv_text said = { 0 };
	bool checks = strcmp(format, "vpc") != 0;

	if (!cv_test_has("qemu-img"))
		return;
	if (checks && cv_test_run(folder, &said, true, (const char *const[]){ "qemu-img", "check", "-f", format, name, NULL }))
		fail_msg("qemu-img check %s: %s", name, cv_text_str(&said));
	if (checks && !strstr(cv_text_str(&said), "No errors were found"))
		fail_msg("qemu-img check %s: %s", name, cv_text_str(&said));
	cv_text_clear(&said);
	assert_int_equal(cv_test_do(folder, &said, "qemu-img", "info", "--output=json", "-f", format, name), 0);
	assert_int_equal(number_in(cv_text_str(&said), "\"virtual-size\": "), size);
	cv_text_clear(&said);
	if (raw && cv_test_do(folder, &said, "qemu-img", "compare", "-f", "raw", "-F", format, raw, name))
		fail_msg("qemu-img compare %s: %s", name, cv_text_str(&said));
	cv_text_fini(&said);
}

/* libvhdi reads the same; requests do not cross the end of a block, which it cannot do with small ones. */
static inline void ask_libvhdi(const char *path, enum cv_format_id format, const struct disk *d, size_t block)
{
	size_t most = block && block < CHUNK ? block : CHUNK;
	struct cv_source *source = open_file(path);
	uint8_t *want = malloc(CHUNK), *got = malloc(CHUNK);
	struct cv_library_chain c;
	struct cv_err err = { CV_OK };
	uint64_t size;

	if (!cv_library_init(&c, format, 1, &err) || !cv_library_open(&c, 0, &source, &size, &err) ||
	    !cv_library_link(&c, &err))
		fail_msg("libvhdi, %s: %s", path, err.text);
	assert_int_equal(size, d->size);
	for (uint64_t at = 0; at < d->size; at += most) {
		size_t len = d->size - at < most ? (size_t)(d->size - at) : most;

		if (!cv_library_read(&c, got, len, at, &err))
			fail_msg("libvhdi, %s: %s", path, err.text);
		model(d, at, want, len);
		if (memcmp(got, want, len))
			fail_msg("libvhdi, %s: differs in the MiB at %" PRIu64, path, at);
	}
	cv_library_fini(&c);
	free(want);
	free(got);
}

/* Written, read and checked by ourselves, then by the peers. */
static inline void round_trip(const char *folder, const char *name, enum cv_format_id format,
			      const struct cv_target_options *options, const struct disk *d)
{
	const char *qemu = format == CV_FORMAT_VHD ? "vpc" : cv_format_name(format);
	char raw[80], path[512];

	snprintf(raw, sizeof raw, "%s.raw", name);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	make_image(folder, name, format, options, d);
	read_back(path, format, d);
	check_silent(path, format);
	make_model(folder, raw, d);
	ask_qemu(folder, name, qemu, raw, d->size);
	if (format != CV_FORMAT_QCOW2 && (format == CV_FORMAT_VHDX || options->block_size <= SLOW_BLOCKS))
		ask_libvhdi(path, format, d, options->block_size);
	unlink(path);
	snprintf(path, sizeof path, "%s/%s", folder, raw);
	unlink(path);
}

/* A disk with little on it, up to its last sector, is made in a process of its own, whose memory is measured. */
static inline void make_large(const char *folder, enum cv_format_id format, const struct cv_target_options *options,
			      struct disk *d, long most_kib)
{
	struct rusage used;
	int status;
	pid_t child;

	*d = (struct disk){ .size = options->size, .seed = 5, .dull = true };
	for (uint64_t n = 0; n < 40; n++)
		add_range(d, d->size / 40 * n / 512 * 512, 8192);
	add_range(d, d->size - 1024, 1024);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		make_image(folder, "large", format, options, d);
		_exit(0);
	}
	assert_int_equal(wait4(child, &status, 0, &used), child);
	assert_int_equal(status, 0);
#ifndef __SANITIZE_ADDRESS__
	assert_true(used.ru_maxrss < most_kib);
#endif
	(void)most_kib;
}

struct target_row {
	const char *name;
	struct cv_target_options options;
};

/* Two random disks, an empty one and a full one. */
static inline void round_trips(enum cv_format_id format, const struct target_row *rows, size_t count)
{
	char *folder = cv_test_folder();

	for (size_t i = 0; i < count; i++) {
		const struct cv_target_options *o = &rows[i].options;
		struct disk d, empty = { .size = o->size, .dull = o->compress }, full = empty;

		for (uint32_t n = 0; n < 2; n++) {
			random_disk(&d, o->size, (uint32_t)i * 16 + n);
			round_trip(folder, rows[i].name, format, o, &d);
		}
		add_range(&full, 0, full.size);
		round_trip(folder, rows[i].name, format, o, &empty);
		round_trip(folder, rows[i].name, format, o, &full);
	}
	cv_test_folder_remove(folder);
}

static inline void large_disks(enum cv_format_id format, const struct cv_target_options *sets, size_t count,
			       long most_kib)
{
	const char *qemu = format == CV_FORMAT_VHD ? "vpc" : cv_format_name(format);
	char *folder = cv_test_folder(), path[512];

	snprintf(path, sizeof path, "%s/large", folder);
	for (size_t i = 0; i < count; i++) {
		struct disk d;

		make_large(folder, format, &sets[i], &d, most_kib);
		check_silent(path, format);
		ask_qemu(folder, "large", qemu, NULL, d.size);
		unlink(path);
	}
	cv_test_folder_remove(folder);
}

struct refused {
	struct cv_target_options options;
	enum cv_status code;
	const char *text;            /* part of what is said */
};

static inline void refuses(enum cv_format_id format, const struct refused *bad, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cv_err err = { CV_OK };
		struct cv_target t;

		assert_false(cv_target_begin(&t, format, &bad[i].options, NULL, &err));
		if (err.code != bad[i].code || !strstr(err.text, bad[i].text))
			fail_msg("%zu: %s", i, err.text);
		cv_target_fini(&t);
	}
}

#endif
