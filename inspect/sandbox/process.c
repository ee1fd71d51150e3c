/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* fork, kill and wait for reading processes. What they say is understood elsewhere. */
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

/* The handlers and the mask of the program mean nothing here. What is sent to the whole process group is for the
 * program to decide: a worker that died of it would look like an image that kills its reader. */
static void reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	for (size_t i = 0; i < CV_COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void child(int socket, pid_t parent, cv_process_main *run, const void *ctx)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	reset_signals();
	prctl(PR_SET_NAME, "chainview-read");
	if (dup2(socket, 0) < 0)
		_exit(1);
	_exit(run(ctx));
}

/* The child starts with all signals blocked, so that none can end it before it has its own dispositions. */
static pid_t fork_blocked(void)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid)
		sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

bool cv_process_fork(struct cv_process *p, int type, cv_process_main *run, const void *ctx, struct cv_err *err)
{
	pid_t self = getpid();
	int pair[2];

	p->socket = -1;
	p->pid = 0;
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0) {
		p->socket = pair[0];
		p->pid = fork_blocked();
		if (p->pid == 0)
			child(pair[1], self, run, ctx);
		close(pair[1]);
	}
	if (p->socket >= 0 && p->pid > 0)
		return true;
	cv_fail_errno(err, "cannot start a reading process");
	p->pid = 0;
	cv_process_release(p);
	return false;
}

struct start {
	struct cv_shared *shared;
	const struct cv_pool_options *options;
};

static int work(const void *ctx)
{
	const struct start *start = ctx;

	cv_worker_run(0, start->shared, start->options);
}

bool cv_process_start(struct cv_process *p, const struct cv_pool_options *options, struct cv_err *err)
{
	struct start start = { .options = options };

	*p = (struct cv_process){ .socket = -1 };
	p->shared = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		return cv_fail_errno(err, "cannot start a reading process");
	}
	start.shared = p->shared;
	if (!cv_process_fork(p, SOCK_SEQPACKET, work, &start, err))
		return false;
	/* A process that has it could answer in this one's name. */
	if (madvise(p->shared, sizeof *p->shared, MADV_DONTFORK) == 0)
		return true;
	cv_fail_errno(err, "cannot start a reading process");
	cv_process_kill(p);
	cv_process_release(p);
	return false;
}

void cv_process_status(int status, unsigned cpu_seconds, struct cv_err *err)
{
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (status == CV_STATUS_UNKNOWN)
		cv_fail(err, CV_EIO, "the reading process ended");
	else if (number == SIGXCPU)
		cv_fail(err, CV_ELIMIT, "used more than %u s of processor time", cpu_seconds);
	else if (number == SIGSYS || number == SIGXFSZ)
		cv_fail(err, CV_EREFUSED, "the reading process was killed by signal %d: it tried what it must not do",
			number);
	else if (number)
		cv_fail(err, CV_EIO, "the reading process was killed by signal %d (%s)", number, strsignal(number));
	else
		cv_fail(err, CV_EIO, "the reading process ended with status %d", WEXITSTATUS(status));
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
