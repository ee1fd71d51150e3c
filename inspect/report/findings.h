/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One finding as text, for the list of all findings and for the page about an image.
 */
#ifndef CV_INSPECT_REPORT_FINDINGS_H
#define CV_INSPECT_REPORT_FINDINGS_H

#include "inspect/report/words.h"

/* "  E CV-CHN-0001 parent-missing: parent base.vhd is not there"; with its evidence when verbose. */
void cv_findings_line(struct cv_page *o, const struct cv_graph *g, const struct cv_finding *f);

#endif
