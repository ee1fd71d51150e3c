/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What costs space or nears a limit: orphans, leaves that nobody refers to, chains that are too long. What the
 * verdicts call needed, or perhaps needed, is neither orphan nor unreferenced. */
#include "inspect/check/check.h"

static struct cv_finding with_size(enum cv_problem_id id, const struct cv_image *image)
{
	struct cv_finding f = cv_finding_of(id);

	f.bytes = image->file->allocated;
	f.arg[0] = cv_arg_number(image->file->allocated);
	return f;
}

static void orphan(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f;

	if (image->role != CV_ROLE_ORPHAN || (b->notes[i].needed && !cv_collector_endangers(b, i)))
		return;
	f = with_size(CV_SPC_ORPHANED_BASE_COPY, image);
	f.arg[1] = cv_collector_takes(b, i);
	cv_found(b, i, f);
}

static void unreferenced(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];

	if (cv_knows_references(b) && image->role == CV_ROLE_LEAF && !b->notes[i].needed)
		cv_found(b, i, with_size(CV_SPC_UNREFERENCED_LEAF, image));
}

/* Said once for each chain, at its upper end. */
static void too_deep(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = cv_finding_of(CV_SPC_CHAIN_TOO_DEEP);

	if (image->child_count || image->depth + 1 < b->policy.depth_warn)
		return;
	f.arg[0] = cv_arg_number((uint64_t)image->depth + 1);
	f.arg[1] = cv_arg_number(b->policy.depth_limit);
	cv_found(b, i, f);
}

void cv_check_policy(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->g->image_count && !b->g->partial; i++) {
		orphan(b, i);
		unreferenced(b, i);
		too_deep(b, i);
	}
}
