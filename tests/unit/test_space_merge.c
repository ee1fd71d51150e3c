/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Forecasts of merges of VHD and VHDX compared with what merging does to the files. No tool merges these here, so
 * there is one in this file: it reads the structures by itself, merges in place as inspect/space/space_merge_blocks.c
 * says that it is done, and the guest's content is looked at before and after.
 */
#include "tests/unit/test_block_sectors.h"
#include "inspect/space/space.h"
#include "inspect/vhdx/vhdx_disk.h"
#include "repair/vhd/writer.h"
#include "tests/support/run.h"
#include "tests/support/space_world.h"
#include "tests/unit/test_block_vhdx_make.h"

enum { PAGE = 4096, SECTOR = 512 };

/* An image as the reference sees it. */
struct disk {
	bool vhdx, child;
	int fd;
	uint64_t file, size;         /* bytes of the file, of the disk */
	uint64_t bat, block, bits;   /* where the BAT lies; bytes of a block, of a bitmap */
	uint64_t ratio;              /* VHDX: blocks of a chunk */
};

static uint64_t number_at(const struct disk *d, uint64_t off, unsigned width)
{
	uint8_t b[8] = { 0 };
	uint64_t n = 0;

	assert_int_equal(pread(d->fd, b, width, (off_t)off), width);
	for (unsigned i = 0; i < width; i++)
		n = d->vhdx ? n | (uint64_t)b[i] << 8 * i : n << 8 | b[i];
	return n;
}

static void set_number(const struct disk *d, uint64_t off, unsigned width, uint64_t n)
{
	uint8_t b[8];

	for (unsigned i = 0; i < width; i++)
		b[d->vhdx ? i : width - 1 - i] = (uint8_t)(n >> 8 * i);
	write_at(d->fd, b, width, off);
}

static void look(struct disk *d)
{
	struct stat st;

	assert_int_equal(fstat(d->fd, &st), 0);
	d->file = (uint64_t)st.st_size;
}

static struct disk disk_open(const char *folder, const char *name)
{
	struct disk d = { .vhdx = strstr(name, ".vhdx") };
	char *path = path_in(folder, name);

	d.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(d.fd >= 0);
	free(path);
	look(&d);
	if (d.vhdx) {
		d.bat = BAT_AT;
		d.block = number_at(&d, ITEMS_AT, 4);
		d.child = number_at(&d, ITEMS_AT + 4, 4) & 2;
		d.size = number_at(&d, ITEMS_AT + 8, 8);
		d.ratio = (UINT64_C(8) << 20) * SECTOR / d.block;
	} else {
		uint64_t header = number_at(&d, 16, 8);

		d.size = number_at(&d, 48, 8);
		d.child = number_at(&d, 60, 4) == VHD_TYPE_DIFFERENCING;
		d.bat = number_at(&d, header + 16, 8);
		d.block = number_at(&d, header + 32, 4);
		d.bits = (d.block / SECTOR / 8 + SECTOR - 1) / SECTOR * SECTOR;
	}
	return d;
}

static uint64_t entry_at(const struct disk *d, uint64_t block)
{
	return d->vhdx ? d->bat + (block + block / d->ratio) * 8 : d->bat + block * 4;
}

/* Where the data of a block lie; 0: it is not there. */
static uint64_t data_of(const struct disk *d, uint64_t block)
{
	uint64_t n = number_at(d, entry_at(d, block), d->vhdx ? 8 : 4);

	if (d->vhdx)
		return (n & 7) == FULL || (n & 7) == PARTIAL ? n / MIB * MIB : 0;
	return n == UINT32_MAX ? 0 : n * SECTOR + d->bits;
}

/* The entry of the bitmap of a block's chunk. */
static uint64_t bitmap_entry(const struct disk *d, uint64_t block)
{
	return d->bat + (block / d->ratio * (d->ratio + 1) + d->ratio) * 8;
}

