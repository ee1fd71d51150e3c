/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Trees in which an image is merged into its parent, on a simulated disk: what each of those who read through it reads, before
 * and after, whatever power cuts leave. A format's test is a list of trees and a call.
 */
#ifndef TESTS_SUPPORT_MERGE_WORLD_H
#define TESTS_SUPPORT_MERGE_WORLD_H

#include "repair/operation/work.h"
#include "tests/support/crash.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_store.h"
#include "tests/support/sim_world.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

enum { MERGE_CHILDREN = 3 };

/* All files lie in the root; a file's format is what its name ends with. */
struct merge_tree {
	const char *format, *name, *recipe;  /* format: of the parent; name: what there is to the tree, in a word or two */
	const char *image, *parent, *children[MERGE_CHILDREN + 1];
	bool guest;                  /* somebody may write to data of the first child between crash and recovery */
	bool always;                 /* children read right at every moment, as far as they can be opened */
	bool give_up;                /* recovery puts back what can be put back */
	bool shared;                 /* the file system shares extents */
	bool full;                   /* what the parent was is kept, and comes back */
	bool leaf;                   /* merged with its name: guest writes to it, or to what has its name */
	bool visited;                /* somebody opens the leaf just before its name changes, and writes to it; then it is resumed */
	unsigned before;             /* so many barriers are those of another tree, and not looked at: merge_tree_prove() */
};

/* A cell of the table (crash_cell.h): crashes with single sectors torn, each barrier left out; or with whole pages torn. Cuts
 * inside recovery and guests that write meanwhile in both. */
void merge_tree_survives(const struct merge_tree *tree, bool pages);
/*
 * For QCOW2 and VHDX: all of it in one cell, and also where no sector is torn: then the parent has no error at any moment, and children
 * can be read, and read right. Every barrier left out is noticed in one of the three. merging: only
 * that part is looked at, up to the parent's last barrier; the rest is the same for all trees.
 */
void merge_tree_prove(const struct merge_tree *tree, bool merging);
/* Of a leaf that is visited: pages torn, and the barriers behind the visit left out. */
void merge_tree_lets_in(const struct merge_tree *tree);
/* Each call fails, once and from then on. */
void merge_tree_bears_errors(const struct merge_tree *tree, unsigned long long *runs);
/* The same of taking the merge back. */
void merge_tree_undo_survives(const struct merge_tree *tree, bool pages);
void merge_tree_undo_prove(const struct merge_tree *tree);
void merge_tree_undo_bears_errors(const struct merge_tree *tree, unsigned long long *runs);
/* Killed before each barrier; then somebody changes the parent's identity: refused, and nothing is touched. */
void merge_tree_refuses_foreigners(const struct merge_tree *tree);
/* Stopped at each point at which it asks; recovery goes on. */
void merge_tree_can_be_stopped(const struct merge_tree *tree);

#endif
