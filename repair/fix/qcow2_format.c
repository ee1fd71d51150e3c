/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A QCOW2 image that does not say of which format its parent is: recorded as what the parent is found to be. A guest that owns
 * a raw disk can make it look like anything, so what a parent looks like is no proof by itself: it is recorded without asking
 * where nothing that a guest writes could have brought that about. That it is raw is never more than the lack of anything else.
 */
#include "repair/fix/qcow2.h"
#include "repair/relink/relink.h"

/* Those who gave the file its name, or who made another image on it, took it for that. */
static bool is_meant(const struct cv_graph *g, const struct cv_image *parent)
{
	const char *name = strrchr(parent->file->path, '/'), *dot = name ? strrchr(name, '.') : NULL;
	bool meant = dot && cv_format_by_name(cv_bytes_of(dot + 1)) == parent->format;

	for (uint32_t i = 0; i < parent->child_count; i++)
		meant |= g->images[cv_graph_child(g, parent, i)].facts->parent_format == parent->format;
	return meant;
}

static bool is_well(const struct cv_graph *g, uint32_t image)
{
	const struct cv_image *m = &g->images[image];
	const struct cv_finding *list;
	size_t count = cv_graph_findings_of(g, image, &list);

	for (size_t i = 0; i < count; i++)
		if (list[i].severity == CV_ERROR)
			return false;
	return m->file->state == CV_FILE_READ && (m->status == CV_PARENT_NONE || m->status == CV_PARENT_FOUND);
}

/* NULL: it is that, and nothing else. Taken for raw it would be a disk as long as the file: the child is not so long. */
static const char *doubt(const struct cv_graph *g, const struct cv_image *child)
{
	const struct cv_image *parent = &g->images[child->parent];

	if (parent->facts->flags & CV_FACT_RAW_LOOKALIKE)
		return "others take its parent for raw, and it looks like something else: make sure which it is";
	if (parent->format == CV_FORMAT_RAW)
		return "it is raw as far as can be seen, and nobody guesses from what a guest writes there any more";
	if (!is_well(g, child->parent))
		return "something is wrong with the parent, so make sure that it is no raw disk that was made to look like this";
	if (!is_meant(g, parent))
		return "it looks like that, but nothing else says so: make sure that it is no raw disk that was made to look like this";
	if (!parent->size_known || !child->size_known || parent->virtual_size != child->virtual_size ||
	    parent->file->size == child->virtual_size)
		return "its size does not tell it from a raw disk that was made to look like this";
	return NULL;
}

/* True: it was refused. */
static bool refuses(const struct cv_image *child, const struct cv_image *parent, struct cv_fix *fix)
{
	if (child->facts->flags & (CV_FACT_PARENT_UNREADABLE | CV_FACT_DISABLED | CV_FACT_PARTIAL))
		return cv_fix_refuse(fix, "what names its parent is damaged, or must not be written to");
	if (!parent)
		return cv_fix_refuse(fix, "its parent was not found, and only that tells of which format it is: find it first (--with looks "
				     "elsewhere)");
	if (parent->format == CV_FORMAT_NONE)
		return cv_fix_refuse(fix, "nobody can tell of which format its parent is: qemu-img rebase -u -F records what you know");
	if (parent->format == CV_FORMAT_VHD && parent->variant == CV_VARIANT_FIXED)
		return cv_fix_refuse(fix, "its parent is a fixed VHD, which QEMU guesses to be raw: qemu-img rebase -u -F vpc or -F raw says "
				     "which it shall be");
	return false;
}

static bool record(const struct cv_fix_job *job, enum cv_format_id format, struct cv_fix *fix, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };
	struct cv_relink change = { 0 };
	bool ok = cv_relink_record_format(&change, job->source, format, &why);

	ok = ok ? cv_fix_take(fix, &change, err)
	     : why.code == CV_EREFUSED ? cv_fix_refuse(fix, "%s", why.text) : cv_fail(err, why.code, "%s", why.text);
	cv_relink_fini(&change);
	return ok;
}

bool cv_fix_qcow2_format(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	const struct cv_image *child = &job->g->images[job->image];
	const struct cv_image *parent = child->status == CV_PARENT_FOUND ? &job->g->images[child->parent] : NULL;
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	const char *why;

	if (refuses(child, parent, fix))
		return true;
	why = doubt(job->g, child);
	cv_text_escape(&name, cv_bytes_of(parent->id));
	fix->verdict = why ? CV_FIX_ASKS : CV_FIX_SAFE;
	cv_fix_say(fix, "%s is recorded as %s%s%s", cv_text_str(&name), cv_format_name(parent->format), why ? "; " : "", why ? why : "");
	return record(job, parent->format, fix, err);
}
