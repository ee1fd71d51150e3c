/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trees as VHDX: blocks that are there, absent, zero, partly present. */
#include "tests/support/tree_vhdx.h"
#include "tests/support/run.h"
#include "tests/support/tree_space.h"
#include "tests/unit/test_block_vhdx_make.h"

/* What a block is to be. */
static unsigned state_of(const struct tree_image *m, uint32_t first, uint32_t end)
{
	uint32_t count[3] = { 0 };

	for (uint32_t s = first; s < end; s++)
		count[m->has[s]]++;
	if (count[TREE_ZERO])
		return first / m->kind->block % 2 ? UNMAPPED : ZERO;
	if (!count[TREE_DATA])
		return NOT_PRESENT;
	return count[TREE_NOTHING] ? PARTIAL : FULL;
}

static void put_values(struct making *k, const struct tree_image *m, uint32_t first, uint32_t end, uint64_t at)
{
	static uint8_t bytes[4 * MIB];

	memset(bytes, 0xa5, sizeof bytes);
	for (uint32_t s = first; s < end; s++)
		if (m->has[s] == TREE_DATA)
			memset(bytes + (size_t)(s - first) * TREE_SECTOR, m->value[s], TREE_SECTOR);
	write_at(k->fd, bytes, (size_t)m->kind->block * TREE_SECTOR, at);
}

static void put_bits(struct making *k, const struct tree_image *m, uint64_t block, uint32_t first, uint32_t end)
{
	static uint8_t bits[MIB];
	uint32_t per = m->kind->sector / TREE_SECTOR;
	uint64_t bit = block % k->ratio * (k->spec->block_size / k->spec->sector);

	need_bitmap(k, block);
	assert_true(pread(k->fd, bits, MIB, (off_t)k->bitmap_at) >= 0);
	for (uint32_t s = first; s < end; s += per, bit++)
		if (m->has[s] == TREE_DATA)
			bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	write_at(k->fd, bits, MIB, k->bitmap_at);
	memset(bits, 0, sizeof bits);
}

/* Now and then what was a block, or less than one, comes before the next. */
static void leave_gap(struct making *k, const struct tree_image *m, uint32_t *seed)
{
	static uint8_t bytes[2 * MIB];
	uint64_t len = cv_test_random(seed, 2) ? (uint64_t)m->kind->block * TREE_SECTOR : MIB;

	if (cv_test_random(seed, 4))
		return;
	memset(bytes, 0xa5, sizeof bytes);
	write_at(k->fd, bytes, len, k->end);
	k->end += len;
}

bool tree_make_vhdx(const struct tree *t, int image, const char *folder, struct cv_text *why)
{
	const struct tree_image *m = &t->image[image];
	const struct vhdx_spec spec = {
		.block_size = m->kind->block * TREE_SECTOR, .sector = m->kind->sector,
		.size = (uint64_t)m->sectors * TREE_SECTOR, .child = m->parent >= 0, .tag = (uint8_t)(image + 1),
		.parent_tag = (uint8_t)(m->parent + 1),
	};
	uint32_t seed = t->seed + (uint32_t)image;
	struct making k;
	char name[32];

	(void)why;
	tree_name(t, image, name);
	begin_vhdx(&k, &spec, NULL, folder, name);
	for (uint64_t b = 0; b < blocks_of(&spec); b++) {
		uint32_t first = (uint32_t)b * m->kind->block, end = first + m->kind->block;
		unsigned state;
		uint64_t at;

		end = end < m->sectors ? end : m->sectors;
		state = state_of(m, first, end);
		leave_gap(&k, m, &seed);
		at = put_block(&k, b, state, state != NOT_PRESENT && (state >= FULL || cv_test_random(&seed, 2)));
		if (at && state >= FULL)
			put_values(&k, m, first, end, at);
		if (state == PARTIAL)
			put_bits(&k, m, b, first, end);
	}
	end_vhdx(&k);
	return true;
}

static uint64_t get_le(const uint8_t *b)
{
	uint64_t n = 0;

	for (unsigned i = 8; i--;)
		n = n << 8 | b[i];
	return n;
}

/* The parts are where the writer of these files puts them. A block keeps its place in all states but "not present". */
void tree_use_vhdx(struct tree_use *u)
{
	const struct tree_image *m = &u->t->image[u->image];
	uint64_t block = (uint64_t)m->kind->block * TREE_SECTOR, ratio = (UINT64_C(8) << 20) * m->kind->sector / block;

	tree_use_take(u, 0, BAT_AT + MIB, TREE_BYTE_METADATA);
	for (uint64_t i = 0; i < MIB / 8; i++) {
		uint64_t entry = get_le(u->file + BAT_AT + i * 8), at = entry / MIB * MIB, first = i - i / (ratio + 1);

		if (!(entry & 7) || !at)
			continue;
		if (i % (ratio + 1) == ratio)
			tree_use_take(u, at, MIB, TREE_BYTE_METADATA);
		for (uint64_t k = 0; i % (ratio + 1) != ratio && k < m->kind->block; k++)
			tree_use_sector(u, (uint32_t)(first * m->kind->block + k), at + k * TREE_SECTOR);
	}
	tree_use_find_lost(u, block);
}
