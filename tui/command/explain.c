/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview explain: the long text about a finding; without a name, what there is.
 */
#include <unistd.h>

#include "tui/command/command.h"

CV_VEC(problem_vec, const struct cv_problem *);

struct explain {
	const struct cv_session *s;
	struct problem_vec list;
	bool all;
};

static const char *problem_name(size_t i)
{
	return i < cv_problem_count ? cv_problems[i].name : NULL;
}

static int unknown(const struct cv_session *s, const char *word)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *nearest = cv_nearest_word(word, problem_name);

	cv_text_add(&t, "no finding is called ");
	cv_text_escape(&t, cv_bytes_of(word));
	if (nearest)
		cv_text_addf(&t, "; did you mean %s?", nearest);
	return cv_command_usage(s, cv_text_str(&t));
}

static bool write_list(const struct explain *e, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t i = 0; i < e->list.len; i++)
		cv_text_addf(&t, "%c %s  %s\n", cv_severity_letter(e->list.at[i]->severity), e->list.at[i]->code,
			     e->list.at[i]->name);
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct explain *e = ctx;
	struct cv_style style = cv_session_style(e->s, STDOUT_FILENO);

	/* Prose is hard to read in very long lines. */
	style.width = style.width && style.width < 100 ? style.width : 100;
	if (e->all)
		return write_list(e, sink);
	for (size_t i = 0; i < e->list.len; i++)
		if ((i && !sink->put(sink->ctx, "\n", 1)) || !cv_report_explain(e->list.at[i], &style, sink))
			return false;
	return true;
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct explain *e = ctx;
	struct cv_report_head head = { "explain", e->s->argc, e->s->argv, CV_EXIT_OK };

	return cv_report_explain_json(e->list.at, e->list.len, &head, sink);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct explain e = { .s = s, .all = !argc };
	int status = CV_EXIT_OK;
	bool ok = true;

	for (size_t i = 0; e.all && i < cv_problem_count && ok; i++)
		ok = problem_vec_push(&e.list, &cv_problems[i]);
	for (int i = 0; i < argc && ok && !status; i++) {
		const struct cv_problem *p = cv_problem_find(argv[i]);

		if (p)
			ok = problem_vec_push(&e.list, p);
		else
			status = unknown(s, argv[i]);
	}
	if (!ok) {
		cv_complain("out of memory");
		status = CV_EXIT_FAILED;
	}
	if (!status)
		status = cv_output_report((struct cv_report_call){ s->settings.json ? write_json : write_text, &e },
					  CV_EXIT_OK);
	free(e.list.at);
	return status;
}

const struct cv_command cv_command_explain = {
	"explain", "[NAME|CODE...]", "the long text about a finding, or the list", CV_COMMAND_NO_CONFIG,
	NULL, run,
};
