/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What costs space or nears a limit: orphans, leaves that nobody refers to, chains that are too long. */
#include "inspect/check/check.h"

static bool is_named(const struct cv_build *b, uint32_t i)
{
	const struct cv_note *note = &b->notes[i];

	return b->g->images[i].reference_count || note->namer != CV_NO_IMAGE || note->data_of != CV_NO_IMAGE;
}

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

	if (image->role == CV_ROLE_ORPHAN && !is_named(b, i))
		cv_found(b, i, with_size(CV_SPC_ORPHANED_BASE_COPY, image));
}

/* What could not be read is no leaf that anybody knows of. */
static void unreferenced(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];

	if (b->refs && b->refs->complete && !b->refs->none && image->role == CV_ROLE_LEAF && !is_named(b, i) &&
	    !b->notes[i].unread)
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
