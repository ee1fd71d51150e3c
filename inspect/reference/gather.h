/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the sources of references share: where claims go, and what a source may say about itself. Each source is
 * one file and one row in sources.c.
 */
#ifndef CV_INSPECT_REFERENCE_GATHER_H
#define CV_INSPECT_REFERENCE_GATHER_H

#include <chainview/reference.h>
#include <chainview/vec.h>
#include "inspect/base/arena.h"

CV_VEC(cv_claim_vec, struct cv_claim);
CV_VEC(cv_claim_source_vec, struct cv_claim_source);

struct cv_gather {
	const struct cv_scan *scan;
	struct cv_arena *arena;
	struct cv_claim_vec claims;
	struct cv_claim_source_vec sources;
	bool none;
};

/* Adds a claim of the source that is being read; text and who are copied. False when memory is short. */
bool cv_gather_claim(struct cv_gather *g, struct cv_claim claim);
/* Sets the trouble of a source: one line, already escaped. */
void cv_gather_trouble(struct cv_gather *g, struct cv_claim_source *source, const char *text);

/*
 * Reads a source, argument being what stands behind the colon of its name. Fills source->read, complete and
 * trouble. False only when the user has to be told (CV_EUSAGE) or memory is short; a source that cannot be read
 * is trouble.
 */
typedef bool cv_source_reader(struct cv_gather *g, const char *argument, struct cv_claim_source *source,
			      struct cv_err *err);
cv_source_reader cv_list_read, cv_proc_read;

#endif
