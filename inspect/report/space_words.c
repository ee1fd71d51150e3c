/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What could be freed, in words: why a row takes space and what frees it. Reports and the console say the same.
 */
#include "inspect/report/words.h"
#include <chainview/space.h>

static const struct cv_image *image_of(const struct cv_space *s, uint32_t i)
{
	return &s->graph->images[i];
}

static void add_name(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row, uint32_t image)
{
	cv_words_image(t, s->graph, image, image_of(s, row->image)->repository);
}

static void why_shadowed(struct cv_text *t, const struct cv_image *m)
{
	if (m->child_count > 1)
		cv_text_addf(t, "has %" PRIu32 " children, all have written there", m->child_count);
	else
		cv_text_add(t, m->child_count ? "its child has written there" : "nobody reads it");
}

void cv_space_row_why(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	const struct cv_image *m = image_of(s, row->image);
	const struct cv_references *refs = s->graph->refs;

	switch (row->kind) {
	case CV_SPACE_ROW_ORPHAN:
		cv_text_add(t, m->role != CV_ROLE_ORPHAN ? "only orphans read it"
			       : refs && refs->complete  ? "no child, no reference"
							 : "no child; references not known");
		return;
	case CV_SPACE_ROW_SHADOWED:
		why_shadowed(t, m);
		return;
	case CV_SPACE_ROW_MERGE:
		cv_text_add(t, m->coalesce.reason ? m->coalesce.reason : "can be merged");
		return;
	case CV_SPACE_ROW_LEAKED:
		cv_text_add(t, "nothing in the image points to it");
		return;
	case CV_SPACE_ROW_SNAPSHOT:
		cv_text_add(t, "only internal snapshots hold it");
		return;
	default:
		cv_text_add(t, "pages that hold zeros only");
	}
}

static uint64_t magnitude(int64_t n)
{
	return n < 0 ? -(uint64_t)n : (uint64_t)n;
}

/* What it gives in the end and takes for a while. */
static void add_numbers(struct cv_text *t, const struct cv_space_row *row)
{
	if (!row->known)
		return;
	cv_text_addf(t, ": net %s%s, peak %s", row->net_bytes < 0 ? "-" : "", cv_size_short(magnitude(row->net_bytes)).s,
		     cv_size_short(row->peak_bytes).s);
}

static void cure_none(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	if (row->target == CV_NO_IMAGE) {
		cv_text_add(t, "delete the image");
	} else if (!row->known) {
		cv_text_add(t, "merge or flatten the child; what that needs is not known");
	} else {
		cv_text_add(t, "nothing: merging ");
		add_name(t, s, row, row->target);
		cv_text_addf(t, " costs %s more than it frees", cv_size_short(magnitude(row->net_bytes)).s);
	}
}

/* What keeps the remedy from being done now; NULL: nothing. */
static const char *why_not(const struct cv_space *s, const struct cv_space_row *row)
{
	if (row->now)
		return NULL;
	if (row->remedy == CV_REMEDY_MERGE)
		return image_of(s, row->target)->coalesce.reason;
	return row->remedy == CV_REMEDY_DELETE ? image_of(s, row->image)->deletable.reason : NULL;
}

static void cure_merge(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	const char *why = why_not(s, row);

	if (row->target == row->image) {
		cv_text_add(t, "coalesce");
	} else {
		cv_text_add(t, "merge ");
		add_name(t, s, row, row->target);
		cv_text_add(t, " into it");
	}
	add_numbers(t, row);
	if (why)
		cv_text_addf(t, ", but: %s", why);
}

static void cure_flatten(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	if (row->remedy == CV_REMEDY_FLATTEN) {
		cv_text_add(t, "flatten ");
		add_name(t, s, row, row->target);
		cv_text_add(t, ", delete what it stood on");
	} else {
		cv_text_add(t, "flatten all of them but ");
		add_name(t, s, row, row->target);
		cv_text_add(t, ", merge that");
	}
	add_numbers(t, row);
}

static void cure_delete(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	const char *why = why_not(s, row);

	cv_text_add(t, "delete to trash");
	if (why)
		cv_text_addf(t, ", but: %s", why);
}

static void cure_choose(struct cv_text *t, const struct cv_space_row *row)
{
	cv_text_add(t, "delete all of them but one");
	if (row->known)
		cv_text_addf(t, "; flattening costs %s more than it frees", cv_size_short(magnitude(row->net_bytes)).s);
}

void cv_space_row_cure(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	switch (row->remedy) {
	case CV_REMEDY_DELETE:
		cure_delete(t, s, row);
		return;
	case CV_REMEDY_DELETE_ABOVE:
		cv_text_add(t, "delete the orphans that stand on it");
		return;
	case CV_REMEDY_MERGE:
		cure_merge(t, s, row);
		return;
	case CV_REMEDY_FLATTEN:
	case CV_REMEDY_FLATTEN_OTHERS:
		cure_flatten(t, s, row);
		return;
	case CV_REMEDY_CHOOSE:
		cure_choose(t, row);
		return;
	case CV_REMEDY_REPAIR:
		cv_text_add(t, "repair the image, then convert it");
		return;
	case CV_REMEDY_DELETE_SNAPSHOTS:
		cv_text_add(t, "delete internal snapshots");
		return;
	case CV_REMEDY_SPARSIFY:
		cv_text_add(t, "sparsify");
		add_numbers(t, row);
		return;
	default:
		cure_none(t, s, row);
	}
}

void cv_space_row_cure_short(struct cv_text *t, const struct cv_space *s, const struct cv_space_row *row)
{
	static const struct { const char *words; bool gains; } cures[CV_REMEDY_COUNT] = {
		[CV_REMEDY_NONE] = { "nothing", false },
		[CV_REMEDY_DELETE] = { "delete to trash", false },
		[CV_REMEDY_DELETE_ABOVE] = { "delete orphans", false },
		[CV_REMEDY_MERGE] = { "merge", true },
		[CV_REMEDY_FLATTEN] = { "flatten", true },
		[CV_REMEDY_FLATTEN_OTHERS] = { "flatten", true },
		[CV_REMEDY_CHOOSE] = { "delete some", false },
		[CV_REMEDY_REPAIR] = { "repair, convert", false },
		[CV_REMEDY_DELETE_SNAPSHOTS] = { "delete snapshots", false },
		[CV_REMEDY_SPARSIFY] = { "sparsify", true },
	};
	struct cv_size_text bytes = cv_size_short(magnitude(row->net_bytes));
	const char *why = why_not(s, row);

	cv_text_add(t, cures[row->remedy].words);
	if (row->known && cures[row->remedy].gains)
		cv_text_addf(t, ": %s%s", row->net_bytes < 0 ? "-" : "", bytes.s);
	else if (row->known && row->remedy == CV_REMEDY_NONE && row->target != CV_NO_IMAGE)
		cv_text_addf(t, ": costs %s more", bytes.s);
	if (why)
		cv_text_addf(t, ", but: %s", why);
}
