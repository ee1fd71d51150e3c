/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The kinds of files that are recognised beside images; the first that knows the content has it. */
#include "inspect/beside/beside.h"

static cv_beside_reader *const readers[] = {
	cv_beside_resize, cv_beside_ovirt, cv_beside_merge, cv_beside_journal,
};

void cv_beside_read(struct cv_source *source, struct cv_facts *facts)
{
	size_t len = source->size < CV_BESIDE_MOST ? (size_t)source->size : CV_BESIDE_MOST;
	CV_AUTO(cv_auto_free) char *bytes = malloc(len + 1);
	struct cv_err err = { CV_OK };

	if (!bytes || !len || !cv_source_read(source, bytes, len, 0, &err))
		return;
	for (size_t i = 0; i < CV_COUNT(readers); i++)
		if (readers[i]((struct cv_bytes){ bytes, len }, len == source->size, facts))
			return;
}
