/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The JSON documents: frame, repositories, findings. One record at a time goes to the sink, so a document may
 * be longer than memory. The IMAGE object is in json_image.c.
 */
#include "inspect/report/candidates_json.h"
#include "inspect/report/evidence.h"
#include "inspect/report/json_image.h"
#include "inspect/report/json_parts.h"
#include "inspect/report/words.h"

struct document {
	struct cv_json json;
	const struct cv_graph *g;
	const uint32_t *selection;   /* NULL: everything */
	size_t selected;
	const struct cv_candidates *lost;    /* info; NULL: nobody looked for candidates */
};

static bool is_selected(const struct document *d, uint32_t image)
{
	if (!d->selection)
		return true;
	for (size_t i = 0; i < d->selected; i++)
		if (d->selection[i] == image)
			return true;
	return false;
}

static bool repository_wanted(const struct document *d, uint32_t repository)
{
	if (!d->selection)
		return cv_words_reported(d->g, repository);
	for (size_t i = 0; i < d->selected; i++)
		if (d->g->images[d->selection[i]].repository == repository)
			return true;
	return false;
}

struct json_object *cv_json_head_object(struct cv_json *j, const struct cv_report_head *head)
{
	struct json_object *o = cv_json_object(j), *schema = cv_json_object(j), *version = cv_json_array(j),
			   *tool = cv_json_object(j), *argv = cv_json_array(j);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_addf(&name, "chainview.%s", head->command);
	cv_json_text(j, schema, "name", cv_text_str(&name));
	cv_json_push(j, version, json_object_new_int(1));
	cv_json_push(j, version, json_object_new_int(0));
	cv_json_put(j, schema, "version", version);
	cv_json_put(j, o, "schema", schema);
	cv_json_text(j, tool, "name", "chainview");
	cv_json_text(j, tool, "version", cv_version());
	for (int i = 0; i < head->argc; i++)
		cv_json_push_name(j, argv, cv_bytes_of(head->argv[i]));
	cv_json_put(j, tool, "argv", argv);
	cv_json_put(j, tool, "exit_status", json_object_new_int(head->exit_status));
	cv_json_put(j, o, "tool", tool);
	return o;
}

void cv_json_head(struct cv_json *j, const struct cv_report_head *head)
{
	cv_json_record(j, cv_json_head_object(j, head), true);
}

static void put_sources(struct cv_json *j, struct json_object *o, const struct cv_graph *g)
{
	struct json_object *references = cv_json_object(j), *sources = cv_json_array(j);
	const struct cv_references *refs = g->refs;

	for (size_t i = 0; refs && i < refs->source_count; i++) {
		const struct cv_claim_source *s = &refs->sources[i];
		struct json_object *r = cv_json_object(j);

		cv_json_name(j, r, "name", cv_bytes_of(s->name));
		cv_json_bool(j, r, "read", s->read);
		cv_json_bool(j, r, "complete", s->complete);
		cv_json_number(j, r, "claims", s->claims);
		if (s->trouble)
			cv_json_text(j, r, "trouble", s->trouble);
		cv_json_push(j, sources, r);
	}
	cv_json_put(j, references, "sources", sources);
	cv_json_bool(j, references, "complete", refs && refs->complete);
	cv_json_put(j, o, "references", references);
}

static void write_images(struct document *d, uint32_t repository)
{
	size_t first, end = cv_words_images_of(d->g, repository, &first);
	const char *comma = "\n";

	cv_json_raw(&d->json, ",\"images\":[");
	for (size_t i = first; i < end && d->json.ok; i++) {
		if (!is_selected(d, (uint32_t)i))
			continue;
		cv_json_raw(&d->json, comma);
		cv_json_record(&d->json, cv_json_image(&d->json, d->g, (uint32_t)i, d->selection != NULL), false);
		comma = ",\n";
	}
	cv_json_raw(&d->json, "]");
}

struct json_object *cv_json_trouble(struct cv_json *j, const struct cv_trouble *t)
{
	struct json_object *o = cv_json_object(j);

