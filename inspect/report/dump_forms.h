/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The forms that the document of a dump may have; each is one function into a sink. */
#ifndef CV_INSPECT_REPORT_DUMP_FORMS_H
#define CV_INSPECT_REPORT_DUMP_FORMS_H

#include "inspect/dump/dump.h"

typedef bool cv_dump_write(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink);
cv_dump_write cv_dump_write_json, cv_dump_write_lines, cv_dump_write_text, cv_dump_write_dfxml, cv_dump_write_bodyfile;

#endif
