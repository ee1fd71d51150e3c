/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging VHDX images into their parents in place, on a simulated disk: whatever a power cut leaves, those who stand on the image
 * read what they did, before and after recovery; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

/* A disk of one block, of which the guest sees little, is quick. */
#define SMALL "size=32K block=1M pattern=32K "

static const struct merge_tree trees[] = {
	{ "vhdx", "chain", "vhdx p.vhdx " SMALL "blocks=0\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=2\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = true },
	{ "vhdx", "on another", "vhdx b.vhdx " SMALL "blocks=0\n"
	  "vhdx p.vhdx parent=b.vhdx " SMALL "partial=0 sectors=2\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=5\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=2\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "new block", "vhdx p.vhdx " SMALL "\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=1\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "new bitmap", "vhdx b.vhdx " SMALL "blocks=0\n"
	  "vhdx p.vhdx parent=b.vhdx " SMALL "\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=1\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = true, .always = false },
	{ "vhdx", "kept place", "vhdx p.vhdx " SMALL "unmapped=0\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=1\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "zeros", "vhdx b.vhdx " SMALL "blocks=0\n"
	  "vhdx p.vhdx parent=b.vhdx " SMALL "\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "unmapped=0\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=1\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "child larger", "vhdx p.vhdx size=20K block=1M pattern=32K blocks=0\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=2\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "old entries", "vhdx p.vhdx size=1M block=1M pattern=32K blocks=0\n"
	  "poke p.vhdx bat+8 06 00 30 00 00 00 00 00\n"
	  "vhdx n.vhdx parent=p.vhdx size=1028K block=1M pattern=4K partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx size=1028K block=1M pattern=4K partial=0 sectors=2\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "no children", "vhdx p.vhdx " SMALL "blocks=0\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n",
	  "n.vhdx", "p.vhdx", { NULL }, .guest = false, .always = false },
	{ "vhdx", "three children", "vhdx p.vhdx " SMALL "\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g1.vhdx parent=n.vhdx " SMALL "partial=0 sectors=2\n"
	  "vhdx g2.vhdx parent=n.vhdx " SMALL "unmapped=0\n"
	  "vhdx g3.vhdx parent=n.vhdx " SMALL "blocks=0\n",
	  "n.vhdx", "p.vhdx", { "g1.vhdx", "g2.vhdx", "g3.vhdx" }, .guest = false, .always = false },
	{ "vhdx", "given up", "vhdx b.vhdx " SMALL "blocks=0\n"
	  "vhdx p.vhdx parent=b.vhdx " SMALL "\n"
	  "vhdx n.vhdx parent=p.vhdx " SMALL "partial=0 sectors=3\n"
	  "vhdx g.vhdx parent=n.vhdx " SMALL "partial=0 sectors=1\n",
	  "n.vhdx", "p.vhdx", { "g.vhdx" }, .guest = false, .always = false, .give_up = true },
};

static void it_survives_and_needs_every_barrier(void **state)
{
	const struct merge_tree *t = *state;

	merge_tree_prove(t, t != &trees[0]);
}

/* No barrier is left out: that behind what is taken back last, the bytes of an item that nothing names any more, is for the
 * tests of rebase, which look at bytes. */
static void undo_survives_power_cuts_that_spoil_whole_pages(void **state)
{
	(void)state;
	merge_tree_undo_survives(&trees[0], true);
	merge_tree_undo_survives(&trees[3], true);
}

static void a_parent_of_another_identity_is_refused(void **state)
{
	(void)state;
	merge_tree_refuses_foreigners(&trees[0]);
}

static void what_was_stopped_goes_on(void **state)
{
	(void)state;
	merge_tree_can_be_stopped(&trees[0]);
	merge_tree_can_be_stopped(&trees[3]);
}

static void every_call_may_fail(void **state)
{
	unsigned long long runs = 0;

	(void)state;
	merge_tree_bears_errors(&trees[3], &runs);
	merge_tree_undo_bears_errors(&trees[0], &runs);
	print_message("%llu runs with a call that failed\n", runs);
	assert_true(runs > 500);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(a_parent_of_another_identity_is_refused),
		cmocka_unit_test(what_was_stopped_goes_on),
		cmocka_unit_test(undo_survives_power_cuts_that_spoil_whole_pages),
	};
	struct CMUnitTest tests[CV_COUNT(others) + CV_COUNT(trees)];

	memcpy(tests, others, sizeof others);
	for (size_t i = 0; i < CV_COUNT(trees); i++)
		tests[CV_COUNT(others) + i] = (struct CMUnitTest){ trees[i].name, it_survives_and_needs_every_barrier, NULL, NULL,
								   (void *)(uintptr_t)&trees[i] };
	return cmocka_run_group_tests_name("coalesce of VHDX on a simulated disk", tests, NULL, NULL);
}
