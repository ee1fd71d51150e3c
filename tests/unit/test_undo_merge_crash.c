/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking merges back, on a simulated disk: whatever a power cut leaves, those who stood on the image read what they did, before
 * and after recovery; the image is what it was, at home or in the trash; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

#define SMALL "size=32K block=8K pattern=all creator=win "

static const struct merge_tree trees[] = {
	{ "raw", "chain", "raw p.raw size=32K blocks=0-3 block=8K pattern=all\n"
	  "vhd n.vhd parent=p.raw " SMALL "blocks=1 sectors=3\n"
	  "vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	  "n.vhd", "p.raw", { "g.vhd" }, .guest = true, .always = false },
	{ "vhd", "chain", "vhd p.vhd dynamic " SMALL "blocks=0,1\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,2 sectors=3\n"
	  "vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	  "n.vhd", "p.vhd", { "g.vhd" }, .guest = true, .always = false },
	{ "vhd", "no children", "vhd p.vhd dynamic " SMALL "blocks=0,1\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,2\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = false, .always = false },
	{ "vhd", "three children", "vhd p.vhd dynamic " SMALL "blocks=0\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1 sectors=1\n"
	  "vhd g1.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n"
	  "vhd g2.vhd parent=n.vhd " SMALL "blocks=0 sectors=1\n"
	  "vhd g3.vhd parent=n.vhd " SMALL "blocks=1\n",
	  "n.vhd", "p.vhd", { "g1.vhd", "g2.vhd", "g3.vhd" }, .guest = false, .always = false },
	{ "qcow2", "chain", "qcow2 p.qcow2 size=64K cluster=4K blocks=0,1\n"
	  "qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 cluster=4K blocks=1,2\n"
	  "qcow2 g.qcow2 parent=n.qcow2 parent-format=qcow2 cluster=4K blocks=2\n",
	  "n.qcow2", "p.qcow2", { "g.qcow2" }, .guest = false, .always = true },
};

static bool is_qcow2(const struct merge_tree *t)
{
	return !strcmp(t->format, "qcow2");
}

static void undo_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		if (!is_qcow2(&trees[i]))
			merge_tree_undo_survives(&trees[i], false);
}

static void undo_survives_power_cuts_that_spoil_whole_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		if (!is_qcow2(&trees[i]))
			merge_tree_undo_survives(&trees[i], true);
}

static void undo_of_qcow2_survives_all_of_them_and_reads_right_at_every_moment(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		if (is_qcow2(&trees[i]))
			merge_tree_undo_prove(&trees[i]);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		merge_tree_undo_bears_errors(&trees[i], &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(undo_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(undo_survives_power_cuts_that_spoil_whole_pages),
		cmocka_unit_test(undo_of_qcow2_survives_all_of_them_and_reads_right_at_every_moment),
	};

	return cmocka_run_group_tests_name("undo of coalesce on a simulated disk", tests, NULL, NULL);
}
