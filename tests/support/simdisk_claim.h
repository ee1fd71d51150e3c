/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Locks and leases of a simulated disk, and the other programs that have its files open. */
#ifndef TESTS_SUPPORT_SIMDISK_CLAIM_H
#define TESTS_SUPPORT_SIMDISK_CLAIM_H

#include "tests/support/simdisk.h"

/* Who the other programs are, in messages. */
#define SIM_OTHER "other (pid 7)"

/* Another program opens the file, which breaks leases; true if it has to wait for one. */
bool sim_other_opens(struct sim *s, const char *path, bool writes);
/* It still has to wait. */
bool sim_other_waits(const struct sim *s, const char *path);
/* It locks bytes: F_RDLCK or F_WRLCK. */
void sim_other_locks(struct sim *s, const char *path, short type, uint64_t off, uint64_t len);
/* It could lock this byte: what QEMU tries. */
bool sim_other_could_lock(const struct sim *s, const char *path, short type, uint64_t off);
/* It closes the file again, and has no locks on it any more. */
void sim_other_closes(struct sim *s, const char *path);
/* Locks and leases of ours. */
size_t sim_held(const struct sim *s);

/* The members of the table; drop: of an open file whose last descriptor is gone. */
void sim_hold_drop(struct sim *s, uint64_t open);
int sim_hold_lock(struct sim *s, int fd, short type, uint64_t off, uint64_t len);
int sim_hold_locked(const struct sim *s, int fd, uint64_t off, uint64_t len);
int sim_hold_lease(struct sim *s, int fd, int type);
int sim_hold_lease_state(const struct sim *s, int fd);

#endif
