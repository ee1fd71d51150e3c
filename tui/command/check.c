/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview check: all findings, and an exit status that says how bad they are.
 */
#include <unistd.h>

#include "tui/command/check.h"
#include "tui/command/clock.h"
#include "tui/command/closer.h"
#include "tui/command/command.h"
#include "tui/command/monitor.h"
#include "tui/command/policy.h"

static bool set_fail_on(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	settings->fail_on = strcmp(value, "warning") ? CV_ERROR : CV_WARNING;
	settings->fail_never = !strcmp(value, "never");
	return settings->fail_on == CV_WARNING || settings->fail_never || !strcmp(value, "error") ||
	       cv_fail(err, CV_EUSAGE, "--fail-on takes error, warning or never");
}

#define THRESHOLD(key) \
	static bool set_##key(struct cv_settings *settings, const char *value, struct cv_err *err) \
	{ \
		return cv_policy_set(&settings->policy, #key, value, err); \
	}
THRESHOLD(depth_warn)
THRESHOLD(leak_percent)
THRESHOLD(growth_percent)
THRESHOLD(space_reserve)
#undef THRESHOLD

static bool set_fingerprints(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	static const char *const words[] = {
		[CV_FINGERPRINTS_AUTO] = "auto", [CV_FINGERPRINTS_OFF] = "off", [CV_FINGERPRINTS_RENEW] = "renew",
	};

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (!strcmp(value, words[i])) {
			settings->fingerprints = (enum cv_fingerprints_how)i;
			return true;
		}
	return cv_fail(err, CV_EUSAGE, "--fingerprints takes auto, off or renew");
}

static const struct cv_option_row options[] = {
	{ "fail-on", 0, "SEVERITY", "error warning never", "what makes the status 4: error, warning or never", set_fail_on, 0 },
	CV_MONITOR_OPTIONS,
	{ "fingerprints", 0, "HOW", "auto off renew", "compare parents with what was recorded before",
	  set_fingerprints, 0 },
	{ "depth-warn", 0, "N", NULL, "chains of so many images are too deep", set_depth_warn, 0 },
	{ "leak-percent", 0, "N", NULL, "report leaks from this share of an image on", set_leak_percent, 0 },
	{ "space-reserve", 0, "SIZE", NULL, "warn when less is free on a file system", set_space_reserve, 0 },
	{ "repair", 0, NULL, NULL, "mend what can be mended: a dry run unless -p or -y", CV_ON(repair) },
	CV_REPAIR_OPTIONS,
	{ "growth-percent", 0, "N", NULL, "how much of what images may still grow by has to fit", set_growth_percent, 0 },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

int cv_check_status(const struct cv_session *s)
{
	int status = cv_session_status(s);

	if (s->settings.fail_never)
		return status;
	if (cv_graph_count(s->graph, UINT32_MAX, CV_ERROR))
		status |= CV_EXIT_ERRORS;
	if (cv_graph_count(s->graph, UINT32_MAX, CV_WARNING))
		status |= s->settings.fail_on == CV_WARNING ? CV_EXIT_ERRORS : CV_EXIT_WARNINGS;
	return status;
}

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct cv_session *s = ctx;
	struct cv_style style = cv_session_style(s, STDOUT_FILENO);

	return cv_report_findings(s->graph, &style, sink);
}

/* A document says its exit status; that also has what went wrong beside the check, such as metrics. */
struct outcome {
	const struct cv_session *s;
	int status;
};

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct outcome *o = ctx;
	struct cv_report_head head = { "check", o->s->argc, o->s->argv, o->status };

	return cv_report_json(o->s->graph, &head, NULL, 0, sink);
}

static bool write_ndjson(const struct cv_sink *sink, void *ctx)
{
	const struct outcome *o = ctx;
	struct cv_report_head head = { "check", o->s->argc, o->s->argv, o->status };

	return cv_report_ndjson(o->s->graph, &head, sink);
}

static int write_findings(struct cv_session *s, int status)
{
	struct outcome outcome = { s, status };

	if (s->settings.monitor.output == CV_MONITOR_NDJSON)
		return cv_output_report((struct cv_report_call){ write_ndjson, &outcome }, status);
	if (s->settings.json)
		return cv_output_report((struct cv_report_call){ write_json, &outcome }, status);
	if (s->settings.quiet && !status)
		return status;
	return cv_output_report((struct cv_report_call){ write_text, s }, status);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	const struct cv_monitor_settings *m = &s->settings.monitor;
	uint64_t started = cv_clock_ticks();
	struct cv_err err = { .code = CV_OK };
	struct cv_space *space = NULL;
	int status;

	if (s->settings.repair)
		return cv_command_find("repair")->run(s, argc, argv);
	if (s->settings.write.yes || s->settings.write.safe)
		return cv_command_usage(s, "-p and -y go with --repair");
	s->tables = true;
	if (!cv_monitor_settle(s, &err))
		return cv_command_fail(s, &err);
	cv_monitor_timeout(s);
	if (m->output == CV_MONITOR_NAGIOS && !m->now)
		return cv_monitor_last(s, argc, argv);
	if (!cv_session_add_all(s, argv, (size_t)argc, &err))
		return cv_command_fail(s, &err);
	if (m->cron && !cv_monitor_lock(s))
		return CV_EXIT_OK;
	if (!cv_session_run(s, &err) || !cv_session_look_closer(s, cv_monitor_wanted(s) ? &space : NULL, &err))
		return cv_command_fail(s, &err);
	status = cv_check_status(s);
	if (cv_monitor_wanted(s))
		status = cv_monitor_report(s, space, status, cv_clock_ticks() - started);
	cv_space_free(space);
	if (m->cron || m->output == CV_MONITOR_NAGIOS)
		return status;
	return write_findings(s, status);
}

const struct cv_command cv_command_check = {
	"check", "[REPO...]", "report everything that is wrong", 0, options, run,
};
