/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * check without anybody watching: --cron, --metrics, --output=nagios. The results are kept in the state folder, so
 * that the next run can say what is new and monitoring need not scan.
 */
#ifndef TUI_COMMAND_MONITOR_H
#define TUI_COMMAND_MONITOR_H

#include <chainview/result.h>

#include "tui/command/session.h"

bool cv_monitor_set_output(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_remind(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_max_age(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_metrics(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_warning(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_critical(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_timeout(struct cv_settings *settings, const char *value, struct cv_err *err);
bool cv_monitor_set_syslog(struct cv_settings *settings, const char *value, struct cv_err *err);

#define CV_MONITOR_OPTIONS \
	{ "output", 0, "FORMAT", "text json ndjson nagios", "text, json, ndjson or nagios", cv_monitor_set_output, 0 }, \
	{ "cron", 0, NULL, NULL, "silent unless something is wrong that was not said", CV_ON(monitor.cron) }, \
	{ "remind", 0, "TIME", NULL, "with --cron: say again after this time (7d)", cv_monitor_set_remind, 0 }, \
	{ "metrics", 0, "FILE|DIR", NULL, "write figures for Prometheus", cv_monitor_set_metrics, 0 }, \
	{ "syslog", 0, "WHEN", "auto always never", "one line to syslog (auto: with --cron)", cv_monitor_set_syslog, 0 }, \
	{ "now", 0, NULL, NULL, "nagios: scan, do not read the last report", CV_ON(monitor.now) }, \
	{ "max-age", 0, "TIME", NULL, "nagios: older reports are UNKNOWN (8d)", cv_monitor_set_max_age, 0 }, \
	{ "warning", 'w', "METRIC=RANGE", NULL, "nagios: WARNING outside of it", cv_monitor_set_warning, 0 }, \
	{ "critical", 'c', "METRIC=RANGE", NULL, "nagios: CRITICAL outside of it", cv_monitor_set_critical, 0 }, \
	{ "timeout", 't', "SECONDS", NULL, "nagios: UNKNOWN after this time", cv_monitor_set_timeout, 0 }

/* Options that do not go together, and the values that they need. */
bool cv_monitor_settle(struct cv_session *s, struct cv_err *err);
/* True if the check is to be kept, compared or turned into figures. */
bool cv_monitor_wanted(const struct cv_session *s);

/* Under --cron: takes the lock of each repository; those that somebody else is checking are left to him, and noted.
 * False: none is left. */
bool cv_monitor_lock(struct cv_session *s);
/* After the scan: says what is to be said, keeps the results, writes metrics and syslog. Gives the exit status. space: of
 * all images; NULL if it is not known. */
int cv_monitor_report(struct cv_session *s, const struct cv_space *space, int status, uint64_t milliseconds);
/* With --timeout: after this time the program says UNKNOWN and ends. */
void cv_monitor_timeout(const struct cv_session *s);
/* check --output=nagios without --now: from what is kept. */
int cv_monitor_last(struct cv_session *s, int argc, char **argv);

#endif
