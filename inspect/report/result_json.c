/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A result as the document that is kept until the next check, and back. What is read may be anything: it is checked as
 * if an enemy had written it, and cleaned once more.
 */
#include "inspect/base/arena.h"
#include "inspect/report/json_value.h"
#include "inspect/report/result.h"

#define SCHEMA "chainview.result"

static void put_figures(struct cv_json *j, struct json_object *o, const struct cv_result *r)
{
	struct json_object *figures = cv_json_object(j);

	for (size_t i = 0; i < CV_FIGURE_COUNT; i++)
		if (r->known[i])
			cv_json_number(j, figures, cv_figure_rows[i].key, r->figure[i]);
	cv_json_put(j, o, "figures", figures);
}

static void put_findings(struct cv_json *j, struct json_object *o, const struct cv_result *r)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < r->finding_count; i++) {
		const struct cv_result_finding *f = &r->findings[i];
		struct json_object *one = cv_json_object(j);

		cv_json_text(j, one, "code", f->code);
		cv_json_text(j, one, "name", f->name);
		cv_json_text(j, one, "severity", cv_severity_name(f->severity));
		if (f->image)
			cv_json_text(j, one, "image", f->image);
		cv_json_text(j, one, "title", f->title);
		if (f->advisory)
			cv_json_bool(j, one, "advisory", true);
		cv_json_push(j, list, one);
	}
	cv_json_put(j, o, "findings", list);
}

static void put_texts(struct cv_json *j, struct json_object *o, const char *key, const char *const *texts, size_t count)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < count; i++)
		cv_json_push(j, list, json_object_new_string(texts[i]));
	cv_json_put(j, o, key, list);
}

bool cv_report_result(const struct cv_result *r, const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };
	struct cv_report_head head = { .command = "result", .exit_status = r->exit_status };
	struct json_object *o = cv_json_object(&j), *said = cv_json_object(&j);

	cv_json_head(&j, &head);
	cv_json_text(&j, o, "name", r->name);
	cv_json_text(&j, o, "path", r->path);
	cv_json_text(&j, o, "finished", cv_time_utc(r->finished).s);
	cv_json_put(&j, o, "finished_seconds", json_object_new_int64(r->finished));
	cv_json_bool(&j, o, "complete", r->complete);
	put_figures(&j, o, r);
	put_findings(&j, o, r);
	put_texts(&j, o, "not_looked_at", r->not_looked_at, r->not_looked_at_count);
	put_texts(&j, o, "ended_rules", r->ended_rules, r->ended_rule_count);
	cv_json_put(&j, said, "at_seconds", json_object_new_int64(r->said_at));
	put_texts(&j, said, "troubles", r->said, r->said_count);
	cv_json_put(&j, o, "said", said);
	cv_json_raw(&j, ",\n");
	cv_json_members(&j, o);
	cv_json_raw(&j, "}\n");
	return j.ok;
}

/* --- reading ---------------------------------------------------------------------------------------------- */

/* The member, if it is of this type; NULL otherwise. */
static struct json_object *member(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &value))
		return NULL;
	return json_object_is_type(value, type) ? value : NULL;
}

/* Escaping what is escaped would change it only where somebody else wrote it: a control byte, bad UTF-8. */
static const char *clean(struct cv_result *r, struct json_object *string)
{
	CV_AUTO(cv_text_fini) struct cv_text raw = { 0 };
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!string)
		return NULL;
	cv_text_unescape(&raw, (struct cv_bytes){ json_object_get_string(string), (size_t)json_object_get_string_len(string) });
	cv_text_escape(&t, (struct cv_bytes){ cv_text_str(&raw), raw.len });
	return raw.failed ? NULL : cv_result_keep(r, &t);
}

static const char *text_of(struct cv_result *r, struct json_object *o, const char *key)
{
	return clean(r, member(o, key, json_type_string));
}

