/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who writes a journal, and when: this host, this boot, this process, its key and its clock. Given from outside, so
 * that tests can be several hosts at once and the same every time.
 */
#ifndef CV_REPAIR_JOURNAL_HOST_H
#define CV_REPAIR_JOURNAL_HOST_H

#include <chainview/error.h>

struct cv_host {
	uint8_t id[16], boot[16];
	uint32_t pid;
	uint64_t pid_start;
	uint64_t began_ns;           /* when this boot began, by the clock of files; 0: not known */
	bool has_key;                /* without one nothing that it wrote is known again as its own */
	uint8_t key[32];
	uint64_t (*now_ns)(const struct cv_host *host);
	bool (*random)(const struct cv_host *host, void *bytes, size_t len);
	/* A process of this host and this boot still runs. */
	bool (*alive)(const struct cv_host *host, uint32_t pid, uint64_t pid_start);
	void *ctx;
};

/* This machine and this process. The key is read from the state directory, and with make_key made there if it is not;
 * where that cannot be, has_key stays false. */
bool cv_host_here(struct cv_host *host, bool make_key, struct cv_err *err);

#endif
