/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See plan_child.h. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tui/command/output.h"
#include "tui/write/plan_child.h"

struct start {
	const struct cv_session *session;
	const struct cv_write_call *call;
	const char *place;
	bool tables;
	int out;
};

/* What is shown belongs to the console, here as there. */
static bool scan_anew(struct cv_session *s, struct cv_board *board, struct cv_err *err)
{
	cv_board_say(board, "scan");
	s->scan = NULL;
	s->checks = NULL;
	s->refs = NULL;
	s->graph = NULL;
	return cv_session_run(s, err);
}

/* What was scanned does for most plans. */
static bool see_enough(struct cv_session *s, const struct start *start, struct cv_board *board, struct cv_err *err)
{
	size_t known = s->places.len;
	bool more = start->tables && !s->tables;

	if (start->place && !cv_session_add(s, start->place, true, err))
		return false;
	s->tables |= start->tables;
	return (s->places.len == known && !more) || scan_anew(s, board, err);
}

static bool hand_over(const struct cv_sink *sink, void *ctx)
{
	const struct cv_text *saved = ctx;

	return sink->put(sink->ctx, cv_text_str(saved), saved->len);
}

/* In the new process. */
static void work(struct cv_board *board, void *ctx)
{
	const struct start *start = ctx;
	struct cv_session s = *start->session;
	CV_AUTO(cv_text_fini) struct cv_text saved = { 0 };
	struct cv_plan *plan = NULL;

	cv_board_watch(board, &s);
	if (see_enough(&s, start, board, &board->err))
		plan = start->call->plan(&s, start->call->ctx, &board->err);
	if (plan && !cv_plan_save(plan, &saved))
		cv_fail(&board->err, CV_ENOMEM, "out of memory");
	if (plan && !board->err.code)
		cv_output_into(start->out, (struct cv_report_call){ hand_over, &saved }, &board->err);
	cv_plan_free(plan);
}

bool cv_plan_child_start(struct cv_plan_child *p, const struct cv_session *session, const struct cv_write_call *call,
			 const char *place, bool tables, struct cv_err *err)
{
	struct start start = { session, call, place, tables, memfd_create("plan", MFD_CLOEXEC) };

	cv_plan_child_end(p);
	if (start.out < 0)
		return cv_fail_errno(err, "cannot make a file in memory");
	p->out = start.out;
	if (cv_child_think(&p->child, work, &start, err))
		return true;
	cv_plan_child_end(p);
	return false;
}

static struct cv_plan *load(int fd, struct cv_err *err)
{
	struct stat st;
	size_t len = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
	void *at = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	struct cv_plan *plan;

	if (at == MAP_FAILED) {
		cv_fail(err, CV_EIO, "the plan was not handed over");
		return NULL;
	}
	plan = cv_plan_load((struct cv_bytes){ at, len }, err);
	munmap(at, len);
	return plan;
}

struct cv_plan *cv_plan_child_take(struct cv_plan_child *p, struct cv_err *err)
{
	struct cv_plan *plan = NULL;

	if (!atomic_load(&p->child.board->ended))
		cv_fail(err, CV_EIO, "the process that made the plan died (signal %d, %s)",
			WIFSIGNALED(p->child.status) ? WTERMSIG(p->child.status) : 0,
			WIFSIGNALED(p->child.status) ? strsignal(WTERMSIG(p->child.status)) : "none");
	else if (p->child.board->err.code)
		*err = p->child.board->err;
	else
		plan = load(p->out, err);
	cv_plan_child_end(p);
	return plan;
}

void cv_plan_child_end(struct cv_plan_child *p)
{
	cv_child_kill(&p->child);
	if (p->out > 0)
		close(p->out);
	p->out = 0;
}
