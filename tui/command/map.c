/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview map: which image of its chain serves each block of a disk. Pictures go through new_file.c; what a map is
 * belongs to the library.
 */
#include <unistd.h>

#include "tui/command/command.h"
#include "tui/command/new_file.h"
#include "tui/command/signals.h"
#include "tui/command/target.h"

#include <chainview/map.h>

/* Extents that are kept for JSON, so that one walk does; what has more is walked twice. */
#define KEPT_MAX ((size_t)1 << 20)
#define STEP_MS 250

static bool set_at(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->map.has_at = true;
	return cv_size_parse(value, &s->map.at) ||
	       cv_fail(err, CV_EUSAGE, "--at takes an offset in bytes, such as 21474836480, 0x500000000 or 20G");
}

/* START+LENGTH, START-END or START. */
static bool set_range(struct cv_settings *s, const char *value, struct cv_err *err)
{
	size_t len = strcspn(value, "+-");
	CV_AUTO(cv_auto_free) char *start = strndup(value, len);
	uint64_t n = 0;
	bool good = start && cv_size_parse(start, &s->map.range.off);

	if (good && value[len]) {
		good = cv_size_parse(value + len + 1, &n) && n && (value[len] == '+' || n > s->map.range.off);
		s->map.range.len = value[len] == '+' ? n : n - s->map.range.off;
	}
	return good || cv_fail(err, CV_EUSAGE, "--range takes START+LENGTH or START-END, such as 10G+512M");
}

static bool set_word(const char **slot, const char *option, const char *value, struct cv_err *err)
{
	*slot = value;
	return *value || cv_fail(err, CV_EUSAGE, "%s needs a name", option);
}

static bool set_svg(struct cv_settings *s, const char *value, struct cv_err *err)
{
	return set_word(&s->map.svg, "--svg", value, err);
}

static bool set_png(struct cv_settings *s, const char *value, struct cv_err *err)
{
	return set_word(&s->map.png, "--png", value, err);
}

static bool set_plan(struct cv_settings *s, const char *value, struct cv_err *err)
{
	return set_word(&s->map.plan, "--plan-coalesce", value, err);
}

