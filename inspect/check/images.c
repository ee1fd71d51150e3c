/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What is wrong with single images: what their reader and the check of their tables reported, content
 * that could not be read, data files. */
#include "inspect/check/check.h"

static void reported(struct cv_build *b, uint32_t i)
{
	const struct cv_facts *f = b->g->images[i].facts;

	for (uint32_t k = 0; k < f->finding_count; k++)
		cv_found(b, i, f->findings[k]);
}

/* The line came escaped; a finding holds bytes as they are and is escaped when it is shown. */
static void add_trouble(struct cv_text *t, const struct cv_file *file)
{
	cv_text_unescape(t, cv_bytes_of(file->trouble ? file->trouble : "it could not be read"));
}

static void add_unknown_content(struct cv_build *b, uint32_t i, struct cv_text *t)
{
	const struct cv_image *image = &b->g->images[i];
	const char *extension = cv_image_extension(image->file->path);
	uint32_t namer = b->notes[i].namer;

	if (extension)
		cv_text_addf(t, "named %s, but its content is no image format that is known", extension);
	else
		cv_text_add(t, "its content is no image format that is known");
	if (!extension && namer != CV_NO_IMAGE)
		cv_text_addf(t, ", though %s names it as its parent", cv_image_label(b->g, image->repository, namer));
	else if (!extension && image->reference_count)
		cv_text_add(t, ", though it is referred to");
}

static void unreadable(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = cv_finding_of(CV_GEN_IMAGE_UNREADABLE);
	struct cv_text text = { 0 };

	if (image->file->state == CV_FILE_WAITING || cv_facts_report(image->facts, CV_GEN_IMAGE_UNREADABLE) ||
	    (image->format == CV_FORMAT_NONE && cv_facts_report(image->facts, CV_GEN_UNSUPPORTED_FEATURE)))
		return;
	if (image->file->state == CV_FILE_FAILED)
		add_trouble(&text, image->file);
	else if (!image->file->size && image->format != CV_FORMAT_RAW)   /* a raw disk may have no bytes */
		cv_text_add(&text, "the file is empty");
	else if (image->format == CV_FORMAT_NONE)
		add_unknown_content(b, i, &text);
	else
		return;
	f.arg[0] = cv_arg_kept(b, &text);
	cv_found(b, i, f);
}

static void raw_lookalike(struct cv_build *b, uint32_t i)
{
	const struct cv_facts *facts = b->g->images[i].facts;
	struct cv_finding f = cv_finding_of(CV_GEN_RAW_LOOKS_LIKE_FORMAT);

	if (!cv_has(facts, CV_FACT_RAW_LOOKALIKE) || cv_facts_report(facts, CV_GEN_RAW_LOOKS_LIKE_FORMAT))
		return;
	f.arg[0] = cv_arg_text(cv_format_name(facts->lookalike));
	cv_found(b, i, f);
}

/* Why a data file that is named was not taken; NULL if it is simply not there. */
static const char *data_file_trouble(const struct cv_target *t, const struct cv_name *name)
{
	if (name->kind == CV_NAME_EXTERNAL)
		return "names no certain file and is never followed";
	if (t && t->found == CV_FOUND_OUTSIDE)
		return "lies outside the given repositories and was not opened";
	if (t && t->found == CV_FOUND_UNREADABLE)
		return "could not be looked at";
	return NULL;
}

static void report_data_file(struct cv_build *b, uint32_t i, const struct cv_name *name, const struct cv_target *t)
{
	const char *trouble = data_file_trouble(t, name);
	struct cv_finding f = cv_finding_of(trouble ? CV_GEN_UNSUPPORTED_FEATURE : CV_QCW_DATA_FILE_MISSING);
	struct cv_text text = { 0 };

	if (trouble)
		cv_text_add(&text, "its data file ");
	cv_text_add_bytes(&text, name->text.at, name->text.len);
	if (trouble)
		cv_text_addf(&text, " %s", trouble);
	else if (t && t->what)
		cv_text_addf(&text, " (the name leads to %s)", t->what);
	f.arg[0] = cv_arg_kept(b, &text);
	f.has_where = name->where.len;
	f.where = name->where;
	cv_found(b, i, f);
}

static void data_file(struct cv_build *b, uint32_t i)
{
	const struct cv_node *n = cv_node_of(b, i);
	const struct cv_target *t = cv_targets_of(b, n), *tried = NULL;
	const struct cv_facts *facts = b->g->images[i].facts;
	struct cv_finding f = cv_finding_of(CV_GEN_UNSUPPORTED_FEATURE);

	if (!cv_has(facts, CV_FACT_DATA_FILE) || n->data != CV_NO_FILE || b->g->partial)
		return;
	for (uint32_t k = 0; k < n->target_count && !tried; k++)
		if (t[k].data)
			tried = &t[k];
	for (uint32_t k = 0; k < facts->name_count; k++)
		if (facts->names[k].source == CV_NAME_DATA_FILE) {
			report_data_file(b, i, &facts->names[k], tried);
			return;
		}
	f.arg[0] = cv_arg_text("its guest data lies in another file, and the name of that is not recorded");
	cv_found(b, i, f);
}

/* Did its reader find why nobody can go through its tables? */
static bool says_why(const struct cv_facts *f)
{
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (f->findings[i].severity == CV_ERROR)
			return true;
	return cv_facts_report(f, CV_GEN_UNSUPPORTED_FEATURE);
}

/* What its tables say. Content that is somebody's raw data was looked at in vain. */
static void tables(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	const struct cv_checked *c = b->g->checks ? cv_check_of(b->g->checks, b->notes[i].node) : NULL;
	struct cv_finding f = cv_finding_of(CV_GEN_IMAGE_UNREADABLE);
	struct cv_text text = { 0 };

	if (!c || image->format != image->file->facts->format)
		return;
	/* A block device ends where it ends. */
	for (uint32_t k = 0; c->facts && k < c->facts->finding_count; k++)
		if (!image->file->block_device || c->facts->findings[k].id != CV_QCW_UNMAPPED_TAIL)
			cv_found(b, i, c->facts->findings[k]);
	if (!c->trouble)
		return;
	if (says_why(image->facts))
		f.severity = CV_INFO;
	cv_text_add(&text, "its tables were not looked at to their end: ");
	cv_text_unescape(&text, cv_bytes_of(c->trouble));
	f.arg[0] = cv_arg_kept(b, &text);
	cv_found(b, i, f);
}

void cv_check_images(struct cv_build *b)
{
	static void (*const rules[])(struct cv_build *b, uint32_t image) = {
		reported, unreadable, raw_lookalike, data_file, tables,
	};

	for (uint32_t i = 0; i < b->g->image_count; i++)
		for (size_t k = 0; k < CV_COUNT(rules); k++)
			rules[k](b, i);
}
