/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging VHDs into their parents in place, on a simulated disk: whatever a power cut leaves, those who stand on the image read
 * what they did, before and after recovery, whether a guest has written meanwhile or not; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

#define SMALL "size=64K block=8K "

static const struct merge_tree raw = {
	"raw parent", "raw p.raw size=64K blocks=0-7 block=8K\n"
	"vhd n.vhd parent=p.raw " SMALL "blocks=1,4 sectors=3 pattern=all hidden\n"
	"vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2 pattern=all\n",
	"n.vhd", "p.raw", { "g.vhd" }, 0, true,
};

static void raw_survives(void **state)
{
	(void)state;
	merge_tree_survives(&raw);
}

static void raw_bears_errors(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	merge_tree_bears_errors(&raw, &runs);
	print_message("%llu runs\n", runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_survives),
		cmocka_unit_test(raw_bears_errors),
	};

	return cmocka_run_group_tests_name("coalesce on a simulated disk", tests, NULL, NULL);
}
