/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sim_store.h. */
#include "tests/support/sim_store.h"
#include "repair/operation/work.h"
#include "tests/support/simdisk_io.h"
#include <stdio.h>

bool sim_store_recover(struct sim *s, const struct sim_host *host, struct cv_err *err)
{
	struct sim_host later = *host;
	int root = sim_root(s);
	struct cv_writing w;
	size_t settled;
	bool ok = true;

	later.host.ctx = &later;
	later.host.pid = 77;
	memset(later.host.boot, 9, sizeof later.host.boot);
	if (sim_lookup(s, CV_STORE_NAME)) {
		ok = cv_writing_open(&w, &s->io, &later.host, root, err);
		if (ok) {
			ok = cv_recover_all(&w, false, &settled, err);
			cv_store_close(&w.store);
		}
	}
	s->io.close(&s->io, root);
	return ok;
}

bool sim_store_has_journal(const struct sim *s, const char *folder, const char *op)
{
	char path[64];
	uint32_t dir;

	snprintf(path, sizeof path, "%s/%s", CV_STORE_NAME, folder);
	dir = sim_lookup(s, path);
	for (size_t i = 0; dir && i < s->now.len; i++)
		if (s->now.at[i].dir == dir && strstr(s->now.at[i].name, ".cvj") &&
		    (!op || !strncmp(s->now.at[i].name, op, strlen(op))))
			return true;
	return false;
}

uint8_t *sim_store_bytes(const struct sim *s, const char *path, uint64_t *size)
{
	uint32_t inode = sim_lookup(s, path);
	const struct sim_content *c = inode ? &s->inodes.at[inode].now : NULL;
	uint8_t *bytes = c ? calloc(1, c->size + SIM_SECTOR) : NULL;

	if (!bytes)
		return NULL;
	*size = c->size;
	for (size_t i = 0; i < c->count && i * SIM_SECTOR < c->size; i++)
		memcpy(bytes + i * SIM_SECTOR, sim_bytes(s->pool, c->sector[i]), SIM_SECTOR);
	memset(bytes + c->size, 0, SIM_SECTOR);
	return bytes;
}
