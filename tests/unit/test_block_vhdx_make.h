/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX files for the block tests, written here structure by structure (nothing in repair/ makes blocks of one),
 * with a model of what each sector should be.
 */
#ifndef CV_TESTS_UNIT_TEST_BLOCK_VHDX_MAKE_H
#define CV_TESTS_UNIT_TEST_BLOCK_VHDX_MAKE_H

#include "tests/unit/test_block_sectors.h"
#include "inspect/base/crc32c.h"
#include "inspect/vhdx/vhdx_disk.h"

enum { KIB = 1024, MIB = 1024 * 1024 };
enum { LOG_AT = MIB, METADATA_AT = 2 * MIB, ITEMS_AT = METADATA_AT + 64 * KIB, BAT_AT = 3 * MIB };
enum { NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED, RESERVED, UNMAPPED_ONCE, FULL, PARTIAL };

struct vhdx_spec {
	uint32_t block_size, sector;
	uint64_t size;
	bool child, fixed;
	uint8_t tag, parent_tag;     /* of what it writes, and identities */
};

struct making {
	const struct vhdx_spec *spec;
	struct model *model;
	int fd;
	uint64_t ratio, end;         /* end: of the file */
	uint64_t bitmap_chunk, bitmap_at;
};

static inline void write_at(int fd, const void *bytes, size_t len, uint64_t off)
{
	assert_int_equal(pwrite(fd, bytes, len, (off_t)off), len);
}

static inline void put_le(uint8_t *b, unsigned width, uint64_t n)
{
	for (; width--; n >>= 8)
		*b++ = (uint8_t)n;
}

static inline void put_guid(uint8_t *b, const char *hex32)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++) {
		unsigned byte = 0;

		assert_int_equal(sscanf(hex32 + 2 * order[i], "%2x", &byte), 1);
		b[i] = (uint8_t)byte;
	}
}

/* The checksum is at offset 4. */
static inline void seal(uint8_t *b, size_t len)
{
	memset(b + 4, 0, 4);
	put_le(b + 4, 4, cv_crc32c(0, b, len));
}

static inline void write_head(int fd, int copy, uint8_t tag, uint8_t log_tag, uint32_t log_length)
{
	uint8_t b[4096] = "head";

	put_le(b + 8, 8, 7 + (uint64_t)copy);
	memset(b + 16, tag ^ 0x55, 16);
	memset(b + 32, tag, 16);
	memset(b + 48, log_tag, 16);
	b[66] = 1;
	put_le(b + 68, 4, log_length);
	put_le(b + 72, 8, LOG_AT);
	seal(b, sizeof b);
	write_at(fd, b, sizeof b, CV_VHDX_HEADER_OFFSET(copy));
}

static inline void write_regions(int fd, uint64_t bat_len)
{
	static uint8_t b[CV_VHDX_TABLE_SIZE];

	memset(b, 0, sizeof b);
	memcpy(b, "regi", 4);
	b[8] = 2;
	put_guid(b + 16, "2dc27766f62342009d64115e9bfd4a08");
	put_le(b + 32, 8, BAT_AT);
	put_le(b + 40, 4, bat_len);
	put_le(b + 44, 4, 1);
	put_guid(b + 48, "8b7ca20647904b9ab8fe575f050f886e");
	put_le(b + 64, 8, METADATA_AT);
	put_le(b + 72, 4, MIB);
	put_le(b + 76, 4, 1);
	seal(b, sizeof b);
	write_at(fd, b, sizeof b, CV_VHDX_REGION_OFFSET(0));
	write_at(fd, b, sizeof b, CV_VHDX_REGION_OFFSET(1));
}

static inline size_t put_utf16(uint8_t *b, const char *text)
{
	for (size_t i = 0; text[i]; i++)
		b[2 * i] = (uint8_t)text[i];
	return 2 * strlen(text);
}

