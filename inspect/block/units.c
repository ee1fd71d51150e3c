/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bits for the pieces of a file, 64 at a time. */
#include "inspect/block/units.h"

#define BITS 64u

bool cv_units_init(struct cv_units *u, uint64_t count, struct cv_err *err)
{
	u->count = count;
	u->words = calloc((size_t)(count / BITS + 1), sizeof *u->words);
	return u->words || cv_fail(err, CV_ENOMEM, "out of memory for %" PRIu64 " pieces of the file", count);
}

void cv_units_fini(struct cv_units *u)
{
	free(u->words);
	u->words = NULL;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t cv_units_take(struct cv_units *u, uint64_t first, uint64_t n)
{
	uint64_t before = u->count, end = first < u->count ? first + smaller(n, u->count - first) : first;

	while (first < end) {
		uint64_t shift = first % BITS, len = smaller(BITS - shift, end - first);
		uint64_t mask = (len == BITS ? UINT64_MAX : (UINT64_C(1) << len) - 1) << shift;
		uint64_t *word = &u->words[first / BITS];

		if (*word & mask && before == u->count)
			before = first - shift + (uint64_t)__builtin_ctzll(*word & mask);
		*word |= mask;
		first += len;
	}
	return before;
}

uint64_t cv_units_next(const struct cv_units *u, uint64_t from, bool taken)
{
	while (from < u->count) {
		uint64_t word = u->words[from / BITS] ^ (taken ? 0 : UINT64_MAX);

		word &= UINT64_MAX << from % BITS;
		if (word)
			return smaller(from / BITS * BITS + (uint64_t)__builtin_ctzll(word), u->count);
		from = (from / BITS + 1) * BITS;
	}
	return u->count;
}
