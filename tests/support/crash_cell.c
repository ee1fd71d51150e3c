/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "tests/support/crash_cell.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

typedef unsigned long long ull;

/* Nothing was noticed. */
static bool is_missed(const struct crash_cell *cell, struct crash_options mutant)
{
	if (cell->enumerate(cell->ctx, &mutant).failures)
		return false;
	mutant.pages = true;
	return !cell->options.either || !cell->enumerate(cell->ctx, &mutant).failures;
}

void crash_cell_print(const struct crash_cell *cell, const struct crash_result *r, uint64_t mutants)
{
	print_message("cell\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n", cell->operation, cell->format,
		      cell->shape, (ull)r->barriers, (ull)mutants, (ull)r->names, (ull)r->states, (ull)r->distinct,
		      (ull)r->recoveries, (ull)r->inner);
}

void crash_prove(const struct crash_cell *cell)
{
	struct crash_options options = cell->options, mutant = cell->options;
	uint64_t mutants = 0;
	struct crash_result r;

	options.share = CRASH_SHARE;
	r = cell->enumerate(cell->ctx, &options);
	if (r.failures)
		fail_msg("%s of %s, %s: %llu failures; %s", cell->operation, cell->format, cell->shape, (ull)r.failures,
			 r.first);
	mutant.inner = 0;
	mutant.stop_at_first = true;
	for (uint64_t k = 1; CRASH_MUTANTS && !cell->options.pages && k <= r.barriers; k++, mutants++) {
		mutant.drop_barrier = cell->options.before + k;
		if (is_missed(cell, mutant))
			fail_msg("%s of %s, %s: nobody notices when barrier %llu of %llu is left out", cell->operation,
				 cell->format, cell->shape, (ull)k, (ull)r.barriers);
	}
	crash_cell_print(cell, &r, mutants);
}
