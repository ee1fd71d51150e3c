/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a monitoring plugin prints: one short line, performance data behind "|", details on the lines that follow. "|"
 * ends the text for the one who reads it, so it is in none of ours.
 */
#include "inspect/report/result.h"
#include "inspect/report/words.h"

#define MOST_LINES 20        /* of findings: agents cut output at some kilobytes */
#define MOST_TEXT 120        /* bytes of a title or name in a line */

static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

/* CRITICAL is worse than UNKNOWN: what is known to be broken must not be hidden by what is not known. */
static enum cv_nagios_status worse(enum cv_nagios_status a, enum cv_nagios_status b)
{
	static const int rank[] = { 0, 1, 3, 2 };

	return rank[a] >= rank[b] ? a : b;
}

/* In the unit of the figure's label; age for CV_FIGURE_COUNT. False when it is not known. */
static bool value_of(const struct cv_nagios *n, const struct cv_result *r, enum cv_figure f, double *value)
{
	if (f == CV_FIGURE_COUNT) {
		*value = n->now > r->finished ? (double)(n->now - r->finished) : 0;
		return true;
	}
	*value = (double)r->figure[f] / (strcmp(cv_figure_rows[f].unit, "s") != 0 ? 1 : 1000);
	return r->known[f];
}

static bool too_old(const struct cv_nagios *n, const struct cv_result *r)
{
	return n->max_age && n->now - r->finished > n->max_age;
}

static enum cv_nagios_status judge_one(const struct cv_nagios *n, const struct cv_result *r)
{
	enum cv_nagios_status status = r->figure[CV_FIGURE_WARNINGS] ? CV_NAGIOS_WARNING : CV_NAGIOS_OK;
	double value;

	if (!r->complete || too_old(n, r))
		status = worse(status, CV_NAGIOS_UNKNOWN);
	if (r->figure[CV_FIGURE_ERRORS])
		status = worse(status, CV_NAGIOS_CRITICAL);
	for (size_t i = 0; i < n->limit_count; i++) {
		const struct cv_nagios_limit *l = &n->limits[i];

		if (!value_of(n, r, l->figure, &value))
			status = worse(status, CV_NAGIOS_UNKNOWN);
		else if (cv_nagios_range_alerts(&l->range, value))
			status = worse(status, l->critical ? CV_NAGIOS_CRITICAL : CV_NAGIOS_WARNING);
	}
	return status;
}

enum cv_nagios_status cv_nagios_judge(const struct cv_nagios *n)
{
	enum cv_nagios_status status = n->unknown_count || !n->count ? CV_NAGIOS_UNKNOWN : CV_NAGIOS_OK;

	for (size_t i = 0; i < n->count; i++)
		status = worse(status, judge_one(n, n->results[i]));
	return status;
}

/* Escaped text without "|", and not too long. */
static void add_text(struct cv_text *t, const char *text)
{
	size_t pos = 0, len = strlen(text);

	while (pos < len && pos < MOST_TEXT) {
		size_t start = pos;

		cv_utf8_next((struct cv_bytes){ text, len }, &pos);
		if (text[start] == '|')
			cv_text_add(t, "\\x7c");
		else
			cv_text_add_bytes(t, text + start, pos - start);
	}
	cv_text_add(t, pos < len ? "..." : "");
}

/* Labels with anything but a few letters are quoted; a quote or an equals sign cannot stand in one at all. */
static void add_label(struct cv_text *t, const struct cv_nagios *n, const struct cv_result *r, const char *label)
{
	if (n->count + n->unknown_count <= 1) {
		cv_text_add(t, label);
		return;
	}
	cv_text_add(t, "'");
	for (const char *c = r->name; *c; c++)
		cv_text_add_bytes(t, strchr("'=|\"\\ ", *c) || (unsigned char)*c >= 0x80 ? "_" : c, 1);
	cv_text_addf(t, "::%s'", label);
}

static const char *range_of(const struct cv_nagios *n, enum cv_figure f, bool critical)
{
	for (size_t i = 0; i < n->limit_count; i++)
		if (n->limits[i].figure == f && n->limits[i].critical == critical)
			return n->limits[i].range.text;
	/* What decides without any option. */
	return (f == CV_FIGURE_ERRORS && critical) || (f == CV_FIGURE_WARNINGS && !critical) ? "0" : "";
}

