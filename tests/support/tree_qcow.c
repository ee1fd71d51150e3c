/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tables of QCOW and QCOW2 files that are known to be sound, read from memory and without any care. Field offsets
 * are those of QEMU's docs/interop/qcow2 and block/qcow.c.
 */
#include "tests/support/tree_qcow.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define OFFSET UINT64_C(0x00fffffffffffe00)
#define PACKED (UINT64_C(1) << 62)

struct tables {
	struct tree_use *u;
	uint64_t cluster, size;      /* size: of an L2 table, bytes */
	unsigned entry;              /* bytes */
	bool elsewhere;
};

static uint64_t word(const struct tree_use *u, uint64_t off)
{
	return tree_be(u->file + off, 8);
}

/* Whole clusters: QCOW2 gives away nothing smaller. */
static void take_clusters(const struct tables *k, uint64_t off, uint64_t len, enum tree_byte what)
{
	uint64_t end = (off + len + k->cluster - 1) / k->cluster * k->cluster;

	off = off / k->cluster * k->cluster;
	tree_use_take(k->u, off, end - off, what);
}

/* Compressed bytes lie in sectors; those of one cluster end in the one where its last byte lies. */
static void take_packed(const struct tables *k, uint64_t entry, enum tree_byte what)
{
	unsigned bits = 62 - ((unsigned)__builtin_ctzll(k->cluster) - 8);
	uint64_t off = entry & ((UINT64_C(1) << bits) - 1), sectors = (entry & (PACKED - 1)) >> bits;

	take_clusters(k, off, (sectors + 1) * 512 - off % 512, what);
}

/* All of a packed cluster is data; who reads any of it reads its bytes. */
static void use_packed(const struct tables *k, uint64_t entry, uint32_t first)
{
	uint8_t need = 0;

	for (uint32_t i = 0; i < k->cluster / TREE_SECTOR && first + i < k->u->t->image[k->u->image].sectors; i++)
		need |= k->u->need[first + i];
	take_packed(k, entry, need & 1 << CV_SPACE_LIVE ? TREE_BYTE_LIVE : need ? TREE_BYTE_ORPHANED : TREE_BYTE_SHADOWED);
}

static void use_entry(const struct tables *k, uint64_t entry, uint64_t guest)
{
	uint32_t first = (uint32_t)(guest / TREE_SECTOR);
	/* the first cluster of a data file lies at 0 */
	bool there = k->elsewhere ? entry >> 63 : (entry & OFFSET) != 0;

	if (entry & PACKED)
		use_packed(k, entry, first);
	else
		for (uint32_t i = 0; there && i < k->cluster / TREE_SECTOR; i++)
			tree_use_sector(k->u, first + i, (entry & OFFSET) + i * TREE_SECTOR);
}

/* inside: the tables are those of an internal snapshot, which holds all that it points to. */
static void use_tables(const struct tables *k, uint64_t l1, uint64_t entries, bool inside)
{
	enum tree_byte what = inside ? TREE_BYTE_SNAPSHOT : TREE_BYTE_METADATA;
	uint64_t per_table = k->size / k->entry;

	take_clusters(k, l1, entries * 8, what);
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t l2 = word(k->u, l1 + i * 8) & OFFSET;

		if (l2)
			tree_use_take(k->u, l2, k->size, what);
		for (uint64_t n = 0; l2 && n < per_table; n++) {
			uint64_t entry = word(k->u, l2 + n * k->entry);

			if (!inside)
				use_entry(k, entry, (i * per_table + n) * k->cluster);
			else if (entry & PACKED)
				take_packed(k, entry, what);
			else if (entry & OFFSET)
				tree_use_take(k->u, entry & OFFSET, k->cluster, what);
		}
	}
}

static void use_snapshots(const struct tables *k, uint64_t off, uint32_t count)
{
	const uint8_t *f = k->u->file;
	uint64_t at = off;

	for (uint32_t i = 0; i < count; i++) {
		use_tables(k, word(k->u, at), tree_be(f + at + 8, 4), true);
		at += 40 + tree_be(f + at + 36, 4) + tree_be(f + at + 12, 2) + tree_be(f + at + 14, 2);
		at = (at + 7) / 8 * 8;
	}
	if (count)
		take_clusters(k, off, at - off, TREE_BYTE_METADATA);
}

/* A cluster that has a count, but that nothing points to, is lost. */
static void use_counts(const struct tables *k, unsigned bits)
{
	struct tree_use *u = k->u;
	uint64_t table = word(u, 48), clusters = tree_be(u->file + 56, 4), per_block = k->cluster * 8 / bits;

	tree_use_take(u, table, clusters * k->cluster, TREE_BYTE_METADATA);
	for (uint64_t i = 0; i < clusters * k->cluster / 8; i++)
		if (word(u, table + i * 8))
			tree_use_take(u, word(u, table + i * 8), k->cluster, TREE_BYTE_METADATA);
	for (uint64_t n = 0; n * k->cluster < u->size; n++) {
		uint64_t block = word(u, table + n / per_block * 8), bit = n % per_block * bits;
		const uint8_t *at = u->file + block + bit / 8;
		uint64_t stored = !block ? 0 : bits < 8 ? *at >> bit % 8 & ((1u << bits) - 1) : tree_be(at, bits / 8);

		if (stored)
			tree_use_take(u, n * k->cluster, k->cluster, TREE_BYTE_LOST);
	}
}

