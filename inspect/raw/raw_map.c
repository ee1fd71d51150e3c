/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A raw image as a layer: it holds every byte itself, and the holes of its file read as zeros. */
#include <chainview/extent.h>

#define SECTOR 512u

extern const struct cv_layer_ops cv_layer_ops_raw;

static bool open_map(struct cv_layer *layer, struct cv_err *err)
{
	(void)err;
	layer->size = layer->source->size;
	layer->block_size = SECTOR;
	return true;
}

static bool add(struct cv_extents *list, enum cv_extent_kind kind, uint64_t end, struct cv_err *err)
{
	uint64_t pos = cv_extents_end(list);
	struct cv_extent e = { .at = { pos, end - pos }, .kind = kind, .placed = true, .host = pos };

	return pos >= end || cv_extents_add(list, e, err);
}

/* The next data at or behind pos; all of the rest where the source does not know its holes. */
static struct cv_range next_data(struct cv_source *source, uint64_t pos, uint64_t end)
{
	uint64_t from, upto;

	if (!source->ops->hole || !source->ops->hole(source, pos, &from, &upto))
		return (struct cv_range){ pos, end - pos };
	if (from > end)
		from = end;
	if (upto > end)
		upto = end;
	return from < pos || upto < from ? (struct cv_range){ pos, end - pos } : (struct cv_range){ from, upto - from };
}

static bool map_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	uint64_t pos = range.off, end = range.off + range.len;

	while (pos < end && !list->full) {
		struct cv_range data = next_data(layer->source, pos, end);

		/* A file that changes while it is looked at might say that nothing is here at all. */
		if (!data.len && data.off == pos)
			data.len = end - pos;
		if (!add(list, CV_EXTENT_ZERO, data.off, err) || !add(list, CV_EXTENT_DATA, data.off + data.len, err))
			return false;
		pos = cv_extents_end(list);
	}
	return true;
}

static void close_map(struct cv_layer *layer)
{
	(void)layer;
}

const struct cv_layer_ops cv_layer_ops_raw = { open_map, map_extents, NULL, close_map, NULL };
