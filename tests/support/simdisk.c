/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The state of a simulated disk: sectors, contents, names; copying, settling, hashing. The calls are in simdisk_io.c. */
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"
#include <assert.h>
#include <unistd.h>

/* Interned sectors with an open hash table over them. Lives until its last disk is freed. */
struct sim_pool {
	uint8_t *bytes;
	uint64_t *hash;
	size_t len, cap;
	uint32_t *table;
	size_t slots;
	unsigned users;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

static uint64_t hash_sector(const uint8_t *bytes)
{
	uint64_t h = 1, word;

	for (size_t i = 0; i < SIM_SECTOR; i += sizeof word) {
		memcpy(&word, bytes + i, sizeof word);
		h = mix(h ^ word) + 0x9e3779b97f4a7c15;
	}
	return h;
}

static void rehash(struct sim_pool *p, size_t slots)
{
	free(p->table);
	p->table = must(calloc(slots, sizeof *p->table));
	p->slots = slots;
	for (uint32_t i = SIM_ZERO; i < p->len; i++) {
		size_t at = p->hash[i] & (slots - 1);

		while (p->table[at])
			at = (at + 1) & (slots - 1);
		p->table[at] = i;
	}
}

static uint32_t add_sector(struct sim_pool *p, const uint8_t *bytes, uint64_t hash)
{
	if (p->len == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 1024;
		p->bytes = must(realloc(p->bytes, p->cap * SIM_SECTOR));
		p->hash = must(realloc(p->hash, p->cap * sizeof *p->hash));
	}
	memcpy(p->bytes + p->len * SIM_SECTOR, bytes, SIM_SECTOR);
	p->hash[p->len] = hash;
	return (uint32_t)p->len++;
}

static struct sim_pool *pool_new(void)
{
	static const uint8_t zeros[SIM_SECTOR];
	struct sim_pool *p = must(calloc(1, sizeof *p));

	p->users = 1;
	add_sector(p, zeros, 0);
	add_sector(p, zeros, hash_sector(zeros));
	rehash(p, 4096);
	return p;
}

uint32_t sim_intern(struct sim_pool *p, const void *bytes)
{
	uint64_t hash = hash_sector(bytes);
	size_t at = hash & (p->slots - 1);

	for (; p->table[at]; at = (at + 1) & (p->slots - 1))
		if (p->hash[p->table[at]] == hash && !memcmp(sim_bytes(p, p->table[at]), bytes, SIM_SECTOR))
			return p->table[at];
	p->table[at] = add_sector(p, bytes, hash);
	if (p->len * 2 > p->slots)
		rehash(p, p->slots * 2);
	return (uint32_t)p->len - 1;
}

const uint8_t *sim_bytes(const struct sim_pool *p, uint32_t sector)
{
	return p->bytes + (size_t)sector * SIM_SECTOR;
}

uint64_t sim_sector_hash(const struct sim_pool *p, uint32_t sector)
{
	return p->hash[sector == SIM_ZERO ? SIM_HOLE : sector];
}

void sim_content_set(struct sim_content *c, uint64_t sector, uint32_t version)
{
	assert(sector < UINT32_MAX);
	if (sector >= c->count) {
		size_t count = (size_t)sector + 1 + c->count / 2;

		if (version == SIM_HOLE)
			return;
		c->sector = must(realloc(c->sector, count * sizeof *c->sector));
		memset(c->sector + c->count, 0, (count - c->count) * sizeof *c->sector);
		c->count = count;
	}
	c->sector[sector] = version;
}

static void content_copy(struct sim_content *to, const struct sim_content *from)
{
	to->size = from->size;
	if (to->count < from->count) {
		to->sector = must(realloc(to->sector, from->count * sizeof *to->sector));
		to->count = from->count;
	}
	if (from->count)
		memcpy(to->sector, from->sector, from->count * sizeof *to->sector);
	if (to->count > from->count)
		memset(to->sector + from->count, 0, (to->count - from->count) * sizeof *to->sector);
}

static struct sim_entry *entry_find(const struct sim_entries *v, uint32_t dir, const char *name)
{
	for (size_t i = 0; i < v->len; i++)
		if (v->at[i].dir == dir && !strcmp(v->at[i].name, name))
			return &v->at[i];
	return NULL;
}

uint32_t sim_entry_inode(const struct sim_entries *v, uint32_t dir, const char *name)
{
	const struct sim_entry *e = entry_find(v, dir, name);

	return e ? e->inode : 0;
}

void sim_entries_set(struct sim_entries *v, const struct sim_entry *e)
{
	struct sim_entry *old = entry_find(v, e->dir, e->name);

	if (old && e->inode)
		old->inode = e->inode;
	else if (old)
		*old = v->at[--v->len];
	else if (e->inode && !sim_entries_push(v, *e))
		abort();
}

struct sim *sim_new(void)
{
	struct sim *s = must(calloc(1, sizeof *s));
	struct sim_inode none = { 0 }, root = { .directory = true, .number = 1, .mode = S_IFDIR | 0700 };

