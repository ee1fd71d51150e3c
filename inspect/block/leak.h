/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lost blocks of formats without reference counts: a gap between what is in use that has room for a whole block. A
 * smaller gap is padding, what lies behind everything is the tail, and a hole costs nothing.
 */
#ifndef CV_INSPECT_BLOCK_LEAK_H
#define CV_INSPECT_BLOCK_LEAK_H

#include <chainview/format.h>
#include "inspect/space/space_runs.h"

struct cv_leak {
	struct cv_space_disk disk;   /* of the image file */
	uint64_t whole;              /* bytes of a block with all that belongs to it */
	uint64_t bytes, at, blocks;  /* on disk; where the first gap is; how many blocks there is room for */
};

void cv_leak_gap(struct cv_leak *l, uint64_t from, uint64_t to);
/* Counts them in the check and adds the finding, if there is any. */
void cv_leak_tell(const struct cv_leak *l, struct cv_checking *c);

#endif
