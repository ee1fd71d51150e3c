/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A map as it arrives: records of the task are checked and become extents. Every number is tested again: the process
 * may have been taken over by the image that it read.
 */
#include <chainview/map.h>
#include "inspect/map/files.h"
#include "inspect/map/stream.h"

/* Inside of our limits: 500 layers with their tables take less. */
#define TASK_MEMORY ((uint64_t)512 << 20)

static bool fail_damaged(struct cv_err *err, const char *how)
{
	return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: %s", how);
}

static bool start(struct cv_map *map, struct cv_map_request *request, struct cv_err *err)
{
	struct cv_task_options task = { .memory_bytes = TASK_MEMORY };

	request->incomplete = map->files.incomplete;
	map->layers = calloc(map->files.count, sizeof *map->layers);
	if (!map->layers)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	map->task = cv_task_start(map->files.images, map->files.count, cv_map_work, request, sizeof *request, &task, err);
	cv_chain_files_taken(&map->files);
	return map->task != NULL;
}

static struct cv_map *new_map(const struct cv_graph *g, struct cv_err *err)
{
	struct cv_map *map = calloc(1, sizeof *map);

	if (!map) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	map->g = g;
	map->list.max = CV_MAP_PACKED_MAX + 1;
	return map;
}

struct cv_map *cv_map_begin(const struct cv_graph *g, uint32_t image, const struct cv_map_options *options, bool words,
			    struct cv_err *err)
{
	struct cv_map_request request = { .words = words };
	struct cv_map *map = new_map(g, err);

	bool opened = map && cv_chain_files_open(g, image, &map->files, err);

	if (options)
		request.range = options->range;
	if (opened && options && options->salvage)
		cv_chain_files_damaged(&map->files);
	if (opened && start(map, &request, err))
		return map;
	cv_map_free(map);
	return NULL;
}

struct cv_map *cv_map_begin_bytes(const struct cv_graph *g, struct cv_chain_files *files, struct cv_err *err)
{
	struct cv_map_request request = { .bytes = true };
	struct cv_map *map = new_map(g, err);

	if (!map)
		return NULL;
	map->files = *files;
	*files = (struct cv_chain_files){ .count = 0 };
	map->inflates = true;
	if (start(map, &request, err))
		return map;
	cv_map_free(map);
	return NULL;
}

struct cv_map *cv_map_open(const struct cv_graph *g, uint32_t image, const struct cv_map_options *options,
			   struct cv_err *err)
{
	return cv_map_begin(g, image, options, false, err);
}

void cv_map_free(struct cv_map *map)
{
	if (!map)
		return;
	cv_task_free(map->task);
	cv_chain_files_fini(&map->files);
	cv_extents_fini(&map->list);
	free(map->layers);
	free(map);
}

int cv_map_poll_fd(const struct cv_map *map)
{
	return cv_task_poll_fd(map->task);
}

const struct cv_map_info *cv_map_info(const struct cv_map *map)
{
	return &map->info;
}

/* The text of the task about the image behind its last layer, made one escaped line whoever wrote it. */
static void tell_why(struct cv_map *map, size_t layers)
{
	CV_AUTO(cv_text_fini) struct cv_text plain = { 0 };
	struct cv_text *why = &map->files.why;

	cv_text_clear(why);
	cv_text_escape(why, cv_bytes_of(map->g->images[map->files.list[layers]].id));
	cv_text_add(why, ": ");
	cv_text_unescape(&plain, cv_bytes_of(map->why));
	cv_text_escape(why, (struct cv_bytes){ cv_text_str(&plain), plain.len });
}

static bool hear_head(struct cv_map *map, const struct cv_task_record *r, struct cv_err *err)
{
	struct cv_map_head head;
	const uint8_t *at = r->bytes + sizeof head;

	if (map->ready || r->len < sizeof head)
		return fail_damaged(err, "its head");
	memcpy(&head, r->bytes, sizeof head);
	if (!head.count || head.count > map->files.count || !cv_range_inside(head.range, head.size) ||
	    r->len != sizeof head + head.count * sizeof(struct cv_map_head_layer) ||
	    (head.count < map->files.count && !head.incomplete))
		return fail_damaged(err, "its head");
	for (uint32_t i = 0; i < head.count; i++, at += sizeof(struct cv_map_head_layer)) {
		const struct cv_file *data = map->files.data[i];
		const struct cv_image *m = &map->g->images[map->files.list[i]];
		struct cv_map_head_layer layer;
		uint32_t block;

		memcpy(&layer, at, sizeof layer);
		block = m->facts->block_size ? m->facts->block_size : layer.block_size ? layer.block_size : 1;
		map->layers[i] = (struct cv_map_layer){ map->files.list[i], block, layer.size,
							cv_bytes_of(data ? data->path : m->file->path) };
	}
	if (head.count < map->files.count)
		tell_why(map, head.count);
	map->ready = true;
	map->pos = head.range.off;
	map->info = (struct cv_map_info){ head.range, head.size, map->layers, head.count, head.incomplete != 0,
					  head.incomplete ? cv_text_str(&map->files.why) : NULL };
	return true;
}

