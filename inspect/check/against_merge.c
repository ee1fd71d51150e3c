/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What speaks against merging an image into its parent. */
#include "inspect/check/verdicts.h"
#include "inspect/repository/lookup.h"

static bool no_parent(struct cv_question *q)
{
	static const char *const reasons[CV_PARENT_STATUS_COUNT] = {
		[CV_PARENT_NONE] = "it has no parent",
		[CV_PARENT_MISSING] = "its parent is missing",
		[CV_PARENT_MISMATCH] = "the image under its parent's name has another identity",
		[CV_PARENT_AMBIGUOUS] = "several images could be its parent",
		[CV_PARENT_OUTSIDE] = "its parent lies outside the given repositories",
		[CV_PARENT_CYCLE] = "its parents lead back to itself",
		[CV_PARENT_EXTERNAL] = "its parent is not a file",
		[CV_PARENT_UNREADABLE] = "its parent cannot be read",
	};

	if (q->image->status == CV_PARENT_UNREADABLE && q->b->notes[q->i].unread)
		return cv_say(q, "what its parent is cannot be read");
	return reasons[q->image->status] && cv_say(q, reasons[q->image->status]);
}

static bool siblings(struct cv_question *q)
{
	uint32_t others = q->parent->child_count - 1;

	if (others)
		cv_text_addf(&q->why, "its parent %s has %" PRIu32 " other %s", cv_label(q, q->image->parent), others,
			     others == 1 ? "child" : "children");
	return others;
}

/* Images that name the parent but are not its children, and references to it. */
static bool parent_needed(struct cv_question *q)
{
	const struct cv_note *note = &q->b->notes[q->image->parent];

	if (note->namer != CV_NO_IMAGE)
		cv_text_addf(&q->why, "its parent %s is also named as a parent by %s%s", cv_label(q, q->image->parent),
			     cv_content_of(q, note->namer), cv_label(q, note->namer));
	else if (note->data_of != CV_NO_IMAGE)
		cv_text_addf(&q->why, "its parent %s holds the data of %s", cv_label(q, q->image->parent),
			     cv_label(q, note->data_of));
	else if (q->parent->reference_count) {
		cv_text_addf(&q->why, "its parent %s is referred to by ", cv_label(q, q->image->parent));
		cv_add_referrer(q, q->parent);
	} else if (note->perhaps != CV_NO_IMAGE) {
		cv_add_perhaps(q, note);
		cv_text_addf(&q->why, ": it may be its parent %s", cv_label(q, q->image->parent));
	}
	return q->why.len;
}

/* What one program would read as a disk of that format, another reads as guest data. */
static bool disputed(struct cv_question *q)
{
	if (cv_is_disputed(cv_node_of(q->b, q->i)))
		return cv_say(q, "one image takes it for raw and another does not");
	if (!cv_is_disputed(cv_node_of(q->b, q->image->parent)))
		return false;
	cv_text_addf(&q->why, "one image takes its parent %s for raw and another does not", cv_label(q, q->image->parent));
	return true;
}

/* True if the images that stand on it say so, and all of them by names that say the same from anywhere. */
static bool has_absolute_names_only(const struct cv_question *q, uint32_t image)
{
	const struct cv_graph *g = q->b->g;
	bool any = false;

	for (uint32_t k = 0; k < g->images[image].child_count; k++) {
		const struct cv_facts *f = g->images[cv_graph_child(g, &g->images[image], k)].facts;

		for (uint32_t i = 0; i < f->name_count; i++) {
			enum cv_name_kind kind = f->names[i].kind;

			if (f->names[i].source == CV_NAME_DATA_FILE || kind == CV_NAME_OPAQUE)
				continue;
			if (kind != CV_NAME_ABSOLUTE && kind != CV_NAME_WINDOWS)
				return false;
			any = true;
		}
	}
	return any;
}

/* Other places are searched (--with): the user has said where else images may stand on it. */
static bool looks_elsewhere(const struct cv_build *b)
{
	for (size_t i = 0; i < cv_scan_repository_count(b->scan); i++)
		if (cv_scan_repository(b->scan, i)->other)
			return true;
	return false;
}

/* Why images that lie elsewhere may well stand on it; NULL if nothing hints at that. */
static const char *hint_at_elsewhere(const struct cv_question *q, uint32_t image)
{
	if (cv_scan_links_elsewhere(q->b->scan, q->b->g->images[image].file))
		return "has another name (a hard link) outside the places that were searched";
	if (looks_elsewhere(q->b))
		return NULL;
	if (cv_scan_mounted_elsewhere(q->b->scan, q->b->g->images[image].file))
		return "can also be reached by another path (a bind mount of its folder)";
	return has_absolute_names_only(q, image) ? "is named by absolute names only" : NULL;
}

static bool elsewhere(struct cv_question *q)
{
	static const char text[] = "so images that lie elsewhere may stand on it: give those places with --with, or a "
				   "complete source of references";
	const char *own = hint_at_elsewhere(q, q->i), *parents;

	if (cv_knows_references(q->b))
		return false;
	parents = own ? NULL : hint_at_elsewhere(q, q->image->parent);
	if (own)
		cv_text_addf(&q->why, "it %s, %s", own, text);
	else if (parents)
		cv_text_addf(&q->why, "its parent %s %s, %s", cv_label(q, q->image->parent), parents, text);
	return q->why.len;
}

