/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sets of identities: folds and marks. Open addressing with linear probing; nothing else is kept in it.
 */
#include "tui/console_model.h"

static size_t hash(struct cv_ident id)
{
	uint64_t h = id.a * 0x9e3779b97f4a7c15u ^ id.b * 0xc2b2ae3d27d4eb4fu ^ id.c * 0x165667b19e3779f9u;

	return (size_t)(h ^ h >> 31);
}

/* The slot that holds the identity, or the free one where it would go. */
static size_t slot_of(const struct cv_ident_set *s, struct cv_ident id)
{
	size_t i = hash(id) & (s->cap - 1);

	while (s->used[i] && !cv_ident_equal(s->at[i], id))
		i = (i + 1) & (s->cap - 1);
	return i;
}

static bool grow(struct cv_ident_set *s)
{
	struct cv_ident_set bigger = { .cap = s->cap ? s->cap * 2 : 64 };

	bigger.at = calloc(bigger.cap, sizeof *bigger.at);
	bigger.used = calloc(bigger.cap, 1);
	if (!bigger.at || !bigger.used) {
		cv_ident_set_fini(&bigger);
		return false;
	}
	for (size_t i = 0; i < s->cap; i++)
		if (s->used[i])
			cv_ident_set_add(&bigger, s->at[i]);
	cv_ident_set_fini(s);
	*s = bigger;
	return true;
}

bool cv_ident_set_has(const struct cv_ident_set *s, struct cv_ident id)
{
	return s->len && s->used[slot_of(s, id)];
}

bool cv_ident_set_add(struct cv_ident_set *s, struct cv_ident id)
{
	size_t i;

	if (s->len * 2 >= s->cap && !grow(s))
		return false;
	i = slot_of(s, id);
	if (!s->used[i]) {
		s->used[i] = 1;
		s->at[i] = id;
		s->len++;
	}
	return true;
}

/* Moves the entries behind the hole up, so that no probe ends too early. */
void cv_ident_set_remove(struct cv_ident_set *s, struct cv_ident id)
{
	size_t hole, i;

	if (!cv_ident_set_has(s, id))
		return;
	hole = slot_of(s, id);
	s->used[hole] = 0;
	s->len--;
	for (i = (hole + 1) & (s->cap - 1); s->used[i]; i = (i + 1) & (s->cap - 1)) {
		struct cv_ident moved = s->at[i];

		s->used[i] = 0;
		hole = slot_of(s, moved);
		s->used[hole] = 1;
		s->at[hole] = moved;
	}
}

void cv_ident_set_clear(struct cv_ident_set *s)
{
	if (s->cap)
		memset(s->used, 0, s->cap);
	s->len = 0;
}

void cv_ident_set_fini(struct cv_ident_set *s)
{
	free(s->at);
	free(s->used);
	*s = (struct cv_ident_set){ 0 };
}

struct cv_ident cv_image_ident(const struct cv_image *image)
{
	/* two images inside one bigger file differ by where they start, which makes them repositories of their own */
	return image->file ? (struct cv_ident){ image->file->device, image->file->inode, 0 }
			   : (struct cv_ident){ 0, 0, 1 };
}

struct cv_ident cv_repository_ident(const struct cv_repository *repository)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *p = repository->path ? repository->path : ""; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	return (struct cv_ident){ h, repository->offset, 2 };
}
