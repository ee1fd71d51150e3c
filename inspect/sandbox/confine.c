/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Descriptors, limits and privileges of a reading process, and the line of text about all of it. */
#include "inspect/sandbox/confine.h"
#include "inspect/source/open.h"
#include <cap-ng.h>
#include <dirent.h>
#include <limits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATM_BYTES 4096
/* Without close_range() (kernels before 5.9) descriptors are closed one by one, up to this one. */
#define LAST_DESCRIPTOR 65536

static void close_range_of(unsigned first, unsigned last)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	for (unsigned fd = first; fd <= last && fd < LAST_DESCRIPTOR; fd++)
		close((int)fd);
}

static int compare_descriptors(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void cv_confine_close_all_but(int *kept, size_t count)
{
	unsigned first = 1;

	if (count)
		qsort(kept, count, sizeof *kept, compare_descriptors);
#ifdef __SANITIZE_ADDRESS__
	/* The sanitizer writes its report to descriptor 2. */
	close(1);
	first = 3;
#endif
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < (int)first)
			continue;
		close_range_of(first, (unsigned)kept[i] - 1);
		first = (unsigned)kept[i] + 1;
	}
	close_range_of(first, UINT_MAX);
}

void cv_confine_close_others(void)
{
	cv_confine_close_all_but(NULL, 0);
}

#ifndef __SANITIZE_ADDRESS__
/* The size of our address space, as the limit counts it; 0 if it cannot be found out. */
static uint64_t address_space(void)
{
	struct cv_text statm = { 0 };
	struct cv_err err = { 0 };
	uint64_t pages = 0;

	if (cv_system_read_all("/proc/self/statm", STATM_BYTES, &statm, &err))
		pages = strtoull(cv_text_str(&statm), NULL, 10);
	cv_text_fini(&statm);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
#endif

static bool lower(enum __rlimit_resource resource, uint64_t soft, uint64_t hard)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return false;
	if (hard < limit.rlim_max)
		limit.rlim_max = hard;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	return setrlimit(resource, &limit) == 0;
}

/*
 * The processor time is a soft limit that the pool moves on while there is progress; the process cannot move
 * it, seccomp has no call for that. With AddressSanitizer there is no limit on memory, whose shadow alone is
 * terabytes of address space, and none on file sizes, so that its report can go to a file.
 */
static int limit_resources(const struct cv_confine_limits *limits)
{
	bool good = lower(RLIMIT_CPU, limits->cpu_seconds, RLIM_INFINITY);

	good = lower(RLIMIT_NOFILE, limits->descriptors, limits->descriptors) && good;
	good = lower(RLIMIT_CORE, 0, 0) && good;
#ifndef __SANITIZE_ADDRESS__
	uint64_t now = address_space(), top;

	good = lower(RLIMIT_FSIZE, 0, 0) && good;
	good = now && !__builtin_add_overflow(now, limits->memory_bytes, &top) && lower(RLIMIT_AS, top, top) && good;
#endif
	return good ? 0 : errno ? errno : ENOSYS;
}

static int drop_privileges(void)
{
	capng_select_t select = CAPNG_SELECT_CAPS;

	capng_get_caps_process();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		select = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(select) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno ? errno : EPERM;
	return 0;
}

struct cv_confined cv_confine(const struct cv_confine_limits *limits)
{
	struct cv_confined c = { 0 };

	errno = 0;
	c.limits_errno = limit_resources(limits);
	errno = 0;
	c.privileges_errno = drop_privileges();
	c.landlock_errno = cv_confine_landlock(&c.landlock_abi);
	c.seccomp_errno = cv_confine_seccomp(limits->libraries);
	return c;
}

static void add_part(struct cv_text *t, int os_errno, const char *name)
{
	if (os_errno)
		cv_text_addf(t, "no %s (%s), ", name, strerror(os_errno));
	else
		cv_text_addf(t, "%s, ", name);
}

void cv_confined_text(struct cv_text *t, const struct cv_confined *c, const struct cv_confine_limits *limits)
{
	if (c->landlock_errno)
		add_part(t, c->landlock_errno, "Landlock");
	else
		cv_text_addf(t, "Landlock ABI %d, ", c->landlock_abi);
	add_part(t, c->seccomp_errno, "seccomp");
	if (c->privileges_errno)
		add_part(t, c->privileges_errno, "drop of privileges");
	if (c->limits_errno)
		cv_text_addf(t, "not all limits (%s)", strerror(c->limits_errno));
	else
		cv_text_addf(t, "%" PRIu64 " MiB, %u s CPU", limits->memory_bytes >> 20, limits->cpu_seconds);
}
