/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One image at block level: opening, closing, and asking for extents, with the checks that hold for every
 * format. What a table means is known in the formats' folders only.
 */
#include "inspect/block/formats.h"

static struct cv_layer *adopt(struct cv_source **source, struct cv_source **data_file, struct cv_err *err)
{
	struct cv_layer *layer = calloc(1, sizeof *layer);

	if (!layer) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	layer->source = cv_take(*source);
	layer->data_file = cv_take(*data_file);
	return layer;
}

static bool open_as(struct cv_layer *layer, enum cv_format_id format, struct cv_err *err)
{
	const struct cv_layer_ops *ops = cv_layer_ops_of(format);

	if (!ops)
		return cv_fail(err, CV_EUSAGE, "the blocks of %s images cannot be read", cv_format_name(format));
	if (layer->data_file && format != CV_FORMAT_QCOW2)
		return cv_fail(err, CV_EUSAGE, "%s images have no external data file", cv_format_name(format));
	if (!ops->open(layer, err))
		return false;
	layer->ops = ops;
	return true;
}

struct manner { bool lean, damaged; };

static struct cv_layer *open_so(struct cv_source **source, struct cv_source **data_file, enum cv_format_id format,
				struct manner manner, struct cv_err *err)
{
	CV_AUTO(cv_auto_source) struct cv_source *image = cv_take(*source);
	CV_AUTO(cv_auto_source) struct cv_source *data = data_file ? cv_take(*data_file) : NULL;
	struct cv_layer *layer = adopt(&image, &data, err);

	if (!layer)
		return NULL;
	layer->lean = manner.lean;
	layer->damaged = manner.damaged;
	if (open_as(layer, format, err))
		return layer;
	cv_layer_close(layer);
	return NULL;
}

struct cv_layer *cv_layer_open(struct cv_source **source, struct cv_source **data_file, enum cv_format_id format,
			       struct cv_err *err)
{
	return cv_layer_open_one(source, data_file, format, false, err);
}

struct cv_layer *cv_layer_open_one(struct cv_source **source, struct cv_source **data_file, enum cv_format_id format,
				   bool lean, struct cv_err *err)
{
	return open_so(source, data_file, format, (struct manner){ .lean = lean }, err);
}

/* Small windows: what cannot be read takes less with it. */
struct cv_layer *cv_layer_open_damaged(struct cv_source **source, struct cv_source **data_file,
				       enum cv_format_id format, struct cv_err *err)
{
	CV_AUTO(cv_auto_source) struct cv_source *image = cv_take(*source);
	CV_AUTO(cv_auto_source) struct cv_source *data = data_file ? cv_take(*data_file) : NULL;

	if (format == CV_FORMAT_NONE)
		format = cv_remains_of(image);
	if (format == CV_FORMAT_NONE) {
		cv_fail(err, CV_EFORMAT, "nothing is left in it that says which format it had");
		return NULL;
	}
	return open_so(&image, &data, format, (struct manner){ .lean = true, .damaged = true }, err);
}


/* ops is set only after a successful open: a failed one has cleaned up after itself. */
void cv_layer_close(struct cv_layer *layer)
{
	if (!layer)
		return;
	if (layer->ops)
		layer->ops->close(layer);
	cv_source_close(layer->source);
	cv_source_close(layer->data_file);
	free(layer);
}

/* What is encrypted cannot be read, wherever it lies. */
static void hide_encrypted(struct cv_extents *list)
{
	for (size_t i = 0; i < list->len; i++) {
		struct cv_extent *e = &list->at[i];

		if (e->kind != CV_EXTENT_DATA)
			continue;
		e->kind = CV_EXTENT_BAD;
		e->placed = e->compressed = false;
		e->why = CV_LOST_ENCRYPTED;
	}
}

/* A table that cannot be read: what its entry decides is lost, and what comes behind may be told again. */
static bool extents_damaged(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	uint64_t entry = layer->entry_bytes ? layer->entry_bytes : layer->block_size, pos, end = range.off + range.len;
	struct cv_err trouble = { .code = CV_OK };

	list->limit = layer->data_file ? layer->data_file->size : layer->source->size;
	if (!layer->ops->extents(layer, range, list, &trouble)) {
		if (trouble.code != CV_EIO)
			return cv_fail(err, trouble.code, "%s", trouble.text);
		pos = cv_extents_end(list);
		end = entry && pos / entry * entry + entry < end ? pos / entry * entry + entry : end;
		if (pos < end && !cv_extents_add(list, (struct cv_extent){ .at = { pos, end - pos }, .kind = CV_EXTENT_BAD,
									   .why = CV_LOST_IO }, err))
			return false;
		list->full = true;
	}
	if (layer->encrypted)
		hide_encrypted(list);
	return true;
}

bool cv_layer_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	cv_extents_begin(list, range);
	list->limit = 0;
	if (!cv_range_inside(range, layer->size))
		return cv_fail(err, CV_EUSAGE, "%" PRIu64 " B at guest offset %" PRIu64 " do not lie on a disk of %"
			       PRIu64 " B", range.len, range.off, layer->size);
	if (!range.len)
		return true;
	if (!(layer->damaged ? extents_damaged : layer->ops->extents)(layer, range, list, err))
		return false;
	if (!list->len || (!list->full && cv_extents_end(list) != range.off + range.len))
		return cv_fail(err, CV_EUSAGE, "the map of the blocks ends at guest offset %" PRIu64
			       " without being full", cv_extents_end(list));
	return true;
}
