/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The evidence of a finding: where to look to see it for oneself. Each piece is one escaped line.
 */
#ifndef CV_INSPECT_REPORT_EVIDENCE_H
#define CV_INSPECT_REPORT_EVIDENCE_H

#include <chainview/graph.h>

/* Puts piece number n of the evidence into the (emptied) text; false when there are no more. */
bool cv_evidence_piece(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n);

#endif