/* Where the bits of a block are; 0: all of its sectors are there. */
static uint64_t bits_of(const struct disk *d, uint64_t block)
{
	if (!d->vhdx)
		return data_of(d, block) - d->bits;
	if ((number_at(d, entry_at(d, block), 8) & 7) == FULL)
		return 0;
	return number_at(d, bitmap_entry(d, block), 8) / MIB * MIB + block % d->ratio * (d->block / SECTOR) / 8;
}

/* One block, as it is looked at sector by sector. */
struct block {
	uint64_t data, bits;         /* as data_of(), bits_of() */
	uint8_t map[64 * KIB];
};

static void block_load(const struct disk *d, uint64_t block, struct block *b)
{
	b->data = data_of(d, block);
	b->bits = b->data ? bits_of(d, block) : 0;
	if (b->bits)
		assert_true(pread(d->fd, b->map, d->block / SECTOR / 8, (off_t)b->bits) > 0);
}

static uint8_t bit_of(const struct disk *d, uint64_t sector)
{
	return (uint8_t)(1u << (d->vhdx ? sector % 8 : 7 - sector % 8));
}

static bool has_sector(const struct disk *d, const struct block *b, uint64_t sector)
{
	return b->data && (!b->bits || b->map[sector / 8] & bit_of(d, sector));
}

static void set_aside(struct disk *d, uint64_t from, uint64_t upto)
{
	assert_int_equal(fallocate(d->fd, 0, (off_t)from, (off_t)(upto - from)), 0);
	look(d);
}

/* Gives a block a place at the end. VHD: footer is where the footer would be. */
static void add_vhd_block(struct disk *d, uint64_t block, uint64_t *footer)
{
	uint64_t data = (*footer + d->bits + PAGE - 1) / PAGE * PAGE;
	uint8_t zeros[SECTOR * 16] = { 0 };

	assert_true(d->bits <= sizeof zeros);
	set_aside(d, *footer, data + d->block + SECTOR);
	/* the old footer lies where the first of them begins */
	write_at(d->fd, zeros, SECTOR, *footer);
	write_at(d->fd, zeros, d->bits, data - d->bits);
	set_number(d, entry_at(d, block), 4, (data - d->bits) / SECTOR);
	*footer = data + d->block;
}

static uint64_t at_end(struct disk *d, uint64_t len)
{
	uint64_t at = (d->file + MIB - 1) / MIB * MIB;

	set_aside(d, at, at + len);
	return at;
}

static void add_vhdx_block(struct disk *d, uint64_t block, bool whole)
{
	uint64_t at = at_end(d, d->block);

	if (d->child && !whole && !number_at(d, bitmap_entry(d, block), 8))
		set_number(d, bitmap_entry(d, block), 8, at_end(d, MIB) | FULL);
	set_number(d, entry_at(d, block), 8, at | (d->child && !whole ? PARTIAL : FULL));
}

static void copy_block(struct disk *from, struct disk *to, uint64_t block, uint64_t *footer)
{
	uint64_t sectors = from->block / SECTOR, owned = 0;
	static struct block a, b;
	uint8_t data[SECTOR];

	if (!data_of(from, block))
		return;
	block_load(from, block, &a);
	for (uint64_t s = 0; s < sectors; s++)
		owned += has_sector(from, &a, s);
	if (!owned)
		return;
	if (!data_of(to, block) && to->vhdx)
		add_vhdx_block(to, block, owned == sectors);
	else if (!data_of(to, block))
		add_vhd_block(to, block, footer);
	block_load(to, block, &b);
	for (uint64_t s = 0; s < sectors; s++) {
		if (!has_sector(from, &a, s))
			continue;
		assert_int_equal(pread(from->fd, data, SECTOR, (off_t)(a.data + s * SECTOR)), SECTOR);
		write_at(to->fd, data, SECTOR, b.data + s * SECTOR);
		b.map[s / 8] |= bit_of(to, s);
	}
	if (b.bits)
		write_at(to->fd, b.map, sectors / 8, b.bits);
}

