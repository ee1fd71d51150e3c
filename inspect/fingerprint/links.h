/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of fingerprints: links of a graph, looked at in batches. */
#ifndef CV_INSPECT_FINGERPRINT_LINKS_H
#define CV_INSPECT_FINGERPRINT_LINKS_H

#include "inspect/fingerprint/sample.h"

struct cv_link {
	uint32_t child, parent;
	const struct cv_graph *parent_graph;     /* that the parent is an image of; NULL: that of the child */
	const struct cv_fingerprint *known;      /* to be compared; NULL: new samples only */
	bool done;
	struct cv_sample_record record;          /* valid if done */
};

/* Looks at the links from *next on, as many as go into one process, and moves *next behind them. Links that cannot be
 * looked at are left undone. False only when memory is short or no process can be started at all. */
bool cv_links_batch(const struct cv_graph *g, struct cv_link *links, size_t count, size_t *next, struct cv_err *err);
/* What its samples say; it must be done and have something to be compared with. */
struct cv_fingerprint_match cv_link_match(const struct cv_link *link);

#endif
