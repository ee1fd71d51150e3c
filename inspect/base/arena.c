/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A capped arena: chunks in a list, handed out from the front one. Knows nothing of what is stored. */
#include "inspect/base/arena.h"

#define FIRST_CHUNK 512
#define LARGEST_CHUNK (256 * 1024)
#define ALIGNMENT _Alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

struct cv_arena {
	struct chunk *front;
	size_t given, cap, next_size;
};

struct cv_arena *cv_arena_new(size_t cap_bytes)
{
	struct cv_arena *a = calloc(1, sizeof *a);

	if (a) {
		a->cap = cap_bytes;
		a->next_size = FIRST_CHUNK;
	}
	return a;
}

struct cv_arena *cv_arena_sized(size_t first)
{
	struct cv_arena *a = cv_arena_new(SIZE_MAX);

	if (a && first)
		a->next_size = first;
	return a;
}

static bool add_chunk(struct cv_arena *a, size_t at_least)
{
	size_t size = at_least > a->next_size ? at_least : a->next_size;
	struct chunk *c = malloc(sizeof *c + size);

	if (!c)
		return false;
	*c = (struct chunk){ .next = a->front, .size = size };
	a->front = c;
	a->next_size = size < LARGEST_CHUNK / 2 ? size * 2 : LARGEST_CHUNK;
	return true;
}

void *cv_arena_alloc(struct cv_arena *a, size_t len)
{
	size_t padded;
	void *p;

	if (__builtin_add_overflow(len, ALIGNMENT - 1, &padded))
		return NULL;
	padded -= padded % ALIGNMENT;
	if (padded > a->cap - a->given)
		return NULL;
	if ((!a->front || a->front->size - a->front->used < padded) && !add_chunk(a, padded))
		return NULL;
	p = (char *)a->front->bytes + a->front->used;
	a->front->used += padded;
	a->given += padded;
	return memset(p, 0, len);
}

char *cv_arena_dup(struct cv_arena *a, const void *bytes, size_t len)
{
	char *copy = len < SIZE_MAX ? cv_arena_alloc(a, len + 1) : NULL;

	if (copy && len)
		memcpy(copy, bytes, len);
	return copy;
}

size_t cv_arena_given(const struct cv_arena *a)
{
	return a ? a->given : 0;
}

void cv_arena_free(struct cv_arena *a)
{
	if (!a)
		return;
	while (a->front) {
		struct chunk *next = a->front->next;

		free(a->front);
		a->front = next;
	}
	free(a);
}