	s->io = sim_io_table;
	s->device = 1;
	s->pool = pool_new();
	if (!sim_inodes_push(&s->inodes, none) || !sim_inodes_push(&s->inodes, root))
		abort();
	return s;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->inodes.len; i++) {
		free(s->inodes.at[i].now.sector);
		free(s->inodes.at[i].sure.sector);
	}
	free(s->inodes.at);
	free(s->now.at);
	free(s->sure.at);
	free(s->writes.at);
	free(s->resizes.at);
	free(s->renames.at);
	free(s->fds.at);
	free(s->holds.at);
	if (!--s->pool->users) {
		free(s->pool->bytes);
		free(s->pool->hash);
		free(s->pool->table);
		free(s->pool);
	}
	free(s);
}

static struct sim *copy_of(const struct sim *from, bool sure)
{
	const struct sim_entries *entries = sure ? &from->sure : &from->now;
	struct sim *s = must(calloc(1, sizeof *s));

	s->io = from->io;
	s->pool = from->pool;
	s->pool->users++;
	s->room = from->room;
	s->device = from->device;
	s->reflink = from->reflink;
	for (size_t i = 0; i < from->inodes.len; i++) {
		struct sim_inode inode = from->inodes.at[i];
		const struct sim_content *content = sure ? &from->inodes.at[i].sure : &from->inodes.at[i].now;

		inode.now = inode.sure = (struct sim_content){ 0 };
		content_copy(&inode.now, content);
		content_copy(&inode.sure, content);
		if (!sim_inodes_push(&s->inodes, inode))
			abort();
	}
	for (size_t i = 0; i < entries->len; i++)
		if (!sim_entries_push(&s->now, entries->at[i]) || !sim_entries_push(&s->sure, entries->at[i]))
			abort();
	return s;
}

struct sim *sim_copy(const struct sim *s)
{
	return copy_of(s, false);
}

struct sim *sim_after_cut(const struct sim *s)
{
	return copy_of(s, true);
}

#define CLONE(member, push) \
	for (size_t i = 0; i < from->member.len; i++) \
		if (!push(&s->member, from->member.at[i])) \
			abort()

struct sim *sim_left_by_killed(const struct sim *from)
{
	struct sim *s = copy_of(from, false);

	for (size_t i = 0; i < from->inodes.len; i++)
		content_copy(&s->inodes.at[i].sure, &from->inodes.at[i].sure);
	s->sure.len = 0;
	CLONE(sure, sim_entries_push);
	CLONE(writes, sim_writes_push);
	CLONE(resizes, sim_resizes_push);
	CLONE(renames, sim_renames_push);
	s->ops = from->ops;
	return s;
}

void sim_settle(struct sim *s)
{
	for (size_t i = 0; i < s->inodes.len; i++)
		content_copy(&s->inodes.at[i].sure, &s->inodes.at[i].now);
	s->sure.len = 0;
	for (size_t i = 0; i < s->now.len; i++)
		if (!sim_entries_push(&s->sure, s->now.at[i]))
			abort();
	s->writes.len = s->resizes.len = s->renames.len = 0;
}

uint32_t sim_lookup(const struct sim *s, const char *path)
{
	uint32_t inode = 1;
	char part[64];

	while (inode && *path) {
		size_t len = strcspn(path, "/");

		if (len >= sizeof part)
			return 0;
		memcpy(part, path, len);
		part[len] = '\0';
		inode = sim_entry_inode(&s->now, inode, part);
		path += len + (path[len] == '/');
	}
	return inode;
}

