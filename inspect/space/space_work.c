/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The task: opens the images of a tree, claims, walks, sums up and answers. If the pieces are more than memory is
 * meant for it goes over everything again in thinner slices of the files.
 */
#include "inspect/block/formats.h"
#include "inspect/space/space_work.h"
#include "inspect/qcow2/qcow2_map.h"
#include <stdio.h>

#define MOST_SLICES 1024u
#define MANY 64u                             /* images: more of them hold as little as they can */
#define MOST_SNAPSHOTS 16384u                /* internal ones, of all images together */

static void close_snapshots(struct cv_space_node *n)
{
	for (uint32_t k = 0; n->snapshots && k < n->ask->snapshots; k++) {
		cv_layer_close(n->snapshots[k]);
		if (n->snapshot_lists)
			cv_extents_fini(&n->snapshot_lists[k]);
	}
	free(n->snapshots);
	free(n->snapshot_lists);
	n->snapshots = NULL;
	n->snapshot_lists = NULL;
}

static void tree_fini(struct cv_space_tree *t)
{
	for (size_t i = 0; t->nodes && i < t->count; i++) {
		struct cv_space_node *n = &t->nodes[i];

		cv_space_host_close(&n->host);
		cv_extents_fini(&n->list);
		close_snapshots(n);
		cv_layer_close(n->layer);
		free(n->in.at);
		free(n->spare.at);
		free(n->reads.at);
		free(n->written.at);
		free(n->bitmaps.at);
		free(n->tables.at);
	}
	free(t->nodes);
	free(t->through.at);
	free(t->buffer);
}

static void give_up(struct cv_space_node *n, struct cv_err *err)
{
	snprintf(n->answer.why, sizeof n->answer.why, "%s", err->text);
	cv_err_clear(err);
	close_snapshots(n);
	cv_layer_close(n->layer);
	n->layer = NULL;
}

/* They matter only for what they read of the parent. */
static bool open_snapshots(struct cv_space_tree *t, struct cv_space_node *n, struct cv_err *err)
{
	uint32_t count = n->ask->snapshots;

	if (!count || n->ask->parent == CV_SPACE_NOBODY)
		return true;
	if (count > MOST_SNAPSHOTS - (t->lists - t->count))
		return cv_fail(err, CV_ELIMIT, "too many internal snapshots in the tree");
	n->snapshots = calloc(count, sizeof(struct cv_layer *));
	n->snapshot_lists = calloc(count, sizeof *n->snapshot_lists);
	if (!n->snapshots || !n->snapshot_lists)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	t->lists += count;
	for (uint32_t k = 0; k < count; k++) {
		struct cv_source *s = cv_source_borrow(n->layer->source, err);

		n->snapshots[k] = s ? cv_qcow2_snapshot_open(&s, k, err) : NULL;
		if (!n->snapshots[k])
			return cv_wrap(err, "internal snapshot %" PRIu32, k);
	}
	return true;
}

static bool open_node(struct cv_space_tree *t, struct cv_space_node *n, struct cv_source **source,
		      struct cv_source **data, struct cv_err *err)
{
	n->layer = cv_layer_open_one(source, data, n->format, t->count > MANY, err);
	if (!n->layer || !open_snapshots(t, n, err))
		return false;
	n->host.layer = n->layer;
	n->host.disk.source = n->layer->source;
	n->host.data_disk.source = n->layer->data_file;
	n->host.account.held = n->host.data_account.held = &t->held;
	n->host.account.most = n->host.data_account.most = t->most;
	return true;
}

static void set_slice(struct cv_range *slice, const struct cv_source *s, unsigned k, unsigned slices)
{
	/* Whole clusters in each, the rest in the last. */
	uint64_t size = s ? s->size : 0, part = (size / slices + (2u << 20) - 1) / (2u << 20) * (2u << 20);
	uint64_t from = slices == 1 ? 0 : part * k;

	slice->off = from < size ? from : size;
	slice->len = slices == 1 || k == slices - 1 || size - slice->off < part ? size - slice->off : part;
}

static uint64_t unit_of(const struct cv_space_node *n)
{
	const struct cv_qcow2_map *m = n->layer->state;

	return n->format == CV_FORMAT_QCOW2 ? m->cluster : UINT64_MAX / 2;
}

static void note_end(struct cv_space_node *n)
{
	for (int c = 0; c < CV_CLAIM_CLASS_COUNT; c++) {
		const struct cv_space_runs *r = &n->host.account.runs[c];

		if (r->len && r->at[r->len - 1].off + r->at[r->len - 1].len > n->end)
			n->end = r->at[r->len - 1].off + r->at[r->len - 1].len;
	}
}

/* Nothing can be said about the file, nor about what would be merged into it. */
static void exclude(struct cv_space_tree *t, struct cv_space_node *n, struct cv_err *err)
{
	snprintf(n->answer.why, sizeof n->answer.why, "%s", err->text);
	cv_err_clear(err);
	cv_space_host_close(&n->host);
	n->host.ops = NULL;
	n->host.account.slice.len = n->host.data_account.slice.len = 0;
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_forecast *f[] = { &t->nodes[i].merge, &t->nodes[i].planned, &t->nodes[i].flatten };

		for (size_t k = 0; k < CV_COUNT(f); k++)
			if (f[k]->target != CV_SPACE_NOBODY && &t->nodes[f[k]->target] == n)
				f[k]->target = CV_SPACE_NOBODY;
	}
}