/* Both have blocks of one size. */
static void merge(const char *folder, const char *child, const char *parent)
{
	struct disk from = disk_open(folder, child), to = disk_open(folder, parent);
	uint64_t footer = to.file - SECTOR, first = footer;
	uint8_t last[SECTOR];

	assert_int_equal(from.block, to.block);
	assert_int_equal(pread(to.fd, last, sizeof last, (off_t)footer), SECTOR);
	for (uint64_t block = 0; block * from.block < from.size; block++)
		copy_block(&from, &to, block, &footer);
	if (!to.vhdx && footer != first)
		write_at(to.fd, last, sizeof last, footer);
	assert_int_equal(fsync(to.fd), 0);
	close(from.fd);
	close(to.fd);
}

/* What a guest reads through images, the nearest first; zeros where none has anything. */
static void read_guest(const char *folder, const char *const *names, size_t count, uint8_t *out, uint64_t size)
{
	memset(out, 0, size);
	for (size_t i = count; i--;) {
		struct disk d = disk_open(folder, names[i]);

		for (uint64_t block = 0; block * d.block < size; block++) {
			static struct block b;

			block_load(&d, block, &b);
			for (uint64_t k = 0; k < d.block / SECTOR && block * d.block + k * SECTOR < size; k++)
				if (has_sector(&d, &b, k))
					assert_int_equal(pread(d.fd, out + block * d.block + k * SECTOR, SECTOR,
							       (off_t)(b.data + k * SECTOR)), SECTOR);
		}
		close(d.fd);
	}
}

/* --- images ------------------------------------------------------------------------------------------------------ */

struct shape {
	bool vhdx;
	const char *creator;         /* VHD */
	uint64_t size;
	uint32_t block, writes, longest;
	bool punched;                /* holes in the data of the images below */
};

static void name_of(const struct shape *s, int i, char name[32])
{
	snprintf(name, 32, "i%d.%s", i, s->vhdx ? "vhdx" : "vhd");
}

/* Blocks of which all lies on the disk: some programs take the geometry for its size. */
static uint32_t blocks_on_disk(const struct shape *s)
{
	struct cv_vhd_geometry g = cv_vhd_geometry_for(cv_vhd_creator_find(s->creator), s->size);
	uint64_t size = (uint64_t)g.cylinders * g.heads * g.sectors * SECTOR;

	return (uint32_t)((size < s->size ? size : s->size) / s->block);
}

static void make_vhd(const struct shape *s, const char *folder, int i, int count, uint32_t *seed)
{
	struct cv_vhd_image image = { .type = i ? VHD_TYPE_DIFFERENCING : VHD_TYPE_DYNAMIC,
				      .creator = cv_vhd_creator_find(s->creator), .size = s->size,
				      .block_size = s->block, .hidden = i < count - 1 };
	CV_AUTO(cv_text_fini) struct cv_text payload = { 0 };
	const char *code = cv_vhd_locator_code("w2ru");
	char name[32], parent[32], path[40];
	static uint8_t data[64 * SECTOR];
	struct cv_vhd_writer writer;
	struct cv_file_out out;
	struct cv_err err = { 0 };
	int dir = open(folder, O_RDONLY | O_DIRECTORY);

	name_of(s, i, name);
	name_of(s, i - 1, parent);
	snprintf(path, sizeof path, "./%s", parent);
	memset(image.uuid, i + 1, sizeof image.uuid);
	if (i) {
		memset(image.parent_uuid, i, sizeof image.parent_uuid);
		image.parent_name = cv_bytes_of(parent);
		cv_vhd_locator_payload(code, cv_bytes_of(path), &payload);
		image.locators[0].payload = (struct cv_bytes){ payload.at, payload.len };
		memcpy(image.locators[0].code, code, sizeof image.locators[0].code);
		image.locator_count = 1;
	}
	assert_true(dir >= 0 && cv_out_create(&out, &cv_io_real, dir, name, &err));
	assert_true(cv_vhd_begin(&writer, &out, &image, &err));
	for (uint32_t k = 0; k < s->writes; k++) {
		uint32_t count_now = 1 + cv_test_random(seed, s->longest), first = cv_test_random(seed, s->block / SECTOR);
		uint32_t block = cv_test_random(seed, blocks_on_disk(s));

		count_now = first + count_now > s->block / SECTOR ? s->block / SECTOR - first : count_now;
		content_fill(data, (uint8_t)(i + 1), (uint64_t)block * s->block + first * SECTOR, count_now * SECTOR);
		assert_true(cv_vhd_put(&writer, block, first * SECTOR, data, count_now * SECTOR, count_now, &err));
	}
	assert_true(cv_out_close(&out, cv_vhd_end(&writer, &err), &err));
	cv_vhd_fini(&writer);
	close(dir);
}