static int64_t int_of(struct json_object *o, const char *key)
{
	struct json_object *n = member(o, key, json_type_int);

	return n ? json_object_get_int64(n) : 0;
}

static bool read_texts(struct cv_result *r, struct json_object *o, const char *key, const char ***texts, size_t *count)
{
	struct json_object *list = member(o, key, json_type_array);
	size_t n = list ? json_object_array_length(list) : 0;

	*texts = cv_arena_alloc(r->arena, (n + 1) * sizeof **texts);
	for (size_t i = 0; *texts && i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (!json_object_is_type(one, json_type_string) || !((*texts)[(*count)++] = clean(r, one)))
			return false;
	}
	return list && *texts;
}

static bool read_severity(const char *word, enum cv_severity *severity)
{
	for (int s = CV_INFO; word && s <= CV_ERROR; s++)
		if (!strcmp(word, cv_severity_name((enum cv_severity)s))) {
			*severity = (enum cv_severity)s;
			return true;
		}
	return false;
}

static bool read_findings(struct cv_result *r, struct json_object *o)
{
	struct json_object *list = member(o, "findings", json_type_array);
	size_t n = list ? json_object_array_length(list) : 0;

	r->findings = cv_arena_alloc(r->arena, (n + 1) * sizeof *r->findings);
	for (size_t i = 0; r->findings && i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct cv_result_finding *f = &r->findings[r->finding_count++];

		f->code = text_of(r, one, "code");
		f->name = text_of(r, one, "name");
		f->title = text_of(r, one, "title");
		f->image = text_of(r, one, "image");
		f->advisory = json_object_get_boolean(member(one, "advisory", json_type_boolean));
		if (!f->code || !f->name || !f->title || !read_severity(text_of(r, one, "severity"), &f->severity))
			return false;
	}
	return list && r->findings;
}

static bool read_figures(struct cv_result *r, struct json_object *o)
{
	struct json_object *figures = member(o, "figures", json_type_object);

	for (size_t i = 0; figures && i < CV_FIGURE_COUNT; i++) {
		struct json_object *n = member(figures, cv_figure_rows[i].key, json_type_int);

		if (n)
			cv_figure_set(r, (enum cv_figure)i, json_object_get_uint64(n));
	}
	return figures;
}

static bool read_result(struct cv_result *r, struct json_object *o)
{
	struct json_object *said = member(o, "said", json_type_object), *complete = member(o, "complete", json_type_boolean);
	const char *schema = text_of(r, member(o, "schema", json_type_object), "name");

	if (!schema || strcmp(schema, SCHEMA) != 0 || !said || !complete)
		return false;
	r->name = text_of(r, o, "name");
	r->path = text_of(r, o, "path");
	r->finished = int_of(o, "finished_seconds");
	r->exit_status = (int)int_of(member(o, "tool", json_type_object), "exit_status");
	r->complete = json_object_get_boolean(complete);
	r->said_at = int_of(said, "at_seconds");
	return r->name && r->path && read_figures(r, o) && read_findings(r, o) &&
	       read_texts(r, o, "not_looked_at", &r->not_looked_at, &r->not_looked_at_count) &&
	       read_texts(r, o, "ended_rules", &r->ended_rules, &r->ended_rule_count) &&
	       read_texts(r, said, "troubles", &r->said, &r->said_count);
}

struct cv_result *cv_result_read(const char *text, size_t len, struct cv_err *err)
{
	struct cv_result *r = cv_result_new();
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *o = NULL;
	bool ok = r && tokener;

	if (ok && len <= INT32_MAX)
		o = json_tokener_parse_ex(tokener, text, (int)len);
	ok = ok && o && read_result(r, o);
	json_object_put(o);
	if (tokener)
		json_tokener_free(tokener);
	if (ok)
		return r;
	cv_result_free(r);
	cv_fail(err, CV_EFORMAT, "it is not a result of chainview check");
	return NULL;
}
