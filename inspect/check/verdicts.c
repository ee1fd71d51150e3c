/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Verdicts: may this image be merged into its parent, may it be moved to the trash, and why or why not. The
 * rules are asked in order; the first that objects gives the reason. Writers ask again when they plan.
 */
#include "inspect/check/check.h"
#include "inspect/repository/lookup.h"

/* What a rule gets, and where it puts its objection: raw bytes, escaped once at the end. */
struct question {
	struct cv_build *b;
	uint32_t i;
	const struct cv_image *image, *parent;   /* parent: NULL unless it was found */
	struct cv_text why;
};
typedef bool objection(struct question *q);      /* true: it objects, why is set */

static const char *label(const struct question *q, uint32_t image)
{
	return cv_image_label(q->b->g, q->image->repository, image);
}

static bool say(struct question *q, const char *text)
{
	cv_text_add(&q->why, text);
	return true;
}

static bool not_finished(struct question *q)
{
	return q->b->g->partial && say(q, "the scan is not finished");
}

static bool no_parent(struct question *q)
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
		return say(q, "what its parent is cannot be read");
	return reasons[q->image->status] && say(q, reasons[q->image->status]);
}

/* Somebody was seen using it, or only the image itself says so. */
static void add_use(struct question *q, uint32_t image)
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
static bool in_use(struct question *q)
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
		cv_text_addf(&q->why, "its parent %s", label(q, user));
	else
		cv_text_addf(&q->why, "%s, which stands on it,", label(q, user));
	add_use(q, user);
	return true;
}

static bool add_referrer(struct question *q, const struct cv_image *image)
{
	const struct cv_claim *claim = q->b->g->references[image->first_reference].claim;

	if (claim->who.len)
		cv_text_add_bytes(&q->why, claim->who.at, claim->who.len);
	else
		cv_text_add(&q->why, claim->source < q->b->refs->source_count ? q->b->refs->sources[claim->source].name
									      : "somebody");
	return true;
}

static bool referred(struct question *q)
{
	if (!q->image->reference_count)
		return false;
	add_referrer(q, q->image);
	return say(q, " refers to it");
}

static bool foreign(struct question *q)
{
	if (q->b->notes[q->i].foreign)
		return say(q, "another tool's unfinished operation concerns it");
	return q->parent && q->b->notes[q->image->parent].foreign &&
	       say(q, "another tool's unfinished operation concerns its parent");
}

static bool siblings(struct question *q)
{
	uint32_t others = q->parent->child_count - 1;

	if (others)
		cv_text_addf(&q->why, "its parent %s has %" PRIu32 " other %s", label(q, q->image->parent), others,
			     others == 1 ? "child" : "children");
	return others;
}

/* An image that is taken for raw names nobody, but what it looks like does. */
static const char *content_of(const struct question *q, uint32_t image)
{
	return q->b->g->images[image].format == CV_FORMAT_RAW ? "the content of " : "";
}

/* "x.qcow2 names json:..., which cannot be followed" */
static void add_perhaps(struct question *q, const struct cv_note *note)
{
	const struct cv_name *name = note->perhaps_name;

	cv_text_addf(&q->why, "%s%s names ", content_of(q, note->perhaps), label(q, note->perhaps));
	cv_text_add_bytes(&q->why, name->text.at, name->text.len);
	cv_text_add(&q->why, name->source == CV_NAME_DATA_FILE ? " as its data file" : "");
	cv_text_add(&q->why, ", which cannot be followed");
}

/* Images that name the parent but are not its children, and references to it. */
static bool parent_needed(struct question *q)
{
	const struct cv_note *note = &q->b->notes[q->image->parent];

	if (note->namer != CV_NO_IMAGE)
		cv_text_addf(&q->why, "its parent %s is also named as a parent by %s%s", label(q, q->image->parent),
			     content_of(q, note->namer), label(q, note->namer));
	else if (note->data_of != CV_NO_IMAGE)
		cv_text_addf(&q->why, "its parent %s holds the data of %s", label(q, q->image->parent),
			     label(q, note->data_of));
	else if (q->parent->reference_count) {
		cv_text_addf(&q->why, "its parent %s is referred to by ", label(q, q->image->parent));
		add_referrer(q, q->parent);
	} else if (note->perhaps != CV_NO_IMAGE) {
		add_perhaps(q, note);
		cv_text_addf(&q->why, ": it may be its parent %s", label(q, q->image->parent));
	}
	return q->why.len;
}

