/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See alloc.h. */
#include "tests/support/alloc.h"
#include <errno.h>
#include <stddef.h>

static uint64_t left;            /* so many until one fails; 0: none does */
static bool persists, happened;

void alloc_fail_at(uint64_t n, bool persistent)
{
	persists = persistent;
	happened = false;
	left = n;
}

bool alloc_fail_end(void)
{
	left = 0;
	return happened;
}

#ifdef __SANITIZE_ADDRESS__
bool alloc_can_fail(void)
{
	return false;
}
#else
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);

bool alloc_can_fail(void)
{
	return true;
}

static bool fails(void)
{
	if (!left || --left)
		return false;
	left = persists;
	happened = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
#endif
