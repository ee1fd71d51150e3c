/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Maps a chain inside of a task: opens the layers, walks the range in windows, sends flat extents. It knows neither
 * names nor the graph.
 */
#include "inspect/map/wire.h"
#include "inspect/reader2/content.h"
#include "inspect/salvage/overlap.h"
#include <time.h>

/* A window is as large as can be walked in about this time, so that there is always a sign of life. */
#define WINDOW_MS 200
#define FIRST_WINDOW (UINT64_C(64) << 20)
#define LEAST_WINDOW (UINT64_C(1) << 20)
#define LARGEST_WINDOW (UINT64_C(1) << 60)

struct work {
	struct cv_chain chain;
	struct cv_map_request request;
	struct cv_task_out *out;
	bool damaged;                /* what cannot be read is told as BAD, what is doubtful says so */
	struct cv_doubt_vec *doubts; /* of each layer */
	bool doubtful;               /* there are some */
	struct cv_map_packed packed[CV_MAP_PACKED_MAX];
	uint8_t inflated[CV_MAP_BYTES_MAX];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool gone(struct cv_err *err)
{
	return cv_fail(err, CV_EIO, "nobody listens any more");
}

/* A parent that cannot be opened ends the chain; the image itself has to open. */
static bool open_layers(struct work *w, struct cv_source **sources, struct cv_source **data,
			const struct cv_task_image *images, size_t count, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };

	if (!cv_content_open_found(&w->chain, sources, data, images, count, &why, err))
		return false;
	if (w->request.incomplete)
		cv_content_ends_early(&w->chain);
	w->damaged = images[0].damaged;
	return why.code == CV_OK || cv_task_send(w->out, CV_MAP_WHY, why.text, strlen(why.text)) || gone(err);
}

/* The range that was asked for, as far as the disk has it. */
static bool clip(struct work *w, struct cv_err *err)
{
	uint64_t size = w->chain.layers[0]->size;
	struct cv_range *r = &w->request.range;

	if (r->off > size || (r->off == size && size))
		return cv_fail(err, CV_EUSAGE, "offset %" PRIu64 " lies behind the end of the disk at %" PRIu64 " B",
			       r->off, size);
	if (!r->len || r->len > size - r->off)
		r->len = size - r->off;
	return true;
}

static bool send_head(struct work *w, struct cv_err *err)
{
	size_t len = sizeof(struct cv_map_head) + w->chain.count * sizeof(struct cv_map_head_layer);
	CV_AUTO(cv_auto_free) struct cv_map_head *head = calloc(1, len);
	struct cv_map_head_layer *layers;

	if (!head)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	layers = (void *)(head + 1);
	*head = (struct cv_map_head){ w->request.range, w->chain.layers[0]->size, (uint32_t)w->chain.count,
				      w->chain.incomplete };
	for (size_t i = 0; i < w->chain.count; i++)
		layers[i] = (struct cv_map_head_layer){ w->chain.layers[i]->size, w->chain.layers[i]->block_size, 0 };
	return cv_task_send(w->out, CV_MAP_HEAD, head, len) || gone(err);
}

/* The guest bytes of a compressed extent; of a large cluster in parts. */
static bool send_bytes(struct work *w, const struct cv_extent *e, struct cv_err *err)
{
	for (uint64_t at = 0; at < e->at.len;) {
		uint64_t len = e->at.len - at < CV_MAP_BYTES_MAX ? e->at.len - at : CV_MAP_BYTES_MAX;
		struct cv_extent part = cv_content_part(e, e->at.off + at, len);

		if (!cv_content_read(&w->chain, &part, w->inflated, err))
			return false;
		if (!cv_task_send(w->out, CV_MAP_BYTES, w->inflated, (size_t)len))
			return gone(err);
		at += len;
	}
	return true;
}

static bool is_listened_to(void *ctx)
{
	return cv_task_alive(((struct work *)ctx)->out);
}

static bool find_doubts(struct work *w, const struct cv_task_image *images, struct cv_err *err)
{
	struct cv_overlap_watch watch = { is_listened_to, w };

	w->doubts = calloc(w->chain.count, sizeof *w->doubts);
	if (!w->doubts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < w->chain.count; i++) {
		if (!cv_overlap_find(w->chain.layers[i], images[i].format, &watch, &w->doubts[i], err))
			return false;
		w->doubtful |= w->doubts[i].len > 0;
	}
	return true;
}

/* The part of an extent from its beginning on that is doubtful, or is not. What an image says of a parent is as doubtful
 * as what it says of itself. */
static struct cv_extent first_part(const struct work *w, const struct cv_extent *e)
{
	uint64_t end = e->at.off + e->at.len;
	struct cv_extent part;
	bool any = false;

	for (size_t i = 0; i <= e->layer && i < w->chain.count; i++) {
		bool doubtful;
		uint64_t until = cv_doubt_until(&w->doubts[i], e->at.off, end, &doubtful);

		any |= doubtful;
		end = until < end ? until : end;
	}
	part = cv_content_part(e, e->at.off, end - e->at.off);
	if (any && part.kind != CV_EXTENT_BAD)
		part.why = CV_LOST_OVERLAP;
	return part;
}

/* The same extents, cut where doubts begin and end. A compressed one stays whole: what is last in a record must be. */
static bool tell_doubts(struct work *w, const struct cv_extents *list, struct cv_extents *out, struct cv_err *err)
{
	out->max = SIZE_MAX;
	cv_extents_begin(out, (struct cv_range){ list->at[0].at.off, cv_extents_end(list) - list->at[0].at.off });
	for (size_t i = 0; i < list->len; i++)
		for (struct cv_extent rest = list->at[i]; rest.at.len;) {
			struct cv_extent part = first_part(w, &rest);

			if (rest.compressed) {
				rest.why = part.why;
				part = rest;
			}
			if (!cv_extents_add(out, part, err))
				return false;
			rest = cv_content_part(&rest, part.at.off + part.at.len, rest.at.len - part.at.len);
		}
	return true;
}

