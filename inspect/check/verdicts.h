/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Inside of verdicts: a question about one image, and the rules that may object. Each file of rules is about one
 * verdict, or about both; verdicts.c asks them in order.
 */
#ifndef CV_INSPECT_CHECK_VERDICTS_H
#define CV_INSPECT_CHECK_VERDICTS_H

#include "inspect/check/check.h"

/* What a rule gets, and where it puts its objection: raw bytes, escaped once at the end. */
struct cv_question {
	struct cv_build *b;
	uint32_t i;
	const struct cv_image *image, *parent;   /* parent: NULL unless it was found */
	struct cv_text why;
	bool only_leaf;                          /* nothing else is against merging it */
};
typedef bool cv_objection(struct cv_question *q);      /* true: it objects, why is set */

static inline const char *cv_label(const struct cv_question *q, uint32_t image)
{
	return cv_image_label(q->b->g, q->image->repository, image);
}

static inline bool cv_say(struct cv_question *q, const char *text)
{
	cv_text_add(&q->why, text);
	return true;
}

static inline bool cv_objects(struct cv_question *q, cv_objection *const *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rules[i](q))
			return true;
	return false;
}

/* against_both.c: rules for either verdict. */
cv_objection cv_not_finished, cv_operation_pending, cv_in_use, cv_referred, cv_foreign, cv_named, cv_unread, cv_not_understood,
	cv_reference_lost;
/* Where a hidden mark exists, a visible image is somebody's disk. */
bool cv_counts_as_visible(const struct cv_question *q);
/* Who refers to the image. */
bool cv_add_referrer(struct cv_question *q, const struct cv_image *image);
/* "the content of " for an image that is taken for raw: it names nobody, but what it looks like does. */
const char *cv_content_of(const struct cv_question *q, uint32_t image);
/* "x.qcow2 names json:..., which cannot be followed" */
void cv_add_perhaps(struct cv_question *q, const struct cv_note *note);

/* against_merge.c: true if something forbids to merge it into its parent. */
bool cv_objects_to_merge(struct cv_question *q);
/* against_delete.c: something needs it, whatever is not known; and what is not known may need it. */
bool cv_needs(struct cv_question *q);
bool cv_doubts(struct cv_question *q);

#endif
