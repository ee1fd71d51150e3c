/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory that is given back all at once. An arena has a cap, so that what an image can make us hold is
 * bounded; an allocation that would pass it fails like one for which memory is short.
 */
#ifndef CV_INSPECT_BASE_ARENA_H
#define CV_INSPECT_BASE_ARENA_H

#include <chainview/base.h>

struct cv_arena;

/* cap_bytes: the most it will hand out in all; SIZE_MAX for no cap. first: bytes to allocate at once, 0 for the
 * usual growth. NULL when memory is short. */
struct cv_arena *cv_arena_new(size_t cap_bytes);
struct cv_arena *cv_arena_sized(size_t first);
/* Zeroed, aligned for any type; NULL when memory is short or the cap is reached. */
void *cv_arena_alloc(struct cv_arena *a, size_t len);
/* A NUL-terminated copy of len bytes. */
char *cv_arena_dup(struct cv_arena *a, const void *bytes, size_t len);
/* Bytes handed out so far; 0 for NULL. */
size_t cv_arena_given(const struct cv_arena *a);
/* Frees everything; NULL is fine. */
void cv_arena_free(struct cv_arena *a);
static inline void cv_auto_arena(struct cv_arena **a)
{
	cv_arena_free(*a);
}

#endif
