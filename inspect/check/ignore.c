/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Rules of the administrator that take findings out of the list. What they took out stays in the graph, apart.
 */
#include <strings.h>

#include "inspect/check/check.h"

static bool is_called(const struct cv_image *m, const char *name)
{
	CV_AUTO(cv_text_fini) struct cv_text raw = { 0 };
	struct cv_bytes bytes;

	if (!strcmp(m->id, name) || !strcmp(m->file->path, name))
		return true;
	if (m->facts->flags & CV_FACT_UUID && !strcasecmp(cv_uuid_str(m->facts->uuid).s, name))
		return true;
	cv_text_unescape(&raw, cv_bytes_of(name));
	bytes = (struct cv_bytes){ raw.at, raw.len };
	return !raw.failed && (cv_bytes_equal(cv_bytes_of(m->id), bytes) || cv_bytes_equal(cv_bytes_of(m->file->path), bytes));
}

static bool fits(const struct cv_build *b, const struct cv_ignore *rule, const struct cv_finding *f)
{
	if (rule->problem != f->id || rule->until <= b->policy.now)
		return false;
	return !rule->image || (f->image != CV_NO_IMAGE && is_called(&b->g->images[f->image], rule->image));
}

uint32_t cv_ignore_rule(const struct cv_build *b, const struct cv_finding *f)
{
	for (size_t i = 0; i < b->policy.ignore_count; i++)
		if (fits(b, &b->policy.ignores[i], f))
			return (uint32_t)i;
	return CV_NO_RULE;
}
