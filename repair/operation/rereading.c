/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * See rereading.h. Where a child has nothing of its own it reads the parent now, and would read the image and then the parent. What
 * the parent stands on is the same for both: wherever it shows through, the parent has nothing, and so has the image, or the merge
 * would have put it there.
 */
#include "repair/operation/rereading.h"
#include "repair/io/source.h"
#include "repair/merge/differing.h"
#include <chainview/format.h>

enum { IMAGE = 0, PARENT = 1, FIRST_CHILD = 2, EXTENTS_AT_ONCE = 4096 };
#define WINDOW (UINT64_C(16) << 20)

/* format NONE: what it looks like. */
static struct cv_layer *open_item(const struct cv_work *work, size_t item, enum cv_format_id format, struct cv_err *err)
{
	CV_AUTO(cv_auto_source) struct cv_source *source = cv_io_source(work->w->io, work->claims[item], err);
	const struct cv_format *row = source && format == CV_FORMAT_NONE ? cv_format_probe(source) : NULL;
	struct cv_layer *layer = NULL;

	if (source && format == CV_FORMAT_NONE && !row)
		cv_fail(err, CV_EREFUSED, "its format is not known any more");
	else if (source)
		layer = cv_layer_open(&source, NULL, row ? row->id : format, err);
	if (!layer)
		cv_wrap(err, "%s", work->items[item].path);
	return layer;
}

static bool fail_differs(const struct cv_work *work, size_t item, uint64_t at, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_escape(&name, cv_bytes_of(work->items[item].path));
	return cv_fail(err, CV_EREFUSED, "%s would not read what it does at guest offset %" PRIu64 ": the image in the trash and its parent "
		       "do not hold the same there, so one of them is damaged", cv_text_str(&name), at);
}

static bool compare(struct cv_work *work, size_t item, struct cv_layer *differing, struct cv_err *err)
{
	struct cv_extents list = { .max = EXTENTS_AT_ONCE };
	bool ok = true;

	for (uint64_t pos = 0, size = differing->size; ok && pos < size; pos = cv_extents_end(&list)) {
		ok = cv_work_batch(work, "comparing", pos, size, err) &&
		     cv_layer_extents(differing, (struct cv_range){ pos, size - pos < WINDOW ? size - pos : WINDOW }, &list, err);
		for (size_t i = 0; ok && i < list.len; i++)
			if (list.at[i].kind != CV_EXTENT_PARENT)
				ok = fail_differs(work, item, list.at[i].at.off, err);
	}
	cv_extents_fini(&list);
	return ok;
}

static bool reread(struct cv_work *work, size_t item, struct cv_layer *image, struct cv_layer *parent, struct cv_err *err)
{
	struct cv_layer *now[] = { parent }, *then[] = { image, parent };
	struct cv_differing d = { .now = { now, 1, false }, .then = { then, 2, false } };
	struct cv_layer *differing = NULL;
	bool ok = false;

	d.image = open_item(work, item, CV_FORMAT_NONE, err);
	if (d.image)
		differing = cv_differing_open(&d, err);
	if (differing)
		ok = compare(work, item, differing, err);
	cv_layer_close(differing);
	cv_layer_close(d.image);
	return ok;
}

bool cv_reread_children(struct cv_work *work, enum cv_format_id image, enum cv_format_id parent, struct cv_err *err)
{
	struct cv_layer *upper = open_item(work, IMAGE, image, err), *lower = upper ? open_item(work, PARENT, parent, err) : NULL;
	bool ok = lower != NULL;

	for (size_t i = FIRST_CHILD; ok && i < work->item_count; i++)
		ok = reread(work, i, upper, lower, err);
	cv_layer_close(lower);
	cv_layer_close(upper);
	return ok;
}
