/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Who has which pieces of a file, as one bit for each piece of a fixed size: taken or not. */
#ifndef CV_INSPECT_BLOCK_UNITS_H
#define CV_INSPECT_BLOCK_UNITS_H

#include <chainview/error.h>

struct cv_units {
	uint64_t *words;
	uint64_t count;
};

bool cv_units_init(struct cv_units *u, uint64_t count, struct cv_err *err);
void cv_units_fini(struct cv_units *u);
/* Takes pieces; what lies behind the last one is left out. The first of them that was taken before, else count. */
uint64_t cv_units_take(struct cv_units *u, uint64_t first, uint64_t n);
/* The first piece at or behind from that is taken (or is not); count if there is none. */
uint64_t cv_units_next(const struct cv_units *u, uint64_t from, bool taken);

#endif
