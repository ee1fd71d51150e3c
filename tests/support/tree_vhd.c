/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trees as VHD: with the writer of repair/, blocks not in their order. */
#include "tests/support/tree_vhd.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "repair/vhd/writer.h"
#include "tests/support/run.h"
#include "tests/support/tree_kinds.h"
#include "tests/support/tree_space.h"

/* Not for qemu to see: it takes every sector of a block for written. */
enum { GARBAGE = 0xa5 };

struct making {
	const struct tree_image *m;
	struct cv_file_out out;
	struct cv_vhd_writer w;
	struct cv_err err;
	uint8_t garbage;
	uint32_t seed;
};

static bool fixed(const struct tree_image *m)
{
	return m->kind->can & TREE_FULL;
}

/* Now and then the place of a block that was lost, or less than one, comes before the next. */
static bool leave_gap(struct making *k, uint32_t sectors)
{
	uint64_t whole = k->w.layout.bitmap_len + (uint64_t)sectors * TREE_SECTOR, len;
	CV_AUTO(cv_auto_free) uint8_t *bytes = malloc(whole);

	if (!bytes)
		return cv_fail(&k->err, CV_ENOMEM, "out of memory");
	if (cv_test_random(&k->seed, 4))
		return true;
	len = cv_test_random(&k->seed, 2) ? whole : whole / 2;
	memset(bytes, GARBAGE, len);
	k->w.end += len;
	return cv_out_write(&k->out, bytes, len, k->w.end - len, &k->err);
}

/* The file gets every byte of a block that has data, so that all of it takes space. */
static bool put_block(struct making *k, uint32_t block)
{
	uint32_t first = block * k->m->kind->block, sectors = k->m->kind->block;
	CV_AUTO(cv_auto_free) uint8_t *bytes = malloc((size_t)sectors * TREE_SECTOR);
	uint64_t at;

	if (!bytes)
		return cv_fail(&k->err, CV_ENOMEM, "out of memory");
	memset(bytes, k->garbage, (size_t)sectors * TREE_SECTOR);
	if (!leave_gap(k, sectors) || !cv_vhd_put(&k->w, block, 0, bytes, (size_t)sectors * TREE_SECTOR, 0, &k->err))
		return false;
	for (uint32_t i = 0; i < sectors && first + i < k->m->sectors; i++) {
		if (k->m->has[first + i] != TREE_DATA)
			continue;
		memset(bytes + (size_t)i * TREE_SECTOR, k->m->value[first + i], TREE_SECTOR);
		if (!cv_vhd_put(&k->w, block, i * TREE_SECTOR, bytes, 0, 1, &k->err))
			return false;
	}
	at = (uint64_t)k->w.bat[block] * TREE_SECTOR + k->w.layout.bitmap_len;
	return cv_out_write(&k->out, bytes, (size_t)sectors * TREE_SECTOR, at, &k->err);
}

static bool put_fixed(struct making *k)
{
	uint8_t bytes[TREE_SECTOR];

	for (uint32_t s = 0; s < k->m->sectors; s++) {
		memset(bytes, k->m->value[s], sizeof bytes);
		if (!cv_out_write(&k->out, bytes, sizeof bytes, (uint64_t)s * TREE_SECTOR, &k->err))
			return false;
	}
	return true;
}

static bool put_blocks(struct making *k)
{
	uint32_t block = k->m->kind->block, blocks = (k->m->sectors + block - 1) / block;

	if (fixed(k->m))
		return put_fixed(k);
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t b = i % 2 ? blocks - 1 - i / 2 : i / 2, first = b * block;
		bool any = false;

		for (uint32_t s = first; s < first + block && s < k->m->sectors; s++)
			any = any || k->m->has[s] == TREE_DATA;
		if (any && !put_block(k, b))
			return false;
	}
	return true;
}

static void give_parent(const struct tree *t, struct cv_vhd_image *image, int parent, struct cv_text *payload,
			char name[32])
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const char *code = cv_vhd_locator_code("w2ru");

	tree_name(t, parent, name);
	cv_text_addf(&path, "./%s", name);
	image->type = VHD_TYPE_DIFFERENCING;
	memset(image->parent_uuid, t->image[parent].kind->format == CV_FORMAT_RAW ? 0 : parent + 1,
	       sizeof image->parent_uuid);
	image->parent_name = cv_bytes_of(name);
	cv_vhd_locator_payload(code, (struct cv_bytes){ cv_text_str(&path), path.len }, payload);
	image->locators[0].payload = (struct cv_bytes){ payload->at, payload->len };
	memcpy(image->locators[0].code, code, sizeof image->locators[0].code);
	image->locator_count = 1;
}

