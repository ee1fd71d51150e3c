/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One VHDX image in memory, entries written into its log, and the same changes made to a copy one after the other. */
#ifndef CV_TESTS_UNIT_TEST_BLOCK_VHDX_LOG_H
#define CV_TESTS_UNIT_TEST_BLOCK_VHDX_LOG_H

#include "tests/unit/test_block_vhdx_make.h"

enum { PAGE = 4096, LOG_LEN = MIB, LOG_SECTORS = LOG_LEN / PAGE, BLOCKS = 3, FIRST_BLOCK = 4 * MIB, LOG_TAG = 0x77 };
enum { DISK = BLOCKS * MIB, FILE_LEN = FIRST_BLOCK + BLOCKS * MIB };

static char *folder;
static uint8_t *sound, *image, *applied;     /* FILE_LEN bytes each: untouched; with a log; with its changes made */
static struct model model;

/* Blocks 0 and 2 are full, block 1 has a place in the file that no entry points to. */
static inline int make_image(void **state)
{
	const struct vhdx_spec s = { MIB, 512, DISK, false, false, 1, 0 };
	struct making k;
	char *path;

	(void)state;
	folder = cv_test_folder();
	begin_vhdx(&k, &s, &model, folder, "sound");
	put_block(&k, 0, FULL, true);
	put_content(&k, k.end, MIB, MIB, 1);
	k.end += MIB;
	put_block(&k, 2, FULL, true);
	write_head(k.fd, 1, 1, LOG_TAG, LOG_LEN);
	end_vhdx(&k);
	path = path_in(folder, "sound");
	sound = malloc(FILE_LEN);
	image = malloc(FILE_LEN);
	applied = malloc(FILE_LEN);
	k.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(k.fd, sound, FILE_LEN, 0), FILE_LEN);
	close(k.fd);
	free(path);
	return 0;
}

static inline int drop_image(void **state)
{
	(void)state;
	cv_test_folder_remove(folder);
	free(sound);
	free(image);
	free(applied);
	free(model.kinds);
	return 0;
}

static inline void start_over(void)
{
	memcpy(image, sound, FILE_LEN);
	memcpy(applied, sound, FILE_LEN);
}

/* One change: a page with these bytes, or zeros. */
struct change {
	uint64_t off, zeros;         /* zeros 0: a page */
	uint8_t page[PAGE];
};

struct entry {
	uint32_t tail;               /* a sector */
	uint64_t sequence;
	uint8_t guid;                /* all its bytes */
	uint64_t flushed, last;
};

/* Makes the changes as a program would that does not know what comes after them. */
static inline void apply(const struct change *c, uint32_t count)
{
	for (; count--; c++)
		if (!c->zeros)
			memcpy(applied + c->off, c->page, PAGE);
		else
			memset(applied + c->off, 0, c->off + c->zeros > FILE_LEN ? FILE_LEN - c->off : c->zeros);
}

static inline void put_descriptor(uint8_t *d, const struct change *c, uint64_t sequence)
{
	memcpy(d, c->zeros ? "zero" : "desc", 4);
	if (c->zeros) {
		put_le(d + 8, 8, c->zeros);
	} else {
		memcpy(d + 4, c->page + PAGE - 4, 4);
		memcpy(d + 8, c->page, 8);
	}
	put_le(d + 16, 8, c->off);
	put_le(d + 24, 8, sequence);
}

/* Writes an entry into the log of the image, round the end of the log if need be; returns the next free sector. */
static inline uint32_t put_log(uint32_t at, const struct entry *e, const struct change *c, uint32_t count)
{
	static uint8_t b[LOG_LEN];
	uint32_t sectors = (count + 2 + 127) / 128;

	memset(b, 0, sizeof b);
	for (uint32_t i = 0; i < count; i++) {
		put_descriptor(b + 64 + i * 32, &c[i], e->sequence);
		if (c[i].zeros)
			continue;
		memcpy(b + sectors * PAGE, "data", 4);
		put_le(b + sectors * PAGE + 4, 4, e->sequence >> 32);
		memcpy(b + sectors * PAGE + 8, c[i].page + 8, PAGE - 12);
		put_le(b + sectors * PAGE + PAGE - 4, 4, e->sequence);
		sectors++;
	}
	assert_true(sectors <= LOG_SECTORS);
	memcpy(b, "loge", 4);
	put_le(b + 8, 4, sectors * PAGE);
	put_le(b + 12, 4, e->tail * PAGE);
	put_le(b + 16, 8, e->sequence);
	put_le(b + 24, 4, count);
	memset(b + 32, e->guid, 16);
	put_le(b + 48, 8, e->flushed);
	put_le(b + 56, 8, e->last);
	seal(b, sectors * PAGE);
	for (uint32_t i = 0; i < sectors; i++)
		memcpy(image + LOG_AT + (at + i) % LOG_SECTORS * PAGE, b + i * PAGE, PAGE);
	return (at + sectors) % LOG_SECTORS;
}

static inline struct cv_source *image_source(size_t len)
{
	struct cv_err err = { CV_OK };

	return cv_source_memory(image, len, &err);
}

/* The file as the layer sees it, read in odd pieces. */
static inline void assert_reads_as_applied(uint64_t size, uint32_t *seed)
{
	struct cv_layer *layer = layer_of(image_source(FILE_LEN), CV_FORMAT_VHDX);
	static uint8_t buf[300000];
	struct cv_err err = { CV_OK };

	assert_true(layer->source->size == size);
	for (uint64_t off = 0; off < FILE_LEN;) {
		uint64_t n = 1 + cv_test_random(seed, sizeof buf);

		n = n < FILE_LEN - off ? n : FILE_LEN - off;
		assert_true(cv_source_read(layer->source, buf, n, off, &err));
		/* the log itself is nobody's business */
		if (off + n <= LOG_AT || off >= LOG_AT + LOG_LEN)
			assert_memory_equal(buf, applied + off, n);
		off += n;
	}
	cv_layer_close(layer);
}

static inline struct change random_change(uint32_t *seed)
{
	struct change c = { .off = FIRST_BLOCK + (uint64_t)cv_test_random(seed, 40) * PAGE };

	if (cv_test_random(seed, 3) == 0)
		c.zeros = (1 + (uint64_t)cv_test_random(seed, 9)) * PAGE;
	else
		for (int i = 0; i < PAGE; i++)
			c.page[i] = (uint8_t)cv_test_random(seed, 256);
	return c;
}

#endif
