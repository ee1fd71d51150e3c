/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merges on a file system that shares extents, on a simulated disk: what is shared instead of written survives every power cut in
 * the same way, and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

#define TAP "size=256K block=64K pattern=all "

static const struct merge_tree raw = {
	.format = "raw", .name = "chain, shared",
	.recipe = "raw p.raw size=64K blocks=0-3 block=16K pattern=all\n"
		  "qcow2 n.qcow2 parent=p.raw parent-format=raw cluster=4K blocks=1,2\n"
		  "qcow2 g.qcow2 parent=n.qcow2 parent-format=qcow2 cluster=4K blocks=2\n",
	.image = "n.qcow2", .parent = "p.raw", .children = { "g.qcow2" }, .guest = true, .shared = true,
};

static const struct merge_tree vhd = {
	.format = "vhd", .name = "chain, shared",
	.recipe = "vhd p.vhd dynamic " TAP "blocks=0,1\n"
		  "vhd n.vhd parent=p.vhd " TAP "blocks=1,2 sectors=40\n"
		  "vhd g.vhd parent=n.vhd " TAP "blocks=2 sectors=2\n",
	.image = "n.vhd", .parent = "p.vhd", .children = { "g.vhd" }, .shared = true,
};

static const struct merge_tree qcow2 = {
	.format = "qcow2", .name = "chain, shared",
	.recipe = "qcow2 p.qcow2 size=64K cluster=4K blocks=0,1\n"
		  "qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 cluster=4K blocks=1,2\n"
		  "qcow2 g.qcow2 parent=n.qcow2 parent-format=qcow2 cluster=4K blocks=2\n",
	.image = "n.qcow2", .parent = "p.qcow2", .children = { "g.qcow2" }, .guest = true, .shared = true,
};

static void what_is_shared_survives(void **state)
{
	(void)state;
	merge_tree_survives(&raw, true);
	merge_tree_survives(&vhd, true);
}

static void what_is_shared_with_qcow2_survives(void **state)
{
	(void)state;
	merge_tree_prove(&qcow2, false);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	merge_tree_bears_errors(&raw, &runs);
	merge_tree_bears_errors(&qcow2, &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(what_is_shared_survives),
		cmocka_unit_test(what_is_shared_with_qcow2_survives),
	};

	return cmocka_run_group_tests_name("sharing on a simulated disk", tests, NULL, NULL);
}
