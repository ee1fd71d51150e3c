/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sim_host.h. */
#include "tests/support/sim_host.h"

static struct sim_host *of(const struct cv_host *host)
{
	return host->ctx;
}

static uint64_t now(const struct cv_host *host)
{
	return UINT64_C(1772431200000000000) + ++of(host)->next * 1000000;
}

static bool fill(const struct cv_host *host, void *bytes, size_t len)
{
	uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++) {
		uint64_t z = ++of(host)->next * UINT64_C(0x9e3779b97f4a7c15);

		at[i] = (uint8_t)((z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 56);
	}
	return true;
}

static bool is_alive(const struct cv_host *host, uint32_t pid, uint64_t start)
{
	(void)start;
	return of(host)->alive == pid;
}

void sim_host_init(struct sim_host *h, uint64_t seed, uint8_t which_host, uint8_t which_boot, uint32_t pid)
{
	*h = (struct sim_host){ .host = { .pid = pid, .pid_start = 1, .has_key = true, .now_ns = now, .random = fill,
					  .alive = is_alive, .ctx = h }, .next = seed };
	memset(h->host.id, which_host, sizeof h->host.id);
	memset(h->host.boot, which_boot, sizeof h->host.boot);
	memset(h->host.key, which_host, sizeof h->host.key);
}
