/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hosts for tests: the same clock, identities and processes every time. */
#ifndef TESTS_SUPPORT_SIM_HOST_H
#define TESTS_SUPPORT_SIM_HOST_H

#include "repair/journal/host.h"

/* Counts on from seed: identities and times; which tells hosts, boots and processes apart. Processes of other numbers than
 * its own are dead, unless alive is their number. */
struct sim_host {
	struct cv_host host;         /* first */
	uint64_t next;
	uint32_t alive;
	bool give_up;                /* who recovers puts back what can be put back */
};
void sim_host_init(struct sim_host *h, uint64_t seed, uint8_t which_host, uint8_t which_boot, uint32_t pid);

#endif