	cv_json_name(j, o, "path", cv_bytes_of(t->path));
	cv_json_text(j, o, "text", t->text);
	return o;
}

static void write_not_looked_at(struct document *d, uint32_t repository)
{
	const char *comma = "\n";

	cv_json_raw(&d->json, ",\"not_looked_at\":[");
	for (size_t i = 0; i < cv_scan_trouble_count(d->g->scan) && d->json.ok; i++) {
		const struct cv_trouble *t = cv_scan_trouble(d->g->scan, i);
		struct json_object *o;

		if (t->repository != repository)
			continue;
		o = cv_json_trouble(&d->json, t);
		cv_json_raw(&d->json, comma);
		cv_json_record(&d->json, o, false);
		comma = ",\n";
	}
	cv_json_raw(&d->json, "]");
}

struct json_object *cv_json_summary(struct cv_json *j, const struct cv_graph *g, uint32_t repository)
{
	struct json_object *o = cv_json_object(j);
	size_t first, end = cv_words_images_of(g, repository, &first);
	uint64_t allocated = 0, deepest = 0, mergeable = 0;

	for (size_t i = first; i < end; i++) {
		const struct cv_image *m = &g->images[i];

		allocated += m->file->allocated;
		mergeable += m->coalesce.possible;
		deepest = m->depth > deepest ? m->depth : deepest;
	}
	cv_json_number(j, o, "images", end - first);
	cv_json_number(j, o, "allocated_bytes", allocated);
	cv_json_number(j, o, "deepest", deepest);
	cv_json_number(j, o, "coalescable", mergeable);
	cv_json_number(j, o, "errors", cv_graph_count(g, repository, CV_ERROR));
	cv_json_number(j, o, "warnings", cv_graph_count(g, repository, CV_WARNING));
	cv_json_number(j, o, "infos", cv_graph_count(g, repository, CV_INFO));
	return o;
}

static void write_summary(struct document *d, uint32_t repository)
{
	cv_json_raw(&d->json, ",\"summary\":");
	cv_json_record(&d->json, cv_json_summary(&d->json, d->g, repository), true);
	write_not_looked_at(d, repository);
	cv_json_raw(&d->json, "}");
}

struct json_object *cv_json_repository(struct cv_json *j, const struct cv_graph *g, uint32_t repository)
{
	const struct cv_repository *r = cv_scan_repository(g->scan, repository);
	struct json_object *o = cv_json_object(j);

	cv_json_name(j, o, "path", cv_bytes_of(r->path));
	cv_json_text(j, o, "kind", cv_repository_kind_name(r->kind));
	cv_json_number(j, o, "size_bytes", r->size_bytes);
	cv_json_number(j, o, "free_bytes", r->free_bytes);
	cv_json_bool(j, o, "complete", r->complete);
	put_sources(j, o, g);
	return o;
}

static void write_repository(struct document *d, uint32_t repository)
{
	cv_json_record(&d->json, cv_json_repository(&d->json, d->g, repository), true);
	write_images(d, repository);
	write_summary(d, repository);
	cv_json_raw(&d->json, "}");
}

static void put_evidence(struct cv_json *j, struct json_object *o, const struct cv_graph *g, const struct cv_finding *f)
{
	struct json_object *evidence = cv_json_array(j);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t n = 0; j->ok && cv_evidence_piece(&t, g, f, n); n++)
		cv_json_push(j, evidence, json_object_new_string(cv_text_str(&t)));
	cv_json_put(j, o, "evidence", evidence);
}

static struct json_object *fix_object(struct cv_json *j, const char *kind, bool safe)
{
	struct json_object *fix = cv_json_object(j);

	cv_json_text(j, fix, "kind", kind);
	cv_json_bool(j, fix, "safe", safe);
	return fix;
}

/* A path that cannot be shown as it is cannot be typed. */
static bool is_plain(const char *path)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };

	cv_text_escape(&shown, cv_bytes_of(path));
	return !shown.failed && !strcmp(cv_text_str(&shown), path);
}

