/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Findings as text, grouped by image, with everything that was not looked at said too; and the long text
 * about one problem. Which findings there are is decided in inspect/chain and inspect/check.
 */
#include "inspect/report/evidence.h"
#include "inspect/report/findings.h"
#include "inspect/report/words.h"

static void draw_evidence(struct cv_page *o, const struct cv_graph *g, const struct cv_finding *f)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t n = 0; o->ok && cv_evidence_piece(&t, g, f, n); n++) {
		cv_page_to(o, 6);
		cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&t)), 8);
		cv_page_end(o);
	}
}

void cv_findings_line(struct cv_page *o, const struct cv_graph *g, const struct cv_finding *f)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_page_to(o, 2);
	cv_page_addf(o, cv_words_paint(f->severity), "%c", cv_severity_letter(f->severity));
	cv_page_addf(o, CV_PAINT_DIM, " %s", p ? p->code : "?");
	cv_page_addf(o, CV_PAINT_BOLD, " %s:", p ? p->name : "?");
	cv_text_add(&t, " ");
	cv_finding_title(&t, f);
	cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&t)), 6);
	if (f->has_where && !o->style.verbose) {
		cv_text_clear(&t);
		cv_text_addf(&t, " @0x%" PRIx64, f->where.off);
		cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&t)), 6);
	}
	if (f->advisory)
		cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(CV_WORDS_ADVISORY), 6);
	cv_page_end(o);
	if (o->style.verbose)
		draw_evidence(o, g, f);
}

static void draw_name(struct cv_page *o, enum cv_paint paint, const char *raw)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(raw));
	cv_page_elided(o, paint, cv_bytes_of(cv_text_str(&t)), cv_page_left(o));
	cv_page_end(o);
}

/* The lines above a finding: its repository and its image, where they differ from the finding before. */
static void draw_headings(struct cv_page *o, const struct cv_graph *g, const struct cv_finding *f,
			  const struct cv_finding *before)
{
	bool other = !before || before->repository != f->repository;

	if (other && before)
		cv_page_end(o);
	if (other && f->repository < cv_scan_repository_count(g->scan))
		draw_name(o, CV_PAINT_BOLD, cv_scan_repository(g->scan, f->repository)->path);
	if (f->image != CV_NO_IMAGE && (other || before->image != f->image)) {
		cv_page_to(o, 1);
		draw_name(o, CV_PAINT_PLAIN, g->images[f->image].id);
	}
}

static void draw_not_looked_at(struct cv_page *o, const struct cv_graph *g, bool *any)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	bool headed = false;

	for (size_t i = 0; i < cv_scan_trouble_count(g->scan) && o->ok; i++) {
		const struct cv_trouble *trouble = cv_scan_trouble(g->scan, i);

		if (!headed) {
			if (*any)
				cv_page_end(o);
			cv_page_str(o, CV_PAINT_BOLD, "Not looked at");
			cv_page_end(o);
		}
		headed = *any = true;
		cv_text_clear(&t);
		cv_text_escape(&t, cv_bytes_of(trouble->path));
		cv_text_addf(&t, ": %s", trouble->text);
		cv_page_to(o, 2);
		cv_page_wrapped(o, CV_PAINT_WARNING, cv_bytes_of(cv_text_str(&t)), 4);
		cv_page_end(o);
	}
}

static bool has_ended(const struct cv_graph *g, const struct cv_ignore *rule)
{
	return rule->until <= g->policy.now;
}

/* Rules that have ended always, those that hold when verbose. */
static void draw_rules(struct cv_page *o, const struct cv_graph *g)
{
	for (size_t i = 0; i < g->policy.ignore_count && o->ok; i++) {
		const struct cv_ignore *rule = &g->policy.ignores[i];
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
		size_t taken = 0;

		for (size_t k = 0; k < g->ignored_count; k++)
			taken += g->ignored[k].rule == i;
		if (!has_ended(g, rule) && !o->style.verbose)
			continue;
		if (has_ended(g, rule))
			cv_text_add(&t, "An ignore rule has ended: ");
		else
			cv_text_addf(&t, "Ignore rule, %zu taken out: ", taken);
		cv_words_rule(&t, rule);
		cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&t)), 2);
		cv_page_end(o);
	}
}

