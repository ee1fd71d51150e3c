/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What must be so for an image to get another parent. Each check says what was found, and the way out. See rebase.h. */
#include "repair/merge/merge.h"
#include "repair/plan/rebase.h"
#include "repair/relink/relink.h"

struct checking {
	struct cv_plan_maker *m;
	const struct cv_graph *g;
	const struct cv_image *image, *onto; /* onto: NULL if it is to stand alone */
	bool back;                           /* onto was its parent before, and it may have none now */
	const char *name, *onto_name;        /* escaped */
};

/* Reasons, in the order in which they are said; the first that applies counts. NULL: none does. */
typedef const char *reason_function(const struct checking *c);

static const char *against_kind(const struct checking *c)
{
	if (!cv_relink_format(c->image->format))
		return "images of this format cannot be given another parent: VHD, VHDX and QCOW2 can";
	if (c->image->facts->flags & CV_FACT_PARENT_UNREADABLE)
		return "what names its parent is damaged: chainview check shows it";
	if (!(c->image->facts->flags & CV_FACT_PARENT) && !c->back)
		return c->onto ? "it has no parent, and an image without one reads zeros where it has nothing: it cannot be given one"
			       : "it has no parent: it stands alone";
	return c->image->file->block_device ? "it is a device: only files can be held while they are changed" : NULL;
}

static const char *against_state(const struct checking *c)
{
	static const struct { uint32_t flag; const char *reason; } rows[] = {
		{ CV_FACT_LIVE, "it seems to be open: it must be closed first" },
		{ CV_FACT_DISABLED, "it must not be opened for writing: it has features that are not known, or is being resized" },
		{ CV_FACT_CORRUPT, "it is marked as corrupt: that must be repaired first" },
		{ CV_FACT_DIRTY, "it was not closed in good order: it must be opened and closed by its program, or repaired, first" },
		{ CV_FACT_SNAPSHOTS, "it has internal snapshots, and what these read from the parent was not compared" },
		{ CV_FACT_VM_STATE, "it holds the state of a running machine" },
		{ CV_FACT_PARTIAL, "not all of it could be read" },
	};
	const struct cv_facts *f = c->image->facts;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (f->flags & rows[i].flag)
			return rows[i].reason;
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (f->findings[i].severity == CV_ERROR)
			return "it is damaged: chainview check shows what is wrong, and that must be repaired first";
	return c->image->file->state == CV_FILE_READ ? NULL : "not all of it could be read";
}

/* A relative name leads elsewhere from another folder. */
static const char *against_names(const struct checking *c)
{
	if (c->image->file->links > 1)
		return "it has another name elsewhere (a hard link)";
	return c->image->file->alias_count ? "it is reached under several paths, through links: from each of them a relative name "
					     "may lead elsewhere" : NULL;
}

static const char *against_parent_kind(const struct checking *c)
{
	enum cv_format_id format = c->image->format, parent = c->onto->format;
	bool differencing = c->onto->variant == CV_VARIANT_DIFFERENCING;

	if (c->onto->file->block_device)
		return "it is a device: only files can be held while they are compared";
	if (format == CV_FORMAT_VHD && parent != CV_FORMAT_VHD && parent != CV_FORMAT_RAW)
		return "the parent of a VHD is a VHD or a raw disk";
	if (format == CV_FORMAT_VHDX && parent != CV_FORMAT_VHDX)
		return "the parent of a VHDX is a VHDX";
	if (format == CV_FORMAT_QCOW2 && parent == CV_FORMAT_NONE)
		return "it is of no format that is known";
	if (format == CV_FORMAT_QCOW2 && differencing && (parent == CV_FORMAT_VHD || parent == CV_FORMAT_VHDX))
		return "QEMU reads a differencing VHD without its parent, and no differencing VHDX at all";
	return NULL;
}

static const char *against_parent_state(const struct checking *c)
{
	const struct cv_facts *f = c->onto->facts;
	bool identity = c->onto->format == c->image->format && c->image->format != CV_FORMAT_QCOW2;

	if (c->onto->file->state != CV_FILE_READ && c->onto->format != CV_FORMAT_RAW)
		return "not all of it could be read";
	if (f->flags & (CV_FACT_LIVE | CV_FACT_DISABLED | CV_FACT_CORRUPT))
		return "it seems to be open for writing, or must not be opened";
	if (f->flags & CV_FACT_DIRTY)
		return "it was not closed in good order: what it reads may change when it is opened";
	return identity && !(f->flags & CV_FACT_UUID) ? "it has no identity that could be recorded" : NULL;
}

static const char *against_identity(const struct checking *c)
{
	if (c->onto->format != c->image->format || c->image->format == CV_FORMAT_QCOW2)
		return NULL;
	for (uint32_t i = 0; i < c->g->image_count; i++) {
		const struct cv_image *other = &c->g->images[i];

		if (other != c->onto && other->format == c->onto->format && other->facts->flags & CV_FACT_UUID &&
		    !memcmp(other->facts->uuid, c->onto->facts->uuid, 16) && other != c->image)
			return "another image has the same identity: it could be taken for the parent";
	}
	return memcmp(c->image->facts->uuid, c->onto->facts->uuid, 16) ? NULL : "it has the same identity as the image itself";
}

