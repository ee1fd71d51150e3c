/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview attach: watches an operation that another process carries out. Leaving does nothing to it.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tui/command/command.h"
#include "tui/command/progress.h"
#include "tui/command/signals.h"
#include "tui/write/beacon.h"

static const char *const states[] = { "done", "refused", "failed", "cancelled" };
static const int statuses[] = { CV_EXIT_OK, CV_EXIT_ERRORS, CV_EXIT_FAILED, CV_EXIT_CANCELLED };

struct watching {
	struct cv_session *s;
	struct cv_uuid_text op;
	struct cv_progress_line line;
	char what[2][64];            /* the present one and the one before: progress tells them apart by their places */
	unsigned now;
	int status;                  /* -1: it goes on */
	const char *state;           /* for the document */
	struct cv_text why;          /* as the other side said it */
};

/* A state that is not known, from a newer version, is a failure. */
static void hear_end(struct watching *w, const char *state, const char *why)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	w->status = CV_EXIT_FAILED;
	w->state = "failed";
	for (size_t i = 0; i < CV_COUNT(states); i++)
		if (!strcmp(state, states[i])) {
			w->status = statuses[i];
			w->state = states[i];
		}
	cv_progress_end(&w->line);
	cv_text_add(&w->why, why);
	cv_text_escape(&t, cv_bytes_of(why));
	if (!w->s->settings.json && (w->status || !w->s->settings.quiet))
		printf("operation %.8s: %s%s%s\n", w->op.s, w->state, t.len ? ": " : "", cv_text_str(&t));
}

/* Everything but the end is progress; the other side is a process of ours, and still only text. */
static void hear(struct watching *w, char *line)
{
	char *second = strchr(line, '\t'), *third;

	if (!second)
		return;
	*second++ = '\0';
	if (*line == '=') {
		hear_end(w, line + 1, second);
		return;
	}
	third = strchr(second, '\t');
	if (!third)
		return;
	if (strncmp(w->what[w->now], line, sizeof w->what[0] - 1)) {
		w->now ^= 1;
		snprintf(w->what[w->now], sizeof w->what[0], "%s", line);
	}
	cv_progress_show_bytes(&w->line, w->what[w->now], strtoull(second, NULL, 10), strtoull(third + 1, NULL, 10));
}

static void hear_all(struct watching *w, struct cv_text *heard)
{
	char *at = heard->at, *end;

	while (w->status < 0 && (end = strchr(at, '\n'))) {
		*end = '\0';
		hear(w, at);
		at = end + 1;
	}
	heard->len -= (size_t)(at - heard->at);
	memmove(heard->at, at, heard->len + 1);
}

static int watch(struct watching *w, int fd)
{
	CV_AUTO(cv_text_fini) struct cv_text heard = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[1024];

	cv_signals_catch();
	while (w->status < 0 && !cv_signals_stop()) {
		ssize_t n = poll(&p, 1, 200) > 0 ? read(fd, buf, sizeof buf) : -1;

		if (n > 0 && heard.len < 65536)
			cv_text_add_bytes(&heard, buf, (size_t)n);
		if (n > 0 && heard.at)
			hear_all(w, &heard);
		if (n == 0 && w->status < 0) {
			cv_progress_end(&w->line);
			w->state = "gone";
			fprintf(stderr, "chainview: operation %.8s: its process is gone: chainview journal says what is left\n", w->op.s);
			return CV_EXIT_FAILED;
		}
	}
	cv_progress_end(&w->line);
	return w->status < 0 ? CV_EXIT_CANCELLED : w->status;
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct watching *w = ctx;
	struct cv_report_head head = { w->s->command, w->s->argc, w->s->argv, w->status };

	return cv_report_attach_json(w->op.s, w->state, cv_text_str(&w->why), &head, sink);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct watching w = { .s = s, .line = cv_progress_begin(&s->settings), .status = -1,
			      .state = "running" };
	struct cv_err err = { .code = CV_OK };
	size_t found;
	int fd;

	if (argc != 1 || strlen(argv[0]) < 4)
		return cv_command_usage(s, "give an operation: four digits of it or more");
	found = cv_beacon_find(argv[0], &w.op);
	if (found != 1) {
		cv_fail(&err, CV_EUSAGE, found ? "more than one operation at work begins with that"
					       : "no such operation is at work here: chainview journal REPO lists all");
		return cv_command_fail(s, &err);
	}
	fd = cv_beacon_watch(&w.op, &err);
	if (fd < 0)
		return cv_command_fail(s, &err);
	w.status = watch(&w, fd);
	cv_auto_close(&fd);
	if (s->settings.json)
		w.status = cv_output_report((struct cv_report_call){ write_json, &w }, w.status);
	cv_text_fini(&w.why);
	return w.status;
}

const struct cv_command cv_command_attach = {
	"attach", "OPERATION", "watch an operation that is at work", CV_COMMAND_WRITES, NULL, run,
};
