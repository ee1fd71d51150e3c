/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The options of check for cron and monitoring, and which of them go together. */
#include "tui/command/clock.h"
#include "tui/command/monitor.h"

bool cv_monitor_set_output(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	static const struct {
		const char *word;
		bool json;
		enum cv_monitor_output output;
	} words[] = {
		{ "text", false, CV_MONITOR_TEXT }, { "json", true, CV_MONITOR_TEXT },
		{ "ndjson", false, CV_MONITOR_NDJSON }, { "nagios", false, CV_MONITOR_NAGIOS },
	};

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (!strcmp(value, words[i].word)) {
			settings->json = words[i].json;
			settings->monitor.output = words[i].output;
			return true;
		}
	return cv_fail(err, CV_EUSAGE, "--output takes text, json, ndjson or nagios");
}

bool cv_monitor_set_remind(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	settings->monitor.has_remind = true;
	return cv_duration_take(&settings->monitor.remind, "--remind", value, err);
}

bool cv_monitor_set_max_age(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	settings->monitor.has_max_age = true;
	return cv_duration_take(&settings->monitor.max_age, "--max-age", value, err);
}

bool cv_monitor_set_metrics(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	settings->monitor.metrics = value;
	return *value || cv_fail(err, CV_EUSAGE, "--metrics needs a file or a folder");
}

bool cv_monitor_set_syslog(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	return cv_when_parse(&settings->monitor.syslog, "--syslog", value, err);
}

bool cv_monitor_set_timeout(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	int64_t seconds;

	if (!cv_duration_parse(value, &seconds) || seconds < 1 || seconds > 86400)
		return cv_fail(err, CV_EUSAGE, "--timeout takes seconds, from 1 to 86400");
	settings->monitor.timeout = (unsigned)seconds;
	return true;
}

static bool unknown_metric(const char *value, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(value));
	cv_text_add(&t, " is no METRIC=RANGE; metrics are");
	for (size_t i = 0; i < CV_FIGURE_COUNT; i++)
		if (cv_figure_rows[i].label)
			cv_text_addf(&t, " %s", cv_figure_rows[i].label);
	return cv_fail(err, CV_EUSAGE, "%s %s", cv_text_str(&t), CV_NAGIOS_AGE);
}

static bool set_limit(struct cv_settings *settings, const char *value, bool critical, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char *label = strndup(value, strcspn(value, "="));
	struct cv_nagios_limit limit = { .critical = critical };

	if (!label)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	limit.figure = cv_figure_find(label);
	if (!value[strlen(label)] || (limit.figure == CV_FIGURE_COUNT && strcmp(label, CV_NAGIOS_AGE) != 0))
		return unknown_metric(value, err);
	if (!cv_nagios_range_parse(&limit.range, value + strlen(label) + 1))
		return cv_fail(err, CV_EUSAGE, "the range of %s must look like 10, 10:, ~:10, 10:20 or @10:20", label);
	return cv_nagios_limits_push(&settings->monitor.limits, limit) || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_monitor_set_warning(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	return set_limit(settings, value, false, err);
}

bool cv_monitor_set_critical(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	return set_limit(settings, value, true, err);
}

bool cv_monitor_settle(struct cv_session *s, struct cv_err *err)
{
	struct cv_monitor_settings *m = &s->settings.monitor;
	bool nagios = m->output == CV_MONITOR_NAGIOS;

	if (s->settings.json && m->output != CV_MONITOR_TEXT)
		return cv_fail(err, CV_EUSAGE, "--json and another --output do not go together");
	if (m->cron && (s->settings.json || m->output != CV_MONITOR_TEXT))
		return cv_fail(err, CV_EUSAGE, "--cron writes a text of its own: it takes no --output");
	if (!nagios && (m->now || m->has_max_age || m->limits.len || m->timeout))
		return cv_fail(err, CV_EUSAGE, "--now, --max-age, -w, -c and -t belong to --output=nagios");
	if (!m->cron && m->has_remind)
		return cv_fail(err, CV_EUSAGE, "--remind belongs to --cron");
	if (nagios && !m->now && m->metrics)
		return cv_fail(err, CV_EUSAGE, "--metrics needs a scan: --now");
	if (!m->has_remind)
		m->remind = s->config.remind ? s->config.remind : 7 * 86400;
	if (!m->has_max_age)
		m->max_age = s->config.max_age ? s->config.max_age : 8 * 86400;
	if (!m->metrics && m->cron)
		m->metrics = s->config.metrics;
	return true;
}

bool cv_monitor_wanted(const struct cv_session *s)
{
	const struct cv_monitor_settings *m = &s->settings.monitor;

	return m->cron || m->metrics || m->output == CV_MONITOR_NAGIOS || m->syslog == CV_WHEN_ALWAYS;
}
