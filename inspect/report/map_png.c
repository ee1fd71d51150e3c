/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A map as PNG, drawn in memory and encoded there by libpng: no file is opened and nothing is printed. */
#include "inspect/report/map_font.h"
#include "inspect/report/map_words.h"
#include <png.h>

#define CELL 10u
#define MARGIN 20u
#define LABELS 70u
#define SCALE 2u                 /* dots of the font */
#define LINE 18u
#define COLUMNS CV_MAP_PICTURE_COLUMNS
#define WIDTH (2 * MARGIN + LABELS + COLUMNS * CELL)
#define DOT 3u                   /* bytes */

struct canvas {
	uint8_t *at;
	unsigned height, y;
};

static void fill(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, uint32_t rgb)
{
	for (unsigned line = y; line < y + height && line < c->height; line++)
		for (unsigned i = x; i < x + width && i < WIDTH; i++) {
			uint8_t *dot = c->at + ((size_t)line * WIDTH + i) * DOT;

			dot[0] = (uint8_t)(rgb >> 16);
			dot[1] = (uint8_t)(rgb >> 8);
			dot[2] = (uint8_t)rgb;
		}
}

static void write_char(struct canvas *c, unsigned x, unsigned y, char ch, uint32_t rgb)
{
	uint16_t dots = cv_font_dots(ch);

	for (unsigned i = 0; i < CV_FONT_WIDTH * CV_FONT_HEIGHT; i++)
		if (dots >> (CV_FONT_WIDTH * CV_FONT_HEIGHT - 1 - i) & 1)
			fill(c, x + i % CV_FONT_WIDTH * SCALE, y + i / CV_FONT_WIDTH * SCALE, SCALE, SCALE, rgb);
}

/* Characters that are longer than one byte are one box. */
static void write_text(struct canvas *c, unsigned x, unsigned y, const char *text)
{
	for (; *text && x + 8 < WIDTH; text++) {
		if (((unsigned char)*text & 0xc0) == 0x80)
			continue;
		write_char(c, x, y, *text, 0x000000);
		x += (CV_FONT_WIDTH + 1) * SCALE;
	}
}

static void write_right(struct canvas *c, unsigned end, unsigned y, const char *text)
{
	write_text(c, end - (unsigned)strlen(text) * (CV_FONT_WIDTH + 1) * SCALE, y, text);
}

/* What is wrong is seen without colours too: its sign stands in the cell. */
static void draw_box(struct canvas *c, unsigned x, unsigned y, struct cv_map_sight sight, size_t layers)
{
	fill(c, x, y, CELL, CELL, cv_map_colour(sight, layers).rgb);
	if (sight.look == CV_MAP_LOOK_BAD || sight.look == CV_MAP_LOOK_MISSING)
		write_char(c, x + 2, y, sight.glyph, 0xffffff);
}

static void write_label(struct canvas *c, const struct cv_map_model *m, size_t label_row)
{
	CV_AUTO(cv_text_fini) struct cv_text label = { 0 };

	cv_map_add_label(&label, m, (size_t)COLUMNS * CV_MAP_LABELLED, label_row, 2);
	write_right(c, MARGIN + LABELS - 6, c->y, cv_text_str(&label));
}

static void draw_cells(struct canvas *c, const struct cv_map_model *m)
{
	for (size_t i = 0; i < m->cell_count; i++) {
		size_t column = i % COLUMNS;

		if (!column && i)
			c->y += CELL;
		if (!column && i / COLUMNS % CV_MAP_LABELLED == 0)
			write_label(c, m, i / COLUMNS / CV_MAP_LABELLED);
		draw_box(c, MARGIN + LABELS + (unsigned)column * CELL, c->y, cv_map_cell_sight(m, i, CV_MAP_DEEPEST),
			 m->layer_count);
	}
	c->y += 2 * CELL;
}

static void draw_legend(struct canvas *c, const struct cv_map_view *v, const struct cv_map_row *rows, size_t count)
{
	unsigned x = MARGIN + LABELS;
	double total = v->model->range.len ? (double)v->model->range.len : 1;

	for (size_t i = 0; i < count; i++) {
		char glyph[2] = { rows[i].sight.glyph, '\0' };

		draw_box(c, x, c->y, rows[i].sight, v->model->layer_count);
		draw_box(c, x + CELL, c->y, rows[i].sight, v->model->layer_count);
		write_text(c, x + 28, c->y, glyph);
		write_text(c, x + 44, c->y, cv_text_str(&rows[i].name));
		fill(c, x + 480, c->y, 480, CELL, 0xffffff);
		write_right(c, x + 560, c->y, cv_size_short(rows[i].bytes).s);
		fill(c, x + 576, c->y, (unsigned)(380 * (double)rows[i].bytes / total), CELL, 0x777777);
		c->y += LINE;
	}
}

static void draw_line(struct canvas *c, struct cv_text *t)
{
	write_text(c, MARGIN + LABELS, c->y, cv_text_str(t));
	cv_text_clear(t);
	c->y += LINE;
}

static void draw(struct canvas *c, const struct cv_map_view *v, const struct cv_map_row *rows, size_t count)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(v->g->images[v->image].file->path));
	draw_line(c, &t);
	cv_map_add_scale(&t, v, COLUMNS);
	draw_line(c, &t);
	if (v->info->incomplete) {
		cv_text_addf(&t, "The chain is incomplete: %s", v->info->why);
		draw_line(c, &t);
	}
	draw_cells(c, v->model);
	if (v->planned) {
		cv_map_add_plan(&t, v);
		draw_line(c, &t);
		draw_cells(c, v->planned);
	}
	draw_legend(c, v, rows, count);
	cv_map_add_figures(&t, v->model);
	draw_line(c, &t);
}

/* The picture as a PNG file in memory. */
static uint8_t *encode(const struct canvas *c, size_t *len, struct cv_err *err)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .width = WIDTH, .height = c->height,
			    .format = PNG_FORMAT_RGB };
	png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
	uint8_t *bytes = malloc(size);

	if (!bytes) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	if (png_image_write_to_memory(&image, bytes, &size, 0, c->at, 0, NULL)) {
		*len = size;
		return bytes;
	}
	cv_fail(err, CV_EIO, "cannot draw the picture: %s", image.message);
	png_image_free(&image);
	free(bytes);
	return NULL;
}

static unsigned lines_of(const struct cv_map_model *m)
{
	return (unsigned)((m->cell_count + COLUMNS - 1) / COLUMNS) + 2;
}

bool cv_report_map_png(const struct cv_map_view *v, const struct cv_sink *sink, struct cv_err *err)
{
	size_t count, len = 0;
	struct cv_map_row *rows = cv_map_rows(v, &count);
	struct canvas c = { .y = MARGIN };
	CV_AUTO(cv_auto_free) uint8_t *bytes = NULL;
	bool ok;

	c.height = 2 * MARGIN + ((unsigned)count + 5) * LINE + lines_of(v->model) * CELL;
	if (v->planned)
		c.height += lines_of(v->planned) * CELL;
	c.at = malloc((size_t)c.height * WIDTH * DOT);
	if (rows && c.at) {
		memset(c.at, 0xff, (size_t)c.height * WIDTH * DOT);
		draw(&c, v, rows, count);
		bytes = encode(&c, &len, err);
	} else {
		cv_fail(err, CV_ENOMEM, "out of memory");
	}
	ok = bytes && sink->put(sink->ctx, (const char *)bytes, len);
	cv_map_rows_free(rows, rows ? count : 0);
	free(c.at);
	return ok;
}
