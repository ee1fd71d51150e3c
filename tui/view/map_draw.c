/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How the depth map looks: cells with their offsets, the legend with bars, the cell under the cursor in words. The
 * digit says everything, colour repeats it.
 */
#include "tui/console_model.h"

#define LABEL_W (CV_MAP_LABEL + 1)
#define NAME_W 28

/* The image that a depth of what is drawn stands for. */
static void name_of(const struct cv_console *c, size_t depth, struct cv_text *out)
{
	size_t layer = cv_map_layer_of(cv_map_shown(&c->map), depth);
	const struct cv_image *image =
		layer < c->map.layer_count ? cv_image_at(c, c->map.layers[layer]) : NULL;

	if (image)
		cv_image_name(out, image);
	else
		cv_text_add(out, "?");
}

static enum cv_ink ink_of(const struct cv_map_model *m, struct cv_map_sight sight)
{
	switch (sight.look) {
	case CV_MAP_LOOK_DEPTH:
		return (enum cv_ink)(CV_INK_DEPTH0 + cv_map_step(sight.depth, m->layer_count));
	case CV_MAP_LOOK_MISSING:
	case CV_MAP_LOOK_BAD:
		return CV_INK_BAD;
	default:
		return CV_INK_QUIET;
	}
}

static void draw_label(const struct cv_map_model *m, struct cv_cells *out, int y, size_t columns, size_t row)
{
	struct cv_text t = { 0 };

	cv_map_add_label(&t, m, columns, row, 1);
	cv_cells_right(out, 0, y, LABEL_W - 1, CV_INK_QUIET, cv_text_str(&t));
	cv_text_fini(&t);
}

/* What lies behind the place that the job has come to is not read yet. */
static void draw_cell(const struct cv_console *c, struct cv_cells *out, int x, int y, size_t cell)
{
	const struct cv_map_model *m = cv_map_shown(&c->map);
	struct cv_map_sight sight = cv_map_cell_sight(m, cell, c->map.basis);
	bool read = c->map.state == CV_JOB_DONE || cv_map_cell_range(m, cell).off < c->map.done;

	cv_cells_putf(out, x, y, 1, read ? ink_of(m, sight) : CV_INK_QUIET, "%c", read ? sight.glyph : '?');
	if (cell != c->view[CV_VIEW_MAP].list.cursor)
		return;
	cv_cells_cursor(out, x, y, 1);
	out->cursor_x = x;
	out->cursor_y = y;
}

static int draw_cells(const struct cv_console *c, struct cv_cells *out, int y, int bottom)
{
	const struct cv_map_model *m = cv_map_shown(&c->map);
	size_t columns = c->map.columns ? c->map.columns : 1;

	for (size_t i = 0; i < m->cell_count && y < bottom; i += columns, y++) {
		draw_label(m, out, y, columns, i / columns);
		for (size_t k = 0; k < columns && i + k < m->cell_count; k++)
			draw_cell(c, out, LABEL_W + (int)k, y, i + k);
	}
	return y;
}

