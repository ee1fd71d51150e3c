/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Notes on images that verdicts need: who names an image without being its child, which images might name
 * anybody because they could not be read, what is in use. What the content of a file names counts here also when
 * the file is taken for raw, because whoever takes it for raw may be wrong.
 */
#include "inspect/check/check.h"

static bool is_edge(const struct cv_image *image)
{
	return image->status == CV_PARENT_FOUND || image->status == CV_PARENT_CYCLE;
}

static void note_namer(struct cv_build *b, uint32_t named, uint32_t namer)
{
	const struct cv_image *image = &b->g->images[namer];

	if (named != CV_NO_IMAGE && named != namer && !(is_edge(image) && image->parent == named))
		b->notes[named].namer = namer;
}

/* By path: every place that a recorded name leads to, also when the parent was found elsewhere. */
static void note_names_of(struct cv_build *b, const struct cv_node *n)
{
	const struct cv_target *t = cv_targets_of(b, n);

	for (uint32_t i = 0; i < n->target_count; i++)
		if (t[i].file != CV_NO_FILE && !(t[i].hint && n->status == CV_PARENT_FOUND) &&
		    (!t[i].data || n->standing == CV_AS_RAW))
			note_namer(b, b->nodes[t[i].file].image, n->image);
	if (n->data != CV_NO_FILE && b->nodes[n->data].image != CV_NO_IMAGE)
		b->notes[b->nodes[n->data].image].data_of = n->image;
}

/* The children that look for one identity: one of them, and one that has another parent than it. */
struct seekers {
	uint32_t first, other;
};

static void note_seeker(const struct cv_graph *g, struct seekers *s, uint32_t image)
{
	if (s->first == CV_NO_IMAGE)
		s->first = image;
	else if (s->other == CV_NO_IMAGE && g->images[image].parent != g->images[s->first].parent)
		s->other = image;
}

/* By identity: an image that has a twin is named by all children of the identity, whichever they chose. */
static void note_identities(struct cv_build *b)
{
	CV_AUTO(cv_auto_free) struct seekers *seekers = calloc(b->identity_count + 1, sizeof *seekers);
	size_t count, first = 0;

	b->failed |= !seekers;
	for (size_t i = 0; seekers && i < b->identity_count; i++)
		seekers[i] = (struct seekers){ CV_NO_IMAGE, CV_NO_IMAGE };
	for (uint32_t i = 0; seekers && i < b->g->image_count; i++) {
		const struct cv_facts *f = cv_own_facts(cv_node_of(b, i));
		const struct cv_identity *ids;

		if (!cv_has(f, CV_FACT_PARENT) || !cv_has(f, CV_FACT_PARENT_UUID))
			continue;
		ids = cv_identity_find(b, f->format, f->parent_uuid, &count);
		if (count)
			note_seeker(b->g, &seekers[ids - b->identities], i);
	}
	for (size_t i = 0; seekers && i < b->identity_count; i++) {
		const struct cv_identity *a = &b->identities[first], *c = &b->identities[i];
		uint32_t image = b->nodes[c->node].image;

		if (a->format != c->format || memcmp(a->uuid, c->uuid, 16) != 0)
			first = i;
		if (seekers[first].first != CV_NO_IMAGE)
			note_namer(b, image, seekers[first].first);
		if (seekers[first].other != CV_NO_IMAGE)
			note_namer(b, image, seekers[first].other);
	}
}

/* It has a parent, or keeps its data elsewhere, and not a readable word says where that is. */
static bool names_nobody(const struct cv_facts *f)
{
	bool parent = cv_has(f, CV_FACT_PARENT_UUID), data = false;

	for (uint32_t i = 0; i < f->name_count; i++)
		if (f->names[i].source == CV_NAME_DATA_FILE)
			data = true;
		else
			parent |= f->names[i].kind != CV_NAME_OPAQUE;
	return (cv_has(f, CV_FACT_PARENT) && (!parent || cv_has(f, CV_FACT_PARTIAL))) ||
	       (cv_has(f, CV_FACT_DATA_FILE) && !data);
}

/* Content that should say who the parent is and cannot be read. Content of which nothing is known is none that
 * says so when the file is taken for raw. */
static bool might_name_any(const struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	const struct cv_facts *own = cv_own_facts(cv_node_of(b, i));
	bool failed = image->file->state == CV_FILE_FAILED;

	if (image->format == CV_FORMAT_NONE)
		return failed || (image->file->state != CV_FILE_WAITING && image->file->size);
	if (!own || own->format == CV_FORMAT_NONE || own->format == CV_FORMAT_RAW)
		return false;
	return failed || (!is_edge(image) && (cv_has(own, CV_FACT_PARENT_UNREADABLE) || names_nobody(own)));
}

static void note_unread(struct cv_build *b, uint32_t image)
{
	if (b->unread_count < CV_COUNT(b->unread))
		b->unread[b->unread_count] = image;
	b->unread_count++;
	b->notes[image].unread = true;
}

static void note_incomplete(struct cv_build *b)
{
	for (uint32_t i = b->node_count; i--;)
		if (b->nodes[i].file->state == CV_FILE_FAILED && b->nodes[i].image == CV_NO_IMAGE)
			b->incomplete = b->nodes[i].file->repository;
	for (size_t i = cv_scan_repository_count(b->scan); i--;)
		if (!cv_scan_repository(b->scan, i)->complete)
			b->incomplete = (uint32_t)i;
}

void cv_notes_names(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->node_count; i++)
		if (b->nodes[i].image != CV_NO_IMAGE)
			note_names_of(b, &b->nodes[i]);
	note_identities(b);
	for (uint32_t i = 0; i < b->g->image_count; i++)
		if (might_name_any(b, i))
			note_unread(b, i);
	note_incomplete(b);
}

static bool is_in_use(const struct cv_graph *g, const struct cv_image *image)
{
	for (uint32_t i = 0; i < image->reference_count; i++)
		if (g->references[image->first_reference + i].claim->in_use)
			return true;
	return cv_has(image->facts, CV_FACT_LIVE);
}

/* An image in use keeps everything busy that it stands on. Each image is marked once, so this is linear. */
void cv_notes_state(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->g->image_count; i++) {
		uint32_t at = i;

		if (!is_in_use(b->g, &b->g->images[i]))
			continue;
		if (b->notes[i].busy != CV_NO_IMAGE)
			b->notes[i].busy = i;
		while (at != CV_NO_IMAGE && b->notes[at].busy == CV_NO_IMAGE) {
			b->notes[at].busy = i;
			at = is_edge(&b->g->images[at]) ? b->g->images[at].parent : CV_NO_IMAGE;
		}
	}
}