static bool named(struct question *q)
{
	const struct cv_note *note = &q->b->notes[q->i];

	if (note->namer != CV_NO_IMAGE)
		cv_text_addf(&q->why, "%s%s names it as its parent", content_of(q, note->namer), label(q, note->namer));
	else if (note->data_of != CV_NO_IMAGE)
		cv_text_addf(&q->why, "it holds the data of %s", label(q, note->data_of));
	else if (note->perhaps != CV_NO_IMAGE) {
		add_perhaps(q, note);
		cv_text_add(&q->why, "; it may be this image");
	}
	return q->why.len;
}

/* What one program would read as a disk of that format, another reads as guest data. */
static bool disputed(struct question *q)
{
	if (cv_is_disputed(cv_node_of(q->b, q->i)))
		return say(q, "one image takes it for raw and another does not");
	if (!cv_is_disputed(cv_node_of(q->b, q->image->parent)))
		return false;
	cv_text_addf(&q->why, "one image takes its parent %s for raw and another does not", label(q, q->image->parent));
	return true;
}

/* True if the images that stand on it say so, and all of them by names that say the same from anywhere. */
static bool has_absolute_names_only(const struct question *q, uint32_t image)
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
static const char *hint_at_elsewhere(const struct question *q, uint32_t image)
{
	if (cv_scan_links_elsewhere(q->b->scan, q->b->g->images[image].file))
		return "has another name (a hard link) outside the places that were searched";
	if (!looks_elsewhere(q->b) && has_absolute_names_only(q, image))
		return "is named by absolute names only";
	return NULL;
}

static bool elsewhere(struct question *q)
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
		cv_text_addf(&q->why, "its parent %s %s, %s", label(q, q->image->parent), parents, text);
	return q->why.len;
}

/* Facts that forbid a merge, for the image and for its parent. */
static bool facts_forbid(struct question *q)
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
			cv_text_addf(&q->why, "its parent %s %s", label(q, q->image->parent), rows[k].why);
		if (q->why.len)
			return true;
	}
	return false;
}

static bool read_only_format(struct question *q)
{
	if (q->image->format == CV_FORMAT_QCOW || q->parent->format == CV_FORMAT_QCOW)
		cv_text_add(&q->why, "QCOW version 1 is only read");
	return q->why.len;
}

static bool has_errors(struct question *q)
{
	if (q->image->any_finding && q->image->worst == CV_ERROR)
		cv_text_add(&q->why, "it has errors that must be repaired first");
	else if (q->parent->any_finding && q->parent->worst == CV_ERROR)
		cv_text_addf(&q->why, "its parent %s has errors that must be repaired first",
			     label(q, q->image->parent));
	return q->why.len;
}

/* Something that could not be read might name it. */
static bool unread(struct question *q)
{
	const struct cv_build *b = q->b;
	uint32_t known = b->unread_count < 2 ? b->unread_count : 2;

	for (uint32_t k = 0; k < known; k++)
		if (b->unread[k] != q->i) {
			cv_text_addf(&q->why, "%s cannot be read and might stand on it", label(q, b->unread[k]));
			return true;
		}
	if (b->incomplete == UINT32_MAX)
		return false;
	cv_text_addf(&q->why, "%s was not looked at completely: an image that stands on it may lie there",
		     cv_scan_repository(b->scan, b->incomplete)->path);
	return true;
}

/* Where a hidden mark exists, a visible image is somebody's disk. */
static bool is_visible(const struct question *q)
{
	const struct cv_repository *r = cv_scan_repository(q->b->scan, q->image->repository);

	return q->image->mark == CV_MARK_VISIBLE ||
	       (q->image->mark == CV_MARK_NONE && r && r->kind == CV_REPOSITORY_XEN_FILE_SR);
}

static bool visible_base(struct question *q)
{
	return q->image->child_count && is_visible(q) &&
	       say(q, "it is not marked hidden where such marks are used, so it counts as needed");
}

static bool orphaned(struct question *q)
{
	return q->image->role == CV_ROLE_ORPHAN &&
	       say(q, "it is hidden and nothing stands on it: there is nothing to keep its data for");
}

static bool leaf(struct question *q)
{
	return !q->image->child_count && say(q, "it is a leaf: merging it needs --leaf");
}

static bool referred_base(struct question *q)
{
	return q->image->child_count && referred(q);
}

static bool not_understood(struct question *q)
{
	return q->b->notes[q->i].unread && say(q, "what it is cannot be read");
}