/* A cluster is one stream: if some of its bytes can be had, all can. */
static bool does_inflate(struct work *w, const struct cv_extent *e)
{
	uint64_t len = e->at.len < CV_MAP_BYTES_MAX ? e->at.len : CV_MAP_BYTES_MAX;
	struct cv_extent part = cv_content_part(e, e->at.off, len);
	struct cv_err none = { .code = CV_OK };

	return cv_content_read(&w->chain, &part, w->inflated, &none);
}

/* Of a damaged image a compressed extent that cannot be read is BAD. */
static void judge_compressed(struct work *w, struct cv_extent *e)
{
	if (!w->damaged || !w->request.bytes || !e->compressed || does_inflate(w, e))
		return;
	e->kind = CV_EXTENT_BAD;
	e->placed = e->compressed = false;
	e->why = CV_LOST_INFLATE;
}

/* A compressed extent whose bytes are asked for is the last of its record: they follow at once. */
static bool send_extents(struct work *w, const struct cv_extents *list, struct cv_err *err)
{
	for (size_t i = 0; i < list->len;) {
		const struct cv_extent *inflate = NULL;
		size_t n = 0;

		for (; n < CV_MAP_PACKED_MAX && i < list->len && !inflate; i++) {
			judge_compressed(w, &list->at[i]);
			w->packed[n++] = cv_map_pack(&list->at[i]);
			inflate = w->request.bytes && list->at[i].compressed ? &list->at[i] : NULL;
		}
		if (!cv_task_send(w->out, CV_MAP_PIECE, w->packed, n * sizeof w->packed[0]))
			return gone(err);
		if (inflate && !send_bytes(w, inflate, err))
			return false;
	}
	return true;
}

/* Copying what lies in the file would not give what a guest reads. */
static bool is_plain(const struct work *w, struct cv_err *err)
{
	for (size_t i = 0; i < w->chain.count; i++)
		if (w->chain.layers[i]->encrypted)
			return cv_fail(err, CV_EREFUSED, "layer %zu is encrypted: its data cannot be read", i);
	return true;
}

static bool walk(struct work *w, struct cv_err *err)
{
	CV_AUTO(cv_extents_fini) struct cv_extents list = { 0 };
	CV_AUTO(cv_extents_fini) struct cv_extents cut = { 0 };
	uint64_t pos = w->request.range.off, end = pos + w->request.range.len, window = FIRST_WINDOW;

	while (pos < end) {
		uint64_t len = end - pos < window ? end - pos : window;
		int64_t began = now_ms(), took;

		if (!cv_chain_extents(&w->chain, (struct cv_range){ pos, len }, &list, err) ||
		    (w->doubtful && !tell_doubts(w, &list, &cut, err)) || !send_extents(w, w->doubtful ? &cut : &list, err))
			return false;
		pos = cv_extents_end(&list);
		took = now_ms() - began;
		if (took < WINDOW_MS / 4 && !list.full && window < LARGEST_WINDOW)
			window *= 4;
		else if (took > WINDOW_MS && window > LEAST_WINDOW)
			window /= 2;
	}
	return true;
}

/* The block of a layer around an offset, as far as the disk goes. */
static struct cv_range block_at(const struct cv_layer *layer, uint64_t offset)
{
	uint64_t size = layer->block_size ? layer->block_size : 1, first = offset / size * size;

	return (struct cv_range){ offset, layer->size - first < size ? layer->size - offset : first + size - offset };
}

/* What one layer says about an offset: its extent from there to the end of the block, and its tables. */
static bool send_word(struct work *w, uint32_t number, struct cv_err *err)
{
	struct cv_layer *layer = w->chain.layers[number];
	CV_AUTO(cv_extents_fini) struct cv_extents list = { .max = 2 };
	CV_AUTO(cv_text_fini) struct cv_text record = { 0 }, detail = { 0 };
	struct cv_map_said said = { .layer = number };
	uint64_t offset = w->request.range.off;

	if (offset >= layer->size)
		return true;
	if (!cv_layer_extents(layer, block_at(layer, offset), &list, err))
		return cv_wrap(err, "layer %" PRIu32, number);
	said.extent = cv_map_pack(&list.at[0]);
	cv_text_add_bytes(&record, &said, sizeof said);
	if (layer->ops->describe && !layer->ops->describe(layer, offset, &detail, err))
		return cv_wrap(err, "layer %" PRIu32, number);
	cv_text_add(&record, cv_text_str(&detail));
	if (record.failed || detail.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_task_send(w->out, CV_MAP_WORD, record.at, record.len) || gone(err);
}

bool cv_map_work(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		 const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	/* Not given back: the process ends with the work. */
	struct work *w = calloc(1, sizeof *w);

	if (!w)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(&w->request, request, request_len < sizeof w->request ? request_len : sizeof w->request);
	w->out = out;
	if (!open_layers(w, sources, data, images, count, err) || !clip(w, err) ||
	    (w->request.bytes && !w->damaged && !is_plain(w, err)) || (w->damaged && !find_doubts(w, images, err)) || !send_head(w, err))
		return false;
	for (uint32_t i = 0; w->request.words && i < w->chain.count; i++)
		if (!send_word(w, i, err))
			return false;
	return walk(w, err);
}
