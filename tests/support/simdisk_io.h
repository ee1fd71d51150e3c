/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Between the two halves of the simulated disk. */
#ifndef TESTS_SUPPORT_SIMDISK_IO_H
#define TESTS_SUPPORT_SIMDISK_IO_H

#include "tests/support/simdisk.h"
#include "tests/support/simdisk_claim.h"

extern const struct cv_io sim_io_table;
uint32_t sim_entry_inode(const struct sim_entries *v, uint32_t dir, const char *name);

#endif
