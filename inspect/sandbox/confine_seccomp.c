/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The system calls that a reading process may make; any other one kills it. Results go through shared memory
 * and notices by sendmsg(), so there is no write at all. stat(), UDP and descriptors that are already open are
 * out of Landlock's reach: this list is what stops them.
 */
#include "inspect/sandbox/confine.h"
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

enum test {
	ANY,
	SOCKET_ONLY,     /* descriptor 0 */
	NOT_EXECUTABLE,  /* the third argument, a protection, lacks PROT_EXEC */
	TO_SELF,         /* the first argument is our own process: abort() */
	TO_STDERR,
	WILL_NEED,       /* the advice that more will be read */
};

struct row {
	int call;
	enum test test;
};

static const struct row allowed[] = {
	{ SCMP_SYS(pread64), ANY }, { SCMP_SYS(read), ANY }, { SCMP_SYS(lseek), ANY }, { SCMP_SYS(fstat), ANY },
	{ SCMP_SYS(fadvise64), WILL_NEED }, { SCMP_SYS(close), ANY }, { SCMP_SYS(recvmsg), SOCKET_ONLY }, { SCMP_SYS(sendmsg), SOCKET_ONLY },
	{ SCMP_SYS(mmap), NOT_EXECUTABLE }, { SCMP_SYS(munmap), ANY }, { SCMP_SYS(mremap), ANY },
	{ SCMP_SYS(brk), ANY }, { SCMP_SYS(madvise), ANY }, { SCMP_SYS(futex), ANY }, { SCMP_SYS(clock_gettime), ANY },
	{ SCMP_SYS(getrandom), ANY }, { SCMP_SYS(restart_syscall), ANY }, { SCMP_SYS(rt_sigreturn), ANY },
	{ SCMP_SYS(rt_sigprocmask), ANY }, { SCMP_SYS(getpid), ANY }, { SCMP_SYS(gettid), ANY },
	{ SCMP_SYS(tgkill), TO_SELF }, { SCMP_SYS(exit), ANY }, { SCMP_SYS(exit_group), ANY },
	/* How much memory there is: qsort() asks. */
	{ SCMP_SYS(sysinfo), ANY },
#ifdef __SANITIZE_ADDRESS__
	/* So that AddressSanitizer can manage its shadow memory and say on descriptor 2 what it found. */
	{ SCMP_SYS(mprotect), NOT_EXECUTABLE }, { SCMP_SYS(sched_yield), ANY }, { SCMP_SYS(sigaltstack), ANY },
	{ SCMP_SYS(rt_sigaction), ANY }, { SCMP_SYS(write), TO_STDERR },
#endif
};

/* Refused with an error instead of death, since the sanitizer tries them while it writes its report. */
static const int refused[] = {
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(stat),
	SCMP_SYS(newfstatat), SCMP_SYS(access), SCMP_SYS(ioctl), SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(prlimit64), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(clone),
#endif
	SCMP_SYS(set_robust_list),
};

/* With libraries: what the C library does on their behalf. They look for catalogues of messages and for the zone
 * of local time, and go on without. */
static const struct row allowed_libraries[] = {
	{ SCMP_SYS(mprotect), NOT_EXECUTABLE }, { SCMP_SYS(sched_yield), ANY },
};
static const int refused_libraries[] = {
	SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(readlink), SCMP_SYS(access),
};

static int allow(scmp_filter_ctx filter, const struct row *row)
{
	const struct scmp_arg_cmp tests[] = {
		[SOCKET_ONLY] = SCMP_A0(SCMP_CMP_EQ, 0),
		[NOT_EXECUTABLE] = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		[TO_SELF] = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()),
		[TO_STDERR] = SCMP_A0(SCMP_CMP_EQ, 2),
		[WILL_NEED] = SCMP_A3(SCMP_CMP_EQ, POSIX_FADV_WILLNEED),
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, row->call, row->test != ANY, &tests[row->test]);
}

static int allow_all(scmp_filter_ctx filter, const struct row *rows, size_t count)
{
	int status = 0;

	for (size_t i = 0; i < count && !status; i++)
		status = allow(filter, &rows[i]);
	return status;
}

static int refuse_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int status = 0;

	for (size_t i = 0; i < count && !status; i++)
		status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), calls[i], 0);
	return status;
}

int cv_confine_seccomp(bool libraries)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int status;

	if (!filter)
		return ENOSYS;
	status = allow_all(filter, allowed, CV_COUNT(allowed));
	if (!status)
		status = refuse_all(filter, refused, CV_COUNT(refused));
	if (!status && libraries)
		status = allow_all(filter, allowed_libraries, CV_COUNT(allowed_libraries));
	if (!status && libraries)
		status = refuse_all(filter, refused_libraries, CV_COUNT(refused_libraries));
	if (!status)
		status = seccomp_load(filter);
	seccomp_release(filter);
	return -status;
}