static inline void write_locator(int fd, uint8_t parent_tag)
{
	uint8_t b[1024] = { 0 };
	char linkage[39];
	size_t at = 20 + 2 * 12;
	const char *const pairs[] = { "parent_linkage", linkage, "relative_path", ".\\parent.vhdx" };

	snprintf(linkage, sizeof linkage, "{%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x}",
		 parent_tag, parent_tag, parent_tag, parent_tag, parent_tag, parent_tag, parent_tag, parent_tag,
		 parent_tag, parent_tag, parent_tag, parent_tag, parent_tag, parent_tag, parent_tag, parent_tag);
	put_guid(b, "b04aefb7d19e4a81b78925b8e9445913");
	b[18] = 2;
	for (int i = 0; i < 4; i++) {
		size_t entry = 20 + (size_t)(i / 2) * 12, len = put_utf16(b + at, pairs[i]);

		put_le(b + entry + (size_t)(i % 2) * 4, 4, at);
		put_le(b + entry + 8 + (size_t)(i % 2) * 2, 2, len);
		at += len;
	}
	write_at(fd, b, sizeof b, ITEMS_AT + 256);
}

static inline void write_metadata(int fd, const struct vhdx_spec *s)
{
	static const struct { const char *guid; uint32_t off, len; } rows[] = {
		{ "caa16737fa364d43b3b633f0aa44e76b", 0, 8 },  { "2fa54224cd1b4876b2115dbed83bf4b8", 8, 8 },
		{ "beca12abb2e6452393efc309e000c746", 16, 16 }, { "8141bf1da96f4709ba47f233a8faab5f", 32, 4 },
		{ "cda348c7445d44719cc9e9885251c556", 36, 4 }, { "a8d35f2db30b454dabf7d3d84834ab0c", 256, 1024 },
	};
	uint8_t table[32 + 6 * 32] = "metadata", items[40] = { 0 };

	table[10] = s->child ? 6 : 5;
	for (size_t i = 0; i < table[10]; i++) {
		put_guid(table + 32 + 32 * i, rows[i].guid);
		put_le(table + 48 + 32 * i, 4, 64 * KIB + rows[i].off);
		put_le(table + 52 + 32 * i, 4, rows[i].len);
		put_le(table + 56 + 32 * i, 4, i && i < 5 ? 6 : 4);
	}
	put_le(items, 4, s->block_size);
	put_le(items + 4, 4, (s->child ? 2 : 0) | (s->fixed ? 1 : 0));
	put_le(items + 8, 8, s->size);
	memset(items + 16, s->tag ^ 0xaa, 16);
	put_le(items + 32, 4, s->sector);
	put_le(items + 36, 4, 4096);
	write_at(fd, table, sizeof table, METADATA_AT);
	write_at(fd, items, sizeof items, ITEMS_AT);
	if (s->child)
		write_locator(fd, s->parent_tag);
}

static inline uint64_t blocks_of(const struct vhdx_spec *s)
{
	return (s->size + s->block_size - 1) / s->block_size;
}

/* model may be NULL. */
static inline void begin_vhdx(struct making *k, const struct vhdx_spec *s, struct model *model, const char *folder,
			      const char *name)
{
	uint64_t ratio = (UINT64_C(8) << 20) * s->sector / s->block_size, blocks = blocks_of(s);
	uint64_t entries = s->child ? (blocks + ratio - 1) / ratio * (ratio + 1) : blocks + (blocks - 1) / ratio;
	uint64_t bat_len = (entries * 8 + MIB - 1) / MIB * MIB;
	char *path = path_in(folder, name);

	*k = (struct making){
		.spec = s, .model = model, .ratio = ratio, .end = BAT_AT + bat_len, .bitmap_chunk = UINT64_MAX
	};
	if (model)
		model_init(model, s->size, s->tag, CV_EXTENT_PARENT);
	k->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(k->fd >= 0);
	write_at(k->fd, "vhdxfile", 8, 0);
	write_head(k->fd, 0, s->tag, 0, MIB);
	write_head(k->fd, 1, s->tag, 0, MIB);
	write_regions(k->fd, bat_len);
	write_metadata(k->fd, s);
	free(path);
}

