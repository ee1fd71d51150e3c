/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One cell of the table that says what was proved about crashes: an operation, in a format, on trees of a shape. Each
 * is enumerated, and again with each of its barriers left out, which must be noticed. What was done is printed in one
 * form, from which tests/cells.sh makes the table and sees that no cell is missing.
 */
#ifndef TESTS_SUPPORT_CRASH_CELL_H
#define TESTS_SUPPORT_CRASH_CELL_H

#include "tests/support/crash.h"

struct crash_cell {
	const char *operation, *format, *shape;
	/* The whole of it, from making what it starts from: nothing of an earlier call may be known to it. */
	struct crash_result (*enumerate)(const void *ctx, const struct crash_options *options);
	const void *ctx;
	struct crash_options options;   /* with pages barriers are not left out */
};

/* Fails the test unless all of it is as it must be. */
void crash_prove(const struct crash_cell *cell);
/* For those who prove it themselves: the line of the table. */
void crash_cell_print(const struct crash_cell *cell, const struct crash_result *r, uint64_t mutants);

#endif
