/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The IMAGE object of the JSON documents.
 */
#ifndef CV_INSPECT_REPORT_JSON_IMAGE_H
#define CV_INSPECT_REPORT_JSON_IMAGE_H

#include "inspect/report/json_value.h"

/* The object; full adds what only info gives: the verdict about deleting and every decoded field. */
struct json_object *cv_json_image(struct cv_json *j, const struct cv_graph *g, uint32_t image, bool full);

#endif