static uint64_t hash_text(const char *text)
{
	uint64_t h = 5381;

	for (; *text; text++)
		h = mix(h ^ (uint8_t)*text);
	return h;
}

/* Order does not matter in it: sums of independent parts. */
uint64_t sim_hash(const struct sim *s)
{
	uint64_t h = 0;

	for (size_t i = 0; i < s->sure.len; i++) {
		const struct sim_entry *e = &s->sure.at[i];

		h += mix(hash_text(e->name) ^ ((uint64_t)e->dir << 32 | e->inode));
	}
	for (size_t i = 1; i < s->inodes.len; i++) {
		const struct sim_content *c = &s->inodes.at[i].sure;

		h += mix(c->size + (i << 48));
		for (size_t k = 0; k < c->count; k++)
			if (c->sector[k] > SIM_ZERO)
				h += mix(sim_sector_hash(s->pool, c->sector[k]) ^ mix(i << 32 | k));
	}
	return h;
}

uint64_t sim_used(const struct sim *s)
{
	uint64_t used = 0;

	for (size_t i = 1; i < s->inodes.len; i++)
		for (size_t k = 0; !s->inodes.at[i].device && k < s->inodes.at[i].now.count; k++)
			used += s->inodes.at[i].now.sector[k] != SIM_HOLE;
	return used;
}

void sim_device_make(struct sim *s, const char *name, uint64_t number, const void *bytes, size_t len)
{
	int root = sim_root(s), fd = s->io.openat(&s->io, root, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct sim_inode *inode;

	if (fd < 0 || len % SIM_SECTOR || s->io.pwrite(&s->io, fd, bytes, len, 0) != (ssize_t)len)
		abort();
	inode = &s->inodes.at[sim_lookup(s, name)];
	inode->device = number;
	inode->mode = S_IFBLK | 0600;
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	sim_settle(s);
}

static bool copy_in(struct sim *s, int from, int to, uint64_t size)
{
	uint8_t buffer[65536];

	for (uint64_t off = 0; off < size;) {
		ssize_t n = pread(from, buffer, sizeof buffer, (off_t)off);

		if (n <= 0)
			return false;
		for (ssize_t k = 0; k < n; k += SIM_SECTOR) {
			size_t part = (size_t)(n - k) < SIM_SECTOR ? (size_t)(n - k) : SIM_SECTOR;
			static const uint8_t zeros[SIM_SECTOR];

			if (memcmp(buffer + k, zeros, part) &&
			    s->io.pwrite(&s->io, to, buffer + k, part, off + (uint64_t)k) != (ssize_t)part)
				return false;
		}
		off += (uint64_t)n;
	}
	return s->io.ftruncate(&s->io, to, size) == 0;
}

bool sim_import(struct sim *s, int dir, const char *name)
{
	int root = sim_root(s), from = openat(dir, name, O_RDONLY | O_CLOEXEC);
	int to = s->io.openat(&s->io, root, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct stat st;
	bool ok = from >= 0 && to >= 0 && fstat(from, &st) == 0 && copy_in(s, from, to, (uint64_t)st.st_size);

	if (ok) {
		struct sim_inode *inode = &s->inodes.at[sim_lookup(s, name)];

		s->device = st.st_dev;
		inode->number = st.st_ino;
		inode->mtime = st.st_mtim;
	}
	cv_auto_close(&from);
	s->io.close(&s->io, to);
	s->io.close(&s->io, root);
	sim_settle(s);
	return ok;
}

bool sim_export(const struct sim *s, const char *name, int dir, const char *as)
{
	int to = openat(dir, as, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint32_t inode = sim_lookup(s, name);
	const struct sim_content *c = &s->inodes.at[inode].now;
	bool ok = inode && to >= 0 && ftruncate(to, (off_t)c->size) == 0;

	for (size_t k = 0; ok && k < c->count; k++) {
		uint64_t at = (uint64_t)k * SIM_SECTOR;
		size_t part = c->size - at < SIM_SECTOR ? (size_t)(c->size - at) : SIM_SECTOR;

		if (at < c->size && c->sector[k] != SIM_HOLE)
			ok = pwrite(to, sim_bytes(s->pool, c->sector[k]), part, (off_t)at) == (ssize_t)part;
	}
	cv_auto_close(&to);
	return ok;
}
