/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The object of a lost link in the document of info. */
#ifndef CV_INSPECT_REPORT_CANDIDATES_JSON_H
#define CV_INSPECT_REPORT_CANDIDATES_JSON_H

#include <chainview/candidates.h>
#include "inspect/report/json_value.h"

struct json_object *cv_json_lost(struct cv_json *j, const struct cv_graph *g, const struct cv_lost *l);

#endif
