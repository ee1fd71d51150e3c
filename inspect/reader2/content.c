/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* From the extents of a chain to a stream of bytes and runs of zeros. Knows no format and no library. */
#include "inspect/reader2/content.h"

#define EXTENTS_AT_ONCE 16384u
#define WORTH_EXPECTING (64u << 10)

const uint8_t cv_content_zeros[CV_CONTENT_PIECE];

static void close_layers(struct cv_chain *chain)
{
	for (size_t i = 0; chain->layers && i < chain->count; i++)
		cv_layer_close(chain->layers[i]);
	free(chain->layers);
}

void cv_content_close(struct cv_chain *chain)
{
	close_layers(chain);
	*chain = (struct cv_chain){ .count = 0 };
}

static struct cv_layer *open_one(struct cv_source **source, struct cv_source **data, const struct cv_task_image *image,
				 struct cv_err *err)
{
	return (image->damaged ? cv_layer_open_damaged : cv_layer_open)(source, data, image->format, err);
}

bool cv_content_open_found(struct cv_chain *chain, struct cv_source **sources, struct cv_source **data,
			   const struct cv_task_image *images, size_t count, struct cv_err *why, struct cv_err *err)
{
	*chain = (struct cv_chain){ .layers = calloc(count, sizeof *chain->layers) };
	if (!chain->layers)
		return cv_fail(err, CV_ENOMEM, "out of memory for a chain of %zu images", count);
	for (size_t i = 0; i < count; i++) {
		struct cv_layer *layer = open_one(&sources[i], &data[i], &images[i], i ? why : err);

		if (!layer && !i)
			return false;
		chain->incomplete = !layer;
		if (!layer)
			break;
		chain->layers[chain->count++] = layer;
	}
	return true;
}

void cv_content_ends_early(struct cv_chain *chain)
{
	chain->incomplete |= !(chain->layers[chain->count - 1]->damaged && chain->layers[chain->count - 1]->alone);
}

bool cv_content_open(struct cv_chain *chain, struct cv_source **sources, struct cv_source **data,
		     const struct cv_task_image *images, size_t count, struct cv_err *err)
{
	*chain = (struct cv_chain){ .layers = calloc(count, sizeof *chain->layers), .count = count };
	if (!chain->layers)
		return cv_fail(err, CV_ENOMEM, "out of memory for a chain of %zu images", count);
	for (size_t i = 0; i < count; i++) {
		chain->layers[i] = open_one(&sources[i], &data[i], &images[i], err);
		if (!chain->layers[i])
			return i ? cv_wrap(err, "parent %zu in the chain", i) : false;
	}
	return true;
}

struct cv_extent cv_content_part(const struct cv_extent *e, uint64_t off, uint64_t len)
{
	struct cv_extent part = *e;

	part.at = (struct cv_range){ off, len };
	if (part.placed && !part.compressed)
		part.host += off - e->at.off;
	return part;
}

static bool read_data(struct cv_layer *layer, const struct cv_extent *e, void *buf, struct cv_err *err)
{
	if (layer->encrypted)
		return cv_fail(err, CV_EREFUSED, "its data are encrypted");
	if (e->compressed && layer->ops->inflate)
		return layer->ops->inflate(layer, e, buf, err);
	return cv_source_read(layer->data_file ? layer->data_file : layer->source, buf, e->at.len, e->host, err);
}

bool cv_content_read(const struct cv_chain *chain, const struct cv_extent *e, void *buf, struct cv_err *err)
{
	if (e->kind == CV_EXTENT_BAD)
		return cv_chain_read(chain, buf, (struct cv_range){ e->at.off, 1 }, err);
	if (e->kind != CV_EXTENT_DATA) {
		memset(buf, 0, e->at.len);
		return true;
	}
	return read_data(chain->layers[e->layer], e, buf, err) ||
	       cv_wrap(err, "layer %" PRIu32 ", guest offset %" PRIu64, e->layer, e->at.off);
}

bool cv_content_init(struct cv_content *c, const struct cv_chain *chain, struct cv_err *err)
{
	*c = (struct cv_content){ .chain = chain, .list = { .max = EXTENTS_AT_ONCE }, .end = chain->layers[0]->size };
	c->buf = malloc(CV_CONTENT_PIECE);
	return c->buf || cv_fail(err, CV_ENOMEM, "out of memory");
}