static const char *against_cycle(const struct checking *c)
{
	const struct cv_image *at = c->onto;

	for (size_t n = 0; n <= c->g->image_count; n++) {
		if (at == c->image)
			return at == c->onto ? "an image cannot be its own parent" : "it stands on the image itself: that would be a circle";
		if (at->parent == CV_NO_IMAGE)
			return NULL;
		at = &c->g->images[at->parent];
	}
	return "its chain is a circle";
}

/* Why the chain from an image down is not complete. */
static const char *broken(const struct cv_graph *g, const struct cv_image *at)
{
	for (size_t n = 0; n <= g->image_count; n++) {
		if (at->status != CV_PARENT_FOUND)
			return at->status == CV_PARENT_NONE ? NULL : at->status == CV_PARENT_OUTSIDE
				? "its chain leads outside the places that were searched: give --with DIR"
				: "its chain is not complete: a parent is missing, or is not the right one";
		at = &g->images[at->parent];
	}
	return "its chain is a circle";
}

static const char *against_chain(const struct checking *c)
{
	return broken(c->g, c->onto);
}

static const char *against_former(const struct checking *c)
{
	return broken(c->g, c->image);
}

static const char *against_sizes(const struct checking *c)
{
	if (!c->image->size_known || !c->onto->size_known)
		return "its size is not known";
	return c->image->format != CV_FORMAT_QCOW2 && c->onto->virtual_size > c->image->virtual_size
		       ? "it is larger than the image, which programs for this format refuse" : NULL;
}

static const char *against_alone(const struct checking *c)
{
	const struct cv_relink_format *relink = cv_relink_format(c->image->format);

	return relink && relink->part && cv_merge_format(c->image->format) ? NULL
	       : "this version cannot make images of this format stand alone in place: chainview convert makes another one that does";
}

enum about { IMAGE, PARENT, ALONE };         /* ALONE: the image without any */

static const struct {
	const char *name, *good;
	enum about about;
	reason_function *against;
} rows[] = {
	{ "image-kind", "its format and kind allow another parent", IMAGE, against_kind },
	{ "image-state", "it is whole, and was closed in good order", IMAGE, against_state },
	{ "one-path", "it has one path", IMAGE, against_names },
	{ "chain-complete", "its present chain is complete", IMAGE, against_former },
	{ "parent-kind", "its format can be the parent's", PARENT, against_parent_kind },
	{ "parent-state", "it is whole, and not being written to", PARENT, against_parent_state },
	{ "parent-identity", "nothing else could be taken for it", PARENT, against_identity },
	{ "no-circle", "it does not stand on the image", PARENT, against_cycle },
	{ "parent-chain-complete", "its chain is complete", PARENT, against_chain },
	{ "can-stand-alone", "its format and kind allow that it has none", ALONE, against_alone },
	{ "sizes", "its size is right: what it lacks at the end reads as zeros", PARENT, against_sizes },
};

/* Whether the row is about what is asked for; NULL: nothing speaks against it. */
static bool applies(const struct checking *c, size_t row, const char **reason)
{
	bool is = rows[row].about == (c->onto ? PARENT : ALONE) || rows[row].about == IMAGE;

	*reason = is ? rows[row].against(c) : NULL;
	return is;
}

static void check(struct cv_plan_maker *m, struct checking c)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, onto_name = { 0 };

	cv_text_escape(&name, cv_bytes_of(c.image->id));
	if (c.onto)
		cv_text_escape(&onto_name, cv_bytes_of(c.onto->id));
	c.name = cv_text_str(&name);
	c.onto_name = cv_text_str(&onto_name);
	m->failed |= name.failed || onto_name.failed;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *reason;

		if (applies(&c, i, &reason))
			cv_plan_check(m, rows[i].name, !reason, "%s: %s", rows[i].about == PARENT ? c.onto_name : c.name,
				      reason ? reason : rows[i].good);
	}
}

void cv_plan_check_rebase(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image,
			  const struct cv_image *onto)
{
	check(m, (struct checking){ .m = m, .g = g, .image = image, .onto = onto });
}

void cv_plan_check_return(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const struct cv_image *onto)
{
	check(m, (struct checking){ .m = m, .g = g, .image = image, .onto = onto, .back = true });
}

const char *cv_plan_rebase_obstacle(const struct cv_graph *g, uint32_t image, uint32_t onto, bool *about_image)
{
	struct checking c = { .g = g, .image = &g->images[image], .onto = onto == CV_NO_IMAGE ? NULL : &g->images[onto] };
	const char *reason = NULL;

	*about_image = false;
	for (size_t i = 0; i < CV_COUNT(rows) && !reason; i++) {
		applies(&c, i, &reason);
		*about_image = reason && rows[i].about == IMAGE;
	}
	return reason;
}