void tree_use_qcow2(struct tree_use *u)
{
	const uint8_t *f = u->file;
	bool old = tree_be(f + 4, 4) == 2;
	uint64_t cluster = UINT64_C(1) << tree_be(f + 20, 4), incompatible = old ? 0 : word(u, 72);
	const struct tables k = { u, cluster, cluster, incompatible & 16 ? 16 : 8, incompatible & 4 };

	tree_use_take(u, 0, cluster, TREE_BYTE_METADATA);
	use_tables(&k, word(u, 40), tree_be(f + 36, 4), false);
	use_snapshots(&k, word(u, 64), (uint32_t)tree_be(f + 60, 4));
	use_counts(&k, old ? 16 : 1u << tree_be(f + 96, 4));
}

/* Nothing is aligned but clusters to the end of what is there when they are made. */
void tree_use_qcow(struct tree_use *u)
{
	const uint8_t *f = u->file;
	uint64_t cluster = UINT64_C(1) << f[32], per_table = UINT64_C(1) << f[33], l1 = word(u, 40);
	uint64_t entries = (word(u, 24) + cluster * per_table - 1) / (cluster * per_table);

	tree_use_take(u, 0, 48, TREE_BYTE_METADATA);
	tree_use_take(u, word(u, 8), tree_be(f + 16, 4), TREE_BYTE_METADATA);
	tree_use_take(u, l1, entries * 8, TREE_BYTE_METADATA);
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t l2 = word(u, l1 + i * 8);

		if (l2)
			tree_use_take(u, l2, per_table * 8, TREE_BYTE_METADATA);
		for (uint64_t n = 0; l2 && n < per_table; n++)
			for (uint64_t at = 0; word(u, l2 + n * 8) && at < cluster; at += TREE_SECTOR)
				tree_use_sector(u, (uint32_t)(((i * per_table + n) * cluster + at) / TREE_SECTOR),
						word(u, l2 + n * 8) + at);
	}
	tree_use_find_lost(u, cluster);
}

/* --- what qemu's programs do not do ------------------------------------------------------------------------------ */

enum { HEAD = 4096, MARK_BYTES = 16 };

/* The mark goes before the end of the header extensions, what lies behind moves. */
static bool put_mark(uint8_t *head, bool hidden)
{
	size_t at = tree_be(head + 4, 4) == 2 ? 72 : (size_t)tree_be(head + 100, 4), end = HEAD - MARK_BYTES;
	uint64_t name = tree_be(head + 8, 8);

	while (at + 8 <= end && tree_be(head + at, 4))
		at += 8 + (size_t)(tree_be(head + at + 4, 4) + 7) / 8 * 8;
	if (at + 8 > end || name + tree_be(head + 16, 4) > end || (name && name < at))
		return false;
	memmove(head + at + MARK_BYTES, head + at, end - at);
	memcpy(head + at, "vate\0\0\0\x08", 8);
	memset(head + at + 8, 0, 8);
	head[at + 8] = hidden;
	for (int i = 0; name && i < 8; i++)
		head[8 + i] = (uint8_t)((name + MARK_BYTES) >> (56 - 8 * i));
	return true;
}

static bool clear_entry(int fd, const uint8_t *head, uint64_t guest)
{
	static const uint8_t nothing[16] = { 0 };
	unsigned entry = tree_be(head + 4, 4) > 2 && tree_be(head + 72, 8) & 16 ? 16 : 8;
	uint64_t cluster = UINT64_C(1) << tree_be(head + 20, 4), n = guest / cluster, per_table = cluster / entry, l2;
	uint8_t word_[8];

	if (pread(fd, word_, 8, (off_t)(tree_be(head + 40, 8) + n / per_table * 8)) != 8)
		return false;
	l2 = tree_be(word_, 8) & OFFSET;
	return l2 && pwrite(fd, nothing, entry, (off_t)(l2 + n % per_table * entry)) == (ssize_t)entry;
}

bool tree_patch_qcow2(const struct tree *t, int image, const char *folder, struct cv_text *why)
{
	const struct tree_image *m = &t->image[image];
	uint8_t head[HEAD] = { 0 };
	char name[32], path[512];
	bool good;
	int fd;

	if (!m->loses && m->mark == TREE_UNMARKED)
		return true;
	tree_name(t, image, name);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	good = fd >= 0 && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
	       (!m->loses || clear_entry(fd, head, (uint64_t)m->lost * TREE_SECTOR)) &&
	       (m->mark == TREE_UNMARKED ||
		(put_mark(head, m->mark == TREE_HIDDEN) && pwrite(fd, head, sizeof head, 0) == (ssize_t)sizeof head));
	if (!good)
		cv_text_addf(why, "%s cannot be changed", path);
	if (fd >= 0)
		close(fd);
	return good;
}
