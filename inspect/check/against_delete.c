/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What speaks against moving an image to the trash. */
#include "inspect/check/verdicts.h"

static bool stood_on(struct cv_question *q)
{
	const struct cv_graph *g = q->b->g;

	if (!q->image->child_count)
		return false;
	if (q->image->status == CV_PARENT_CYCLE)
		return cv_say(q, "its parents lead back to itself");
	if (q->image->below == 1)
		cv_text_addf(&q->why, "%s stands on it", cv_label(q, cv_graph_child(g, q->image, 0)));
	else
		cv_text_addf(&q->why, "%" PRIu32 " images stand on it", q->image->below);
	return true;
}

static bool visible_leaf(struct cv_question *q)
{
	return cv_counts_as_visible(q) &&
	       cv_say(q, "it is not marked hidden where such marks are used, so it counts as needed");
}

static bool references_open(struct cv_question *q)
{
	const struct cv_references *refs = q->b->refs;

	if (refs && refs->none)
		return cv_say(q, "without a source of references (--refs=none) nobody can say that it is not needed");
	return (!refs || !refs->complete) &&
	       cv_say(q, "the sources of references are not complete, so somebody may refer to it");
}

bool cv_needs(struct cv_question *q)
{
	static cv_objection *const needs[] = {
		cv_not_finished, cv_operation_pending, stood_on, cv_named, cv_in_use, cv_referred, cv_foreign, cv_not_understood, cv_unread,
	};

	return cv_objects(q, needs, CV_COUNT(needs));
}

/* What does so as long as not everything is known. */
bool cv_doubts(struct cv_question *q)
{
	static cv_objection *const doubts[] = { visible_leaf, references_open, cv_reference_lost };

	return cv_objects(q, doubts, CV_COUNT(doubts));
}
