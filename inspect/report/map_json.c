/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The JSON documents of map. Extents are written as they come, in the fields and with the meaning of qemu-img map;
 * none is kept but the one that may still grow.
 */
#include "inspect/report/json_value.h"
#include "inspect/report/map_words.h"
#include <stdio.h>

/* One object of the list. */
struct entry {
	uint64_t start, length, offset;
	uint32_t depth;
	bool present, zero, data, compressed, bad, placed;
};

struct extents {
	struct cv_json *json;
	const struct cv_map_view *view;
	struct cv_text *names;       /* of each layer: ,"filename":"..." */
	struct entry last;           /* length 0: none yet */
	bool first;
};

/* The object's members, as text that can stand behind others. */
static void add_members(struct cv_json *j, struct json_object *o, struct cv_text *t)
{
	size_t len = 0;
	const char *text = !o ? NULL :
		json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	j->ok = j->ok && text && len > 2;
	if (j->ok) {
		cv_text_add(t, ",");
		cv_text_add_bytes(t, text + 1, len - 2);
	}
	json_object_put(o);
}

static void write_entry(struct extents *x)
{
	const struct entry *e = &x->last;
	static const char *const words[] = { "false", "true" };
	char text[320], offset[48] = "";

	if (!e->length)
		return;
	if (e->placed)
		snprintf(offset, sizeof offset, ",\"offset\":%" PRIu64, e->offset);
	snprintf(text, sizeof text,
		 "%s{\"start\":%" PRIu64 ",\"length\":%" PRIu64 ",\"depth\":%" PRIu32 ",\"present\":%s,\"zero\":%s,"
		 "\"data\":%s,\"compressed\":%s%s%s", x->first ? "\n" : ",\n", e->start, e->length,
		 e->depth, words[e->present], words[e->zero], words[e->data], words[e->compressed], offset,
		 e->bad ? ",\"bad\":true" : "");
	cv_json_raw(x->json, text);
	if (e->placed)
		cv_json_raw(x->json, cv_text_str(&x->names[e->depth]));
	cv_json_raw(x->json, "}");
	x->first = false;
}

static bool is_same(const struct entry *a, const struct entry *b)
{
	return a->depth == b->depth && a->present == b->present && a->zero == b->zero && a->data == b->data &&
	       a->compressed == b->compressed && a->bad == b->bad && a->placed == b->placed &&
	       (!a->placed || a->offset + a->length == b->offset);
}

static void add_entry(struct extents *x, const struct entry *e)
{
	if (x->last.length && is_same(&x->last, e)) {
		x->last.length += e->length;
		return;
	}
	write_entry(x);
	x->last = *e;
}

/*
 * What nobody has is nobody's: but for qemu it is zeros of the image at which the search for it ended, that is the
 * last one, or the one whose parent ends before it.
 */
static void add_empty(struct extents *x, uint64_t from, uint64_t end)
{
	const struct cv_map_info *info = x->view->info;

	while (from < end) {
		uint64_t stop = end;
		uint32_t depth = 0;

		for (; depth + 1 < info->count && info->layers[depth + 1].size > from; depth++)
			if (info->layers[depth + 1].size < stop)
				stop = info->layers[depth + 1].size;
		add_entry(x, &(struct entry){ .start = from, .length = stop - from, .depth = depth, .zero = true });
		from = stop;
	}
}

static void add_extent(struct extents *x, const struct cv_extent *e)
{
	bool held = e->layer < x->view->info->count;

	if (e->kind == CV_EXTENT_PARENT) {
		add_empty(x, e->at.off, e->at.off + e->at.len);
		return;
	}
	add_entry(x, &(struct entry){
		.start = e->at.off, .length = e->at.len, .depth = e->layer, .present = held,
		.zero = e->kind == CV_EXTENT_ZERO, .data = e->kind == CV_EXTENT_DATA, .compressed = e->compressed,
		.bad = e->kind == CV_EXTENT_BAD, .placed = e->placed && !e->compressed && held, .offset = e->host,
	});
}

static bool write_extents(struct cv_json *j, const struct cv_map_view *view, const struct cv_map_feed *feed)
{
	struct extents x = { .json = j, .view = view, .first = true };
	const struct cv_extent *list;
	size_t count = 0;
	bool good = true;

	x.names = calloc(view->info->count, sizeof *x.names);
	j->ok = j->ok && x.names;
	for (size_t i = 0; j->ok && i < view->info->count; i++) {
		struct json_object *o = cv_json_object(j);

		cv_json_name(j, o, "filename", view->info->layers[i].data_path);
		add_members(j, o, &x.names[i]);
		j->ok = j->ok && !x.names[i].failed;
	}
	cv_json_raw(j, ",\n\"extents\":[");
	while (j->ok && good) {
		good = feed->next(feed->ctx, &list, &count);
		if (!good || !count)
			break;
		for (size_t i = 0; i < count; i++)
			add_extent(&x, &list[i]);
	}
	write_entry(&x);
	cv_json_raw(j, "]");
	for (size_t i = 0; x.names && i < view->info->count; i++)
		cv_text_fini(&x.names[i]);
	free(x.names);
	return good;
}

