/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What speaks against merging an image as well as against deleting it. */
#include "inspect/check/verdicts.h"

bool cv_not_finished(struct cv_question *q)
{
	return q->b->g->partial && cv_say(q, "the scan is not finished");
}

/* An operation of our own may have changed half of what it was to change. */
bool cv_operation_pending(struct cv_question *q)
{
	const struct cv_repository *r = cv_scan_repository(q->b->scan, q->image->repository);
	const char *name;

	if (!r || !r->operation_count)
		return false;
	name = strrchr(r->operations[0], '/');
	cv_text_addf(&q->why, "an operation of chainview in its repository is not finished: %s",
		     name ? name + 1 : r->operations[0]);
	return true;
}

/* Somebody was seen using it, or only the image itself says so. */
static void add_use(struct cv_question *q, uint32_t image)
{
	const struct cv_graph *g = q->b->g;
	const struct cv_image *at = &g->images[image];

	for (uint32_t k = 0; k < at->reference_count; k++) {
		const struct cv_claim *claim = g->references[at->first_reference + k].claim;

		if (!claim->in_use)
			continue;
		cv_text_add(&q->why, claim->who.len ? " is in use by " : " is in use");
		cv_text_add_bytes(&q->why, claim->who.at, claim->who.len);
		return;
	}
	cv_text_add(&q->why, " says of itself that it is in use");
}

/* A sibling's user keeps the parent busy too; then the sibling itself is the better reason. */
bool cv_in_use(struct cv_question *q)
{
	const struct cv_note *notes = q->b->notes;
	uint32_t user = notes[q->i].busy;

	if (user == CV_NO_IMAGE && q->parent && notes[q->image->parent].busy == q->image->parent)
		user = q->image->parent;
	if (user == CV_NO_IMAGE)
		return false;
	if (user == q->i)
		cv_text_add(&q->why, "it");
	else if (q->parent && user == q->image->parent)
		cv_text_addf(&q->why, "its parent %s", cv_label(q, user));
	else
		cv_text_addf(&q->why, "%s, which stands on it,", cv_label(q, user));
	add_use(q, user);
	return true;
}

bool cv_add_referrer(struct cv_question *q, const struct cv_image *image)
{
	const struct cv_claim *claim = q->b->g->references[image->first_reference].claim;
	const struct cv_claim_source *source = cv_claim_source_of(q->b->refs, claim);

	if (claim->who.len)
		cv_text_add_bytes(&q->why, claim->who.at, claim->who.len);
	else
		cv_text_add(&q->why, source ? source->name : "somebody");
	return true;
}

bool cv_referred(struct cv_question *q)
{
	if (!q->image->reference_count)
		return false;
	cv_add_referrer(q, q->image);
	return cv_say(q, " refers to it");
}

bool cv_foreign(struct cv_question *q)
{
	if (q->b->notes[q->i].foreign)
		return cv_say(q, "another tool's unfinished operation concerns it");
	return q->parent && q->b->notes[q->image->parent].foreign &&
	       cv_say(q, "another tool's unfinished operation concerns its parent");
}

/* An image that is taken for raw names nobody, but what it looks like does. */
const char *cv_content_of(const struct cv_question *q, uint32_t image)
{
	return q->b->g->images[image].format == CV_FORMAT_RAW ? "the content of " : "";
}

/* "x.qcow2 names json:..., which cannot be followed" */
void cv_add_perhaps(struct cv_question *q, const struct cv_note *note)
{
	const struct cv_name *name = note->perhaps_name;
	bool missing = (cv_name_is_path(name) || cv_name_is_hint(name)) &&
		       q->b->g->images[note->perhaps].status == CV_PARENT_MISSING;

	cv_text_addf(&q->why, "%s%s names ", cv_content_of(q, note->perhaps), cv_label(q, note->perhaps));
	cv_text_add_bytes(&q->why, name->text.at, name->text.len);
	cv_text_add(&q->why, name->source == CV_NAME_DATA_FILE ? " as its data file" : "");
	if (q->b->notes[note->perhaps].changed)
		cv_text_add(&q->why, ", where something else lies by now");
	else
		cv_text_add(&q->why, missing ? ", which is not there" : ", which cannot be followed");
}

bool cv_named(struct cv_question *q)
{
	const struct cv_note *note = &q->b->notes[q->i];

	if (note->namer != CV_NO_IMAGE)
		cv_text_addf(&q->why, "%s%s names it as its parent", cv_content_of(q, note->namer), cv_label(q, note->namer));
	else if (note->data_of != CV_NO_IMAGE)
		cv_text_addf(&q->why, "it holds the data of %s", cv_label(q, note->data_of));
	else if (note->perhaps != CV_NO_IMAGE) {
		cv_add_perhaps(q, note);
		cv_text_add(&q->why, "; it may be this image");
	}
	return q->why.len;
}

/* Something that could not be read might name it. */
bool cv_unread(struct cv_question *q)
{
	const struct cv_build *b = q->b;
	uint32_t known = b->unread_count < 2 ? b->unread_count : 2;

	for (uint32_t k = 0; k < known; k++)
		if (b->unread[k] != q->i) {
			cv_text_addf(&q->why, "%s cannot be read and might stand on it", cv_label(q, b->unread[k]));
			return true;
		}
	if (b->incomplete == UINT32_MAX)
		return false;
	cv_text_addf(&q->why, "%s was not looked at completely: an image that stands on it may lie there",
		     cv_scan_repository(b->scan, b->incomplete)->path);
	return true;
}

/* Where a hidden mark exists, a visible image is somebody's disk. */
bool cv_counts_as_visible(const struct cv_question *q)
{
	const struct cv_repository *r = cv_scan_repository(q->b->scan, q->image->repository);

	return q->image->mark == CV_MARK_VISIBLE ||
	       (q->image->mark == CV_MARK_NONE && r && r->kind == CV_REPOSITORY_XEN_FILE_SR);
}

bool cv_not_understood(struct cv_question *q)
{
	return q->b->notes[q->i].unread && cv_say(q, "what it is cannot be read");
}

/* Somebody needs what was not found, and it may be this under another name, or an image elsewhere. */
bool cv_reference_lost(struct cv_question *q)
{
	const struct cv_claim *lost = q->b->lost;

	if (!lost)
		return false;
	cv_text_add_bytes(&q->why, lost->who.at, lost->who.len);
	cv_text_add(&q->why, lost->who.len ? " refers to " : "somebody refers to ");
	if (lost->text.len)
		cv_text_add_bytes(&q->why, lost->text.at, lost->text.len);
	else
		cv_text_add(&q->why, cv_uuid_str(lost->uuid).s);
	return cv_say(q, ", which leads to nothing that is known; it may be this image, or stand on it");
}