static const struct cv_option_row options[] = {
	{ "at", 0, "OFFSET", NULL, "who serves this offset, with table entries", set_at, 0 },
	{ "range", 0, "START+LENGTH", NULL, "map only this part of the disk", set_range, 0 },
	{ "plan-coalesce", 0, "IMAGE", NULL, "also how it would be with IMAGE merged", set_plan, 0 },
	{ "svg", 0, "FILE", NULL, "draw it into a new SVG file; - is stdout", set_svg, 0 },
	{ "png", 0, "FILE", NULL, "draw it into a new PNG file; - is stdout", set_png, 0 },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

/* An extent of a list without gaps. */
struct kept {
	uint64_t off, host;
	uint32_t layer;
	uint8_t kind;
	bool placed, compressed;
};
CV_VEC(kept_vec, struct kept);

struct run {
	const struct cv_session *s;
	uint32_t image;
	struct cv_map *map;
	const struct cv_map_info *info;
	struct cv_map_model model, planned;
	struct cv_map_place place;
	bool has_plan, overflow;         /* overflow: kept is not all */
	struct kept_vec kept;
	size_t given;                    /* of kept */
	struct cv_map *again;            /* the second walk */
	struct cv_extent extent[256];
	struct cv_err err;
	int status;
};

static struct cv_map_view view_of(const struct run *r)
{
	return (struct cv_map_view){ r->s->graph, r->image, r->info, r->model.cells ? &r->model : NULL,
				     r->has_plan ? &r->planned : NULL };
}

static bool keep(struct run *r, const struct cv_extent *list, size_t count)
{
	for (size_t i = 0; i < count && !r->overflow; i++) {
		const struct cv_extent *e = &list[i];
		struct kept k = { e->at.off, e->host, e->layer, (uint8_t)e->kind, e->placed, e->compressed };

		if (r->kept.len == KEPT_MAX)
			r->overflow = true;
		else if (!kept_vec_push(&r->kept, k))
			return cv_fail(&r->err, CV_ENOMEM, "out of memory");
	}
	return true;
}

/* For the report: the extents that were kept, several at a time. */
static size_t give_kept(struct run *r)
{
	size_t n = 0;

	for (; n < CV_COUNT(r->extent) && r->given < r->kept.len; n++, r->given++) {
		const struct kept *k = &r->kept.at[r->given];
		uint64_t end = r->given + 1 < r->kept.len ? k[1].off : r->info->range.off + r->info->range.len;

		r->extent[n] = (struct cv_extent){ .at = { k->off, end - k->off }, .kind = (enum cv_extent_kind)k->kind,
						   .placed = k->placed, .compressed = k->compressed, .host = k->host,
						   .layer = k->layer };
	}
	return n;
}

/* The next extents of a walk; count 0 is its end. */
static bool step(struct run *r, struct cv_map *map, const struct cv_extent **list, size_t *count)
{
	for (;;) {
		switch (cv_map_next(map, STEP_MS, list, count, &r->err)) {
		case CV_MAP_EXTENTS:
		case CV_MAP_DONE:
			return true;
		case CV_MAP_FAILED:
			return false;
		case CV_MAP_READY:
		case CV_MAP_WAIT:
			if (cv_signals_stop())
				return cv_fail(&r->err, CV_ECANCELLED, "stopped");
		}
	}
}

static bool next_extents(void *ctx, const struct cv_extent **list, size_t *count)
{
	struct run *r = ctx;
	struct cv_map_options range = { .range = r->info->range };

	if (!r->overflow) {
		*list = r->extent;
		*count = give_kept(r);
		return true;
	}
	if (!r->again)
		r->again = cv_map_open(r->s->graph, r->image, &range, &r->err);
	return r->again && step(r, r->again, list, count);
}

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	struct run *r = ctx;
	struct cv_map_view view = view_of(r);
	struct cv_style style = cv_session_style(r->s, STDOUT_FILENO);

	if (r->s->settings.map.has_at)
		return cv_report_map_place(&view, &r->place, &style, sink);
	return cv_report_map(&view, &style, sink);
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	struct run *r = ctx;
	struct cv_map_view view = view_of(r);
	struct cv_report_head head = { "map", r->s->argc, r->s->argv, r->status };
	struct cv_map_feed feed = { next_extents, r };

	if (r->s->settings.map.has_at)
		return cv_report_map_place_json(&view, &r->place, &head, sink);
	/* A walk that fails is told by report(); the sink is fine then. */
	return cv_report_map_json(&view, &feed, &head, sink) || r->err.code != CV_OK;
}

static bool write_svg(const struct cv_sink *sink, void *ctx)
{
	struct cv_map_view view = view_of(ctx);

	return cv_report_map_svg(&view, sink);
}

static bool write_png(const struct cv_sink *sink, void *ctx)
{
	struct run *r = ctx;
	struct cv_map_view view = view_of(r);

	return cv_report_map_png(&view, sink, &r->err);
}

static size_t cells_wanted(const struct run *r)
{
	struct cv_style style = cv_session_style(r->s, STDOUT_FILENO);
	size_t columns;

	if (r->s->settings.map.svg || r->s->settings.map.png)
		return CV_MAP_PICTURE_CELLS;
	return cv_report_map_cells(&style, &columns);
}

/* The layer of the image that --plan-coalesce names. */
static bool find_plan(struct run *r, uint32_t *layer, struct cv_err *err)
{
	uint32_t image;

	if (!cv_graph_find(r->s->graph, r->s->settings.map.plan, &image, err))
		return false;
	for (size_t i = 0; i + 1 < r->info->count; i++)
		if (r->info->layers[i].image == image) {
			*layer = (uint32_t)i;
			return true;
		}
	return cv_fail(err, CV_EUSAGE, "--plan-coalesce: it is no image of this chain with a parent in it");
}