static inline void put_entry(struct making *k, uint64_t index, uint64_t value)
{
	uint8_t b[8];

	put_le(b, 8, value);
	write_at(k->fd, b, 8, BAT_AT + index * 8);
}

static inline uint64_t index_of(const struct making *k, uint64_t block)
{
	return block + block / k->ratio;
}

static inline void put_content(struct making *k, uint64_t off, uint64_t guest, uint64_t len, uint8_t tag)
{
	static uint8_t buf[AT_ONCE];

	for (uint64_t done = 0; done < len; done += AT_ONCE) {
		uint64_t n = len - done < AT_ONCE ? len - done : AT_ONCE;

		content_fill(buf, tag, guest + done, n);
		write_at(k->fd, buf, n, off + done);
	}
}

/* Gives the bitmap of a block's chunk a place if it has none yet. Chunks must come one after the other. */
static inline void need_bitmap(struct making *k, uint64_t block)
{
	if (k->bitmap_chunk == block / k->ratio)
		return;
	k->bitmap_chunk = block / k->ratio;
	k->bitmap_at = k->end;
	k->end += MIB;
	put_entry(k, k->bitmap_chunk * (k->ratio + 1) + k->ratio, k->bitmap_at | FULL);
}

/* Sets the bits of a part of a block and writes its bytes. */
static inline void put_part(struct making *k, uint64_t block, uint64_t data, uint32_t first, uint32_t count)
{
	const struct vhdx_spec *s = k->spec;
	uint64_t guest = block * s->block_size + (uint64_t)first * s->sector;
	uint64_t bit = block % k->ratio * (s->block_size / s->sector) + first;
	static uint8_t bits[MIB];

	assert_int_equal(pread(k->fd, bits, MIB, (off_t)k->bitmap_at) >= 0, 1);
	for (uint64_t i = bit; i < bit + count; i++)
		bits[i / 8] |= (uint8_t)(1u << i % 8);
	write_at(k->fd, bits, MIB, k->bitmap_at);
	memset(bits, 0, sizeof bits);
	put_content(k, data + (uint64_t)first * s->sector, guest, (uint64_t)count * s->sector, s->tag);
	model_mark(k->model, guest, (uint64_t)count * s->sector, CV_EXTENT_DATA);
}

/* A block in a state, with a place or without; returns the place. */
static inline uint64_t put_block(struct making *k, uint64_t block, unsigned state, bool placed)
{
	uint64_t guest = block * k->spec->block_size, at = placed ? k->end : 0;
	uint8_t tag = state == FULL ? k->spec->tag : k->spec->tag | GARBAGE;

	if (placed) {
		put_content(k, at, guest, k->spec->block_size, tag);
		k->end += k->spec->block_size;
	}
	put_entry(k, index_of(k, block), at | state);
	if (k->model && state != NOT_PRESENT && state != PARTIAL)
		model_mark(k->model, guest, k->spec->block_size, state == FULL ? CV_EXTENT_DATA : CV_EXTENT_ZERO);
	return at;
}

static inline void put_partial(struct making *k, uint64_t block, uint32_t *seed)
{
	uint32_t sectors = k->spec->block_size / k->spec->sector, runs = cv_test_random(seed, 7);
	uint64_t data;

	need_bitmap(k, block);
	data = put_block(k, block, PARTIAL, true);
	while (runs--) {
		uint32_t first = cv_test_random(seed, sectors), most = sectors - first;

		if (cv_test_random(seed, 2) && most > 70)
			most = 70;
		put_part(k, block, data, first, 1 + cv_test_random(seed, most));
	}
}

static inline void end_vhdx(struct making *k)
{
	assert_int_equal(ftruncate(k->fd, (off_t)k->end), 0);
	assert_int_equal(close(k->fd), 0);
}

static inline struct cv_layer *open_vhdx(const char *folder, const char *name)
{
	char *path = path_in(folder, name);
	struct cv_layer *layer = layer_of(file_source(path), CV_FORMAT_VHDX);

	free(path);
	return layer;
}

#endif
