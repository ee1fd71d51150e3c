/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A map as text: one character for each cell, the histogram with bars, and what is known about one offset. Colour
 * only repeats what the character says.
 */
#include "inspect/report/columns.h"
#include "inspect/report/map_words.h"
#include "inspect/report/words.h"

#define LINES 12u
#define LABEL (CV_MAP_LABEL + 1u)        /* columns in front of the cells */
#define USUAL_WIDTH 80u
#define WIDEST 128u              /* cells in a line */
#define NARROWEST 16u
#define NAME_WIDTH 32u
#define BAR_WIDTH 28u

size_t cv_report_map_cells(const struct cv_style *style, size_t *columns)
{
	size_t width = style->width ? style->width : USUAL_WIDTH, room = width > LABEL ? width - LABEL : 0;

	*columns = room > WIDEST ? WIDEST : room < NARROWEST ? NARROWEST : room / 16 * 16;
	return *columns * LINES;
}

static void add_cell(struct cv_text *t, const struct cv_map_sight *sight, size_t layers, bool colour)
{
	struct cv_map_colour c = cv_map_colour(*sight, layers);

	if (!colour || sight->look == CV_MAP_LOOK_NONE)
		cv_text_addf(t, "%c", sight->glyph);
	else if (sight->look == CV_MAP_LOOK_DEPTH)
		cv_text_addf(t, "\033[38;5;%d;48;5;%um%c\033[0m",
			     cv_map_step(sight->depth, layers) < CV_MAP_STEPS / 2 ? 231 : 16, c.index, sight->glyph);
	else if (sight->look == CV_MAP_LOOK_ZERO)
		cv_text_addf(t, "\033[38;5;%um%c\033[0m", c.index, sight->glyph);
	else
		cv_text_addf(t, "\033[1;7m%c\033[0m", sight->glyph);
}

static bool put_text(struct cv_text *t, const struct cv_sink *sink)
{
	bool ok = !t->failed && sink->put(sink->ctx, cv_text_str(t), t->len);

	cv_text_clear(t);
	return ok;
}

static void add_label(struct cv_text *t, const struct cv_map_model *m, size_t columns, size_t row)
{
	CV_AUTO(cv_text_fini) struct cv_text label = { 0 };

	cv_map_add_label(&label, m, columns, row, 2);
	cv_text_addf(t, "%*s ", CV_MAP_LABEL, cv_text_str(&label));
	t->failed |= label.failed;
}

static bool write_cells(const struct cv_map_model *m, const struct cv_style *style, size_t columns,
			const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t i = 0; i < m->cell_count; i++) {
		struct cv_map_sight sight = cv_map_cell_sight(m, i, CV_MAP_DEEPEST);

		if (i % columns == 0)
			add_label(&t, m, columns, i / columns);
		add_cell(&t, &sight, m->layer_count, style->color);
		if (i % columns != columns - 1 && i + 1 < m->cell_count)
			continue;
		cv_text_add(&t, "\n");
		if (!put_text(&t, sink))
			return false;
	}
	return true;
}

static unsigned bar_of(uint64_t bytes, uint64_t total)
{
	double share = total ? (double)bytes / (double)total * BAR_WIDTH : 0;

	return bytes && share < 1 ? 1 : (unsigned)(share + 0.5);
}

static void write_row(struct cv_page *o, const struct cv_map_row *row, uint64_t total)
{
	struct cv_cell size = cv_cell_size(&o->style, row->bytes);

	cv_page_addf(o, CV_PAINT_PLAIN, " %c ", row->sight.glyph);
	cv_page_elided(o, CV_PAINT_PLAIN, (struct cv_bytes){ cv_text_str(&row->name), row->name.len }, NAME_WIDTH);
	cv_page_right(o, CV_PAINT_PLAIN, size.s, NAME_WIDTH + (o->style.exact_bytes ? 20 : 10));
	cv_page_addf(o, CV_PAINT_PLAIN, " %5.1f%%", total ? 100.0 * (double)row->bytes / (double)total : 0.0);
	if (cv_page_left(o) > BAR_WIDTH) {
		cv_page_str(o, CV_PAINT_PLAIN, " ");
		for (unsigned i = bar_of(row->bytes, total); i; i--)
			cv_page_str(o, CV_PAINT_PLAIN, "#");
	}
	cv_page_end(o);
}

static void write_line(struct cv_page *o, enum cv_paint paint, const struct cv_text *t)
{
	o->line.failed |= t->failed;
	cv_page_wrapped(o, paint, (struct cv_bytes){ cv_text_str(t), t->len }, 2);
	cv_page_end(o);
}

