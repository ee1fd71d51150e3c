/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Landlock without a single rule: every action that the running kernel can handle is handled, and none is
 * allowed. The constants are those of the kernel's documentation (userspace-api/landlock.rst); they are
 * spelled out because headers are often older than kernels.
 */
#include "inspect/sandbox/confine.h"
#include <sys/syscall.h>
#include <unistd.h>

#define CREATE_RULESET_VERSION 1u

struct ruleset {
	uint64_t handled_fs, handled_net, scoped;
};

/* What each ABI added. ABI 7 and later add nothing that a ruleset could handle. */
static const struct abi_row {
	int abi;
	struct ruleset adds;
} abi_rows[] = {
	{ 1, { .handled_fs = (1u << 13) - 1 } },   /* execute to make_sym */
	{ 2, { .handled_fs = 1u << 13 } },         /* refer */
	{ 3, { .handled_fs = 1u << 14 } },         /* truncate */
	{ 4, { .handled_net = 3 } },               /* bind and connect TCP */
	{ 5, { .handled_fs = 1u << 15 } },         /* ioctl on devices */
	{ 6, { .scoped = 3 } },                    /* abstract UNIX sockets, signals */
};

int cv_confine_landlock(int *abi)
{
	struct ruleset all = { 0 };
	long fd;

	*abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	if (*abi < 1) {
		*abi = 0;
		return errno ? errno : ENOSYS;
	}
	for (size_t i = 0; i < CV_COUNT(abi_rows); i++)
		if (abi_rows[i].abi <= *abi) {
			all.handled_fs |= abi_rows[i].adds.handled_fs;
			all.handled_net |= abi_rows[i].adds.handled_net;
			all.scoped |= abi_rows[i].adds.scoped;
		}
	/* Older kernels take the longer structure as long as what they do not know is zero. */
	fd = syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return errno;
	close((int)fd);
	return 0;
}
