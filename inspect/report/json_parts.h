/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The objects that the one document and the line by line form have in common. They are made in json.c.
 */
#ifndef CV_INSPECT_REPORT_JSON_PARTS_H
#define CV_INSPECT_REPORT_JSON_PARTS_H

#include "inspect/report/json_value.h"

struct json_object *cv_json_head_object(struct cv_json *j, const struct cv_report_head *head);
/* Without images and summary. */
struct json_object *cv_json_repository(struct cv_json *j, const struct cv_graph *g, uint32_t repository);
struct json_object *cv_json_summary(struct cv_json *j, const struct cv_graph *g, uint32_t repository);
struct json_object *cv_json_trouble(struct cv_json *j, const struct cv_trouble *t);
struct json_object *cv_json_finding(struct cv_json *j, const struct cv_graph *g, const struct cv_finding *f);
/* A finding that a rule took out, with the rule; a rule by itself. */
struct json_object *cv_json_ignored(struct cv_json *j, const struct cv_graph *g, const struct cv_ignored *i);
struct json_object *cv_json_rule(struct cv_json *j, const struct cv_graph *g, uint32_t rule);

#endif
