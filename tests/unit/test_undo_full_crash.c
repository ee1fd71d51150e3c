/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merges that keep what the parent was, and taking them back, on a simulated disk: whatever a power cut leaves, those who stood on the
 * image read what they did, and behind the end the parent is byte for byte what it was; nothing is kept that nobody needs; and
 * every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

#define TINY "size=16K block=8K pattern=all creator=win "

static const struct merge_tree vhd = {
	"vhd", "kept", "vhd p.vhd dynamic " TINY "blocks=0\n"
	"vhd n.vhd parent=p.vhd " TINY "blocks=0,1 sectors=3\n"
	"vhd g.vhd parent=n.vhd " TINY "blocks=1 sectors=2\n",
	"n.vhd", "p.vhd", { "g.vhd" }, .full = true, .give_up = true,
};

static const struct merge_tree cloned = {
	"vhd", "cloned", "vhd p.vhd dynamic " TINY "blocks=0\n"
	"vhd n.vhd parent=p.vhd " TINY "blocks=0 sectors=3\n"
	"vhd g.vhd parent=n.vhd " TINY "blocks=1 sectors=2\n",
	"n.vhd", "p.vhd", { "g.vhd" }, .full = true, .shared = true,
};

static const struct merge_tree larger = {
	"vhd", "kept, child larger", "vhd p.vhd dynamic size=32K block=8K pattern=all creator=win blocks=0,2\nset p.vhd size=20480\n"
	"poke p.vhd bat+12 00 00 00 07\n"
	"vhd n.vhd parent=p.vhd size=32K block=8K pattern=all creator=win blocks=1 sectors=1\n"
	"vhd g.vhd parent=n.vhd size=32K block=8K pattern=all creator=win blocks=0 sectors=2\n",
	"n.vhd", "p.vhd", { "g.vhd" }, .full = true,
};

static const struct merge_tree qcow2 = {
	"qcow2", "kept", "qcow2 p.qcow2 size=16K cluster=4K blocks=0,1\n"
	"qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 cluster=4K blocks=1,2\n"
	"qcow2 g.qcow2 parent=n.qcow2 parent-format=qcow2 cluster=4K blocks=2\n",
	"n.qcow2", "p.qcow2", { "g.qcow2" }, .full = true,
};

static const struct merge_tree *const trees[] = { &vhd, &cloned, &larger, &qcow2 };

static void merges_that_keep_survive_and_need_every_barrier(void **state)
{
	(void)state;
	merge_tree_survives(&vhd, true);
	merge_tree_survives(&cloned, true);
}

static void the_parent_comes_back_whatever_power_cuts_leave(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		merge_tree_undo_survives(trees[i], true);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	merge_tree_bears_errors(&vhd, &runs);
	merge_tree_undo_bears_errors(&vhd, &runs);
	merge_tree_undo_bears_errors(&cloned, &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 1000);
}

static void what_was_stopped_goes_on(void **state)
{
	(void)state;
	merge_tree_can_be_stopped(&vhd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_stopped_goes_on),
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(merges_that_keep_survive_and_need_every_barrier),
		cmocka_unit_test(the_parent_comes_back_whatever_power_cuts_leave),
	};

	return cmocka_run_group_tests_name("undo=full on a simulated disk", tests, NULL, NULL);
}
