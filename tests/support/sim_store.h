/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What tests of operations on a simulated disk share: recovery by a later process after a boot, and the journals. */
#ifndef TESTS_SUPPORT_SIM_STORE_H
#define TESTS_SUPPORT_SIM_STORE_H

#include "tests/support/sim_host.h"
#include "tests/support/simdisk.h"

/* As the next program of that host would, after the next boot. */
bool sim_store_recover(struct sim *s, const struct sim_host *host, struct cv_err *err);
/* A journal in ".chainview/<folder>"; op: of this operation, NULL: of any. */
bool sim_store_has_journal(const struct sim *s, const char *folder, const char *op);
/* The bytes of a file as a program sees them now; the caller's. NULL: there is none. */
uint8_t *sim_store_bytes(const struct sim *s, const char *path, uint64_t *size);

#endif
