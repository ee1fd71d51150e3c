/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview space: where every byte of repositories is, and what frees it.
 */
#include <unistd.h>

#include <chainview/space.h>

#include "tui/command/command.h"
#include "tui/command/survey.h"

static const struct cv_option_row options[] = {
	{ "deep", 0, NULL, NULL, "read the data too, to find pages of zeros", CV_ON(deep) },
	CV_RESERVE_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

struct report {
	const struct cv_session *s;
	const struct cv_space *space;
	int status;
};

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct report *r = ctx;
	struct cv_style style = cv_session_style(r->s, STDOUT_FILENO);

	return cv_report_space(r->space, &style, sink);
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct report *r = ctx;
	struct cv_report_head head = { "space", r->s->argc, r->s->argv, r->status };

	return cv_report_space_json(r->space, &head, sink);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	const struct cv_space_options how = {
		.deep = s->settings.deep, .processes = s->settings.workers,
		.reserve = cv_session_reserve(s),
	};
	struct cv_err err = { .code = CV_OK };
	struct cv_space *space;
	struct report r = { .s = s };

	if (!cv_session_add_all(s, argv, (size_t)argc, &err) || !cv_session_run(s, &err))
		return cv_command_fail(s, &err);
	r.space = space = cv_session_survey(s, &how, &err);
	if (!space)
		return cv_command_fail(s, &err);
	s->cancelled |= space->cancelled;
	r.status = cv_session_status(s) | (space->unknown && !space->cancelled ? CV_EXIT_FAILED : 0);
	r.status =
		cv_output_report((struct cv_report_call){ s->settings.json ? write_json : write_text, &r }, r.status);
	cv_space_free(space);
	return r.status;
}

const struct cv_command cv_command_space = {
	"space", "[REPO...]", "say where every byte is, and what frees it", 0, options, run,
};
