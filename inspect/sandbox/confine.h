/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Takes away from the calling process all that it does not need for reading open descriptors. */
#ifndef CV_INSPECT_SANDBOX_CONFINE_H
#define CV_INSPECT_SANDBOX_CONFINE_H

#include <chainview/text.h>

struct cv_confine_limits {
	uint64_t memory_bytes;     /* on top of what the process has */
	unsigned cpu_seconds, descriptors;
	bool libraries;            /* allow what libvhdi and libqcow need besides */
};

/* What could be had. Each errno is 0 if the part is in force. */
struct cv_confined {
	int landlock_abi;
	int landlock_errno, seccomp_errno, limits_errno, privileges_errno;
};

/* Keeps descriptor 0, which has to be a socket, and closes all others. */
void cv_confine_close_others(void);
/* The same, but these are kept too. The list is sorted; -1 is none. */
void cv_confine_close_all_but(int *kept, size_t count);
/* In this order: limits, capabilities, no new privileges, Landlock, seccomp. What cannot be had is left out. */
struct cv_confined cv_confine(const struct cv_confine_limits *limits);

static inline bool cv_confined_fully(const struct cv_confined *c)
{
	return !c->landlock_errno && !c->seccomp_errno && !c->limits_errno && !c->privileges_errno;
}

/* "Landlock ABI 7, seccomp, 256 MiB, 10 s CPU" */
void cv_confined_text(struct cv_text *t, const struct cv_confined *c, const struct cv_confine_limits *limits);

/* confine_landlock.c, confine_seccomp.c: 0 or an errno. */
int cv_confine_landlock(int *abi);
int cv_confine_seccomp(bool libraries);

#endif
