/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* All merges of a repository, for people and as a document. */
#include "inspect/report/json_value.h"
#include "inspect/report/page.h"
#include "repair/plan/report.h"
#include <chainview/merges.h>
#include <stdio.h>

/* --- text ------------------------------------------------------------------------------------------------- */

static void heading(struct cv_page *o, const struct cv_merges *m)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	cv_text_escape(&path, cv_bytes_of(m->repository));
	if (m->count)
		cv_page_addf(o, CV_PAINT_BOLD, "plan: coalesce %zu image%s in ", m->count, m->count == 1 ? "" : "s");
	else
		cv_page_str(o, CV_PAINT_BOLD, "plan: no image to coalesce in ");
	cv_page_elided(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&path)), cv_page_left(o));
	cv_page_end(o);
}

static void add_signed(struct cv_page *o, int64_t bytes, size_t end)
{
	char text[16];

	snprintf(text, sizeof text, "%s%s", bytes < 0 ? "-" : "", cv_size_short(bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes).s);
	cv_page_right(o, CV_PAINT_PLAIN, text, end);
}

static void steps(struct cv_page *o, const struct cv_merges *m)
{
	if (m->count)
		cv_page_str(o, CV_PAINT_DIM, "           size   needs   frees  then free");
	if (m->count)
		cv_page_end(o);
	for (size_t i = 0; i < m->count; i++) {
		const struct cv_merge_step *s = &m->steps[i];
		CV_AUTO(cv_text_fini) struct cv_text pair = { 0 };

		cv_page_addf(o, CV_PAINT_PLAIN, "  %3zu", i + 1);
		cv_page_right(o, CV_PAINT_BOLD, cv_size_short(s->bytes).s, 15);
		cv_page_right(o, CV_PAINT_PLAIN, cv_size_short(s->peak).s, 23);
		add_signed(o, s->net, 31);
		cv_page_right(o, CV_PAINT_PLAIN, cv_size_short(s->free_after).s, 42);
		cv_text_escape(&pair, cv_bytes_of(s->name));
		cv_text_add(&pair, " into ");
		cv_text_escape(&pair, cv_bytes_of(s->into_name));
		cv_page_str(o, CV_PAINT_PLAIN, "  ");
		cv_page_elided(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&pair)), cv_page_left(o));
		cv_page_end(o);
	}
}

static void left(struct cv_page *o, const struct cv_merges *m)
{
	if (m->left_count)
		cv_page_addf(o, CV_PAINT_PLAIN, "not taken: %zu", m->left_count);
	if (m->left_count)
		cv_page_end(o);
	for (size_t i = 0; i < m->left_count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text line = { 0 };

		cv_text_escape(&line, cv_bytes_of(m->left[i].name));
		cv_text_addf(&line, ": %s", m->left[i].reason);
		cv_page_str(o, m->left[i].blocked ? CV_PAINT_ERROR : CV_PAINT_PLAIN, m->left[i].blocked ? "  !!  " : "  --  ");
		cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&line)), 6);
		cv_page_end(o);
	}
}

bool cv_report_merges(const struct cv_merges *m, const struct cv_style *style, const struct cv_sink *sink)
{
	struct cv_page page, *o = &page;

	cv_page_init(o, style, sink);
	heading(o, m);
	steps(o, m);
	if (m->count)
		cv_plan_page_space(o, &m->space);
	if (m->count) {
		cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(m->purge ? "trash   what is merged is removed for good, each after it was read back: that cannot be undone"
				: "trash   what is merged goes there; its space is free when it is purged (--purge-merged does that after each)"), 8);
		cv_page_end(o);
	}
	if (m->purged_first) {
		cv_page_addf(o, CV_PAINT_PLAIN, "first   %zu image%s that an earlier run merged: removed for good (%s)", m->purged_first,
			     m->purged_first == 1 ? "" : "s", cv_size_short(m->purged_first_bytes).s);
		cv_page_end(o);
	}
	left(o, m);
	cv_plan_page_searched(o, m->searched, m->searched_count);
	return cv_page_fini(o);
}

/* --- the document ----------------------------------------------------------------------------------------- */

static struct json_object *steps_of(struct cv_json *j, const struct cv_merges *m)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < m->count; i++) {
		const struct cv_merge_step *s = &m->steps[i];
		struct json_object *o = cv_json_object(j);
		CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

