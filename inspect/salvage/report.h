/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The map of a salvage as a member of another document. */
#ifndef CV_INSPECT_SALVAGE_REPORT_H
#define CV_INSPECT_SALVAGE_REPORT_H

#include "inspect/report/json_value.h"
#include <chainview/salvage.h>

/* Writes "salvage":{...}; the comma before it is the caller's. */
void cv_salvage_json(struct cv_json *j, const struct cv_salvage *s);

#endif