/* A layer that does not exist decides nothing: it is nobody's, or the parent's that is not here. */
static bool layer_is_right(const struct cv_map_info *info, const struct cv_extent *e)
{
	if (e->layer < info->count)
		return e->kind != CV_EXTENT_PARENT;
	return e->layer == info->count &&
	       (e->kind == CV_EXTENT_PARENT || (e->kind == CV_EXTENT_BAD && info->incomplete));
}

static bool hear_extents(struct cv_map *map, const struct cv_task_record *r, struct cv_err *err)
{
	size_t count = r->len / sizeof(struct cv_map_packed);
	uint64_t end = map->info.range.off + map->info.range.len;
	struct cv_err wrong = { 0 };

	if (map->inflating.len)
		return fail_damaged(err, "bytes are missing");
	if (!map->ready || !count || r->len % sizeof(struct cv_map_packed) || count > CV_MAP_PACKED_MAX)
		return fail_damaged(err, "extents of a wrong length");
	cv_extents_begin(&map->list, (struct cv_range){ map->pos, end - map->pos });
	for (size_t i = 0; i < count; i++) {
		struct cv_map_packed packed;
		struct cv_extent e;

		memcpy(&packed, r->bytes + i * sizeof packed, sizeof packed);
		e = cv_map_unpack(&packed);
		if (!layer_is_right(&map->info, &e))
			return fail_damaged(err, "an extent of no layer");
		if (map->inflates && e.compressed && i + 1 < count)
			return fail_damaged(err, "extents behind a compressed one");
		if (!cv_extents_add(&map->list, e, &wrong))
			return fail_damaged(err, wrong.text);
	}
	map->pos = cv_extents_end(&map->list);
	if (map->inflates && map->list.at[map->list.len - 1].compressed)
		map->inflating = map->list.at[map->list.len - 1].at;
	return true;
}

/* A compressed extent that was not the last of its record has no bytes: then they cannot be right. */
static bool hear_bytes(struct cv_map *map, const struct cv_task_record *r, struct cv_err *err)
{
	if (!r->len || r->len > map->inflating.len)
		return fail_damaged(err, "bytes of no extent");
	map->list.len = 0;
	map->bytes = r->bytes;
	map->bytes_len = r->len;
	map->inflating.off += r->len;
	map->inflating.len -= r->len;
	return true;
}

static bool hear(struct cv_map *map, const struct cv_task_record *r, enum cv_map_state *state, struct cv_err *err)
{
	*state = CV_MAP_WAIT;
	switch (r->kind) {
	case CV_MAP_WHY:
		memcpy(map->why, r->bytes, r->len < sizeof map->why ? r->len : sizeof map->why - 1);
		return true;
	case CV_MAP_HEAD:
		*state = CV_MAP_READY;
		return hear_head(map, r, err);
	case CV_MAP_PIECE:
		*state = CV_MAP_EXTENTS;
		return hear_extents(map, r, err);
	case CV_MAP_BYTES:
		*state = CV_MAP_EXTENTS;
		return hear_bytes(map, r, err);
	case CV_MAP_WORD:
		return map->place ? cv_map_hear_word(map, r, err) : fail_damaged(err, "nobody asked");
	default:
		return fail_damaged(err, "a record of no kind");
	}
}

static enum cv_map_state finish(struct cv_map *map, struct cv_err *err)
{
	if (map->ready && !map->inflating.len && map->pos == map->info.range.off + map->info.range.len)
		return CV_MAP_DONE;
	fail_damaged(err, "it ends early");
	return CV_MAP_FAILED;
}

enum cv_map_state cv_map_next(struct cv_map *map, int timeout_ms, const struct cv_extent **extents, size_t *count,
			      struct cv_err *err)
{
	enum cv_map_state state = CV_MAP_WAIT;
	struct cv_task_record record;

	*extents = NULL;
	*count = 0;
	/* What says nothing to the caller is not waited for twice. */
	for (int tries = 0; state == CV_MAP_WAIT && tries < 1024; tries++) {
		enum cv_task_state task = cv_task_next(map->task, timeout_ms, &record, err);

		if (task == CV_TASK_DONE)
			return finish(map, err);
		if (task == CV_TASK_WAIT)
			return CV_MAP_WAIT;
		if (task == CV_TASK_FAILED || !hear(map, &record, &state, err))
			return CV_MAP_FAILED;
	}
	*extents = map->list.at;
	*count = state == CV_MAP_EXTENTS ? map->list.len : 0;
	return state;
}