static void make_vhdx(const struct shape *s, const char *folder, int i, uint32_t *seed)
{
	const struct vhdx_spec spec = { .block_size = s->block, .sector = SECTOR, .size = s->size, .child = i > 0,
					.tag = (uint8_t)(i + 1), .parent_tag = (uint8_t)i };
	struct making k;
	struct model model;
	char name[32];

	name_of(s, i, name);
	begin_vhdx(&k, &spec, &model, folder, name);
	for (uint64_t block = 0; block < blocks_of(&spec); block++) {
		uint32_t what = cv_test_random(seed, i ? 5 : 3);

		if (what == 1)
			put_block(&k, block, FULL, true);
		else if (what == 2 && i)
			put_partial(&k, block, seed);
	}
	end_vhdx(&k);
	free(model.kinds);
}

/* Pages of zeros that are holes, as fstrim, virt-sparsify or cp --sparse leave them. */
static void punch(const struct shape *s, const char *folder, int i, uint32_t *seed)
{
	char name[32];
	struct disk d;

	name_of(s, i, name);
	d = disk_open(folder, name);
	for (uint64_t block = 0; block * d.block < d.size; block++) {
		uint64_t data = data_of(&d, block), at = (data + PAGE - 1) / PAGE * PAGE + cv_test_random(seed, 8) * PAGE;

		if (data && at + 2 * PAGE <= data + d.block && cv_test_random(seed, 2))
			assert_int_equal(fallocate(d.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, 2 * PAGE), 0);
	}
	close(d.fd);
}

static void make_chain(const struct shape *s, const char *folder, int count, uint32_t *seed)
{
	for (int i = 0; i < count; i++) {
		if (s->vhdx)
			make_vhdx(s, folder, i, seed);
		else
			make_vhd(s, folder, i, count, seed);
		if (s->punched && i < count - 1)
			punch(s, folder, i, seed);
	}
}

/* --- what was foretold ------------------------------------------------------------------------------------------- */

/* What a file has: as stat says it, which counts the file system's own list of pieces too, and the sum of the pieces,
 * where the file system tells them. */
struct held {
	uint64_t stat, sum, pieces;
};

static struct held held_by(const char *folder, const char *name)
{
	struct held h = { .stat = world_on_disk(folder, name) };
	char *path = path_in(folder, name);
	struct cv_space_map map;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	cv_space_map_read(&map, fd, SIZE_MAX);
	for (size_t i = 0; map.listed && i < map.pieces.len; i++)
		h.sum += map.pieces.at[i].len;
	/* the list joins neighbours that the file system keeps apart: what is only set aside, what is written */
	h.pieces = map.listed ? map.pieces.len : 0;
	h.sum = map.listed ? h.sum : h.stat;
	free(map.pieces.at);
	close(fd);
	free(path);
	return h;
}

/* To the byte by the pieces; stat may say some pages more, for the list of so many of them. */
static void assert_forecast(const char *what, uint32_t round, const struct cv_space_merge *m, uint64_t child,
			    struct held before, struct held after)
{
	int64_t grown = (int64_t)after.sum - (int64_t)before.sum, by_stat = (int64_t)after.stat - (int64_t)before.stat;
	uint64_t slack = PAGE * (1 + m->peak_bytes / (16 << 20)), list = PAGE * (1 + after.pieces / 40);

