/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory that runs short: a test that includes this has an allocator of its own over the C library's, which also the C
 * library itself then uses. With sanitizers, which have theirs, there is nothing to make fail.
 */
#ifndef TESTS_SUPPORT_ALLOC_H
#define TESTS_SUPPORT_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

bool alloc_can_fail(void);
/* From now on the n-th allocation fails (n from 1), and all behind it if it is persistent. */
void alloc_fail_at(uint64_t n, bool persistent);
/* No more of it; true if there was one that failed. */
bool alloc_fail_end(void);

#endif