static bool add_command(struct cv_text *t, const char *command, const struct cv_graph *g, const struct cv_finding *f)
{
	const char *image = f->image != CV_NO_IMAGE ? g->images[f->image].file->path : NULL;
	const char *repository = cv_scan_repository(g->scan, f->repository)->path;

	return is_plain(strstr(command, "IMAGE") && image ? image : repository) &&
	       cv_fix_command_line(command, repository, image, t) && !t->failed;
}

/* The command is left out as long as there is none that does it. */
static void put_fix(struct cv_json *j, struct json_object *o, const struct cv_graph *g, const struct cv_finding *f)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 };
	const char *command = cv_problem_fix_command(f->id), *kind;
	struct json_object *fix;
	bool safe;

	kind = cv_finding_fix(f, &safe);
	if (!kind)
		return;
	fix = fix_object(j, kind, safe);
	if (command && f->repository < cv_scan_repository_count(g->scan) && add_command(&line, command, g, f))
		cv_json_text(j, fix, "command", cv_text_str(&line));
	cv_json_put(j, o, "fix", fix);
}

struct json_object *cv_json_finding(struct cv_json *j, const struct cv_graph *g, const struct cv_finding *f)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);
	struct json_object *o = cv_json_object(j);
	CV_AUTO(cv_text_fini) struct cv_text title = { 0 };

	cv_json_text(j, o, "code", p ? p->code : "");
	cv_json_text(j, o, "name", p ? p->name : "");
	cv_json_text(j, o, "severity", cv_severity_name(f->severity));
	if (f->repository < cv_scan_repository_count(g->scan))
		cv_json_name(j, o, "repository", cv_bytes_of(cv_scan_repository(g->scan, f->repository)->path));
	if (f->image != CV_NO_IMAGE)
		cv_json_name(j, o, "image", cv_bytes_of(g->images[f->image].id));
	if (f->has_where) {
		cv_json_number(j, o, "offset", f->where.off);
		cv_json_number(j, o, "length", f->where.len);
	}
	cv_finding_title(&title, f);
	cv_json_text(j, o, "title", cv_text_str(&title));
	put_evidence(j, o, g, f);
	if (f->bytes)
		cv_json_number(j, o, "bytes", f->bytes);
	if (f->advisory)
		cv_json_bool(j, o, "advisory", true);
	put_fix(j, o, g, f);
	return o;
}

struct json_object *cv_json_rule(struct cv_json *j, const struct cv_graph *g, uint32_t rule)
{
	const struct cv_ignore *r = &g->policy.ignores[rule];
	struct json_object *o = cv_json_object(j);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_json_name(j, o, "rule", cv_bytes_of(r->rule));
	cv_text_addf(&t, "%.10s", cv_time_utc(r->until - 1).s);
	cv_json_text(j, o, "until", cv_text_str(&t));
	cv_json_text(j, o, "reason", r->reason);
	cv_json_bool(j, o, "ended", r->until <= g->policy.now);
	return o;
}

struct json_object *cv_json_ignored(struct cv_json *j, const struct cv_graph *g, const struct cv_ignored *i)
{
	struct json_object *o = cv_json_finding(j, g, &i->finding);

	cv_json_put(j, o, "ignored_by", cv_json_rule(j, g, i->rule));
	return o;
}

/* Only where there are rules: what they took out, and all of them, also those that have ended. */
static void write_rules(struct document *d)
{
	const struct cv_graph *g = d->g;

	if (d->selection || !g->policy.ignore_count)
		return;
	cv_json_raw(&d->json, ",\n\"ignored\":[");
	for (size_t i = 0; i < g->ignored_count && d->json.ok; i++) {
		cv_json_raw(&d->json, i ? ",\n" : "\n");
		cv_json_record(&d->json, cv_json_ignored(&d->json, g, &g->ignored[i]), false);
	}
	cv_json_raw(&d->json, "],\n\"ignore_rules\":[");
	for (size_t i = 0; i < g->policy.ignore_count && d->json.ok; i++) {
		cv_json_raw(&d->json, i ? ",\n" : "\n");
		cv_json_record(&d->json, cv_json_rule(&d->json, g, (uint32_t)i), false);
	}
	cv_json_raw(&d->json, "]");
}

