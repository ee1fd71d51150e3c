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

/* Others than tap make disks of any size: small ones are quick. */
#define SMALL "size=32K block=8K pattern=all creator=win "
#define TAP "size=2M block=64K pattern=all "

static const struct merge_tree raw = {
	"raw", "chain", "raw p.raw size=32K blocks=0-3 block=8K pattern=all\n"
	"vhd n.vhd parent=p.raw " SMALL "blocks=1 sectors=3\n"
	"vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	"n.vhd", "p.raw", { "g.vhd" }, .guest = true, .always = true,
};

static const struct merge_tree vhds[] = {
	{ "vhd", "chain", "vhd p.vhd dynamic " SMALL "blocks=0,1\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,2 sectors=3\n"
	  "vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	  "n.vhd", "p.vhd", { "g.vhd" }, .guest = true, .always = false },
	{ "vhd", "on another", "vhd b.vhd dynamic " SMALL "blocks=0-3\n"
	  "vhd p.vhd parent=b.vhd " SMALL "blocks=1 sectors=5\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,3 sectors=9\n"
	  "vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	  "n.vhd", "p.vhd", { "g.vhd" }, .guest = false, .always = false },
	{ "vhd", "no children", "vhd p.vhd dynamic " SMALL "blocks=0,1\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1,2\n",
	  "n.vhd", "p.vhd", { NULL }, .guest = false, .always = false },
	{ "vhd", "three children", "vhd p.vhd dynamic " SMALL "blocks=0\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1 sectors=1\n"
	  "vhd g1.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n"
	  "vhd g2.vhd parent=n.vhd " SMALL "blocks=0 sectors=1\n"
	  "vhd g3.vhd parent=n.vhd " SMALL "blocks=1\n",
	  "n.vhd", "p.vhd", { "g1.vhd", "g2.vhd", "g3.vhd" }, .guest = false, .always = false },
	{ "vhd", "child larger", "vhd p.vhd dynamic " SMALL "blocks=0,2\nset p.vhd size=20480\n"
	  "poke p.vhd bat+12 00 00 00 07\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1 sectors=1\n"
	  "vhd g.vhd parent=n.vhd " SMALL "blocks=0 sectors=2\n",
	  "n.vhd", "p.vhd", { "g.vhd" }, .guest = false, .always = false },
	{ "fixed vhd", "chain", "vhd p.vhd fixed " SMALL "blocks=0\n"
	  "vhd n.vhd parent=p.vhd " SMALL "blocks=1 sectors=3\n"
	  "vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	  "n.vhd", "p.vhd", { "g.vhd" }, .guest = false, .always = true },
};

static const struct merge_tree tap = {
	"vhd", "batmap", "vhd p.vhd dynamic " TAP "blocks=1 sectors=100 hidden\n"
	"vhd n.vhd parent=p.vhd " TAP "blocks=1 hidden\n"
	"vhd g.vhd parent=n.vhd " TAP "blocks=2 sectors=2\n",
	"n.vhd", "p.vhd", { "g.vhd" }, .guest = false, .always = false,
};

static void raw_parents_survive_and_need_every_barrier(void **state)
{
	(void)state;
	merge_tree_survives(&raw, false);
	merge_tree_survives(&raw, true);
}

static void vhds_survive_and_need_every_barrier(void **state)
{
	(void)state;
	merge_tree_survives(&vhds[0], false);
	for (size_t i = 0; i < CV_COUNT(vhds); i++)
		merge_tree_survives(&vhds[i], true);
	merge_tree_survives(&tap, true);
}

static void a_parent_of_another_identity_is_refused(void **state)
{
	(void)state;
	merge_tree_refuses_foreigners(&vhds[0]);
}

static void what_was_stopped_goes_on(void **state)
{
	(void)state;
	merge_tree_can_be_stopped(&raw);
	merge_tree_can_be_stopped(&vhds[0]);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	merge_tree_bears_errors(&raw, &runs);
	merge_tree_bears_errors(&vhds[0], &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(a_parent_of_another_identity_is_refused),
		cmocka_unit_test(what_was_stopped_goes_on),
		cmocka_unit_test(raw_parents_survive_and_need_every_barrier),
		cmocka_unit_test(vhds_survive_and_need_every_barrier),
	};

	return cmocka_run_group_tests_name("coalesce on a simulated disk", tests, NULL, NULL);
}
