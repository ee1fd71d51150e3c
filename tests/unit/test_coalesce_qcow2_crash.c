/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging into QCOW2 parents in place, on a simulated disk. Where sectors come whole, nothing that a power cut leaves needs
 * recovery: the parent is without errors, and all read what they did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

/* One sector is one cluster of the parent. */
#define TINY "cluster=512 pattern=512 "
/* The name of another parent needs a sector of its own. */
#define LEAF "qcow2 g.qcow2 parent=n.qcow2 parent-format=qcow2 cluster=1K pattern=1K "
#define NODE "qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 hidden " TINY
#define OVER "qcow2 p.qcow2 parent=b.qcow2 parent-format=qcow2 " TINY
#define ALL "n.qcow2", "p.qcow2", { "g.qcow2" }, .guest = true, .always = false

static const struct merge_tree trees[] = {
	{ "qcow2", "chain", "qcow2 p.qcow2 size=5K " TINY "blocks=0-3\n" NODE "blocks=2-4\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "no children", "qcow2 p.qcow2 size=5K " TINY "blocks=0-3\n" "qcow2 n.qcow2 parent=p.qcow2 " TINY "blocks=2-4\n",
	  "n.qcow2", "p.qcow2", { NULL }, .guest = false, .always = false },
	{ "qcow2", "new tables", "qcow2 p.qcow2 size=40K " TINY "blocks=0\n" NODE "blocks=0,70\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "zeros", "qcow2 p.qcow2 size=5K " TINY "blocks=0-3\n" NODE "blocks=2 zeros=1,3,6\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "zeros on another", "qcow2 b.qcow2 size=5K " TINY "blocks=0-7\n" OVER "blocks=1,2\n" NODE "zeros=1,6 blocks=5\n"
	  LEAF "blocks=1\n", ALL },
	{ "qcow2", "zeros, version 2", "qcow2 b.qcow2 size=5K " TINY "blocks=0-7\n" OVER "version=2 blocks=1,2\n"
	  NODE "zeros=1,6\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "kept places", "qcow2 p.qcow2 size=5K cluster=1K pattern=1K blocks=0-3\n" "poke p.qcow2 l2+15 01\n" NODE "blocks=2\n"
	  LEAF "blocks=3\n", ALL },
	{ "qcow2", "parts of clusters", "qcow2 b.qcow2 size=8K " TINY "blocks=0-15\n"
	  "qcow2 p.qcow2 parent=b.qcow2 parent-format=qcow2 cluster=2K pattern=2K blocks=0\n"
	  NODE "blocks=1,9\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "compressed", "qcow2 p.qcow2 size=5K cluster=512 pattern=64 compressed=0-3\n" NODE "blocks=1 zeros=2\n"
	  LEAF "blocks=1\n", ALL },
	{ "qcow2", "counted twice", "qcow2 p.qcow2 size=5K " TINY "blocks=0-3\n" "poke p.qcow2 l2+8 00\n"
	  "poke p.qcow2 refcount+520 0002\n" NODE "blocks=1,2\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "refcount table", "qcow2 p.qcow2 size=5K refcount-bits=64 " TINY "blocks=0-3\n" "truncate p.qcow2 2097152\n"
	  NODE "blocks=2-4\n" LEAF "blocks=1\n", ALL },
	{ "qcow2", "child larger", "qcow2 p.qcow2 size=5K cluster=1K pattern=1K blocks=2,3,0,1,4\n"
	  "poke p.qcow2 header+24 00 00 00 00 00 00 0e 00\n"
	  "qcow2 n.qcow2 parent=p.qcow2 size=160K parent-format=qcow2 hidden cluster=512 pattern=512 blocks=2\n"
	  LEAF "size=160K blocks=0\n", ALL },
};

/* After the merge itself they are like all trees: test_coalesce_crash.c and test_rebase_crash.c. */
static void parents_survive_and_need_every_barrier(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		merge_tree_prove(&trees[i], true);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		if (!strcmp(trees[i].name, "parts of clusters") || !strcmp(trees[i].name, "child larger"))
			merge_tree_bears_errors(&trees[i], &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 1000);
}

static void a_parent_that_was_marked_as_corrupt_is_refused(void **state)
{
	(void)state;
	merge_tree_refuses_foreigners(&trees[0]);
}

static void what_was_stopped_goes_on(void **state)
{
	(void)state;
	merge_tree_can_be_stopped(&trees[0]);
	merge_tree_can_be_stopped(&trees[CV_COUNT(trees) - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(a_parent_that_was_marked_as_corrupt_is_refused),
		cmocka_unit_test(what_was_stopped_goes_on),
		cmocka_unit_test(parents_survive_and_need_every_barrier),
	};

	return cmocka_run_group_tests_name("coalesce of QCOW2 on a simulated disk", tests, NULL, NULL);
}