static bool finding_wanted(const struct document *d, const struct cv_finding *f)
{
	if (d->selection)
		return f->image != CV_NO_IMAGE && is_selected(d, f->image);
	return cv_words_listed(d->g, f);
}

static void write_lost(struct document *d)
{
	const char *comma = "\n";

	if (!d->lost)
		return;
	cv_json_raw(&d->json, ",\n\"lost_parents\":[");
	for (size_t i = 0; i < d->lost->count && d->json.ok; i++) {
		cv_json_raw(&d->json, comma);
		cv_json_record(&d->json, cv_json_lost(&d->json, d->g, &d->lost->at[i]), false);
		comma = ",\n";
	}
	cv_json_raw(&d->json, "]");
}

bool cv_report_json(const struct cv_graph *g, const struct cv_report_head *head, const uint32_t *selection,
		    size_t selected, const struct cv_sink *sink)
{
	return cv_report_info_json(g, head, selection, selected, NULL, sink);
}

bool cv_report_info_json(const struct cv_graph *g, const struct cv_report_head *head, const uint32_t *selection,
			 size_t selected, const struct cv_candidates *lost, const struct cv_sink *sink)
{
	struct document d = {
		.json = { .sink = sink, .ok = true }, .g = g, .selection = selection, .selected = selected, .lost = lost,
	};
	const char *comma = "\n";

	cv_json_head(&d.json, head);
	cv_json_raw(&d.json, ",\n\"repositories\":[");
	for (uint32_t r = 0; r < cv_scan_repository_count(g->scan) && d.json.ok; r++) {
		if (!repository_wanted(&d, r))
			continue;
		cv_json_raw(&d.json, comma);
		write_repository(&d, r);
		comma = ",\n";
	}
	cv_json_raw(&d.json, "],\n\"findings\":[");
	comma = "\n";
	for (size_t i = 0; i < g->finding_count && d.json.ok; i++) {
		if (!finding_wanted(&d, &g->findings[i]))
			continue;
		cv_json_raw(&d.json, comma);
		cv_json_record(&d.json, cv_json_finding(&d.json, g, &g->findings[i]), false);
		comma = ",\n";
	}
	cv_json_raw(&d.json, "]");
	write_lost(&d);
	write_rules(&d);
	cv_json_raw(&d.json, "}\n");
	return d.json.ok;
}

static void put_paragraphs(struct cv_json *j, struct json_object *o, const char *text)
{
	struct json_object *list = cv_json_array(j);

	while (text && *text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);

		cv_json_push(j, list, json_object_new_string_len(text, (int)len));
		text += len + (end ? 2 : 0);
	}
	cv_json_put(j, o, "explanation", list);
}

bool cv_report_explain_json(const struct cv_problem *const *problems, size_t count, const struct cv_report_head *head,
			    const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n\"problems\":[");
	for (size_t i = 0; i < count && j.ok; i++) {
		struct json_object *o = cv_json_object(&j);
		const char *fix;
		bool safe = false;

		cv_json_text(&j, o, "code", problems[i]->code);
		cv_json_text(&j, o, "name", problems[i]->name);
		cv_json_text(&j, o, "severity", cv_severity_name(problems[i]->severity));
		cv_json_text(&j, o, "title", problems[i]->title);
		put_paragraphs(&j, o, problems[i]->explanation);
		fix = cv_problem_fix(problems[i]->id, &safe);
		if (fix)
			cv_json_put(&j, o, "fix", fix_object(&j, fix, safe));
		cv_json_raw(&j, i ? ",\n" : "\n");
		cv_json_record(&j, o, false);
	}
	cv_json_raw(&j, "]}\n");
	return j.ok;
}
