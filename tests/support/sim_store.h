/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What tests of operations on a simulated disk share: recovery by a later process after a boot, and the journals. */
#ifndef TESTS_SUPPORT_SIM_STORE_H
#define TESTS_SUPPORT_SIM_STORE_H

#include "tests/support/sim_host.h"
#include "tests/support/simdisk.h"

/* As the next program of that host would, after a boot of this number; 0: in the boot that it was. */
bool sim_store_recover(struct sim *s, const struct sim_host *host, uint32_t boot, struct cv_err *err);
/* A journal in ".chainview/<folder>"; op: of this operation, NULL: of any. */
bool sim_store_has_journal(const struct sim *s, const char *folder, const char *op);
/* The journals in ".chainview/<folder>". */
struct sim_journals {
	unsigned count, done;        /* that say that it was done */
	bool sound;                  /* all can be read, are this host's and whole; those in "done" say how they ended */
};
struct sim_journals sim_store_journals(struct sim *s, const struct sim_host *host, const char *folder);
/* A repository that was written to before, so that nothing of its folder has to be made: whoever opens it then has so
 * many barriers before those of the operation. How it comes into being is shown by the tests of trash. */
enum { SIM_BARRIERS_OF_OPENING = 2 };
void sim_store_make(struct sim *s, struct sim_host *host);
/* The bytes of a file as a program sees them now; the caller's. NULL: there is none. */
uint8_t *sim_store_bytes(const struct sim *s, const char *path, uint64_t *size);
/* The same as numbers of sectors, which are the same for equal ones in copies of one disk. */
uint32_t *sim_store_sectors(const struct sim *s, const char *path, uint64_t *size);

#endif