static void draw_scale(const struct cv_console *c, struct cv_cells *out, int y)
{
	static const char *const basis[] = { "deepest block", "mean depth", "most frequent depth" };
	const struct cv_map_model *m = cv_map_shown(&c->map);
	size_t columns = cv_smaller(c->map.columns ? c->map.columns : 1, m->cell_count ? m->cell_count : 1);
	struct cv_text t = { 0 };

	cv_text_addf(&t, "%s", cv_size_short(m->range.len).s);
	if (m->range.len < c->map.size) {
		cv_text_add(&t, " from ");
		cv_map_add_exact(&t, m->range.off);
	}
	cv_text_addf(&t, " as %zu x %zu cells of %s; a cell shows its %s", columns,
		     (m->cell_count + columns - 1) / columns, cv_size_short(m->cell_bytes).s, basis[c->map.basis]);
	cv_cells_elide(out, 0, y, out->w, CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

struct legend {
	struct cv_map_sight sight;
	const char *label;       /* NULL: the image of the depth */
	uint64_t bytes;
};

static void draw_legend_row(const struct cv_console *c, struct cv_cells *out, int y, const struct legend *row)
{
	uint64_t total = c->map.model.range.len;
	int bar = out->w - NAME_W - 22;
	struct cv_text t = { 0 };

	cv_cells_putf(out, 1, y, 1, ink_of(cv_map_shown(&c->map), row->sight), "%c", row->sight.glyph);
	if (row->label)
		cv_text_add(&t, row->label);
	else
		name_of(c, row->sight.depth, &t);
	if (!row->label && !row->sight.depth)
		cv_text_add(&t, " (this)");
	cv_cells_elide(out, 3, y, NAME_W - 4, CV_INK_TEXT, cv_text_str(&t));
	cv_cells_right(out, NAME_W, y, 7, CV_INK_TEXT, cv_size_short(row->bytes).s);
	cv_cells_putf(out, NAME_W + 8, y, 7, CV_INK_TEXT, "%5.1f%%",
		      total ? 100.0 * (double)row->bytes / (double)total : 0.0);
	cv_cells_bar(out, NAME_W + 16, y, bar > 50 ? 50 : bar, row->bytes, total);
	cv_text_fini(&t);
}

static int draw_row_if(const struct cv_console *c, struct cv_cells *out, int y, int bottom, const struct legend *row)
{
	if (!row->bytes || y >= bottom)
		return y;
	draw_legend_row(c, out, y, row);
	return y + 1;
}

static void add_mean(const struct cv_map_cell *total, const char *hops, struct cv_text *t)
{
	if (total->data | total->zero)
		cv_text_addf(t, "mean %.2f%s, max %" PRIu32, cv_map_cell_mean(total), hops, total->deepest);
	else
		cv_text_add(t, "no image has anything here");
}

void cv_map_plan_name(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_map_job *job = &c->map;
	uint32_t layer = job->merges[job->plan];
	const struct cv_image *image = cv_image_at(c, job->layers[layer]), *into = cv_image_at(c, job->layers[layer + 1]);

	if (image)
		cv_image_name(out, image);
	cv_text_add(out, " into ");
	if (into)
		cv_image_name(out, into);
}

/* As it is, and as it would be. */
static void draw_figures(const struct cv_console *c, struct cv_cells *out, int y, size_t left_out)
{
	const struct cv_map_job *job = &c->map;
	struct cv_text t = { 0 };
	int x = 1;

	add_mean(&job->model.total, " hops", &t);
	if (left_out)
		cv_text_addf(&t, "   %zu more images; a taller screen shows them", left_out);
	x += cv_cells_put(out, x, y, out->w - x, CV_INK_TEXT, cv_text_str(&t));
	if (job->after.cells) {
		cv_text_clear(&t);
		cv_text_addf(&t, "   plan %zu of %zu: ", job->plan + 1, job->merge_count);
		add_mean(&job->after.total, "", &t);
		x += cv_cells_put(out, x, y, out->w - x, job->with_plan ? CV_INK_MARK : CV_INK_TEXT, cv_text_str(&t));
		cv_text_clear(&t);
		cv_text_add(&t, " (");
		cv_map_plan_name(c, &t);
		cv_text_add(&t, ")");
		cv_cells_elide(out, x, y, out->w - x, CV_INK_QUIET, cv_text_str(&t));
	}
	cv_text_fini(&t);
}

static void draw_incomplete(const struct cv_console *c, struct cv_cells *out, int y)
{
	int used = cv_cells_put(out, 1, y, out->w - 1, CV_INK_ERROR, "The chain is incomplete: ");

	cv_cells_elide(out, 1 + used, y, out->w - 1 - used, CV_INK_ERROR, c->map.why);
}

/* Trouble first: it must not be the row that has no room. */
static void draw_legend(const struct cv_console *c, struct cv_cells *out, int y, int bottom)
{
	const struct cv_map_model *m = cv_map_shown(&c->map);
	const struct legend others[] = {
		{ { CV_MAP_LOOK_BAD, 0, '!' }, "unreadable", m->total.bad },
		{ { CV_MAP_LOOK_MISSING, 0, 'X' }, "parent missing", m->total.missing },
		{ { CV_MAP_LOOK_NONE, 0, '.' }, "not allocated", m->total.unallocated },
		{ { CV_MAP_LOOK_ZERO, 0, 'z' }, "zeros", m->total.zero },
	};
	size_t layer = 0;

	if (c->map.why[0])
		draw_incomplete(c, out, --bottom);
	for (size_t i = 0; i < CV_COUNT(others); i++)
		y = draw_row_if(c, out, y, bottom - 1, &others[i]);
	for (; layer < m->layer_count && y < bottom - 1; layer++, y++) {
		struct legend row = { { CV_MAP_LOOK_DEPTH, (uint32_t)layer, cv_map_glyph((uint32_t)layer) }, NULL,
				      m->data[layer] };

		draw_legend_row(c, out, y, &row);
	}
	if (y < bottom)
		draw_figures(c, out, y, m->layer_count - layer);
}

static void draw_nothing(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_map_job *job = &c->map;
	const char *text = job->state == CV_JOB_FAILED                        ? job->why
			   : job->state == CV_JOB_NONE                        ? "No image is selected."
			   : c->scanning && c->shown && c->snap.graph->partial ? "The map begins when the scan is done."
									      : "Opening the images of the chain...";

	cv_cells_elide(out, 1, a.y + 1, a.w - 1, job->state == CV_JOB_FAILED ? CV_INK_ERROR : CV_INK_TEXT, text);
}

void cv_map_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	int y, bottom = a.y + a.h;

	if (!c->map.model.cells) {
		draw_nothing(c, out, a);
		return;
	}
	draw_scale(c, out, a.y);
	y = draw_cells(c, out, a.y + 1, bottom - 3);
	draw_legend(c, out, y, bottom);
}

static const char *trouble_of(enum cv_map_look look)
{
	static const char *const words[] = {
		[CV_MAP_LOOK_NONE] = "not allocated", [CV_MAP_LOOK_ZERO] = "zeros", [CV_MAP_LOOK_DEPTH] = "",
		[CV_MAP_LOOK_MISSING] = "parent missing", [CV_MAP_LOOK_BAD] = "unreadable",
	};

	return words[look];
}

/* "0:4M, 2:1M": bytes of each depth of a cell. */
static void add_depths(const struct cv_map_model *m, size_t cell, struct cv_text *out)
{
	const struct cv_map_cell *at = &m->cells[cell];
	const struct { uint64_t bytes; char glyph; } others[] = {
		{ at->unallocated, '.' }, { at->bad, '!' }, { at->missing, 'X' },
	};
	const char *comma = "";

	for (size_t i = 0; i < m->depths; i++) {
		uint64_t bytes = m->cell_depths[cell * m->depths + i];

		if (!bytes)
			continue;
		cv_text_addf(out, "%s%c:%s", comma, cv_map_glyph((uint32_t)i), cv_size_short(bytes).s);
		comma = ", ";
	}
	for (size_t i = 0; i < CV_COUNT(others); i++) {
		if (!others[i].bytes)
			continue;
		cv_text_addf(out, "%s%c:%s", comma, others[i].glyph, cv_size_short(others[i].bytes).s);
		comma = ", ";
	}
}

void cv_map_hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_map_job *job = &c->map;
	const struct cv_map_model *m = cv_map_shown(job);
	size_t cell = c->view[CV_VIEW_MAP].list.cursor;
	const struct cv_map_cell *at;
	uint64_t offset;

	if (!m->cells || cell >= m->cell_count)
		return;
	if (job->state == CV_JOB_RUNNING && m->range.len)
		cv_text_addf(out, "reading %u%%   ",
			     (unsigned)(100.0 * (double)(job->done - m->range.off) / (double)m->range.len));
	at = &m->cells[cell];
	offset = cv_map_cell_range(m, cell).off;
	cv_text_addf(out, "at %s", cv_size_short(offset).s);
	if (offset)
		cv_text_addf(out, " (%" PRIu64 ")", offset);
	cv_text_add(out, ": ");
	if (at->data | at->zero) {
		cv_text_addf(out, "hops %" PRIu32 " = ", at->deepest);
		name_of(c, at->deepest, out);
		cv_text_add(out, "; ");
	}
	add_depths(m, cell, out);
}

void cv_map_place_text(const struct cv_console *c, size_t cell, struct cv_text *out)
{
	struct cv_map_sight sight = cv_map_cell_sight(cv_map_shown(&c->map), cell, c->map.basis);

	cv_text_add(out, trouble_of(sight.look));
	if (sight.look == CV_MAP_LOOK_DEPTH)
		name_of(c, sight.depth, out);
}