		cv_text_add(&why, "into ");
		cv_text_escape(&why, cv_bytes_of(s->into_name));
		cv_json_text(j, o, "kind", "merge");
		cv_json_name(j, o, "target", cv_bytes_of(s->name));
		cv_json_number(j, o, "bytes", s->bytes);
		cv_json_text(j, o, "why", cv_text_str(&why));
		cv_json_name(j, o, "into", cv_bytes_of(s->into_name));
		cv_json_number(j, o, "peak_bytes", s->peak);
		cv_json_put(j, o, "net_bytes", json_object_new_int64(s->net));
		cv_json_number(j, o, "free_after_bytes", s->free_after);
		if (s->after != SIZE_MAX)
			cv_json_number(j, o, "after_step", s->after + 1);
		cv_json_push(j, list, o);
	}
	return list;
}

static struct json_object *checks_of(struct cv_json *j, const struct cv_merges *m)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < m->left_count; i++) {
		struct json_object *o = cv_json_object(j);

		cv_json_text(j, o, "name", "not-taken");
		cv_json_bool(j, o, "ok", !m->left[i].blocked);
		cv_json_name(j, o, "image", cv_bytes_of(m->left[i].name));
		cv_json_text(j, o, "text", m->left[i].reason);
		cv_json_push(j, list, o);
	}
	return list;
}

static struct json_object *whole_of(struct cv_json *j, const struct cv_merges *m)
{
	struct json_object *o = cv_json_object(j), *searched = cv_json_array(j);

	cv_json_text(j, o, "operation", "coalesce-all");
	cv_json_name(j, o, "repository", cv_bytes_of(m->repository));
	for (size_t i = 0; i < m->searched_count; i++)
		cv_json_push_name(j, searched, cv_bytes_of(m->searched[i]));
	cv_json_put(j, o, "searched", searched);
	cv_json_bool(j, o, "purge_merged", m->purge);
	if (m->purged_first) {
		struct json_object *first = cv_json_object(j);

		cv_json_number(j, first, "images", m->purged_first);
		cv_json_number(j, first, "bytes", m->purged_first_bytes);
		cv_json_put(j, o, "purged_first", first);
	}
	cv_json_put(j, o, "steps", steps_of(j, m));
	cv_json_put(j, o, "space", cv_plan_json_space(j, &m->space));
	cv_json_put(j, o, "checks", checks_of(j, m));
	return o;
}

/* A step's own plan, and what became of it. Without either there is nothing to say. */
static struct json_object *one_of(struct cv_json *j, const struct cv_merge_step *s, size_t number, const struct cv_merge_outcome *out)
{
	struct json_object *o = cv_json_object(j);
	const struct cv_plan *plan = out && out->plan ? out->plan : s->plan;

	cv_json_number(j, o, "step", number);
	if (plan)
		cv_json_put(j, o, "plan", cv_plan_json(j, plan));
	if (out) {
		struct json_object *result = cv_plan_json_result(j, &out->result);

		if (out->why)
			cv_json_text(j, result, "reason", out->why);
		if (out->purged)
			cv_json_bool(j, result, "purged", true);
		cv_json_put(j, o, "result", result);
	}
	return o;
}

/* The worst that happened to any of them. */
static enum cv_result_state worst(const struct cv_merge_outcome *outcomes, size_t count)
{
	static const enum cv_result_state order[] = { CV_RESULT_CANCELLED, CV_RESULT_FAILED, CV_RESULT_REFUSED };

	for (size_t k = 0; k < CV_COUNT(order); k++)
		for (size_t i = 0; i < count; i++)
			if (outcomes[i].result.state == order[k])
				return order[k];
	return CV_RESULT_DONE;
}

static struct json_object *result_of(struct cv_json *j, const struct cv_merge_outcome *outcomes, size_t count)
{
	struct json_object *o = cv_json_object(j);
	size_t done = 0;

	for (size_t i = 0; i < count; i++)
		done += outcomes[i].result.state == CV_RESULT_DONE;
	cv_json_text(j, o, "state", cv_result_state_name(worst(outcomes, count)));
	cv_json_number(j, o, "done", done);
	return o;
}

bool cv_report_merges_json(const struct cv_merges *m, const struct cv_merge_outcome *outcomes, const struct cv_report_head *head,
			   const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };
	struct json_object *rest = cv_json_object(&j), *plans = cv_json_array(&j);

	cv_json_head(&j, head);
	cv_json_raw(&j, ",");
	cv_json_put(&j, rest, "plan", whole_of(&j, m));
	for (size_t i = 0; i < m->count; i++)
		cv_json_push(&j, plans, one_of(&j, &m->steps[i], i + 1, outcomes ? &outcomes[i] : NULL));
	cv_json_put(&j, rest, "plans", plans);
	if (outcomes)
		cv_json_put(&j, rest, "result", result_of(&j, outcomes, m->count));
	cv_json_members(&j, rest);
	cv_json_raw(&j, "}\n");
	return j.ok;
}
