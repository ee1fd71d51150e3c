/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A simulated disk in the place of the real one: everything that goes through cv_io_real then goes there, so that the
 * public functions of plans and operations run on it. It is linked instead of repair/io/real.c and repair/journal/host.c.
 */
#ifndef TESTS_SUPPORT_SIM_REAL_H
#define TESTS_SUPPORT_SIM_REAL_H

#include "tests/support/sim_host.h"
#include "tests/support/simdisk.h"

/* From now on, until another is. The host is the one that writes: both are borrowed. */
void sim_real_is(struct sim *s, struct sim_host *host);
/* Closes what a planner has opened: it leaves that to the kernel, which knows nothing of it. */
void sim_real_close_all(void);

#endif
