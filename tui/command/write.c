/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See write.h. */
#include <stdio.h>
#include <unistd.h>

#include "tui/command/signals.h"
#include "tui/command/write.h"

struct writing {
	struct cv_session *s;
	const struct cv_write_call *call;
	cv_write_after *after;       /* NULL: nothing */
	struct cv_plan *plan;
	const struct cv_operation_result *result;
	int status;
};

static bool write_plan(const struct cv_sink *sink, void *ctx)
{
	const struct writing *w = ctx;
	struct cv_style style = cv_session_style(w->s, STDOUT_FILENO);

	return cv_report_plan(w->plan, &style, sink);
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct writing *w = ctx;
	struct cv_report_head head = { w->s->command, w->s->argc, w->s->argv, w->status };

	return cv_report_plan_json(w->plan, w->result, &head, sink);
}

static int show(struct writing *w, int status)
{
	w->status = status;
	return cv_output_report((struct cv_report_call){ w->s->settings.json ? write_json : write_plan, w }, status);
}

/* The image's name, typed: a key that was hit by accident is no consent. */
bool cv_write_consents(const struct cv_session *s, const char *name)
{
	char line[1024];

	if (s->settings.json || isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1)
		return false;
	fflush(stdout);
	fprintf(stderr, "To do this type %s (anything else: nothing is done): ", name);
	if (!fgets(line, sizeof line, stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return !strcmp(line, name);
}

void cv_write_line(const struct cv_session *s, struct cv_text *out)
{
	for (int i = 0; i < s->argc; i++)
		cv_text_addf(out, "%s%s", i ? " " : "", s->argv[i]);
}

static bool tick(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct cv_write_watch *watch = ctx;

	cv_progress_show_bytes(&watch->line, what, done, total);
	return !cv_signals_stop();
}

void cv_write_watch_begin(struct cv_write_watch *watch, const struct cv_session *s)
{
	cv_signals_catch();
	watch->line = cv_progress_begin(&s->settings);
	watch->monitor = (struct cv_monitor){
		.tick = tick, .ctx = watch, .rate = s->settings.write.rate, .exclusive = s->settings.write.exclusive,
	};
}

void cv_write_watch_end(struct cv_write_watch *watch)
{
	cv_progress_end(&watch->line);
}

static bool carry_out(struct writing *w, struct cv_operation_result *result, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 };
	struct cv_write_watch watch;
	struct cv_flow flow = { .session = w->s, .call = w->call, .monitor = &watch.monitor };
	bool ok;

	cv_write_line(w->s, &line);
	flow.command = cv_text_str(&line);
	cv_write_watch_begin(&watch, w->s);
	ok = cv_flow_carry_out(&flow, &w->plan, result, err);
	cv_write_watch_end(&watch);
	return ok;
}

static int tell(struct writing *w)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	int status = w->after ? w->after(w->s, w->call->ctx, w->plan) : CV_EXIT_OK;

	if (w->s->settings.json)
		return show(w, status);
	w->call->tell(w->plan, w->result, &t);
	return w->s->settings.quiet ? status : cv_command_print(&t, status);
}

static int execute(struct writing *w)
{
	struct cv_operation_result result;
	struct cv_err err = { .code = CV_OK };

	w->result = &result;
	if (carry_out(w, &result, &err))
		return tell(w);
	w->status = cv_command_fail(w->s, &err);
	return w->s->settings.json ? show(w, w->status) : w->status;
}

static int dry(struct writing *w)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	cv_plan_refusal(w->plan, &why);
	if (!w->s->settings.json && !w->s->settings.quiet && w->plan->refused)
		fprintf(stderr, "chainview: refused: %s; nothing was touched\n", cv_text_str(&why));
	else if (!w->s->settings.json && !w->s->settings.quiet)
		fputs("chainview: this was a dry run: nothing was written; --yes does it\n", stderr);
	return w->plan->refused ? CV_EXIT_ERRORS : CV_EXIT_OK;
}

static int with_plan(struct writing *w)
{
	const struct cv_settings *set = &w->s->settings;
	bool wants = set->write.yes && !set->dry_run && !w->plan->refused;
	int status = w->plan->refused ? CV_EXIT_ERRORS : CV_EXIT_OK;

	if (!w->plan->item_count && !w->plan->refused) {
		if (set->json)
			return show(w, CV_EXIT_OK);
		if (!set->quiet)
			printf("%s\n", w->call->nothing);
		return CV_EXIT_OK;
	}
	if (set->json ? !wants : !set->quiet || !wants) {
		int shown = show(w, status);

		if (shown != status)
			return shown;
	}
	if (!wants && !set->dry_run && !w->plan->refused)
		wants = cv_write_consents(w->s, w->plan->confirm);
	if (!wants && cv_signals_stop())
		return CV_EXIT_CANCELLED;
	return wants ? execute(w) : dry(w);
}

int cv_write_run_then(struct cv_session *s, const struct cv_write_call *call, cv_write_after *after)
{
	struct writing w = { .s = s, .call = call, .after = after };
	struct cv_err err = { .code = CV_OK };
	int status;

	if (call->scans && !cv_session_run(s, &err))
		return cv_command_fail(s, &err);
	if (s->cancelled)
		return CV_EXIT_CANCELLED;
	w.plan = call->plan(s, call->ctx, &err);
	if (!w.plan)
		return cv_command_fail(s, &err);
	status = with_plan(&w);
	cv_plan_free(w.plan);
	return status;
}

int cv_write_run(struct cv_session *s, const struct cv_write_call *call)
{
	return cv_write_run_then(s, call, NULL);
}

bool cv_write_repository(struct cv_session *s, const char *word, char **path, struct cv_err *err)
{
	const struct cv_config_repository *named = cv_config_named(&s->config, word);

	*path = realpath(named ? named->path : word, NULL);
	if (!*path) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
		int saved = errno;

		cv_session_show_word(&t, word);
		errno = saved;
		return cv_fail_errno(err, "cannot open %s", cv_text_str(&t));
	}
	return cv_session_add(s, *path, false, err);
}

void cv_write_add_seconds(struct cv_text *out, uint32_t ms)
{
	cv_text_addf(out, "%" PRIu32 ".%" PRIu32 " s", ms / 1000, ms / 100 % 10);
}
