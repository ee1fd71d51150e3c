/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The JSON document of verify. Which keys it has is the contract; what they mean is in verify.h. */
#include "inspect/report/json_value.h"
#include "inspect/report/verify.h"

static void put_gaps(struct cv_json *j, struct json_object *o, const struct cv_second_result *s)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < s->gap_count; i++) {
		struct json_object *gap = cv_json_object(j);

		cv_json_text(j, gap, "reason", s->gaps[i].reason);
		cv_json_number(j, gap, "bytes", s->gaps[i].bytes);
		cv_json_push(j, list, gap);
	}
	cv_json_put(j, o, "not_checked", list);
}

static void put_differences(struct cv_json *j, struct json_object *o, const struct cv_second_result *s)
{
	struct json_object *list;

	if (!s->difference_count)
		return;
	cv_json_number(j, o, "differing_bytes", s->differing);
	list = cv_json_array(j);
	for (size_t i = 0; i < s->difference_count; i++) {
		struct json_object *range = cv_json_object(j);

		cv_json_number(j, range, "start", s->differences[i].off);
		cv_json_number(j, range, "length", s->differences[i].len);
		cv_json_push(j, list, range);
	}
	cv_json_put(j, o, "differences", list);
}

static struct json_object *second_reader(struct cv_json *j, const struct cv_second_result *s)
{
	struct json_object *o = cv_json_object(j);

	if (s->name)
		cv_json_text(j, o, "name", s->name);
	cv_json_text(j, o, "verdict", cv_second_verdict_name(s->verdict));
	cv_json_number(j, o, "compared_bytes", s->compared);
	put_gaps(j, o, s);
	put_differences(j, o, s);
	if (s->trouble)
		cv_json_text(j, o, "trouble", s->trouble);
	return o;
}

static struct json_object *image(struct cv_json *j, const struct cv_graph *g, const struct cv_verified *v)
{
	struct json_object *o = cv_json_object(j);
	char hex[65];

	cv_json_name(j, o, "path", cv_bytes_of(g->images[v->image].file->path));
	cv_json_number(j, o, "virtual_size_bytes", v->size);
	if (v->digested) {
		cv_verify_hex(hex, v->sha256);
		cv_json_text(j, o, "sha256", hex);
	}
	if (v->trouble)
		cv_json_text(j, o, "trouble", v->trouble);
	cv_json_put(j, o, "second_reader", second_reader(j, &v->second));
	return o;
}

static void put_comparison(struct cv_json *j, const struct cv_compared *c)
{
	struct json_object *o = cv_json_object(j);

	if (!c->equal) {
		cv_json_bool(j, o, "same_content", c->same_content);
		cv_json_number(j, o, "first_difference", c->first_difference);
	}
	cv_json_raw(j, c->equal ? ",\n\"equal\":true" : ",\n\"equal\":false,\n\"comparison\":");
	if (c->equal)
		json_object_put(o);
	else
		cv_json_record(j, o, false);
}

bool cv_report_verify_json(const struct cv_graph *g, const struct cv_verify *v, const struct cv_report_head *head,
			   const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n\"images\":[");
	for (size_t i = 0; i < cv_verify_count(v) && j.ok; i++) {
		cv_json_raw(&j, i ? ",\n" : "\n");
		cv_json_record(&j, image(&j, g, cv_verify_result(v, i)), false);
	}
	cv_json_raw(&j, "]");
	if (cv_verify_compared(v)->known)
		put_comparison(&j, cv_verify_compared(v));
	cv_json_raw(&j, "}\n");
	return j.ok;
}
