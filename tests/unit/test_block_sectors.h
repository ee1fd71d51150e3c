/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the tests of VHD and VHDX blocks share: a model that knows for every sector of every layer who owns it,
 * content that tells where it was written, and the comparison of layers and chains with the model.
 */
#ifndef CV_TESTS_UNIT_TEST_BLOCK_SECTORS_H
#define CV_TESTS_UNIT_TEST_BLOCK_SECTORS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <chainview/extent.h>
#include <cmocka.h>
#include "tests/support/run.h"

#define MODEL_SECTOR 512u
enum { GARBAGE = 0x80 };                     /* added to the tag of bytes that no guest may ever see */
enum { MOST_LAYERS = 8, AT_ONCE = 1 << 20 };

/* One layer as it should be; kinds holds an enum cv_extent_kind for each 512 bytes of the disk. */
struct model {
	uint64_t size;
	uint8_t tag;
	uint8_t *kinds;
};

static inline uint64_t model_sectors(uint64_t size)
{
	return (size + MODEL_SECTOR - 1) / MODEL_SECTOR;
}

static inline void model_init(struct model *m, uint64_t size, uint8_t tag, enum cv_extent_kind kind)
{
	*m = (struct model){ size, tag, malloc(model_sectors(size) + 1) };
	assert_non_null(m->kinds);
	memset(m->kinds, kind, model_sectors(size));
}

static inline void model_mark(struct model *m, uint64_t off, uint64_t len, enum cv_extent_kind kind)
{
	for (uint64_t s = off / MODEL_SECTOR; s < model_sectors(m->size) && s * MODEL_SECTOR < off + len; s++)
		m->kinds[s] = (uint8_t)kind;
}

/* The eight bytes at a guest offset as a layer wrote them; never zero. */
static inline uint64_t content_word(uint8_t tag, uint64_t off)
{
	uint64_t n = (off / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)tag << 56;

	return n ^ n >> 29 ? n : 1;
}

/* off and len need not be multiples of anything. */
static inline void content_fill(uint8_t *buf, uint8_t tag, uint64_t off, uint64_t len)
{
	for (uint64_t i = 0; i < len;) {
		uint64_t word = content_word(tag, off + i), skip = (off + i) % 8;
		uint64_t n = len - i < 8 - skip ? len - i : 8 - skip;

		memcpy(buf + i, (uint8_t *)&word + skip, n);
		i += n;
	}
}

static inline void assert_content(const uint8_t *buf, uint8_t tag, uint64_t off, uint64_t len, const char *what)
{
	static uint8_t expected[AT_ONCE];

	for (uint64_t i = 0; i < len; i += AT_ONCE) {
		uint64_t n = len - i < AT_ONCE ? len - i : AT_ONCE;

		content_fill(expected, tag, off + i, n);
		if (memcmp(buf + i, expected, n))
			fail_msg("%s: other bytes than layer %u wrote, from guest offset %" PRIu64 " on", what, tag,
				 off + i);
	}
}

/* All of a layer in one list; max: for the lists in which it is asked for, 0 the usual one. */
static inline void map_layer(struct cv_layer *layer, struct cv_range range, size_t max, struct cv_extents *all)
{
	struct cv_extents piece = { .max = max };
	struct cv_err err = { CV_OK };

	*all = (struct cv_extents){ .max = SIZE_MAX };
	cv_extents_begin(all, range);
	while (range.len) {
		if (!cv_layer_extents(layer, range, &piece, &err))
			fail_msg("cannot map: %s", err.text);
		assert_true(piece.len && piece.at[0].at.off == range.off);
		for (size_t i = 0; i < piece.len; i++)
			if (!cv_extents_add(all, piece.at[i], &err))
				fail_msg("%s", err.text);
		range.len -= cv_extents_end(&piece) - range.off;
		range.off = cv_extents_end(&piece);
	}
	cv_extents_fini(&piece);
}

static inline void assert_same_map(const struct cv_extents *a, const struct cv_extents *b)
{
	assert_int_equal(a->len, b->len);
	for (size_t i = 0; i < a->len; i++) {
		assert_true(a->at[i].at.off == b->at[i].at.off && a->at[i].at.len == b->at[i].at.len);
		assert_true(a->at[i].kind == b->at[i].kind && a->at[i].placed == b->at[i].placed);
		assert_true(!a->at[i].placed || a->at[i].host == b->at[i].host);
	}
}

static inline void assert_extent(struct cv_layer *layer, const struct model *m, const struct cv_extent *e,
				 const char *what)
{
	static uint8_t buf[AT_ONCE];
	struct cv_err err = { CV_OK };

	assert_int_equal(e->layer, 0);
	for (uint64_t off = e->at.off; off < e->at.off + e->at.len; off = (off / MODEL_SECTOR + 1) * MODEL_SECTOR)
		if (m->kinds[off / MODEL_SECTOR] != e->kind)
			fail_msg("%s: guest offset %" PRIu64 " is of kind %u, should be %u", what, off, e->kind,
				 m->kinds[off / MODEL_SECTOR]);
	for (uint64_t i = 0; e->kind == CV_EXTENT_DATA && i < e->at.len; i += AT_ONCE) {
		uint64_t n = e->at.len - i < AT_ONCE ? e->at.len - i : AT_ONCE;

		if (!cv_source_read(layer->source, buf, n, e->host + i, &err))
			fail_msg("%s: %s", what, err.text);
		assert_content(buf, m->tag, e->at.off + i, n, what);
	}
}

