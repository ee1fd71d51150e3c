/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The parts of a result that is being made, for the files that make one. */
#ifndef CV_INSPECT_REPORT_RESULT_H
#define CV_INSPECT_REPORT_RESULT_H

#include <chainview/result.h>

/* An empty result; NULL when memory is short. */
struct cv_result *cv_result_new(void);
/* A copy of the escaped text, owned by the result. */
const char *cv_result_keep(struct cv_result *r, const struct cv_text *t);

static inline void cv_figure_set(struct cv_result *r, enum cv_figure f, uint64_t value)
{
	r->figure[f] = value;
	r->known[f] = true;
}

/* Appends what stays the same as long as the trouble does: "E CV-CHN-0001 parent-missing leaf.vhd". */
void cv_result_trouble(struct cv_text *t, const struct cv_result_finding *f);
/* Appends "1 error, 4 warnings, 2 ignored, 144.1 GiB reclaimable". */
void cv_result_words(struct cv_text *t, const struct cv_result *r);

#endif