void cv_content_fini(struct cv_content *c)
{
	cv_extents_fini(&c->list);
	free(c->buf);
}

/* The extent at pos; NULL on error. pos is before the end. */
static const struct cv_extent *current(struct cv_content *c, struct cv_err *err)
{
	if (c->at == c->list.len) {
		c->at = 0;
		if (!cv_chain_extents(c->chain, (struct cv_range){ c->pos, c->end - c->pos }, &c->list, err)) {
			c->list.len = 0;
			return NULL;
		}
	}
	return &c->list.at[c->at];
}

/* What of an extent is left in one piece: all of it is lost, or nothing. */
static uint64_t left_of_kind(struct cv_content *c, uint64_t left, bool *is_lost)
{
	const struct cv_lost *l;

	while (c->lost_at < c->lost_count && c->lost[c->lost_at].at.off + c->lost[c->lost_at].at.len <= c->pos)
		c->lost_at++;
	l = c->lost_at < c->lost_count ? &c->lost[c->lost_at] : NULL;
	*is_lost = l && l->at.off <= c->pos;
	if (*is_lost && l->at.off + l->at.len - c->pos < left)
		return l->at.off + l->at.len - c->pos;
	return l && !*is_lost && l->at.off - c->pos < left ? l->at.off - c->pos : left;
}

/* What is left of an extent from pos on. */
static uint64_t left_of(const struct cv_content *c, const struct cv_extent *e)
{
	return e->at.off + e->at.len - c->pos;
}

static void advance(struct cv_content *c, const struct cv_extent *e, uint64_t len)
{
	c->at += len == left_of(c, e);
	c->pos += len;
}

/* While the piece that is given now is worked on the disk can fetch the next one. Small ones are not worth a call. */
static void expect_next(const struct cv_content *c)
{
	uint64_t end = c->end - c->pos > CV_CONTENT_PIECE ? c->pos + CV_CONTENT_PIECE : c->end;

	for (size_t i = c->at; i < c->list.len && c->list.at[i].at.off < end; i++) {
		const struct cv_extent *e = &c->list.at[i];
		uint64_t from = e->at.off < c->pos ? c->pos - e->at.off : 0, stop = e->at.off + e->at.len;
		const struct cv_layer *layer;

		stop = (stop < end ? stop : end) - e->at.off;
		if (e->kind != CV_EXTENT_DATA || e->compressed || stop - from < WORTH_EXPECTING)
			continue;
		layer = c->chain->layers[e->layer];
		cv_source_expect(layer->data_file ? layer->data_file : layer->source, e->host + from, stop - from);
	}
}

/* As much as fits of the extent at pos goes into the buffer. */
static bool add_bytes(struct cv_content *c, const struct cv_extent *e, uint64_t n, bool is_lost, size_t *filled,
		      struct cv_err *err)
{
	struct cv_extent part;

	if (n > CV_CONTENT_PIECE - *filled)
		n = CV_CONTENT_PIECE - *filled;
	part = cv_content_part(e, c->pos, n);
	if (is_lost)
		part.kind = CV_EXTENT_ZERO;
	if (!cv_content_read(c->chain, &part, c->buf + *filled, err))
		return false;
	*filled += n;
	advance(c, e, n);
	return true;
}

bool cv_content_next(struct cv_content *c, struct cv_content_piece *piece, struct cv_err *err)
{
	size_t filled = 0;

	*piece = (struct cv_content_piece){ .len = 0 };
	while (c->pos < c->end && filled < CV_CONTENT_PIECE) {
		const struct cv_extent *e = current(c, err);
		bool is_lost, zero;
		uint64_t n;

		if (!e)
			return false;
		n = left_of_kind(c, left_of(c, e), &is_lost);
		zero = (is_lost || e->kind == CV_EXTENT_ZERO || e->kind == CV_EXTENT_PARENT) && n >= CV_CONTENT_ZEROS;
		if (zero && !filled) {
			piece->len = n;
			advance(c, e, n);
			return true;
		}
		if (zero)
			break;
		if (!add_bytes(c, e, n, is_lost, &filled, err))
			return false;
	}
	expect_next(c);
	*piece = (struct cv_content_piece){ filled, c->buf };
	return true;
}
