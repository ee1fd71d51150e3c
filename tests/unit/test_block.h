/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the tests of the block level share: chains of files in a folder, opened as layers, and their whole
 * map in one list.
 */
#ifndef CV_TESTS_UNIT_TEST_BLOCK_H
#define CV_TESTS_UNIT_TEST_BLOCK_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <chainview/extent.h>

enum { MOST_LAYERS = 40 };

struct opened {
	struct cv_layer *layers[MOST_LAYERS];
	struct cv_chain chain;
};

static inline struct cv_source *open_file(const char *folder, const char *name)
{
	struct cv_err err = { 0 };
	struct cv_source *s;
	char path[512];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	s = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
	assert_non_null(s);
	return s;
}

/* QCOW1 and QCOW2 are told apart by the version; all others are raw. */
static inline enum cv_format_id format_of(struct cv_source *s)
{
	struct cv_err err = { 0 };
	uint8_t start[8] = { 0 };

	if (s->size >= sizeof start)
		assert_true(cv_source_read(s, start, sizeof start, 0, &err));
	if (memcmp(start, "QFI\xfb", 4))
		return CV_FORMAT_RAW;
	return start[7] == 1 ? CV_FORMAT_QCOW : CV_FORMAT_QCOW2;
}

static inline struct cv_layer *open_layer(const char *folder, const char *name)
{
	CV_AUTO(cv_auto_source) struct cv_source *image = open_file(folder, name), *data = NULL;
	struct cv_err err = { 0 };
	struct cv_layer *layer;
	char data_name[64];

	if (!image)
		fail_msg("there is no file %s", name);
	snprintf(data_name, sizeof data_name, "%s.data", name);
	data = open_file(folder, data_name);
	layer = cv_layer_open(&image, &data, format_of(image), &err);
	if (!layer)
		fail_msg("%s: %s", name, err.text);
	return layer;
}

/* The files 0 (the base) to count - 1 (the image) of a folder; "N.data" is the data file of N. */
static inline void open_chain(struct opened *o, const char *folder, unsigned count)
{
	*o = (struct opened){ .chain = { .layers = o->layers, .count = count } };
	assert_true(count && count <= MOST_LAYERS);
	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof name, "%u", count - 1 - i);
		o->layers[i] = open_layer(folder, name);
	}
}

static inline void close_chain(struct opened *o)
{
	for (size_t i = 0; i < o->chain.count; i++)
		cv_layer_close(o->layers[i]);
}

/* All of the disk in one list. */
static inline void map_all(const struct cv_chain *chain, struct cv_extents *list)
{
	struct cv_extents piece = { 0 };
	struct cv_range rest = { 0, chain->layers[0]->size };
	struct cv_err err = { 0 };

	*list = (struct cv_extents){ .max = SIZE_MAX };
	cv_extents_begin(list, rest);
	while (rest.len) {
		if (!cv_chain_extents(chain, rest, &piece, &err))
			fail_msg("cannot map: %s", err.text);
		assert_int_equal(piece.at[0].at.off, rest.off);
		for (size_t i = 0; i < piece.len; i++)
			assert_true(cv_extents_add(list, piece.at[i], &err));
		rest.len -= cv_extents_end(&piece) - rest.off;
		rest.off = cv_extents_end(&piece);
	}
	cv_extents_fini(&piece);
}

#endif