bool tree_make_vhd(const struct tree *t, int image, const char *folder, struct cv_text *why)
{
	struct making k = { .m = &t->image[image], .seed = t->seed + (uint32_t)image,
			    .garbage = t->family->needs_qemu && t->image[image].parent < 0 ? 0 : GARBAGE };
	struct cv_vhd_image head = {
		.type = fixed(k.m) ? VHD_TYPE_FIXED : VHD_TYPE_DYNAMIC, .creator = cv_vhd_creator_find("tap"),
		.size = (uint64_t)k.m->sectors * TREE_SECTOR, .block_size = k.m->kind->block * TREE_SECTOR,
		.timestamp = 800000000, .hidden = k.m->mark == TREE_HIDDEN,
	};
	CV_AUTO(cv_text_fini) struct cv_text payload = { 0 };
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[32], parent[32];
	bool good;

	tree_name(t, image, name);
	memset(head.uuid, image + 1, sizeof head.uuid);
	if (k.m->parent >= 0)
		give_parent(t, &head, k.m->parent, &payload, parent);
	good = cv_out_create(&k.out, &cv_io_real, dir, name, &k.err);
	if (good) {
		good = cv_vhd_begin(&k.w, &k.out, &head, &k.err) && put_blocks(&k) && cv_vhd_end(&k.w, &k.err);
		good = cv_out_close(&k.out, good, &k.err);
		cv_vhd_fini(&k.w);
	}
	close(dir);
	if (!good)
		cv_text_addf(why, "%s: %s", name, k.err.text);
	return good;
}

static void use_blocks(struct tree_use *u, uint64_t bat, uint64_t entries, uint64_t block)
{
	uint64_t bitmap = (block / TREE_SECTOR / 8 + TREE_SECTOR - 1) / TREE_SECTOR * TREE_SECTOR;

	for (uint64_t b = 0; b < entries; b++) {
		uint64_t at = tree_be(u->file + bat + b * 4, 4) * TREE_SECTOR;

		if (at == (uint64_t)UINT32_MAX * TREE_SECTOR)
			continue;
		tree_use_take(u, at, bitmap, TREE_BYTE_METADATA);
		for (uint64_t i = 0; i < block; i += TREE_SECTOR)
			tree_use_sector(u, (uint32_t)((b * block + i) / TREE_SECTOR), at + bitmap + i);
	}
}

/* Offsets of fields as in Microsoft's specification, the batmap as tap has it. The footer at the end does not make
 * what lies before it a gap. */
void tree_use_vhd(struct tree_use *u)
{
	uint64_t head = tree_be(u->file + 16, 8), bat, entries, block, map, size = u->size;

	if (fixed(&u->t->image[u->image])) {
		for (uint32_t s = 0; s < u->t->image[u->image].sectors; s++)
			tree_use_sector(u, s, (uint64_t)s * TREE_SECTOR);
		tree_use_take(u, size - TREE_SECTOR, TREE_SECTOR, TREE_BYTE_METADATA);
		return;
	}
	bat = tree_be(u->file + head + 16, 8);
	entries = tree_be(u->file + head + 28, 4);
	block = tree_be(u->file + head + 32, 4);
	tree_use_take(u, 0, TREE_SECTOR, TREE_BYTE_METADATA);
	tree_use_take(u, head, 1024, TREE_BYTE_METADATA);
	for (uint64_t at = head + 576; at < head + 576 + (uint64_t)8 * 24; at += 24)
		tree_use_take(u, tree_be(u->file + at + 16, 8), tree_be(u->file + at + 4, 4), TREE_BYTE_METADATA);
	map = bat + (entries * 4 + TREE_SECTOR - 1) / TREE_SECTOR * TREE_SECTOR;
	tree_use_take(u, bat, map - bat, TREE_BYTE_METADATA);
	if (!memcmp(u->file + map, "tdbatmap", 8)) {
		tree_use_take(u, map, TREE_SECTOR, TREE_BYTE_METADATA);
		tree_use_take(u, tree_be(u->file + map + 8, 8), tree_be(u->file + map + 16, 4) * TREE_SECTOR,
			      TREE_BYTE_METADATA);
	}
	use_blocks(u, bat, entries, block);
	u->size -= TREE_SECTOR;
	tree_use_find_lost(u, block + block / TREE_SECTOR / 8);
	u->size = size;
	tree_use_take(u, size - TREE_SECTOR, TREE_SECTOR, TREE_BYTE_METADATA);
}