static void push_row(struct cv_json *j, struct json_object *rows, const struct cv_map_view *v, size_t depth,
		     const char *kind, uint64_t bytes, uint64_t zero)
{
	struct json_object *o = cv_json_object(j);

	if (depth != SIZE_MAX) {
		cv_json_number(j, o, "depth", depth);
		if (v)
			cv_json_name(j, o, "image", cv_bytes_of(v->g->images[v->info->layers[depth].image].id));
	}
	if (kind)
		cv_json_text(j, o, "kind", kind);
	cv_json_number(j, o, "bytes", bytes);
	if (zero)
		cv_json_number(j, o, "zero_bytes", zero);
	cv_json_push(j, rows, o);
}

/* Rows add up to the range. view is NULL for a plan, whose layers are no images yet. */
static struct json_object *histogram(struct cv_json *j, const struct cv_map_view *v, const struct cv_map_model *m)
{
	struct json_object *rows = cv_json_array(j);

	push_row(j, rows, v, SIZE_MAX, NULL, m->total.unallocated, 0);
	for (size_t i = 0; i < m->layer_count; i++)
		push_row(j, rows, v, i, NULL, m->data[i] + m->zero[i], m->zero[i]);
	if (m->total.bad)
		push_row(j, rows, v, SIZE_MAX, "unreadable", m->total.bad, 0);
	if (m->total.missing)
		push_row(j, rows, v, SIZE_MAX, "parent missing", m->total.missing, 0);
	return rows;
}

static void put_figures(struct cv_json *j, struct json_object *o, const struct cv_map_view *v,
			const struct cv_map_model *m)
{
	cv_json_put(j, o, "depth_histogram", histogram(j, v, m));
	cv_json_put(j, o, "mean_depth", json_object_new_double(cv_map_cell_mean(&m->total)));
	if (m->total.data | m->total.zero)
		cv_json_number(j, o, "max_depth", m->total.deepest);
}

static void put_plan(struct cv_json *j, struct json_object *o, const struct cv_map_view *v)
{
	struct json_object *plan = cv_json_object(j);
	const struct cv_map_layer *merged = &v->info->layers[v->planned->merge];

	cv_json_name(j, plan, "coalesce", cv_bytes_of(v->g->images[merged[0].image].id));
	cv_json_name(j, plan, "into", cv_bytes_of(v->g->images[merged[1].image].id));
	put_figures(j, plan, NULL, v->planned);
	cv_json_put(j, o, "plan", plan);
}

/* What both documents begin with. */
static void put_head(struct cv_json *j, struct json_object *o, const struct cv_map_view *v)
{
	cv_json_name(j, o, "image", cv_bytes_of(v->g->images[v->image].file->path));
	cv_json_number(j, o, "virtual_size_bytes", v->info->size);
	if (v->info->incomplete)
		cv_json_text(j, o, "incomplete", v->info->why);
}

bool cv_report_map_json(const struct cv_map_view *view, const struct cv_map_feed *feed,
			const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };
	struct json_object *o = cv_json_object(&j);
	bool good;

	put_head(&j, o, view);
	if (view->info->range.len != view->info->size) {
		cv_json_number(&j, o, "range_start", view->info->range.off);
		cv_json_number(&j, o, "range_length", view->info->range.len);
	}
	put_figures(&j, o, view, view->model);
	if (view->planned)
		put_plan(&j, o, view);
	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n");
	cv_json_members(&j, o);
	good = write_extents(&j, view, feed);
	cv_json_raw(&j, "}\n");
	return j.ok && good;
}

static void push_word(struct cv_json *j, struct json_object *list, const struct cv_map_view *v,
		      const struct cv_map_word *w)
{
	struct json_object *o = cv_json_object(j), *lines = cv_json_array(j);

	cv_json_number(j, o, "depth", w->extent.layer);
	cv_json_name(j, o, "image", cv_bytes_of(v->g->images[v->info->layers[w->extent.layer].image].id));
	cv_json_text(j, o, "kind", cv_map_kind_name(w->extent.kind));
	cv_json_number(j, o, "block", w->block);
	cv_json_number(j, o, "block_bytes", v->info->layers[w->extent.layer].block_size);
	if (w->extent.placed)
		cv_json_number(j, o, "offset", w->extent.host);
	for (const char *at = w->detail; *at;) {
		size_t len = strcspn(at, "\n");

		cv_json_push(j, lines, json_object_new_string_len(at, (int)len));
		at += len + (at[len] == '\n');
	}
	cv_json_put(j, o, "tables", lines);
	cv_json_push(j, list, o);
}

bool cv_report_map_place_json(const struct cv_map_view *view, const struct cv_map_place *place,
			      const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };
	struct json_object *o = cv_json_object(&j), *list = cv_json_array(&j);

	put_head(&j, o, view);
	cv_json_number(&j, o, "at", place->offset);
	cv_json_text(&j, o, "kind", cv_map_kind_name(place->decided.kind));
	if (place->decided.layer < view->info->count) {
		cv_json_number(&j, o, "depth", place->decided.layer);
		cv_json_name(&j, o, "filename", view->info->layers[place->decided.layer].data_path);
	}
	if (place->decided.placed)
		cv_json_number(&j, o, "offset", place->decided.host);
	for (size_t i = 0; i < place->count; i++)
		push_word(&j, list, view, &place->words[i]);
	cv_json_put(&j, o, "layers", list);
	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n");
	cv_json_members(&j, o);
	cv_json_raw(&j, "}\n");
	return j.ok;
}
