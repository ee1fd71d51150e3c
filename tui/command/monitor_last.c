/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * check --output=nagios: from the results that are kept, because a plugin has ten seconds and a scan may take longer.
 */
#include <signal.h>
#include <unistd.h>

#include "tui/command/clock.h"
#include "tui/command/exit.h"
#include "tui/command/monitor.h"
#include "tui/command/output.h"
#include "tui/command/state.h"

CV_VEC(results, struct cv_result *);

struct last {
	const struct cv_session *s;
	struct results results;
	struct cv_string_vec unknown;   /* each owned */
};

/* Why nothing is known of a repository: one line, with what to do about it. */
static bool note_unknown(struct last *l, const char *name, const char *path, const struct cv_err *why)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_session_show_word(&t, name);
	if (!cv_state_folder())
		cv_text_add(&t, ": no results are kept (CHAINVIEW_STATE_DIR is empty)");
	else if (why->os_errno == ENOENT) {
		cv_text_add(&t, ": no report yet (chainview check --cron ");
		cv_session_show_word(&t, path);
		cv_text_add(&t, ")");
	} else
		cv_text_addf(&t, ": %s", why->text);
	return !t.failed && cv_string_vec_push(&l->unknown, cv_take(t.at));
}

/* A configured name or a path, as it was typed or as it is shown. */
static bool look_up(struct last *l, const char *word)
{
	const struct cv_config_repository *named = cv_config_named(&l->s->config, word);
	CV_AUTO(cv_text_fini) struct cv_text unescaped = { 0 };
	struct cv_err err = { .code = CV_OK };
	struct cv_state_name name;
	struct cv_result *r;
	struct stat st;
	const char *path = cv_session_stat(named ? named->path : word, &unescaped, &st);

	/* What is not mounted may still have been checked. */
	path = path ? path : named ? named->path : word;
	if (!cv_state_name_of(&name, &l->s->config, path, 0, &err))
		return false;
	r = cv_state_read(name.key, &err);
	cv_state_name_fini(&name);
	if (!r)
		return note_unknown(l, word, path, &err);
	if (results_push(&l->results, r))
		return true;
	cv_result_free(r);
	return false;
}

static bool write_report(const struct cv_sink *sink, void *ctx)
{
	return cv_report_nagios(ctx, sink);
}

static void too_late(int number)
{
	static const char text[] = "CHAINVIEW UNKNOWN - timed out\n";

	(void)number;
	if (write(STDOUT_FILENO, text, sizeof text - 1) < 0) {
		/* nothing more can be done about it */
	}
	_exit(CV_NAGIOS_UNKNOWN);
}

void cv_monitor_timeout(const struct cv_session *s)
{
	struct sigaction action = { .sa_handler = too_late };

	sigemptyset(&action.sa_mask);
	if (s->settings.monitor.timeout && !sigaction(SIGALRM, &action, NULL))
		alarm(s->settings.monitor.timeout);
}

int cv_monitor_last(struct cv_session *s, int argc, char **argv)
{
	const struct cv_monitor_settings *m = &s->settings.monitor;
	struct last l = { .s = s };
	struct cv_nagios n = { .limits = m->limits.at, .limit_count = m->limits.len, .now = cv_clock_now(),
			       .max_age = m->max_age };
	int status;
	bool ok = true;

	for (int i = 0; i < argc && ok; i++)
		ok = look_up(&l, argv[i]);
	for (size_t i = 0; !argc && i < s->config.repositories.len && ok; i++)
		ok = look_up(&l, s->config.repositories.at[i].name);
	n.results = (const struct cv_result *const *)l.results.at;
	n.count = l.results.len;
	n.unknown = l.unknown.at;
	n.unknown_count = l.unknown.len;
	status = cv_nagios_judge(&n);
	if (!ok)
		cv_complain("out of memory");
	if (!ok || cv_output_report((struct cv_report_call){ write_report, &n }, 0))
		status = CV_NAGIOS_UNKNOWN;
	for (size_t i = 0; i < l.results.len; i++)
		cv_result_free(l.results.at[i]);
	for (size_t i = 0; i < l.unknown.len; i++)
		free((char *)(uintptr_t)l.unknown.at[i]);
	free(l.results.at);
	free(l.unknown.at);
	return status;
}
