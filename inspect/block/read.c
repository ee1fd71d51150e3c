/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bytes that a guest reads through a chain, by way of its extents. What the extents are is decided in
 * chain.c; how a format compresses is known in its folder.
 */
#include <chainview/extent.h>

/* A fragmented range is read in several rounds rather than with a long list. */
#define EXTENTS_AT_ONCE 1024u

static bool fail_bad(const struct cv_chain *chain, const struct cv_extent *e, struct cv_err *err)
{
	if (e->layer >= chain->count)
		return cv_fail(err, CV_EFORMAT,
			       "guest offset %" PRIu64 " is in the parent of layer %zu, which is not here", e->at.off,
			       chain->count - 1);
	return cv_fail(err, CV_EFORMAT, "layer %" PRIu32 ": the table entry for guest offset %" PRIu64
		       " points to host offset %" PRIu64 ", which cannot be true", e->layer, e->at.off, e->host);
}

static bool read_data(struct cv_layer *layer, const struct cv_extent *e, void *buf, struct cv_err *err)
{
	struct cv_source *from = layer->data_file ? layer->data_file : layer->source;

	if (layer->encrypted)
		return cv_fail(err, CV_EREFUSED, "its data are encrypted");
	if (e->compressed && !layer->ops->inflate)
		return cv_fail(err, CV_EUSAGE, "a compressed block in a format without compression");
	if (e->compressed)
		return layer->ops->inflate(layer, e, buf, err);
	return cv_source_read(from, buf, e->at.len, e->host, err);
}

static bool read_extent(const struct cv_chain *chain, const struct cv_extent *e, void *buf, struct cv_err *err)
{
	switch (e->kind) {
	case CV_EXTENT_PARENT:
	case CV_EXTENT_ZERO:
		memset(buf, 0, e->at.len);
		return true;
	case CV_EXTENT_DATA:
		return read_data(chain->layers[e->layer], e, buf, err) ||
		       cv_wrap(err, "layer %" PRIu32 ", guest offset %" PRIu64, e->layer, e->at.off);
	case CV_EXTENT_BAD:
		break;
	}
	return fail_bad(chain, e, err);
}

bool cv_chain_read(const struct cv_chain *chain, void *buf, struct cv_range range, struct cv_err *err)
{
	CV_AUTO(cv_extents_fini) struct cv_extents list = { .max = EXTENTS_AT_ONCE };
	uint8_t *to = buf;

	do {
		uint64_t done;

		if (!cv_chain_extents(chain, range, &list, err))
			return false;
		for (size_t i = 0; i < list.len; i++)
			if (!read_extent(chain, &list.at[i], to + (list.at[i].at.off - range.off), err))
				return false;
		done = cv_extents_end(&list) - range.off;
		to += done;
		range.off += done;
		range.len -= done;
	} while (range.len);
	return true;
}
