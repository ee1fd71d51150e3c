/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Adding up gaps between blocks. Which gaps there are is known to the formats. */
#include "inspect/block/leak.h"
#include <stdio.h>

void cv_leak_gap(struct cv_leak *l, uint64_t from, uint64_t to)
{
	uint64_t held;

	if (from >= to || to - from < l->whole)
		return;
	held = cv_space_on_disk(&l->disk, (struct cv_range){ from, to - from });
	if (!held)
		return;
	if (!l->bytes)
		l->at = from;
	l->bytes += held;
	l->blocks += (to - from) / l->whole;
}

void cv_leak_tell(const struct cv_leak *l, struct cv_checking *c)
{
	struct cv_finding f = cv_finding_of(CV_SPC_LEAKED_CLUSTERS);
	char evidence[128];

	c->leaked_bytes += l->bytes;
	if (!l->bytes)
		return;
	snprintf(evidence, sizeof evidence, "room for %" PRIu64 " whole block%s of %" PRIu64 " B between others",
		 l->blocks, l->blocks == 1 ? "" : "s", l->whole);
	f.has_where = true;
	f.where = (struct cv_range){ l->at, l->whole };
	f.bytes = l->bytes;
	f.arg[0] = cv_arg_number(l->bytes);
	f.arg[1] = cv_arg_text("that nothing in the image points to");
	f.arg[2] = cv_arg_text(evidence);
	cv_facts_find(c->facts, f);
}
