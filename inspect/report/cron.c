/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What cron sends: a first line that would do as a subject, what is wrong, what is new, what to run. Plain text of at
 * most 78 columns, but for commands, which are to be copied.
 */
#include "inspect/report/result.h"
#include "inspect/report/words.h"

static void draw_headline(struct cv_page *o, const struct cv_cron_part *parts, size_t count, const char *host)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_add(&t, "[chainview] ");
	cv_text_escape(&t, cv_bytes_of(host));
	for (size_t i = 0; i < count; i++) {
		cv_text_addf(&t, "%s %s: ", i ? ";" : "", parts[i].now->name);
		cv_result_words(&t, parts[i].now);
	}
	/* A subject must be one line. */
	cv_page_str(o, CV_PAINT_PLAIN, cv_text_str(&t));
	cv_page_end(o);
	o->ok = o->ok && !t.failed;
}

static void draw_text(struct cv_page *o, size_t column, const char *text)
{
	cv_page_to(o, column);
	cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(text), column);
	cv_page_end(o);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_new(const struct cv_cron_part *part, const struct cv_result_finding *f)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *key;

	cv_result_trouble(&t, f);
	key = cv_text_str(&t);
	return part->since &&
	       bsearch(&key, part->new_troubles, part->new_count, sizeof *part->new_troubles, compare_texts) != NULL;
}

static void draw_finding(struct cv_page *o, const struct cv_cron_part *part, const struct cv_result_finding *f)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_page_addf(o, CV_PAINT_PLAIN, "%c %c %s %s", is_new(part, f) ? '+' : ' ', cv_severity_letter(f->severity), f->code,
		     f->name);
	if (f->image) {
		cv_page_str(o, CV_PAINT_PLAIN, "  ");
		cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(f->image), 4);
	}
	cv_page_end(o);
	cv_text_add(&t, f->title);
	cv_text_add(&t, f->advisory ? CV_WORDS_ADVISORY : "");
	draw_text(o, 4, cv_text_str(&t));
	o->ok = o->ok && !t.failed;
}

static void draw_since(struct cv_page *o, const struct cv_cron_part *part)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "%s, checked %s", part->now->path, cv_time_utc(part->now->finished).s);
	if (part->since) {
		cv_text_addf(&t, "; since %s: ", cv_time_utc(part->since).s);
		if (part->new_count || part->gone_count)
			cv_text_addf(&t, "%zu new (+), %zu gone (-)", part->new_count, part->gone_count);
		else
			cv_text_add(&t, "nothing has changed");
	}
	draw_text(o, 0, cv_text_str(&t));
}

static void draw_part(struct cv_page *o, const struct cv_cron_part *part)
{
	const struct cv_result *r = part->now;

	cv_page_end(o);
	draw_since(o, part);
	for (size_t i = 0; i < r->finding_count && o->ok; i++)
		if (r->findings[i].severity != CV_INFO)
			draw_finding(o, part, &r->findings[i]);
	for (size_t i = 0; i < part->gone_count && o->ok; i++) {
		cv_page_str(o, CV_PAINT_PLAIN, "- ");
		draw_text(o, 2, part->gone[i]);
	}
	for (size_t i = 0; i < r->not_looked_at_count && o->ok; i++) {
		cv_page_str(o, CV_PAINT_PLAIN, "? not looked at: ");
		draw_text(o, 4, r->not_looked_at[i]);
	}
	for (size_t i = 0; i < r->ended_rule_count && o->ok; i++) {
		cv_page_str(o, CV_PAINT_PLAIN, "  an ignore rule has ended: ");
		draw_text(o, 4, r->ended_rules[i]);
	}
}

static void draw_commands(struct cv_page *o, const struct cv_cron_part *parts, size_t count)
{
	const char *worst = NULL;

	cv_page_end(o);
	for (size_t i = 0; i < count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		/* chainview takes escaped paths, too */
		cv_text_quote(&t, parts[i].now->path);
		cv_page_str(o, CV_PAINT_PLAIN, "Look:     chainview check -v ");
		cv_page_str(o, CV_PAINT_PLAIN, cv_text_str(&t));
		cv_page_end(o);
		if (!worst && parts[i].now->finding_count)
			worst = parts[i].now->findings[0].name;
	}
	if (worst) {
		cv_page_addf(o, CV_PAINT_PLAIN, "Explain:  chainview explain %s", worst);
		cv_page_end(o);
	}
}

bool cv_report_cron(const struct cv_cron_part *parts, size_t count, const char *host, const struct cv_sink *sink)
{
	struct cv_style style = { .ascii = true, .width = 78 };
	struct cv_page out;

	cv_page_init(&out, &style, sink);
	draw_headline(&out, parts, count, host);
	for (size_t i = 0; i < count && out.ok; i++)
		draw_part(&out, &parts[i]);
	draw_commands(&out, parts, count);
	return cv_page_fini(&out);
}