/* The whole map, then the same in small lists, then parts of it: all say what the model says. */
static inline void assert_layer(struct cv_layer *layer, const struct model *m, uint32_t *seed, const char *what)
{
	struct cv_extents all, again;

	assert_true(layer->size == m->size);
	map_layer(layer, (struct cv_range){ 0, m->size }, 0, &all);
	for (size_t i = 0; i < all.len; i++)
		assert_extent(layer, m, &all.at[i], what);
	map_layer(layer, (struct cv_range){ 0, m->size }, 1 + cv_test_random(seed, 3), &again);
	assert_same_map(&all, &again);
	cv_extents_fini(&again);
	for (int i = 0; i < 20; i++) {
		uint64_t off = cv_test_random(seed, (uint32_t)m->size), len = m->size - off;

		len = 1 + cv_test_random(seed, (uint32_t)(i % 2 && len > 4000 ? 4000 : len));
		map_layer(layer, (struct cv_range){ off, len }, 0, &again);
		for (size_t k = 0; k < again.len; k++)
			assert_extent(layer, m, &again.at[k], what);
		cv_extents_fini(&again);
	}
	cv_extents_fini(&all);
}

/* The model that decides a sector of a chain, models[0] being the image; NULL: zeros. */
static inline const struct model *owner_of(const struct model *models, size_t count, uint64_t off)
{
	for (size_t i = 0; i < count && off < models[i].size; i++)
		if (models[i].kinds[off / MODEL_SECTOR] != CV_EXTENT_PARENT)
			return models[i].kinds[off / MODEL_SECTOR] == CV_EXTENT_DATA ? &models[i] : NULL;
	return NULL;
}

/* What a guest should read. */
static inline void expected_read(const struct model *models, size_t count, uint8_t *buf, struct cv_range range)
{
	uint64_t end = range.off + range.len, next;

	for (uint64_t off = range.off; off < end; off = next) {
		const struct model *m = owner_of(models, count, off);

		next = (off / MODEL_SECTOR + 1) * MODEL_SECTOR;
		if (next > end)
			next = end;
		for (size_t i = 0; i < count; i++)
			if (off < models[i].size && next > models[i].size)
				next = models[i].size;
		if (m)
			content_fill(buf + (off - range.off), m->tag, off, next - off);
		else
			memset(buf + (off - range.off), 0, next - off);
	}
}

static inline void assert_chain_range(const struct cv_chain *chain, const struct model *models, struct cv_range range,
				      const char *what)
{
	static uint8_t read[AT_ONCE], expected[AT_ONCE];
	struct cv_err err = { CV_OK };

	expected_read(models, chain->count, expected, range);
	memset(read, 0xee, range.len);
	if (!cv_chain_read(chain, read, range, &err))
		fail_msg("%s: %s", what, err.text);
	for (uint64_t i = 0; i < range.len; i++)
		if (read[i] != expected[i])
			fail_msg("%s: guest offset %" PRIu64 " reads 0x%02x, should be 0x%02x", what, range.off + i,
				 read[i], expected[i]);
}

/* Every byte of the disk, and some ranges that are aligned to nothing. */
static inline void assert_chain(const struct cv_chain *chain, const struct model *models, uint32_t *seed,
				const char *what)
{
	uint64_t size = models[0].size;

	for (uint64_t off = 0; off < size; off += AT_ONCE)
		assert_chain_range(chain, models, (struct cv_range){ off, size - off < AT_ONCE ? size - off : AT_ONCE },
				   what);
	for (int i = 0; i < 30; i++) {
		uint64_t off = cv_test_random(seed, (uint32_t)size);
		uint64_t len = 1 + cv_test_random(seed, i % 3 ? 3000 : AT_ONCE - 1);

		assert_chain_range(chain, models, (struct cv_range){ off, size - off < len ? size - off : len }, what);
	}
}

static inline struct cv_source *file_source(const char *path)
{
	struct cv_err err = { CV_OK };
	struct cv_source *s;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		fail_msg("cannot open %s: %s", path, strerror(errno));
	s = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
	assert_non_null(s);
	return s;
}

static inline struct cv_layer *layer_of(struct cv_source *source, enum cv_format_id format)
{
	struct cv_err err = { CV_OK };
	struct cv_layer *layer = cv_layer_open(&source, NULL, format, &err);

	if (!layer)
		fail_msg("cannot open: %s", err.text);
	return layer;
}

/* Opens what must not open, and says that in the words of text. */
static inline void assert_refused(struct cv_source *source, enum cv_format_id format, const char *text)
{
	struct cv_err err = { CV_OK };
	struct cv_layer *layer = cv_layer_open(&source, NULL, format, &err);

	if (layer || !strstr(err.text, text))
		fail_msg("\"%s\", expected \"%s\"", layer ? "it opens" : err.text, text);
}

/* A path in a folder; the caller frees it. */
static inline char *path_in(const char *folder, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static inline double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The most memory that this process has had, in KiB. */
static inline long most_memory(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#endif
