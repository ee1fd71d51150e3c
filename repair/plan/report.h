/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Parts of the reports on plans. Private to repair/plan/. */
#ifndef CV_REPAIR_PLAN_REPORT_H
#define CV_REPAIR_PLAN_REPORT_H

#include "inspect/report/json_value.h"
#include "inspect/report/page.h"
#include <chainview/operation.h>

void cv_plan_page_space(struct cv_page *o, const struct cv_plan_space *s);
void cv_plan_page_searched(struct cv_page *o, const char *const *paths, size_t count);

struct json_object *cv_plan_json(struct cv_json *j, const struct cv_plan *plan);
struct json_object *cv_plan_json_space(struct cv_json *j, const struct cv_plan_space *s);
struct json_object *cv_plan_json_result(struct cv_json *j, const struct cv_operation_result *r);

#endif
