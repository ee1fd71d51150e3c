/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sim_store.h. */
#include "tests/support/sim_store.h"
#include "repair/operation/work.h"
#include "tests/support/simdisk_io.h"
#include <stdio.h>

bool sim_store_recover(struct sim *s, const struct sim_host *host, uint32_t boot, struct cv_err *err)
{
	struct sim_host later = *host;
	int root = sim_root(s);
	struct cv_writing w;
	size_t settled;
	bool ok = true;

	later.host.ctx = &later;
	later.host.pid = 77;
	if (boot)
		memcpy(later.host.boot, &boot, sizeof boot);
	if (sim_lookup(s, CV_STORE_NAME)) {
		ok = cv_writing_open(&w, &s->io, &later.host, root, err);
		if (ok) {
			w.give_up = host->give_up;
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

struct sim_journals sim_store_journals(struct sim *s, const struct sim_host *host, const char *folder)
{
	int root = sim_root(s), ours = s->io.openat(&s->io, root, CV_STORE_NAME, O_RDONLY | O_DIRECTORY, 0);
	int dir = s->io.openat(&s->io, ours, folder, O_RDONLY | O_DIRECTORY, 0);
	struct sim_journals all = { .sound = true };
	bool finished = !strcmp(folder, "done");
	char path[64];
	uint32_t inode;

	snprintf(path, sizeof path, "%s/%s", CV_STORE_NAME, folder);
	inode = sim_lookup(s, path);
	for (size_t i = 0; inode && i < s->now.len; i++) {
		struct cv_err err = { .code = CV_OK };
		struct cv_journal_log log;

		if (s->now.at[i].dir != inode || !strstr(s->now.at[i].name, ".cvj"))
			continue;
		all.count++;
		if (!cv_journal_read(&log, &s->io, &host->host, dir, s->now.at[i].name, &err)) {
			all.sound = false;
			continue;
		}
		all.done += cv_journal_last(&log, CV_RECORD_DONE) != NULL;
		all.sound &= log.own && !log.damaged &&
			     (!finished || cv_journal_last(&log, CV_RECORD_DONE) || cv_journal_last(&log, CV_RECORD_ABORTED));
		cv_journal_log_fini(&log);
	}
	s->io.close(&s->io, dir);
	s->io.close(&s->io, ours);
	s->io.close(&s->io, root);
	return all;
}

void sim_store_make(struct sim *s, struct sim_host *host)
{
	int root = sim_root(s);
	struct cv_err err = { .code = CV_OK };
	struct cv_writing w;

	if (!cv_writing_open(&w, &s->io, &host->host, root, &err))
		abort();
	cv_store_close(&w.store);
	s->io.close(&s->io, root);
	sim_settle(s);
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

uint32_t *sim_store_sectors(const struct sim *s, const char *path, uint64_t *size)
{
	uint32_t inode = sim_lookup(s, path);
	const struct sim_content *c = inode ? &s->inodes.at[inode].now : NULL;
	uint32_t *sectors = c ? calloc((size_t)(c->size / SIM_SECTOR) + 2, sizeof *sectors) : NULL;

	if (!sectors)
		return NULL;
	*size = c->size;
	for (size_t i = 0; i * SIM_SECTOR < c->size; i++)
		sectors[i] = i < c->count && c->sector[i] != SIM_HOLE ? c->sector[i] : SIM_ZERO;
	return sectors;
}