static void draw_summary(struct cv_page *o, const struct cv_graph *g)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	size_t images = 0, bad = 0;

	for (size_t i = 0; i < g->image_count; i++) {
		if (!cv_words_reported(g, g->images[i].repository))
			continue;
		images++;
		bad += g->images[i].any_finding;
	}
	cv_words_counts(&t, cv_graph_count(g, UINT32_MAX, CV_ERROR), cv_graph_count(g, UINT32_MAX, CV_WARNING),
			cv_graph_count(g, UINT32_MAX, CV_INFO));
	cv_text_addf(&t, "; %zu of ", bad);
	cv_words_number(&t, images, "image", "images");
	cv_text_add(&t, bad == 1 ? " has findings" : " have findings");
	if (g->ignored_count) {
		cv_text_add(&t, "; ");
		cv_words_number(&t, g->ignored_count, "finding is ignored by a rule", "findings are ignored by rules");
	}
	if (g->partial)
		cv_text_add(&t, "; the scan was stopped, so this is not all");
	cv_page_wrapped(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&t)), 2);
	cv_page_end(o);
	cv_text_clear(&t);
	cv_text_add(&t, "References: ");
	cv_words_references(&t, g);
	cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&t)), 2);
	cv_page_end(o);
}

bool cv_report_findings(const struct cv_graph *g, const struct cv_style *style, const struct cv_sink *sink)
{
	const struct cv_finding *before = NULL;
	struct cv_page out;
	bool any;

	cv_page_init(&out, style, sink);
	for (size_t i = 0; i < g->finding_count && out.ok; i++) {
		if (!cv_words_listed(g, &g->findings[i]))
			continue;
		draw_headings(&out, g, &g->findings[i], before);
		before = &g->findings[i];
		cv_findings_line(&out, g, before);
	}
	any = before != NULL;
	draw_not_looked_at(&out, g, &any);
	if (any)
		cv_page_end(&out);
	draw_summary(&out, g);
	draw_rules(&out, g);
	return cv_page_fini(&out);
}

/* The next piece of text up to "\n\n" (or to a single "\n", which is taken for a blank). */
static struct cv_bytes next_paragraph(const char **text)
{
	const char *start = *text, *end = strstr(start, "\n\n");
	struct cv_bytes p = { start, end ? (size_t)(end - start) : strlen(start) };

	*text = end ? end + 2 : start + p.len;
	return p;
}

/* A title without a finding: what would stand in it is left out. */
static void add_outline(struct cv_text *t, const char *title)
{
	for (const char *end; *title; title = end) {
		if (*title == '{' && (end = strchr(title, '}'))) {
			end++;
			/* What follows at once is said of the same thing. */
			if (*end != '{')
				cv_text_add(t, "...");
		} else {
			end = title + 1 + strcspn(title + 1, "{");
			cv_text_add_bytes(t, title, (size_t)(end - title));
		}
	}
}

bool cv_report_explain(const struct cv_problem *problem, const struct cv_style *style, const struct cv_sink *sink)
{
	struct cv_page out;
	const char *rest = problem->explanation ? problem->explanation : "", *fix;
	CV_AUTO(cv_text_fini) struct cv_text outline = { 0 };
	bool safe = false;

	fix = cv_problem_fix(problem->id, &safe);
	cv_page_init(&out, style, sink);
	cv_page_str(&out, CV_PAINT_BOLD, problem->name);
	cv_page_addf(&out, CV_PAINT_PLAIN, "  %s  ", problem->code);
	cv_page_str(&out, cv_words_paint(problem->severity), cv_severity_name(problem->severity));
	cv_page_end(&out);
	cv_page_to(&out, 2);
	add_outline(&outline, problem->title);
	cv_page_wrapped(&out, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&outline)), 4);
	cv_page_end(&out);
	while (*rest && out.ok) {
		cv_page_end(&out);
		cv_page_wrapped(&out, CV_PAINT_PLAIN, next_paragraph(&rest), 0);
		cv_page_end(&out);
	}
	if (fix) {
		cv_page_end(&out);
		cv_page_addf(&out, CV_PAINT_DIM, "Kind of repair: %s (%s)", fix, safe ? "loses nothing" : "is asked about");
		cv_page_end(&out);
	}
	return cv_page_fini(&out);
}
