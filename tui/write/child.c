/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See child.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tui/command/clock.h"
#include "tui/command/session.h"
#include "tui/command/signals.h"
#include "tui/write/child.h"

void cv_board_say(struct cv_board *board, const char *text)
{
	unsigned n = atomic_load(&board->lines);

	cv_board_count(board, 0, 0, false);
	if (n == CV_BOARD_LINES)
		return;
	board->line[n].at = (int64_t)time(NULL);
	board->line[n].at_ms = cv_clock_ticks();
	snprintf(board->line[n].text, sizeof board->line[n].text, "%s", text);
	atomic_store(&board->lines, n + 1);
}

void cv_board_count(struct cv_board *board, uint64_t done, uint64_t total, bool files)
{
	atomic_store(&board->total, total);
	atomic_store(&board->done, done);
	atomic_store(&board->counts, files);
}

static const char *last_line(const struct cv_board *board)
{
	unsigned n = atomic_load(&board->lines);

	return n ? board->line[n - 1].text : "";
}

/* A console that is gone cannot let it go on any more. */
static bool paused(void *ctx)
{
	struct cv_board *board = ctx;
	bool waits = atomic_load(&board->pause) && getppid() == board->console;

	atomic_store(&board->waits, waits);
	return waits;
}

static bool tick(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct cv_board *board = ctx;

	if (strcmp(last_line(board), what) != 0)
		cv_board_say(board, what);
	cv_board_count(board, done, total, false);
	return !cv_signals_stop();
}

struct cv_monitor cv_board_monitor(struct cv_board *board)
{
	return (struct cv_monitor){ .tick = tick, .ctx = board, .paused = paused };
}

static void watch_scan(void *ctx, uint64_t done, uint64_t found)
{
	cv_board_count(ctx, done, found, true);
}

static void watch_plan(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	tick(ctx, what, done, total);
}

void cv_board_watch(struct cv_board *board, struct cv_session *s)
{
	s->settings.progress = CV_WHEN_NEVER;
	s->settings.progress_fd = 0;
	s->watch = watch_scan;
	s->watch_plan = watch_plan;
	s->watch_ctx = board;
}

/* Nothing of the terminal is left, nor what the console does on signals. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	setsid();
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	cv_signals_catch();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
}

/* Nor of what it has open. */
static void be_writer(void)
{
	close_range(3, ~0u, 0);
	prctl(PR_SET_NAME, "chainview-write");
}

static void be_thinker(const struct cv_board *board)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != board->console)
		_exit(0);
	prctl(PR_SET_NAME, "chainview-plan");
}

/* All signals are blocked until it has its own ways with them. */
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

static bool start(struct cv_child *child, bool writes, void (*run)(struct cv_board *board, void *ctx), void *ctx,
		  struct cv_err *err)
{
	struct cv_board *board;
	pid_t pid;

	cv_child_forget(child);
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return cv_fail_errno(err, "cannot share memory with a process");
	board->console = getpid();
	pid = fork_blocked();
	if (pid == 0) {
		leave_terminal();
		if (writes)
			be_writer();
		else
			be_thinker(board);
		run(board, ctx);
		atomic_store(&board->ended, true);
		_exit(0);
	}
	if (pid < 0) {
		cv_fail_errno(err, "cannot start a process");
		munmap(board, sizeof *board);
		return false;
	}
	*child = (struct cv_child){ .pid = pid, .board = board };
	return true;
}

bool cv_child_start(struct cv_child *child, void (*run)(struct cv_board *board, void *ctx), void *ctx,
		    struct cv_err *err)
{
	return start(child, true, run, ctx, err);
}

bool cv_child_think(struct cv_child *child, void (*run)(struct cv_board *board, void *ctx), void *ctx,
		    struct cv_err *err)
{
	return start(child, false, run, ctx, err);
}

bool cv_child_runs(struct cv_child *child)
{
	if (child->pid && waitpid(child->pid, &child->status, WNOHANG) != 0)
		child->pid = 0;
	return child->pid != 0;
}

void cv_child_cancel(struct cv_child *child)
{
	if (child->pid)
		kill(child->pid, SIGTERM);
}

void cv_child_forget(struct cv_child *child)
{
	if (child->board) {
		atomic_store(&child->board->pause, false);
		munmap(child->board, sizeof *child->board);
	}
	*child = (struct cv_child){ 0 };
}

/* What waits for a disk that does not answer is not waited for: it ends when it can. */
void cv_child_kill(struct cv_child *child)
{
	const struct timespec moment = { 0, 1000000 };

	if (child->pid)
		kill(child->pid, SIGKILL);
	for (int i = 0; i < 100 && cv_child_runs(child); i++)
		nanosleep(&moment, NULL);
	cv_child_forget(child);
}
