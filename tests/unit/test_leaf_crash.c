/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging leaves into their parents, which get their names, on a simulated disk: the name of the leaf is there at every moment and
 * reads what it did, whatever a power cut leaves, and whether a guest has written meanwhile or not; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

#define SMALL "size=32K block=8K pattern=all creator=win "
#define TAP "size=2M block=64K pattern=all "
#define TINY "size=5K cluster=512 pattern=512 "

static const struct merge_tree vhds[] = {
	{ "vhd", "two", "vhd p.vhd dynamic " SMALL "blocks=0,1\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,2 sectors=3\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = true, .leaf = true },
	{ "vhd", "on another", "vhd b.vhd dynamic " SMALL "blocks=0-3\n"
	  "vhd p.vhd parent=b.vhd " SMALL "blocks=1 sectors=5\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,3 sectors=9\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = false, .leaf = true },
	{ "vhd", "hidden parent", "vhd p.vhd dynamic " TAP "blocks=1 sectors=100 hidden\n"
	  "vhd n.vhd parent=p.vhd " TAP "blocks=1\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = false, .leaf = true },
	{ "vhd", "hidden parent, given up", "vhd p.vhd dynamic size=1M block=64K pattern=512 blocks=1 sectors=100 hidden\n"
	  "vhd n.vhd parent=p.vhd size=1M block=64K pattern=512 blocks=1 sectors=1\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = true, .leaf = true, .give_up = true },
	{ "fixed vhd", "two", "vhd p.vhd fixed " SMALL "blocks=0\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1 sectors=3\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = false, .leaf = true },
};

/* While a mark goes, the barrier on the parent behind that is one on its data, too: these are looked at in the tree without. */
static const struct merge_tree qcow2s[] = {
	{ "qcow2", "two", "qcow2 p.qcow2 " TINY "blocks=0-3\n"
	  "qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 " TINY "blocks=2-4\n",
	  "n.qcow2", "p.qcow2", { NULL }, .guest = true, .leaf = true },
	{ "qcow2", "hidden parent", "qcow2 p.qcow2 hidden " TINY "blocks=0-3\n"
	  "qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 " TINY "blocks=2-4\n",
	  "n.qcow2", "p.qcow2", { NULL }, .guest = false, .leaf = true, .before = 6 },
};

static const struct merge_tree visited = {
	"vhd", "somebody comes", "vhd p.vhd dynamic size=16K block=8K pattern=all creator=win blocks=0\n"
	"vhd n.vhd parent=p.vhd size=16K block=8K pattern=all creator=win blocks=0 sectors=3\n",
	"n.vhd", "p.vhd", { NULL }, .guest = true, .leaf = true, .visited = true,
};

static void who_comes_when_the_name_changes_gets_the_leaf(void **state)
{
	(void)state;
	merge_tree_lets_in(&visited);
}

static void vhds_survive_and_need_every_barrier(void **state)
{
	(void)state;
	merge_tree_survives(&vhds[0], false);
	for (size_t i = 0; i < CV_COUNT(vhds); i++)
		merge_tree_survives(&vhds[i], true);
}

static void qcow2s_survive_and_need_every_barrier(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(qcow2s); i++)
		merge_tree_prove(&qcow2s[i], false);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	merge_tree_bears_errors(&vhds[0], &runs);
	merge_tree_bears_errors(&vhds[2], &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 1000);
}

static void what_was_stopped_goes_on(void **state)
{
	(void)state;
	merge_tree_can_be_stopped(&vhds[0]);
	merge_tree_can_be_stopped(&qcow2s[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_stopped_goes_on),
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(who_comes_when_the_name_changes_gets_the_leaf),
		cmocka_unit_test(vhds_survive_and_need_every_barrier),
		cmocka_unit_test(qcow2s_survive_and_need_every_barrier),
	};

	return cmocka_run_group_tests_name("coalesce --leaf on a simulated disk", tests, NULL, NULL);
}