static bool prepare(struct run *r, struct cv_err *err)
{
	uint32_t layer = 0;

	r->info = cv_map_info(r->map);
	if (!cv_map_model_init(&r->model, r->info->range, r->info->count, cells_wanted(r), UINT32_MAX, err))
		return false;
	r->has_plan = r->s->settings.map.plan;
	return !r->has_plan || (find_plan(r, &layer, err) &&
				cv_map_model_init(&r->planned, r->info->range, r->info->count, cells_wanted(r), layer,
						  err));
}

static bool walk(struct run *r)
{
	const struct cv_extent *list;
	struct cv_map_options range = { .range = r->s->settings.map.range };
	size_t count;

	r->map = cv_map_open(r->s->graph, r->image, &range, &r->err);
	while (r->map && step(r, r->map, &list, &count)) {
		if (!r->info && !prepare(r, &r->err))
			return false;
		if (!count)
			return true;
		cv_map_model_add(&r->model, list, count);
		if (r->has_plan)
			cv_map_model_add(&r->planned, list, count);
		if (r->s->settings.json && !keep(r, list, count))
			return false;
	}
	return false;
}

static bool look_at(struct run *r)
{
	if (!cv_map_at(r->s->graph, r->image, r->s->settings.map.at, &r->place, &r->map, &r->err))
		return false;
	r->info = cv_map_info(r->map);
	return true;
}

/* Bytes that no one can read are something that could not be looked at. */
static int status_of(const struct run *r)
{
	const struct cv_extent *decided = &r->place.decided;
	bool bad = r->s->settings.map.has_at ? decided->kind == CV_EXTENT_BAD
					     : r->info->incomplete || r->model.total.bad || r->model.total.missing;

	return (r->s->cancelled ? CV_EXIT_CANCELLED : 0) | (bad ? CV_EXIT_FAILED : 0);
}

static int report(struct run *r)
{
	const struct cv_map_settings *m = &r->s->settings.map;
	struct cv_report_call svg = { write_svg, r }, png = { write_png, r };
	struct cv_report_call text = { r->s->settings.json ? write_json : write_text, r };

	r->status = status_of(r);
	if (m->svg)
		r->status = cv_new_file(m->svg, svg, r->status);
	if (m->png)
		r->status = cv_new_file(m->png, png, r->status);
	if ((m->svg || m->png) && !r->s->settings.json)
		return r->status;
	r->status = cv_output_report(text, r->status);
	return r->err.code ? r->status | cv_command_fail(r->s, &r->err) : r->status;
}

static void fini(struct run *r)
{
	cv_map_place_fini(&r->place);
	cv_map_model_fini(&r->model);
	cv_map_model_fini(&r->planned);
	cv_map_free(r->map);
	cv_map_free(r->again);
	free(r->kept.at);
}

static int to_stdout(const struct cv_session *s)
{
	const struct cv_map_settings *m = &s->settings.map;

	return (m->svg && !strcmp(m->svg, "-")) + (m->png && !strcmp(m->png, "-")) + s->settings.json;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct run r = { .s = s };
	struct cv_image_word target;
	int status;

	if (argc != 1)
		return cv_command_usage(s, "give one image");
	if (s->settings.map.has_at && (s->settings.map.svg || s->settings.map.png || s->settings.map.plan ||
				       s->settings.map.range.len || s->settings.map.range.off))
		return cv_command_usage(s, "--at goes with none of --range, --plan-coalesce, --svg and --png");
	if (to_stdout(s) > 1)
		return cv_command_usage(s, "only one of JSON, --svg and --png can go to standard output");
	if (cv_image_words_add(s, argv, 1, &target, &r.err) && cv_session_run(s, &r.err) &&
	    cv_image_word_find(&target, s, &r.image, &r.err) && (s->settings.map.has_at ? look_at(&r) : walk(&r)))
		status = report(&r);
	else
		status = cv_command_fail(s, &r.err) | (s->cancelled ? CV_EXIT_CANCELLED : 0);
	fini(&r);
	return status;
}

const struct cv_command cv_command_map = {
	"map", "IMAGE", "which image of its chain serves each block", 0, options, run,
};