static bool stood_on(struct question *q)
{
	const struct cv_graph *g = q->b->g;

	if (!q->image->child_count)
		return false;
	if (q->image->status == CV_PARENT_CYCLE)
		return say(q, "its parents lead back to itself");
	if (q->image->below == 1)
		cv_text_addf(&q->why, "%s stands on it", label(q, cv_graph_child(g, q->image, 0)));
	else
		cv_text_addf(&q->why, "%" PRIu32 " images stand on it", q->image->below);
	return true;
}

static bool visible_leaf(struct question *q)
{
	return is_visible(q) && say(q, "it is not marked hidden where such marks are used, so it counts as needed");
}

static bool references_open(struct question *q)
{
	const struct cv_references *refs = q->b->refs;

	if (refs && refs->none)
		return say(q, "without a source of references (--refs=none) nobody can say that it is not needed");
	return (!refs || !refs->complete) &&
	       say(q, "the sources of references are not complete, so somebody may refer to it");
}

/* Somebody needs what was not found, and it may be this under another name, or an image elsewhere. */
static bool reference_lost(struct question *q)
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
	return say(q, ", which leads to nothing that is known; it may be this image, or stand on it");
}

static objection *const against_merge[] = {
	not_finished, no_parent, not_understood, in_use, foreign, siblings, parent_needed, facts_forbid,
	read_only_format, disputed, has_errors, referred_base, named, visible_base, orphaned, unread, reference_lost,
	elsewhere, leaf,
};
/* What speaks against deletion by itself, and what does so as long as not everything is known. */
static objection *const needs[] = {
	not_finished, stood_on, named, in_use, referred, foreign, not_understood, unread,
};
static objection *const doubts[] = { visible_leaf, references_open, reference_lost };

static bool objects(struct question *q, objection *const *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rules[i](q))
			return true;
	return false;
}

static const char *escaped(struct question *q)
{
	struct cv_text out = { 0 };

	cv_text_escape(&out, cv_bytes_of(cv_text_str(&q->why)));
	out.failed |= q->why.failed;
	cv_text_clear(&q->why);
	return cv_keep(q->b, &out);
}

/* A node without a mark is merged only by name, unless a complete source says that nobody refers to it. */
static bool is_settled(const struct question *q)
{
	return q->image->mark == CV_MARK_HIDDEN || cv_knows_references(q->b);
}

static void merge_reason(struct question *q)
{
	const char *into = label(q, q->image->parent);

	if (q->image->mark == CV_MARK_HIDDEN)
		cv_text_addf(&q->why, "hidden base copy, the only child of %s: can be merged", into);
	else if (is_settled(q))
		cv_text_addf(&q->why, "no source of references names it, the only child of %s: can be merged", into);
	else
		cv_text_addf(&q->why,
			     "the only child of %s, without a hidden mark: is merged only when named explicitly", into);
}

static void judge_merge(struct question *q)
{
	struct cv_image *image = &q->b->g->images[q->i];
	bool possible = !objects(q, against_merge, CV_COUNT(against_merge));
	struct cv_finding f = cv_finding_of(CV_SPC_COALESCABLE);

	if (possible)
		merge_reason(q);
	image->coalesce.possible = possible;
	image->coalesce.into = q->parent ? image->parent : CV_NO_IMAGE;
	image->coalesce.reason = escaped(q);
	if (!possible || !is_settled(q))
		return;
	f.arg[0] = cv_arg_text(label(q, image->parent));
	cv_found(q->b, q->i, f);
}

static void delete_reason(struct question *q)
{
	uint32_t links = cv_scan_links_elsewhere(q->b->scan, q->image->file);

	cv_text_add(&q->why, "nothing stands on it and no source of references names it");
	if (links)
		cv_text_addf(&q->why, "; its content stays under %" PRIu32 " other %s (hard links) outside the places "
				      "that were searched", links, links == 1 ? "name" : "names");
}

static void judge_delete(struct question *q)
{
	struct cv_image *image = &q->b->g->images[q->i];

	q->parent = NULL;               /* its parent does not mind */
	q->b->notes[q->i].needed = objects(q, needs, CV_COUNT(needs));
	image->deletable.possible = !q->b->notes[q->i].needed && !objects(q, doubts, CV_COUNT(doubts));
	if (image->deletable.possible)
		delete_reason(q);
	image->deletable.reason = escaped(q);
}

void cv_judge(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->g->image_count && !b->failed; i++) {
		struct question q = { .b = b, .i = i, .image = &b->g->images[i] };

		if (q.image->status == CV_PARENT_FOUND)
			q.parent = &b->g->images[q.image->parent];
		judge_merge(&q);
		judge_delete(&q);
		cv_text_fini(&q.why);
	}
}