static void write_histogram(struct cv_page *o, const struct cv_map_view *v)
{
	CV_AUTO(cv_text_fini) struct cv_text figures = { 0 }, plan = { 0 };
	size_t count;
	struct cv_map_row *rows = cv_map_rows(v, &count);

	if (!rows) {
		o->ok = false;
		return;
	}
	for (size_t i = 0; i < count; i++)
		write_row(o, &rows[i], v->model->range.len);
	cv_map_rows_free(rows, count);
	cv_map_add_figures(&figures, v->model);
	write_line(o, CV_PAINT_PLAIN, &figures);
	cv_map_add_plan(&plan, v);
	if (plan.len)
		write_line(o, CV_PAINT_PLAIN, &plan);
}

static void write_head(struct cv_page *o, const struct cv_map_view *v)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(v->g->images[v->image].file->path));
	cv_text_addf(&t, ": %s, ", cv_size_full(v->info->size).s);
	cv_words_number(&t, v->info->count, "image", "images");
	if (v->model && v->info->range.len != v->info->size)
		cv_text_addf(&t, ", %s from offset %" PRIu64, cv_size_short(v->info->range.len).s, v->info->range.off);
	write_line(o, CV_PAINT_BOLD, &t);
	if (!v->info->incomplete)
		return;
	cv_text_clear(&t);
	cv_text_addf(&t, "The chain is incomplete: %s", v->info->why);
	write_line(o, CV_PAINT_ERROR, &t);
}

bool cv_report_map(const struct cv_map_view *v, const struct cv_style *style, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text scale = { 0 };
	struct cv_page page;
	size_t columns;

	cv_report_map_cells(style, &columns);
	cv_page_init(&page, style, sink);
	write_head(&page, v);
	cv_map_add_scale(&scale, v, columns);
	write_line(&page, CV_PAINT_PLAIN, &scale);
	page.ok = page.ok && write_cells(v->model, style, columns, sink);
	if (page.ok && v->planned) {
		cv_page_str(&page, CV_PAINT_PLAIN, "after the plan:");
		cv_page_end(&page);
		page.ok = write_cells(v->planned, style, columns, sink);
	}
	if (page.ok)
		write_histogram(&page, v);
	return cv_page_fini(&page);
}

static void write_detail(struct cv_page *o, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		cv_page_to(o, 4);
		cv_page_wrapped(o, CV_PAINT_PLAIN, (struct cv_bytes){ lines, len }, 6);
		cv_page_end(o);
		lines += len + (lines[len] == '\n');
	}
}

static const char *kind_words(enum cv_extent_kind kind)
{
	static const char *const words[] = {
		[CV_EXTENT_PARENT] = "does not have it", [CV_EXTENT_DATA] = "has data",
		[CV_EXTENT_ZERO] = "says that it reads as zeros",
		[CV_EXTENT_BAD] = "has a table entry that cannot be true",
	};

	return words[kind];
}

static void write_word(struct cv_page *o, const struct cv_map_view *v, const struct cv_map_word *w, bool decides)
{
	const struct cv_map_layer *layer = &v->info->layers[w->extent.layer];
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "%c ", cv_map_glyph(w->extent.layer));
	cv_words_image(&t, v->g, layer->image, v->g->images[v->image].repository);
	cv_text_addf(&t, ": block %" PRIu64 " of %s %s", w->block, cv_size_short(layer->block_size).s,
		     kind_words(w->extent.kind));
	if (w->extent.placed)
		cv_text_addf(&t, " at offset %" PRIu64 " of its file", w->extent.host);
	if (w->extent.compressed)
		cv_text_add(&t, ", compressed");
	cv_page_to(o, 1);
	write_line(o, decides ? CV_PAINT_BOLD : CV_PAINT_PLAIN, &t);
	write_detail(o, w->detail);
}

static void add_answer(struct cv_text *t, const struct cv_map_view *v, const struct cv_extent *e)
{
	if (e->layer < v->info->count) {
		cv_text_addf(t, "hops %" PRIu32 " = ", e->layer);
		cv_words_image(t, v->g, v->info->layers[e->layer].image, v->g->images[v->image].repository);
		cv_text_addf(t, ", which %s", kind_words(e->kind));
	} else {
		cv_text_add(t, e->kind == CV_EXTENT_BAD ? "in a parent that is not here: unreadable"
							: "nobody has it: it reads as zeros");
	}
}

bool cv_report_map_place(const struct cv_map_view *v, const struct cv_map_place *place, const struct cv_style *style,
			 const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct cv_page page;

	cv_page_init(&page, style, sink);
	write_head(&page, v);
	cv_text_addf(&t, "offset %" PRIu64 ": ", place->offset);
	add_answer(&t, v, &place->decided);
	write_line(&page, CV_PAINT_PLAIN, &t);
	for (size_t i = 0; i < place->count && page.ok; i++)
		write_word(&page, v, &place->words[i], place->decided.layer == i);
	return cv_page_fini(&page);
}
