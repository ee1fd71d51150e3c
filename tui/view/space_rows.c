/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The rows of the space view: what could be freed, image by image, with reason and remedy. Numbers come from the
 * space model, reasons from the verdicts of the graph.
 */
#include "tui/console_model.h"

const char *cv_space_kind_name(enum cv_space_kind kind)
{
	static const char *const names[] = {
		[CV_SPACE_ROW_ORPHAN] = "orphan", [CV_SPACE_ROW_SHADOWED] = "shadowed",
		[CV_SPACE_ROW_MERGE] = "mergeable", [CV_SPACE_ROW_LEAKED] = "leaked",
		[CV_SPACE_ROW_SNAPSHOT] = "snapshot",
	};

	return names[kind];
}

static const struct cv_image *child_of(const struct cv_console *c, const struct cv_image *image)
{
	return image->child_count ? cv_image_at(c, cv_graph_child(c->snap.graph, image, 0)) : NULL;
}

static bool add_image(struct cv_console *c, uint32_t i)
{
	const struct cv_space_image *m = &c->space.space->images[i];
	const struct cv_image *image = &c->snap.graph->images[i];
	const struct cv_space_merge *merge = &m->merge;
	bool gains = image->coalesce.possible && merge->known && merge->net_bytes > 0;
	uint64_t orphaned = m->bytes[CV_SPACE_ORPHANED];
	const struct cv_space_line lines[] = {
		{ orphaned && image->role == CV_ROLE_ORPHAN && image->file ? image->file->allocated : orphaned, i,
		  CV_SPACE_ROW_ORPHAN },
		{ m->bytes[CV_SPACE_SHADOWED], i, CV_SPACE_ROW_SHADOWED },
		{ gains ? (uint64_t)merge->net_bytes : 0, i, CV_SPACE_ROW_MERGE },
		{ m->bytes[CV_SPACE_LEAKED], i, CV_SPACE_ROW_LEAKED },
		{ m->bytes[CV_SPACE_SNAPSHOT], i, CV_SPACE_ROW_SNAPSHOT },
	};

	for (size_t k = 0; k < CV_COUNT(lines); k++)
		if (lines[k].bytes && !cv_space_lines_push(&c->space.lines, lines[k]))
			return false;
	return true;
}

static int by_size(const void *a, const void *b)
{
	const struct cv_space_line *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->image != y->image)
		return x->image > y->image ? 1 : -1;
	return (int)x->kind - (int)y->kind;
}

bool cv_space_lines_make(struct cv_console *c)
{
	uint32_t repository = cv_space_repository(c);
	struct cv_space_lines *lines = &c->space.lines;

	lines->len = 0;
	for (uint32_t i = 0; c->space.space && c->shown && i < c->snap.graph->image_count; i++)
		if (c->snap.graph->images[i].repository == repository && c->space.space->images[i].known &&
		    !add_image(c, i))
			return false;
	if (lines->len)
		qsort(lines->at, lines->len, sizeof *lines->at, by_size);
	return true;
}

static void why_shadowed(const struct cv_console *c, const struct cv_image *image, struct cv_text *out)
{
	const struct cv_image *child = child_of(c, image);

	if (image->child_count > 1)
		cv_text_addf(out, "has %" PRIu32 " children that wrote there", image->child_count);
	else if (!child)
		cv_text_add(out, "nobody reads it");
	else
		cv_text_add(out, child->coalesce.possible || !child->coalesce.reason ? "its child has written there"
										      : child->coalesce.reason);
}

void cv_space_why(const struct cv_console *c, const struct cv_space_line *line, struct cv_text *out)
{
	const struct cv_image *image = &c->snap.graph->images[line->image];
	const struct cv_references *refs = c->snap.graph->refs;

	switch (line->kind) {
	case CV_SPACE_ROW_ORPHAN:
		cv_text_add(out, image->role != CV_ROLE_ORPHAN ? "only orphans read it"
				 : refs && refs->complete      ? "no child, no reference"
							       : "no child; references not known");
		return;
	case CV_SPACE_ROW_SHADOWED:
		why_shadowed(c, image, out);
		return;
	case CV_SPACE_ROW_MERGE:
		cv_text_add(out, image->coalesce.reason ? image->coalesce.reason : "can be merged");
		return;
	case CV_SPACE_ROW_LEAKED:
		cv_text_add(out, "nothing in the image points to it");
		return;
	case CV_SPACE_ROW_SNAPSHOT:
		cv_text_add(out, "only internal snapshots hold it");
	}
}

/* Merging the only child into the image. */
static void cure_shadowed(const struct cv_console *c, const struct cv_image *image, struct cv_text *out)
{
	const struct cv_image *child = child_of(c, image);

	if (image->child_count > 1) {
		cv_text_add(out, "delete or flatten all but one of them");
	} else if (child && child->coalesce.possible) {
		cv_text_add(out, "merge ");
		cv_image_name(out, child);
		cv_text_add(out, " into it");
	} else {
		cv_text_add(out, child ? "what blocks the merge first" : "delete the image");
	}
}

void cv_space_cure(const struct cv_console *c, const struct cv_space_line *line, struct cv_text *out)
{
	const struct cv_image *image = &c->snap.graph->images[line->image];
	const struct cv_space_merge *merge = &c->space.space->images[line->image].merge;

	switch (line->kind) {
	case CV_SPACE_ROW_ORPHAN:
		cv_text_add(out, image->role == CV_ROLE_ORPHAN ? "delete to trash" : "delete the orphans on it");
		if (image->role == CV_ROLE_ORPHAN && !image->deletable.possible && image->deletable.reason)
			cv_text_addf(out, ", but: %s", image->deletable.reason);
		return;
	case CV_SPACE_ROW_SHADOWED:
		cure_shadowed(c, image, out);
		return;
	case CV_SPACE_ROW_MERGE:
		cv_text_addf(out, "coalesce; peak %s", cv_size_short(merge->peak_bytes).s);
		return;
	case CV_SPACE_ROW_LEAKED:
		cv_text_add(out, "repair, then convert it");
		return;
	case CV_SPACE_ROW_SNAPSHOT:
		cv_text_add(out, "delete internal snapshots");
	}
}