/* Its memory has parts of the disk in it, as this image is now. */
static bool is_of_saved_machine(struct cv_question *q)
{
	const struct cv_attr *saved = cv_facts_attr(q->image->facts, CV_ATTR_VHD_SAVED_STATE, 0);

	if (!saved || !saved->number)
		return false;
	cv_text_add(&q->why, "it belongs to a saved virtual machine, which is to run or to be shut down first");
	return true;
}

/* Facts that forbid a merge, for the image and for its parent. */
static bool facts_forbid(struct cv_question *q)
{
	static const struct { uint32_t flag; bool parent_too; const char *why; } rows[] = {
		{ CV_FACT_DISABLED, true, "must not be opened for writing" },
		{ CV_FACT_CORRUPT, true, "is marked corrupt" },
		{ CV_FACT_ENCRYPTED, true, "is encrypted" },
		{ CV_FACT_DATA_FILE, true, "keeps its data in another file" },
		{ CV_FACT_VM_STATE, false, "has internal snapshots with VM state" },
		{ CV_FACT_SNAPSHOTS, false, "has internal snapshots" },
		{ CV_FACT_BITMAPS, false, "has persistent bitmaps: merging it needs --drop-bitmaps" },
	};

	for (size_t k = 0; k < CV_COUNT(rows); k++) {
		if (cv_has(q->image->facts, rows[k].flag))
			cv_text_addf(&q->why, "it %s", rows[k].why);
		else if (rows[k].parent_too && cv_has(q->parent->facts, rows[k].flag))
			cv_text_addf(&q->why, "its parent %s %s", cv_label(q, q->image->parent), rows[k].why);
		if (q->why.len)
			return true;
	}
	return is_of_saved_machine(q);
}

static bool read_only_format(struct cv_question *q)
{
	if (q->image->format == CV_FORMAT_QCOW || q->parent->format == CV_FORMAT_QCOW)
		cv_text_add(&q->why, "QCOW version 1 is only read");
	return q->why.len;
}

static bool has_errors(struct cv_question *q)
{
	if (q->image->any_finding && q->image->worst == CV_ERROR)
		cv_text_add(&q->why, "it has errors that must be repaired first");
	else if (q->parent->any_finding && q->parent->worst == CV_ERROR)
		cv_text_addf(&q->why, "its parent %s has errors that must be repaired first",
			     cv_label(q, q->image->parent));
	return q->why.len;
}

/* Behind the end of an image that is smaller than its parent nobody reads what the parent has there. */
static bool smaller(struct cv_question *q)
{
	const struct cv_image *image = q->image;

	if (!image->size_known || !q->parent->size_known || image->virtual_size >= q->parent->virtual_size)
		return false;
	if (!image->child_count)
		cv_text_addf(&q->why, "it is smaller than its parent %s, as large as which the disk of its name would become",
			     cv_label(q, image->parent));
	for (uint32_t i = 0; i < image->child_count && !q->why.len; i++) {
		uint32_t child = cv_graph_child(q->b->g, image, i);

		if (q->b->g->images[child].virtual_size > image->virtual_size)
			cv_text_addf(&q->why, "%s stands on it and is larger: it would read behind its end what its parent %s has there",
				     cv_label(q, child), cv_label(q, image->parent));
	}
	return q->why.len;
}

static bool visible_base(struct cv_question *q)
{
	return q->image->child_count && cv_counts_as_visible(q) &&
	       cv_say(q, "it is not marked hidden where such marks are used, so it counts as needed");
}

static bool orphaned(struct cv_question *q)
{
	return q->image->role == CV_ROLE_ORPHAN &&
	       cv_say(q, "it is hidden and nothing stands on it: there is nothing to keep its data for");
}

/* Its parent would lose its name. */
static bool visible_parent(struct cv_question *q)
{
	struct cv_question parent = { .b = q->b, .i = q->image->parent, .image = q->parent };

	if (q->image->child_count || !cv_counts_as_visible(&parent))
		return false;
	cv_text_addf(&q->why, "its parent %s is not marked hidden where such marks are used, so it counts as needed",
		     cv_label(q, q->image->parent));
	return true;
}

static bool leaf(struct cv_question *q)
{
	q->only_leaf = !q->image->child_count;
	return q->only_leaf && cv_say(q, "it is a leaf: merging it needs --leaf");
}

static bool referred_base(struct cv_question *q)
{
	return q->image->child_count && cv_referred(q);
}

bool cv_objects_to_merge(struct cv_question *q)
{
	static cv_objection *const against_merge[] = {
		cv_not_finished, no_parent, cv_operation_pending, cv_not_understood, cv_in_use, cv_foreign, siblings, parent_needed, facts_forbid,
		read_only_format, disputed, has_errors, referred_base, cv_named, visible_base, orphaned, cv_unread, cv_reference_lost,
		elsewhere, visible_parent, smaller, leaf,
	};

	return cv_objects(q, against_merge, CV_COUNT(against_merge));
}