/* "'label'=value[unit];warn;crit;min;max" with a blank before it. */
static void add_figure(struct cv_text *t, const struct cv_nagios *n, const struct cv_result *r, enum cv_figure f)
{
	const struct cv_figure_row *row = &cv_figure_rows[f];
	bool bytes = !strcmp(row->unit, "B"), seconds = !strcmp(row->unit, "s");

	cv_text_add(t, " ");
	add_label(t, n, r, row->label);
	if (seconds)
		cv_text_addf(t, "=%" PRIu64 ".%03us", r->figure[f] / 1000, (unsigned)(r->figure[f] % 1000));
	else
		cv_text_addf(t, "=%" PRIu64 "%s", r->figure[f], row->unit);
	cv_text_addf(t, ";%s;%s;0", range_of(n, f, false), range_of(n, f, true));
	if (bytes && r->known[CV_FIGURE_SIZE])
		cv_text_addf(t, ";%" PRIu64, r->figure[CV_FIGURE_SIZE]);
	else if (f == CV_FIGURE_MAX_DEPTH && r->known[CV_FIGURE_DEPTH_LIMIT])
		cv_text_addf(t, ";%" PRIu64, r->figure[CV_FIGURE_DEPTH_LIMIT]);
}

static void add_performance(struct cv_text *t, const struct cv_nagios *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct cv_result *r = n->results[i];

		for (int f = 0; f < CV_FIGURE_COUNT; f++)
			if (cv_figure_rows[f].label && r->known[f])
				add_figure(t, n, r, (enum cv_figure)f);
		cv_text_add(t, " ");
		add_label(t, n, r, CV_NAGIOS_AGE);
		cv_text_addf(t, "=%" PRId64 "s;%s;%s;0", n->now > r->finished ? n->now - r->finished : 0,
			     range_of(n, CV_FIGURE_COUNT, false), range_of(n, CV_FIGURE_COUNT, true));
	}
}

static void add_headline(struct cv_text *t, const struct cv_nagios *n)
{
	const char *comma = "";

	cv_text_addf(t, "CHAINVIEW %s - ", words[cv_nagios_judge(n)]);
	for (size_t i = 0; i < n->unknown_count; i++, comma = "; ") {
		cv_text_add(t, comma);
		add_text(t, n->unknown[i]);
	}
	for (size_t i = 0; i < n->count; i++, comma = "; ") {
		const struct cv_result *r = n->results[i];

		cv_text_add(t, comma);
		add_text(t, r->name);
		cv_text_add(t, ": ");
		if (too_old(n, r))
			cv_text_addf(t, "the last report is of %s; then ", cv_time_utc(r->finished).s);
		cv_result_words(t, r);
		if (r->figure[CV_FIGURE_MAX_DEPTH] > 1)
			cv_text_addf(t, ", deepest chain %" PRIu64 " of %" PRIu64, r->figure[CV_FIGURE_MAX_DEPTH],
				     r->figure[CV_FIGURE_DEPTH_LIMIT]);
	}
	if (!n->count && !n->unknown_count)
		cv_text_add(t, "no repository");
}

static void add_finding(struct cv_text *t, const struct cv_nagios *n, const struct cv_result *r,
			const struct cv_result_finding *f)
{
	cv_text_addf(t, "%c %s %s ", cv_severity_letter(f->severity), f->code, f->name);
	if (n->count > 1) {
		add_text(t, r->name);
		cv_text_add(t, " ");
	}
	if (f->image) {
		add_text(t, f->image);
		cv_text_add(t, f->advisory ? " (in use, advisory): " : ": ");
	}
	add_text(t, f->title);
	cv_text_add(t, "\n");
}

/* Errors and warnings; findings are sorted by that. */
static void add_details(struct cv_text *t, const struct cv_nagios *n)
{
	size_t lines = 0, more = 0;

	for (size_t i = 0; i < n->count; i++)
		for (size_t k = 0; k < n->results[i]->finding_count; k++) {
			const struct cv_result_finding *f = &n->results[i]->findings[k];

			if (f->severity == CV_INFO)
				continue;
			if (lines < MOST_LINES)
				add_finding(t, n, n->results[i], f);
			else
				more++;
			lines++;
		}
	if (more)
		cv_text_addf(t, "and %zu more\n", more);
	for (size_t i = 0; i < n->count; i++)
		for (size_t k = 0; k < n->results[i]->not_looked_at_count && lines < MOST_LINES; k++, lines++) {
			cv_text_add(t, "not looked at: ");
			add_text(t, n->results[i]->not_looked_at[k]);
			cv_text_add(t, "\n");
		}
}

bool cv_report_nagios(const struct cv_nagios *n, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	add_headline(&t, n);
	if (n->count) {
		cv_text_add(&t, " |");
		add_performance(&t, n);
	}
	cv_text_add(&t, "\n");
	add_details(&t, n);
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}
