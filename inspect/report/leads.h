/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where a recorded parent name leads from the place where the image lies now.
 */
#ifndef CV_INSPECT_REPORT_LEADS_H
#define CV_INSPECT_REPORT_LEADS_H

#include <chainview/graph.h>

/* Appends one escaped phrase: "leads to /srv/sr/base.vhd", "leads to /x, which is not there", "never followed". */
void cv_leads_where(struct cv_text *t, const struct cv_graph *g, uint32_t image, const struct cv_name *name);

#endif
