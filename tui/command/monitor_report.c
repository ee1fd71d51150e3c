/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * After the scan of a check that nobody watches: results, what to say of them, what to keep. Everything is tried, also
 * after one part failed.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "tui/command/clock.h"
#include "tui/command/exit.h"
#include "tui/command/monitor.h"
#include "tui/command/new_file.h"
#include "tui/command/state.h"

/* One repository: what is, what was, what has changed since something was said. */
struct part {
	struct cv_state_name name;
	struct cv_result *now, *before;
	const char **troubles, **fresh, **gone;
	size_t trouble_count, fresh_count, gone_count;
	bool speak;
};
CV_VEC(parts, struct part);

struct work {
	struct cv_session *s;
	const struct cv_space *space;   /* NULL: it is not known */
	struct parts parts;
	int status;
	uint64_t milliseconds;
};

/* Not worth a mail: only said when asked to say more. */
static void mention(const struct cv_session *s, const char *what, struct cv_err *err)
{
	if (s->settings.verbose) {
		cv_wrap(err, "%s", what);
		cv_complain(err->text);
	}
	cv_err_clear(err);
}

static bool is_in(const char *trouble, const char *const *list, size_t count)
{
	for (size_t low = 0, high = count; low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(trouble, list[middle]);

		if (!order)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* Those of a that are not in b. The array is the caller's, its texts are not. */
static const char **without(const char *const *a, size_t a_count, const char *const *b, size_t b_count, size_t *count)
{
	const char **list = calloc(a_count + 1, sizeof *list);

	*count = 0;
	for (size_t i = 0; list && i < a_count; i++)
		if (!is_in(a[i], b, b_count))
			list[(*count)++] = a[i];
	return list;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Runs do not come to the second: timers are delayed at random, checks last longer or shorter. A reminder that is due
 * once a week must not wait for the week after because of that. */
#define MOST_EARLY 7200

static bool is_due(int64_t since, int64_t remind)
{
	int64_t early = remind / 10 < MOST_EARLY ? remind / 10 : MOST_EARLY;

	return since < 0 || since >= remind - early;
}

/* Compares with what was said last, and decides whether to say it again. */
static bool compare(struct part *p, int64_t remind)
{
	struct cv_result *old = p->before;
	size_t said = old ? old->said_count : 0;
	int64_t since = old ? p->now->finished - old->said_at : 0;

	p->troubles = cv_result_troubles(p->now, &p->trouble_count);
	if (!p->troubles)
		return false;
	if (old)      /* it may have been written by anybody */
		qsort(old->said, said, sizeof *old->said, by_text);
	p->fresh = without(p->troubles, p->trouble_count, old ? old->said : NULL, said, &p->fresh_count);
	p->gone = without(old ? old->said : NULL, said, p->troubles, p->trouble_count, &p->gone_count);
	p->speak = p->trouble_count && (!old || !old->said_at || p->fresh_count || p->gone_count ||
					p->trouble_count != said || is_due(since, remind));
	return p->fresh && p->gone;
}

/* What the next run is to know as said. */
static void remember(struct part *p, bool said)
{
	if (!p->trouble_count) {
		p->now->said_at = 0;
		p->now->said_count = 0;
	} else if (said) {
		p->now->said_at = p->now->finished;
		p->now->said = p->troubles;
		p->now->said_count = p->trouble_count;
	} else if (p->before) {
		p->now->said_at = p->before->said_at;
		p->now->said = p->before->said;
		p->now->said_count = p->before->said_count;
	}
}

static bool make_part(struct work *w, uint32_t repository, struct part *p, struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(w->s->scan, repository);
	struct cv_result_head head = { NULL, cv_clock_now(), w->milliseconds, w->status };

	if (!cv_state_name_of(&p->name, &w->s->config, r->path, r->offset, err))
		return false;
	head.name = p->name.name;
	p->now = cv_result_make(w->s->graph, w->space, repository, &head, err);
	if (!p->now)
		return false;
	if (cv_state_folder())
		p->before = cv_state_read(p->name.key, err);
	if (err->code && err->os_errno != ENOENT)
		mention(w->s, "no result to compare with", err);
	cv_err_clear(err);
	return compare(p, w->s->settings.monitor.remind) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static void free_parts(struct work *w)
{
	for (size_t i = 0; i < w->parts.len; i++) {
		struct part *p = &w->parts.at[i];

		cv_state_name_fini(&p->name);
		cv_result_free(p->now);
		cv_result_free(p->before);
		free(p->fresh);
		free(p->gone);
	}
	free(w->parts.at);
}

static bool make_parts(struct work *w, struct cv_err *err)
{
	for (uint32_t r = 0; r < cv_scan_repository_count(w->s->scan); r++) {
		if (cv_scan_repository(w->s->scan, r)->other)
			continue;
		if (!parts_push(&w->parts, (struct part){ .speak = false }))
			return cv_fail(err, CV_ENOMEM, "out of memory");
		if (!make_part(w, r, &w->parts.at[w->parts.len - 1], err))
			return false;
	}
	return true;
}

/* --- what is said ------------------------------------------------------------------------------------------ */

static bool write_mail(const struct cv_sink *sink, void *ctx)
{
	const struct work *w = ctx;
	struct cv_cron_part *list = calloc(w->parts.len + 1, sizeof *list);
	char host[256] = "localhost";
	size_t count = 0;
	bool ok;

	gethostname(host, sizeof host - 1);
	for (size_t i = 0; list && i < w->parts.len; i++) {
		const struct part *p = &w->parts.at[i];

		if (p->speak)
			list[count++] = (struct cv_cron_part){ p->now, p->fresh, p->fresh_count, p->gone, p->gone_count,
							       p->before ? p->before->said_at : 0 };
	}
	ok = list && cv_report_cron(list, count, host, sink);
	free(list);
	return ok;
}

static bool write_nagios(const struct cv_sink *sink, void *ctx)
{
	return cv_report_nagios(ctx, sink);
}

static int say_nagios(const struct work *w)
{
	const struct cv_monitor_settings *m = &w->s->settings.monitor;
	const struct cv_result **list = calloc(w->parts.len + 1, sizeof *list);
	static const char *const missing[] = { "a repository is not there" };
	struct cv_nagios n = { .results = list, .count = list ? w->parts.len : 0, .limits = m->limits.at,
			       .limit_count = m->limits.len, .now = cv_clock_now(), .unknown = missing,
			       .unknown_count = w->s->unavailable };
	int status;

	for (size_t i = 0; list && i < w->parts.len; i++)
		list[i] = w->parts.at[i].now;
	status = cv_nagios_judge(&n);
	if (cv_output_report((struct cv_report_call){ write_nagios, &n }, 0))
		status = CV_NAGIOS_UNKNOWN;
	free(list);
	return status;
}

static bool speaks(const struct work *w)
{
	for (size_t i = 0; i < w->parts.len; i++)
		if (w->parts.at[i].speak)
			return true;
	return false;
}

/* --- what is kept ------------------------------------------------------------------------------------------ */

static bool put_metrics(const struct cv_sink *sink, void *ctx)
{
	return cv_report_metrics(ctx, sink);
}

static bool write_metrics(const struct work *w, const struct part *p, struct cv_err *err)
{
	const char *where = w->s->settings.monitor.metrics;
	size_t len = strlen(where);
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct stat st;
	bool folder = where[len - 1] == '/' || (!stat(where, &st) && S_ISDIR(st.st_mode));

	if (!folder && w->parts.len > 1)
		return cv_fail(err, CV_EUSAGE, "--metrics must be a folder when there are more repositories than one");
	cv_text_add(&path, where);
	if (folder)
		cv_text_addf(&path, "%schainview-%s.prom", where[len - 1] == '/' ? "" : "/", p->name.key);
	if (path.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (cv_session_holds(w->s, cv_text_str(&path)))
		return cv_fail(err, CV_EREFUSED, "--metrics lies in a repository, in which nothing is made");
	return cv_replace_own_file(cv_text_str(&path), "# HELP chainview_", (struct cv_report_call){ put_metrics, p->now },
				   err);
}

static void keep_metrics(struct work *w)
{
	struct cv_err err = { .code = CV_OK };

	for (size_t i = 0; i < w->parts.len; i++)
		if (!write_metrics(w, &w->parts.at[i], &err)) {
			cv_complain(err.text);
			w->status |= err.code == CV_EUSAGE ? CV_EXIT_USAGE : CV_EXIT_FAILED;
			return;
		}
}

static void keep_results(const struct work *w)
{
	struct cv_err err = { .code = CV_OK };

	for (size_t i = 0; i < w->parts.len && cv_state_folder(); i++) {
		if (cv_session_holds(w->s, cv_state_folder()))
			cv_fail(&err, CV_EREFUSED, "the state folder lies in a repository");
		else if (cv_state_write(w->parts.at[i].name.key, w->parts.at[i].now, &err))
			continue;
		mention(w->s, "the result is not kept", &err);
	}
}

static void write_syslog(const struct work *w)
{
	openlog("chainview", LOG_PID, LOG_DAEMON);
	for (size_t i = 0; i < w->parts.len; i++) {
		const struct cv_result *r = w->parts.at[i].now;
		const uint64_t *f = r->figure;
		int level = f[CV_FIGURE_ERRORS] ? LOG_ERR :
			    f[CV_FIGURE_WARNINGS] || !r->complete ? LOG_WARNING : LOG_INFO;

		syslog(level,
		       "OP=check REPO=%s ERRORS=%" PRIu64 " WARNINGS=%" PRIu64 " IGNORED=%" PRIu64 " IMAGES=%" PRIu64
		       " COMPLETE=%d STATUS=%d MS=%" PRIu64,
		       r->name, f[CV_FIGURE_ERRORS], f[CV_FIGURE_WARNINGS], f[CV_FIGURE_IGNORED], f[CV_FIGURE_IMAGES],
		       r->complete, r->exit_status, f[CV_FIGURE_CHECK_TIME]);
	}
	closelog();
}

static void keep(struct work *w, bool said)
{
	const struct cv_monitor_settings *m = &w->s->settings.monitor;

	for (size_t i = 0; i < w->parts.len; i++)
		remember(&w->parts.at[i], said && w->parts.at[i].speak);
	keep_results(w);
	if (m->metrics)
		keep_metrics(w);
	if (m->syslog == CV_WHEN_ALWAYS || (m->syslog == CV_WHEN_AUTO && m->cron))
		write_syslog(w);
}

static int report(struct work *w)
{
	const struct cv_monitor_settings *m = &w->s->settings.monitor;
	int failed = 0;

	if (m->cron && speaks(w))
		failed = cv_output_report((struct cv_report_call){ write_mail, w }, 0);
	w->status |= failed;
	keep(w, m->cron && !failed);
	return m->output == CV_MONITOR_NAGIOS ? say_nagios(w) : w->status;
}

int cv_monitor_report(struct cv_session *s, const struct cv_space *space, int status, uint64_t milliseconds)
{
	struct work w = { .s = s, .space = space, .status = status, .milliseconds = milliseconds };
	struct cv_err err = { .code = CV_OK };

	if (s->cancelled) {
		/* Half a result would hide or invent changes. */
		cv_complain("stopped before the end: nothing was kept");
		return status | CV_EXIT_CANCELLED;
	}
	if (make_parts(&w, &err))
		status = report(&w);
	else
		status = status | cv_exit_of(&err);
	if (err.code)
		cv_complain(err.text);
	free_parts(&w);
	return status;
}

bool cv_monitor_lock(struct cv_session *s)
{
	struct cv_err err = { .code = CV_OK };
	bool busy, any = false;

	for (size_t i = 0; i < s->places.len; i++) {
		struct cv_session_place *place = &s->places.at[i];
		struct cv_state_name name;
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		if (place->other)
			continue;
		if (!cv_state_folder() || cv_session_holds(s, cv_state_folder()) ||
		    !cv_state_name_of(&name, &s->config, place->path, place->offset, &err)) {
			any = true;
			continue;
		}
		if (cv_state_lock(name.key, &busy, &err) || !busy) {
			any = true;
			if (err.code)
				mention(s, "the repository is not locked", &err);
		} else {
			cv_session_show_word(&t, place->path);
			cv_text_add(&t, " is being checked by another run; left alone");
			cv_complain(cv_text_str(&t));
			place->other = true;
			cv_err_clear(&err);
		}
		cv_state_name_fini(&name);
	}
	return any;
}
