/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* fork, kill and wait for the workers of a pool. */
#include "inspect/sandbox/process.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a killed process may take to disappear. One that waits for dead storage can take for ever; it is
 * left behind then, without our memory and socket, and init gets it when we end. */
#define DEATH_STEPS 400
#define DEATH_STEP_NS 500000

/* The handlers and the mask of the program mean nothing here. An interrupt is for the program to decide. */
static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, number == SIGINT || number == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void child(struct cv_shared *shared, int socket, pid_t parent, const void *first,
					    size_t count, size_t stride, const struct cv_pool_options *options)
{
	struct cv_pool_options own = *options;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	reset_signals();
	prctl(PR_SET_NAME, "chainview-read");
	for (size_t i = 0; i < count; i++) {
		const struct cv_process *other = (const void *)((const char *)first + i * stride);

		if (other->shared && other->shared != shared)
			munmap(other->shared, sizeof *other->shared);
	}
	if (dup2(socket, 0) < 0)
		_exit(1);
	cv_worker_run(0, shared, &own);
}

bool cv_process_start(struct cv_process *p, const void *first, size_t count, size_t stride,
		      const struct cv_pool_options *options, struct cv_err *err)
{
	pid_t self = getpid();
	int pair[2];

	*p = (struct cv_process){ .socket = -1 };
	p->shared = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		return cv_fail_errno(err, "cannot start a reading process");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
		p->socket = pair[0];
		p->pid = fork();
		if (p->pid == 0)
			child(p->shared, pair[1], self, first, count, stride, options);
		close(pair[1]);
	}
	if (p->socket >= 0 && p->pid > 0)
		return true;
	cv_fail_errno(err, "cannot start a reading process");
	p->pid = 0;
	cv_process_release(p);
	return false;
}

int cv_process_kill(struct cv_process *p)
{
	static const struct timespec step = { 0, DEATH_STEP_NS };
	int status = CV_STATUS_UNKNOWN;

	if (!p->pid)
		return status;
	/* A process that died of something else keeps that in its status. */
	kill(p->pid, SIGKILL);
	for (int i = 0; i < DEATH_STEPS; i++) {
		pid_t dead = waitpid(p->pid, &status, WNOHANG);

		if (dead == p->pid || (dead < 0 && errno != EINTR))
			break;
		nanosleep(&step, NULL);
		status = CV_STATUS_UNKNOWN;
	}
	p->pid = 0;
	return status;
}

void cv_process_release(struct cv_process *p)
{
	cv_auto_close(&p->socket);
	if (p->shared)
		munmap(p->shared, sizeof *p->shared);
	*p = (struct cv_process){ .socket = -1 };
}

void cv_process_grant(const struct cv_process *p, unsigned seconds)
{
	struct rlimit limit;
	struct timespec used;
	clockid_t clock;
	rlim_t soft;

	/* The hard limit is ours: a worker starts with it and cannot change it. */
	if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &used) < 0 ||
	    getrlimit(RLIMIT_CPU, &limit) < 0)
		return;
	soft = (rlim_t)used.tv_sec + 1 + seconds;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	prlimit(p->pid, RLIMIT_CPU, &limit, NULL);
}
