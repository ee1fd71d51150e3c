/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Standard output as a sink. A pipe whose reader has gone ends the program by SIGPIPE as usual; where that is
 * ignored, and on a full disk, the failed write is said and becomes exit status 8.
 */
#include <stdio.h>
#include <unistd.h>

#include "tui/command/exit.h"
#include "tui/command/output.h"

struct cv_output *cv_output_new(int fd)
{
	struct cv_output *o = malloc(sizeof *o);

	if (o) {
		o->fd = fd;
		o->problem = 0;
		o->len = 0;
	}
	return o;
}

void cv_output_free(struct cv_output *o)
{
	free(o);
}

static bool write_all(struct cv_output *o, const char *text, size_t len)
{
	while (len && !o->problem) {
		ssize_t n = write(o->fd, text, len);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EINTR) {
			o->problem = errno;
		}
	}
	return !o->problem;
}

static bool empty(struct cv_output *o)
{
	size_t len = o->len;

	o->len = 0;
	return write_all(o, o->buffer, len);
}

static bool put(void *ctx, const char *text, size_t len)
{
	struct cv_output *o = ctx;

	if (len > sizeof o->buffer - o->len && !empty(o))
		return false;
	if (len > sizeof o->buffer)
		return write_all(o, text, len);
	memcpy(o->buffer + o->len, text, len);
	o->len += len;
	return !o->problem;
}

struct cv_sink cv_output_sink(struct cv_output *o)
{
	return (struct cv_sink){ put, o };
}

bool cv_output_flush(struct cv_output *o, struct cv_err *err)
{
	if (empty(o))
		return true;
	errno = o->problem;
	return cv_fail_errno(err, "cannot write to standard output");
}

int cv_output_report(struct cv_report_call call, int status)
{
	struct cv_output *o = cv_output_new(STDOUT_FILENO);
	struct cv_err err = { .code = CV_OK };
	struct cv_sink sink;
	bool ok;

	if (!o) {
		cv_complain("out of memory");
		return status | CV_EXIT_FAILED;
	}
	sink = cv_output_sink(o);
	ok = call.write(&sink, call.ctx);
	if (!cv_output_flush(o, &err))
		cv_complain(err.text);
	else if (!ok)
		cv_complain("out of memory");
	ok = ok && err.code == CV_OK;
	cv_output_free(o);
	return ok ? status : status | CV_EXIT_FAILED;
}

bool cv_output_into(int fd, struct cv_report_call call, struct cv_err *err)
{
	struct cv_output *o = cv_output_new(fd);
	struct cv_sink sink;
	bool ok;

	if (!o)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	sink = cv_output_sink(o);
	ok = call.write(&sink, call.ctx) || cv_fail(err, CV_ENOMEM, "it could not be made");
	if (!cv_output_flush(o, err))
		ok = false;
	cv_output_free(o);
	return ok && (fsync(fd) == 0 || cv_fail_errno(err, "cannot bring it to the disk"));
}

/* The first complaint, for those who must repeat it elsewhere. */
static char first_complaint[512];

const char *cv_complained(void)
{
	return *first_complaint ? first_complaint : NULL;
}

void cv_complain(const char *text)
{
	if (!*first_complaint)
		snprintf(first_complaint, sizeof first_complaint, "%s", text);
	fprintf(stderr, "chainview: %s\n", text);
}
