/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory that runs short, for whole programs (LD_PRELOAD): FAIL_MALLOC=n makes the n-th allocation of each process fail,
 * "n+" also all behind it; FAIL_MALLOC=0 counts, and the first process says at its end how many there were. Allocations of libraries
 * that are known not to stand it (libcrypto and libjson-c crash, libseccomp never ends) are neither counted nor failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The C library's own, under the names that it keeps for such as this. */
extern void *__libc_malloc(size_t size), *__libc_calloc(size_t count, size_t size), *__libc_realloc(void *at, size_t size);

static atomic_ulong count;
static unsigned long fail_at;
static bool ready, persistent;
static pid_t first;

static void begin(void)
{
	const char *says = getenv("FAIL_MALLOC");

	ready = true;
	first = getpid();
	if (!says)
		return;
	fail_at = strtoul(says, NULL, 10);
	persistent = strchr(says, '+') != NULL;
}

static bool fails(const void *caller)
{
	Dl_info info;
	unsigned long n;

	if (!ready)
		begin();
	if (dladdr(caller, &info) && info.dli_fname &&
	    (strstr(info.dli_fname, "libcrypto") || strstr(info.dli_fname, "libseccomp") ||
	     strstr(info.dli_fname, "libjson-c")))
		return false;
	n = ++count;
	if (!fail_at || (persistent ? n < fail_at : n != fail_at))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(at, size);
}

static __attribute__((destructor)) void end(void)
{
	const char *file = getenv("FAIL_MALLOC_COUNT");
	FILE *f = file && getpid() == first ? fopen(file, "w") : NULL;

	if (f) {
		fprintf(f, "%lu\n", (unsigned long)count);
		fclose(f);
	}
}