/* Trouble with one file costs that file its sums, but not the tree; too many pieces do. */
static bool claim_all(struct cv_space_tree *t, unsigned k, unsigned slices, struct cv_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_node *n = &t->nodes[i];

		if (!n->layer || n->answer.why[0])
			continue;
		set_slice(&n->host.account.slice, n->layer->source, k, slices);
		set_slice(&n->host.data_account.slice, n->layer->data_file, k, slices);
		if (cv_space_host_open(&n->host, n->format, err)) {
			cv_space_host_rest(&n->host);
			continue;
		}
		if (err->code == CV_ELIMIT || err->code == CV_ENOMEM)
			return false;
		exclude(t, n, err);
		if (!cv_task_alive(t->out))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
	}
	return true;
}

static bool settle_all(struct cv_space_tree *t, struct cv_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_node *n = &t->nodes[i];

		if (!n->layer || n->answer.why[0])
			continue;
		if (!cv_space_host_settle(&n->host, unit_of(n), &n->answer.own, err))
			return cv_wrap(err, "image %zu", i);
		if (n->layer->data_file && !cv_space_data_settle(&n->host, &n->answer.data))
			return false;
		cv_space_host_rest(&n->host);
		note_end(n);
	}
	return true;
}

static void close_hosts(struct cv_space_tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		cv_space_host_close(&t->nodes[i].host);
	t->held = 0;
}

static void begin_pass(struct cv_space_tree *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_node *n = &t->nodes[i];
		char why[sizeof n->answer.why];

		memcpy(why, n->answer.why, sizeof why);
		n->answer = (struct cv_space_answer){ .image = (uint32_t)i };
		memcpy(n->answer.why, why, sizeof why);
		n->end = n->bitmaps.len = n->tables.len = n->planned_blocks = 0;
		n->merge = (struct cv_space_forecast){ .target = n->ask->parent };
		n->planned = (struct cv_space_forecast){ .target = n->ask->base };
		n->flatten = (struct cv_space_forecast){ .target = n->ask->parent == CV_SPACE_NOBODY || !n->layer
								   ? CV_SPACE_NOBODY : (uint32_t)i };
	}
	/* A forecast needs both tables. */
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_forecast *f[] = { &t->nodes[i].merge, &t->nodes[i].planned };

		for (size_t k = 0; k < CV_COUNT(f); k++)
			if (f[k]->target != CV_SPACE_NOBODY &&
			    (!t->nodes[f[k]->target].layer || t->nodes[f[k]->target].answer.why[0]))
				f[k]->target = CV_SPACE_NOBODY;
	}
	t->flatten = true;
}

static bool pass(struct cv_space_tree *t, unsigned slices, struct cv_err *err)
{
	begin_pass(t);
	for (unsigned k = 0; k < slices; k++) {
		bool ok;

		t->first = !k;
		t->slice = k;
		t->slices = slices;
		ok = claim_all(t, k, slices, err) && cv_space_walk(t, err) && settle_all(t, err);
		/* The ends of forecasts need what the last slice found. */
		for (size_t i = 0; ok && k == slices - 1 && i < t->count; i++)
			cv_space_merge_end(t, &t->nodes[i]);
		close_hosts(t);
		if (!ok)
			return false;
	}
	return true;
}

static bool read_request(struct cv_space_tree *t, const void *request, size_t len, const struct cv_task_image *images,
			 size_t count, struct cv_err *err)
{
	const struct cv_space_request *r = request;
	const struct cv_space_ask *asks = (const void *)(r + 1);
	const struct cv_range *map = (const void *)(asks + count);

	if (len < sizeof *r + count * sizeof *asks || r->count != count)
		return cv_fail(err, CV_EUSAGE, "a request of the wrong length");
	t->nodes = calloc(count, sizeof *t->nodes);
	if (!t->nodes)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	t->count = t->lists = count;
	t->deep = r->deep;
	t->most = r->most;
	for (size_t i = 0; i < count; i++) {
		struct cv_space_node *n = &t->nodes[i];

		n->ask = &asks[i];
		n->format = images[i].format;
		n->host.disk.map = asks[i].pieces == CV_SPACE_NOBODY ? NULL : map;
		n->host.disk.count = asks[i].pieces == CV_SPACE_NOBODY ? 0 : asks[i].pieces;
		map += n->host.disk.count;
		n->host.data_disk.map = asks[i].data_pieces == CV_SPACE_NOBODY ? NULL : map;
		n->host.data_disk.count = asks[i].data_pieces == CV_SPACE_NOBODY ? 0 : asks[i].data_pieces;
		map += n->host.data_disk.count;
	}
	return true;
}

static bool answer(struct cv_space_tree *t, struct cv_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		struct cv_space_answer *a = &t->nodes[i].answer;

		a->known = t->nodes[i].layer && !a->why[0];
		a->deep = t->deep;
		a->has_flatten &= t->flatten && a->known;
		if (!cv_task_send(t->out, CV_SPACE_ANSWER, a, sizeof *a))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
	}
	return true;
}

bool cv_space_work(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images,
		   size_t count, const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	CV_AUTO(tree_fini) struct cv_space_tree t = { .out = out };

	if (!read_request(&t, request, request_len, images, count, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		t.nodes[i].answer.image = (uint32_t)i;
		if (!open_node(&t, &t.nodes[i], &sources[i], &data[i], err)) {
			if (err->code == CV_ENOMEM)
				return false;
			give_up(&t.nodes[i], err);
		}
	}
	for (unsigned slices = 1; !pass(&t, slices, err); slices *= 4) {
		if (err->code != CV_ELIMIT || slices >= MOST_SLICES)
			return false;
		cv_err_clear(err);
	}
	return answer(&t, err);
}
