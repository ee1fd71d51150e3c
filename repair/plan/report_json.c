/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The document of writers: the plan, and the result if it was carried out. */
#include "inspect/salvage/report.h"
#include "repair/plan/make.h"
#include "repair/plan/report.h"
#include <chainview/convert.h>

static struct json_object *steps_of(struct cv_json *j, const struct cv_plan *plan)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < plan->step_count; i++) {
		struct json_object *o = cv_json_object(j);

		cv_json_text(j, o, "kind", plan->steps[i].kind);
		cv_json_name(j, o, "target", cv_bytes_of(plan->steps[i].target));
		cv_json_number(j, o, "bytes", plan->steps[i].bytes);
		cv_json_text(j, o, "why", plan->steps[i].why);
		cv_json_push(j, list, o);
	}
	return list;
}

struct json_object *cv_plan_json_space(struct cv_json *j, const struct cv_plan_space *s)
{
	struct json_object *o = cv_json_object(j);

	cv_json_number(j, o, "free_now_bytes", s->free_now);
	cv_json_number(j, o, "lowest_free_bytes", s->lowest_free);
	cv_json_number(j, o, "reserve_bytes", s->reserve);
	cv_json_put(j, o, "net_bytes", json_object_new_int64(s->net));
	cv_json_bool(j, o, "fits", s->fits && cv_plan_quota_fits(s));
	return o;
}

static struct json_object *checks_of(struct cv_json *j, const struct cv_plan *plan)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < plan->check_count; i++) {
		struct json_object *o = cv_json_object(j);

		cv_json_text(j, o, "name", plan->checks[i].name);
		cv_json_bool(j, o, "ok", plan->checks[i].ok);
		cv_json_text(j, o, "text", plan->checks[i].text);
		cv_json_push(j, list, o);
	}
	return list;
}

/* Of a repair: every finding, and what becomes of it. */
static struct json_object *fixes_of(struct cv_json *j, const struct cv_plan *plan)
{
	struct json_object *list = cv_json_array(j);

	for (size_t i = 0; i < plan->fix_count; i++) {
		const struct cv_plan_fix *f = &plan->fixes[i];
		struct json_object *o = cv_json_object(j);

		cv_json_text(j, o, "code", cv_problem_by_id(f->problem)->code);
		cv_json_text(j, o, "name", cv_problem_by_id(f->problem)->name);
		cv_json_name(j, o, "image", cv_bytes_of(f->image));
		if (f->kind)
			cv_json_text(j, o, "kind", f->kind);
		cv_json_text(j, o, "verdict", cv_fix_verdict_name(f->verdict));
		cv_json_bool(j, o, "chosen", f->chosen);
		cv_json_number(j, o, "offset", f->off);
		cv_json_number(j, o, "bytes", f->bytes);
		cv_json_text(j, o, "why", f->why);
		cv_json_push(j, list, o);
	}
	return list;
}

struct json_object *cv_plan_json(struct cv_json *j, const struct cv_plan *plan)
{
	struct json_object *o = cv_json_object(j), *searched = cv_json_array(j);

	cv_json_text(j, o, "operation", cv_plan_kind_name(plan->kind));
	cv_json_name(j, o, "repository", cv_bytes_of(plan->repository));
	for (size_t i = 0; i < plan->searched_count; i++)
		cv_json_push_name(j, searched, cv_bytes_of(plan->searched[i]));
	cv_json_put(j, o, "searched", searched);
	cv_json_put(j, o, "steps", steps_of(j, plan));
	cv_json_put(j, o, "space", cv_plan_json_space(j, &plan->space));
	cv_json_put(j, o, "checks", checks_of(j, plan));
	if (plan->kind == CV_PLAN_REPAIR && plan->fix_count)
		cv_json_put(j, o, "fixes", fixes_of(j, plan));
	return o;
}

struct json_object *cv_plan_json_result(struct cv_json *j, const struct cv_operation_result *r)
{
	struct json_object *o = cv_json_object(j);

	cv_json_text(j, o, "state", cv_result_state_name(r->state));
	if (r->has_id)
		cv_json_text(j, o, "operation_id", cv_uuid_str(r->id).s);
	if (r->written || r->shared) {
		cv_json_number(j, o, "written_bytes", r->written);
		cv_json_number(j, o, "shared_bytes", r->shared);
		cv_json_number(j, o, "copy_ms", r->copy_ms);
		cv_json_number(j, o, "read_back_ms", r->verify_ms);
	}
	return o;
}

static void put_plan(struct cv_json *j, struct json_object *o, const struct cv_plan *plan, const struct cv_operation_result *result)
{
	cv_json_put(j, o, "plan", cv_plan_json(j, plan));
	if (result)
		cv_json_put(j, o, "result", cv_plan_json_result(j, result));
}

bool cv_report_plan_json(const struct cv_plan *plan, const struct cv_operation_result *result,
			 const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };
	struct json_object *rest = cv_json_object(&j);

	cv_json_head(&j, head);
	cv_json_raw(&j, ",");
	put_plan(&j, rest, plan, result);
	cv_json_members(&j, rest);
	if (result && result->state == CV_RESULT_DONE && cv_plan_salvage(plan)) {
		cv_json_raw(&j, ",\n");
		cv_salvage_json(&j, cv_plan_salvage(plan));
	}
	cv_json_raw(&j, "}\n");
	return j.ok;
}

bool cv_report_plans_json(const struct cv_planned *plans, size_t count, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };
	struct json_object *rest = cv_json_object(&j), *list = cv_json_array(&j);

	cv_json_head(&j, head);
	cv_json_raw(&j, ",");
	for (size_t i = 0; i < count; i++) {
		struct json_object *o = cv_json_object(&j);

		put_plan(&j, o, plans[i].plan, plans[i].result);
		cv_json_push(&j, list, o);
	}
	cv_json_put(&j, rest, "plans", list);
	cv_json_members(&j, rest);
	cv_json_raw(&j, "}\n");
	return j.ok;
}
