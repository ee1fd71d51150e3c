/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Recovery that is told to put back what can be put back (recover --abort), on a simulated disk: whatever the power cut left,
 * everybody reads what they did, nobody stands on two parents, and the journal says how it ended; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/merge_world.h"
#include "tests/support/simdisk_io.h"

#define SMALL "size=32K block=8K pattern=all creator=win "

static const struct merge_tree vhd = {
	"vhd", "chain, given up", "vhd p.vhd dynamic " SMALL "blocks=0,1\n"
	"vhd n.vhd parent=p.vhd " SMALL "blocks=1,2 sectors=3\n"
	"vhd g.vhd parent=n.vhd " SMALL "blocks=2 sectors=2\n",
	"n.vhd", "p.vhd", { "g.vhd" }, .guest = true, .always = false, .give_up = true,
};

static const struct merge_tree qcow2 = {
	"qcow2", "chain, given up", "qcow2 p.qcow2 size=64K cluster=4K blocks=0,1\n"
	"qcow2 n.qcow2 parent=p.qcow2 parent-format=qcow2 cluster=4K blocks=1,2\n"
	"qcow2 g.qcow2 parent=n.qcow2 parent-format=qcow2 cluster=4K blocks=2\n",
	"n.qcow2", "p.qcow2", { "g.qcow2" }, .guest = true, .always = false, .give_up = true,
};

static void merges_are_put_back(void **state)
{
	(void)state;
	merge_tree_survives(&vhd, false);
	merge_tree_survives(&vhd, true);
}

static void merges_into_qcow2_are_put_back(void **state)
{
	(void)state;
	merge_tree_prove(&qcow2, false);
}

static void undo_of_a_merge_is_put_back(void **state)
{
	(void)state;
	merge_tree_undo_survives(&vhd, false);
	merge_tree_undo_survives(&vhd, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_are_put_back),
		cmocka_unit_test(merges_into_qcow2_are_put_back),
		cmocka_unit_test(undo_of_a_merge_is_put_back),
	};

	return cmocka_run_group_tests_name("giving up on a simulated disk", tests, NULL, NULL);
}
