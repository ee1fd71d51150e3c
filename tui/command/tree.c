/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview tree: the snapshot trees of repositories.
 */
#include <unistd.h>

#include "tui/command/command.h"

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct cv_session *s = ctx;
	struct cv_style style = cv_session_style(s, STDOUT_FILENO);

	return cv_report_tree(s->graph, &style, sink);
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct cv_session *s = ctx;
	struct cv_report_head head = { "tree", s->argc, s->argv, cv_session_status(s) };

	return cv_report_json(s->graph, &head, NULL, 0, sink);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_err err = { .code = CV_OK };

	if (!cv_session_add_all(s, argv, (size_t)argc, &err) || !cv_session_run(s, &err))
		return cv_command_fail(s, &err);
	return cv_output_report((struct cv_report_call){ s->settings.json ? write_json : write_text, s },
				cv_session_status(s));
}

const struct cv_command cv_command_tree = {
	"tree", "[REPO...]", "draw the snapshot trees of repositories", 0, NULL, run,
};
