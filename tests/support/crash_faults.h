/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Each call of an operation fails once, in each way: what must be readable is, it is said what went wrong, no descriptor
 * stays open, and what is left is settled by the next who comes.
 */
#ifndef TESTS_SUPPORT_CRASH_FAULTS_H
#define TESTS_SUPPORT_CRASH_FAULTS_H

#include "tests/support/crash.h"

struct crash_faults {
	const int *errors;           /* each once, and each from that call on; short writes are tried besides */
	size_t count;
	void (*reset)(void *ctx);    /* before each run: the same host, the same clock; NULL: nothing is to be done */
	uint64_t runs;               /* adds to it */
	char first[512];             /* the first failure; "" if there is none */
};

/* start: settled; each run works on a copy. False after the first failure. */
bool crash_fail_each(const struct sim *start, const struct crash_scene *scene, struct crash_faults *f);

#endif