	if (!m->known)
		fail_msg("%s, round %" PRIu32 ": no forecast", what, round);
	if ((int64_t)child - grown != m->net_bytes)
		fail_msg("%s, round %" PRIu32 ": net %" PRId64 " was foretold, %" PRId64 " came, grown %" PRId64 " by stat %" PRId64, what, round,
			 m->net_bytes, (int64_t)child - grown, grown, by_stat);
	if (llabs(by_stat - grown) > (int64_t)list)
		fail_msg("%s, round %" PRIu32 ": grown by %" PRId64 ", and by stat by %" PRId64, what, round, grown,
			 by_stat);
	if (grown > 0 && m->peak_bytes != (uint64_t)grown + slack)
		fail_msg("%s, round %" PRIu32 ": peak %" PRIu64 " was foretold, it grew by %" PRId64, what, round,
			 m->peak_bytes, grown);
}

/* Base, two images above it and a leaf: the upper one alone, or both in the order of the plan. */
static void check_chain(const struct shape *s, uint32_t round, bool whole)
{
	static const char what[][16] = { "VHD", "VHDX" };
	char *folder = cv_test_folder(), names[4][32], *list = NULL, refs[300];
	const char *chain[] = { names[3], names[2], names[1], names[0] };
	uint8_t *before = malloc(s->size), *after = malloc(s->size);
	uint32_t seed = round * 77 + 1;
	uint64_t allocated[3];
	struct cv_space_merge m[3];
	struct world w;
	FILE *f;

	assert_true(before && after);
	for (int i = 0; i < 4; i++)
		name_of(s, i, names[i]);
	make_chain(s, folder, 4, &seed);
	/* what nobody refers to may be merged without a mark */
	assert_true(asprintf(&list, "%s/list", folder) > 0);
	f = fopen(list, "w");
	assert_non_null(f);
	fprintf(f, "%s/%s\n", folder, names[3]);
	fclose(f);
	snprintf(refs, sizeof refs, "list:%s", list);
	for (int i = 0; i < 4; i++)
		world_on_disk(folder, names[i]);
	world_open(&w, folder, refs, NULL);
	world_assert_sums(&w, "a chain");
	assert_int_equal(w.space->unknown, 0);
	for (int i = 1; i < 3; i++) {
		allocated[i] = w.graph->images[world_image(&w, names[i])].file->allocated;
		m[i] = whole ? w.space->images[world_image(&w, names[i])].planned
			     : w.space->images[world_image(&w, names[i])].merge;
	}
	world_close(&w);
	read_guest(folder, chain, 4, before, s->size);
	for (int i = whole ? 1 : 2; i < 3; i++) {
		int into = whole ? 0 : 1;
		struct held had = held_by(folder, names[into]);

		merge(folder, names[i], names[into]);
		assert_forecast(what[s->vhdx], round, &m[i], allocated[i], had,
				held_by(folder, names[into]));
	}
	if (whole)
		read_guest(folder, (const char *[]){ names[3], names[0] }, 2, after, s->size);
	else
		read_guest(folder, (const char *[]){ names[3], names[1], names[0] }, 3, after, s->size);
	assert_memory_equal(before, after, s->size);
	free(before);
	free(after);
	free(list);
	cv_test_folder_remove(folder);
}

static void vhd_merges_free_what_was_foretold(void **state)
{
	static const char *const creators[] = { "tap", "qemu", "vpc" };

	(void)state;
	for (uint32_t round = 0; round < 15; round++) {
		struct shape s = { .creator = creators[round % 3], .size = 8 << 20,
				   .block = round % 4 == 3 ? 2 << 20 : 64 << 10, .writes = 20 + round * 3,
				   .longest = round % 2 ? 60 : 9, .punched = round % 5 == 4 };

		check_chain(&s, round, round & 1);
	}
}

static void vhdx_merges_free_what_was_foretold(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 10; round++) {
		struct shape s = { .vhdx = true, .size = 12 << 20, .block = round % 4 == 3 ? 2 << 20 : 1 << 20,
				   .punched = round % 5 == 4 };

		check_chain(&s, round, round & 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vhd_merges_free_what_was_foretold),
		cmocka_unit_test(vhdx_merges_free_what_was_foretold),
	};

	return cmocka_run_group_tests_name("space_merge", tests, NULL, NULL) ? 1 : 0;
}
