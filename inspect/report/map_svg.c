/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A map as SVG: a rectangle for each run of like cells in a line, a legend below. It needs no fonts of its own and
 * refers to nothing outside of itself.
 */
#include "inspect/report/map_words.h"

#define CELL 10u
#define MARGIN 20u
#define LINE 18u                 /* of text */
#define LABELS 60u               /* left of the cells */
#define COLUMNS CV_MAP_PICTURE_COLUMNS

struct drawing {
	const struct cv_map_view *view;
	const struct cv_sink *sink;
	struct cv_text t;
	unsigned y;
	bool ok;
};

static void flush(struct drawing *d)
{
	d->ok = d->ok && !d->t.failed && d->sink->put(d->sink->ctx, cv_text_str(&d->t), d->t.len);
	cv_text_clear(&d->t);
}

/* Text that is escaped for people still has characters that mean something to XML. */
static void add_xml(struct cv_text *t, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&': cv_text_add(t, "&amp;"); break;
		case '<': cv_text_add(t, "&lt;"); break;
		case '>': cv_text_add(t, "&gt;"); break;
		case '"': cv_text_add(t, "&quot;"); break;
		default: cv_text_add_bytes(t, text, 1);
		}
}

static void add_text(struct drawing *d, unsigned x, unsigned y, const char *attributes, const char *text)
{
	cv_text_addf(&d->t, "<text x=\"%u\" y=\"%u\"%s>", x, y, attributes);
	add_xml(&d->t, text);
	cv_text_add(&d->t, "</text>\n");
}

static void add_box(struct drawing *d, unsigned x, unsigned y, unsigned width, struct cv_map_sight sight, size_t layers)
{
	struct cv_map_colour c = cv_map_colour(sight, layers);

	cv_text_addf(&d->t, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"#%06" PRIx32 "\"/>\n", x, y,
		     width, CELL, c.rgb);
	/* What is wrong is seen without colours too. */
	if (sight.look == CV_MAP_LOOK_BAD || sight.look == CV_MAP_LOOK_MISSING)
		cv_text_addf(&d->t, "<path d=\"M%u %uh%u\" stroke=\"#fff\" stroke-width=\"2\" "
			     "stroke-dasharray=\"%s\"/>\n", x, y + CELL / 2, width,
			     sight.look == CV_MAP_LOOK_BAD ? "2 2" : "6 4");
}

static bool looks_same(struct cv_map_sight a, struct cv_map_sight b)
{
	return a.look == b.look && (a.look != CV_MAP_LOOK_DEPTH || a.depth == b.depth);
}

static void add_label(struct drawing *d, const struct cv_map_model *m, size_t label_row)
{
	CV_AUTO(cv_text_fini) struct cv_text label = { 0 };

	cv_map_add_label(&label, m, (size_t)COLUMNS * CV_MAP_LABELLED, label_row, 2);
	add_text(d, LABELS + MARGIN - 6, d->y + CELL - 1, " text-anchor=\"end\"", cv_text_str(&label));
}

static void add_cells(struct drawing *d, const struct cv_map_model *m)
{
	for (size_t i = 0; i < m->cell_count && d->ok;) {
		struct cv_map_sight sight = cv_map_cell_sight(m, i, CV_MAP_DEEPEST);
		size_t first = i, column = i % COLUMNS;

		if (!column && i / COLUMNS % CV_MAP_LABELLED == 0)
			add_label(d, m, i / COLUMNS / CV_MAP_LABELLED);
		for (i++; i < m->cell_count && i % COLUMNS; i++)
			if (!looks_same(sight, cv_map_cell_sight(m, i, CV_MAP_DEEPEST)))
				break;
		add_box(d, MARGIN + LABELS + (unsigned)column * CELL, d->y, (unsigned)(i - first) * CELL, sight,
			m->layer_count);
		if (i % COLUMNS && i < m->cell_count)
			continue;
		d->y += CELL;
		flush(d);
	}
	d->y += CELL;
}

static unsigned lines_of(const struct cv_map_model *m)
{
	return (unsigned)((m->cell_count + COLUMNS - 1) / COLUMNS);
}

static void add_legend(struct drawing *d, const struct cv_map_row *rows, size_t count)
{
	const struct cv_map_model *m = d->view->model;

	for (size_t i = 0; i < count; i++) {
		char size[64];
		unsigned x = MARGIN + LABELS;
		double share = m->range.len ? (double)rows[i].bytes / (double)m->range.len : 0;

		d->y += LINE;
		add_box(d, x, d->y - CELL, 2 * CELL, rows[i].sight, m->layer_count);
		size[0] = rows[i].sight.glyph;
		size[1] = '\0';
		add_text(d, x + 26, d->y, "", size);
		add_text(d, x + 44, d->y, "", cv_text_str(&rows[i].name));
		add_text(d, x + 560, d->y, " text-anchor=\"end\"", cv_size_short(rows[i].bytes).s);
		cv_text_addf(&d->t, "<rect x=\"%u\" y=\"%u\" width=\"%.1f\" height=\"%u\" fill=\"#777\"/>\n", x + 576,
			     d->y - CELL, 384 * share, CELL);
		flush(d);
	}
	d->y += LINE;
}

static void add_line(struct drawing *d, struct cv_text *text)
{
	d->ok = d->ok && !text->failed;
	d->y += LINE;
	add_text(d, MARGIN + LABELS, d->y - 4, "", cv_text_str(text));
	cv_text_clear(text);
}

static void add_title(struct drawing *d, unsigned height)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const struct cv_map_view *v = d->view;

	cv_text_addf(&d->t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
		     "width=\"%u\" height=\"%u\" font-family=\"monospace\" font-size=\"12\">\n"
		     "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		     2 * MARGIN + LABELS + COLUMNS * CELL, height);
	cv_text_escape(&t, cv_bytes_of(v->g->images[v->image].file->path));
	add_line(d, &t);
	cv_map_add_scale(&t, v, COLUMNS);
	add_line(d, &t);
	if (v->info->incomplete)
		cv_text_addf(&t, "The chain is incomplete: %s", v->info->why);
	if (t.len)
		add_line(d, &t);
}

bool cv_report_map_svg(const struct cv_map_view *v, const struct cv_sink *sink)
{
	struct drawing d = { .view = v, .sink = sink, .ok = true, .y = MARGIN };
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	size_t count;
	struct cv_map_row *rows = cv_map_rows(v, &count);
	unsigned height = 2 * MARGIN + (unsigned)(count + 8) * LINE + (lines_of(v->model) + 2) * CELL;

	if (!rows)
		return false;
	if (v->planned)
		height += (lines_of(v->planned) + 1) * CELL + LINE;
	add_title(&d, height);
	d.y += CELL;
	add_cells(&d, v->model);
	if (v->planned) {
		cv_map_add_plan(&t, v);
		add_line(&d, &t);
		add_cells(&d, v->planned);
	}
	add_legend(&d, rows, count);
	cv_map_add_figures(&t, v->model);
	add_line(&d, &t);
	cv_text_add(&d.t, "</svg>\n");
	flush(&d);
	cv_map_rows_free(rows, count);
	cv_text_fini(&d.t);
	return d.ok;
}
