/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The cell buffer: putting text, filling, dumping. Every write to a cell goes through cell_at(), which is
 * the one place that knows the borders.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tui/cell/cells.h"

static struct cv_cell *cell_at(const struct cv_cells *c, int x, int y)
{
	return x < 0 || y < 0 || x >= c->w || y >= c->h ? NULL : &c->at[(size_t)y * (size_t)c->w + (size_t)x];
}

void cv_cells_clear(struct cv_cells *c)
{
	for (size_t i = 0; i < (size_t)c->w * (size_t)c->h; i++)
		c->at[i] = (struct cv_cell){ .ch = ' ' };
	c->cursor_x = c->cursor_y = -1;
}

bool cv_cells_init(struct cv_cells *c, int w, int h, bool ascii)
{
	struct cv_cell *at;

	w = w < 1 ? 1 : w > 4096 ? 4096 : w;
	h = h < 1 ? 1 : h > 4096 ? 4096 : h;
	at = calloc((size_t)w * (size_t)h, sizeof *at);
	if (!at)
		return false;
	*c = (struct cv_cells){ .w = w, .h = h, .ascii = ascii, .at = at };
	cv_cells_clear(c);
	return true;
}

void cv_cells_fini(struct cv_cells *c)
{
	free(c->at);
	*c = (struct cv_cells){ 0 };
}

/* Overwriting half of a wide character blanks its other half. */
static void unsplit(const struct cv_cells *c, int x, int y)
{
	struct cv_cell *cell = cell_at(c, x, y), *other;

	if (!cell)
		return;
	other = cell->flags & CV_CELL_WIDE   ? cell_at(c, x + 1, y)
		: cell->flags & CV_CELL_TAIL ? cell_at(c, x - 1, y)
					     : NULL;
	if (other) {
		other->ch = ' ';
		other->flags &= (uint8_t)~(CV_CELL_WIDE | CV_CELL_TAIL);
		memset(other->mark, 0, sizeof other->mark);
	}
}

static void set(struct cv_cells *c, int x, int y, enum cv_ink ink, const struct cv_glyph *g)
{
	struct cv_cell *cell = cell_at(c, x, y), *tail = g->width == 2 ? cell_at(c, x + 1, y) : NULL;

	if (!cell)
		return;
	unsplit(c, x, y);
	*cell = (struct cv_cell){ .ch = g->ch, .ink = (uint8_t)ink };
	memcpy(cell->mark, g->mark, sizeof cell->mark);
	if (g->width < 2)
		return;
	if (!tail) {
		cell->ch = ' ';
		return;
	}
	unsplit(c, x + 1, y);
	cell->flags = CV_CELL_WIDE;
	*tail = (struct cv_cell){ .ink = (uint8_t)ink, .flags = CV_CELL_TAIL };
}

static int put_glyph(struct cv_cells *c, int x, int y, int room, enum cv_ink ink, const struct cv_glyph *g)
{
	int used = 0;

	if (!g->escape[0]) {
		if (g->width > room)
			return 0;
		set(c, x, y, ink, g);
		return g->width;
	}
	for (; used < room && g->escape[used]; used++)
		set(c, x + used, y, ink, &(struct cv_glyph){ .ch = (unsigned char)g->escape[used], .width = 1 });
	return used;
}

static int glyph_columns(const struct cv_glyph *g)
{
	return g->escape[0] ? (int)strlen(g->escape) : g->width;
}

/* Puts the columns [skip, skip + max) of the text. A wide character cut in two by skip becomes a blank. */
static int put_part(struct cv_cells *c, int x, int y, int skip, int max, enum cv_ink ink, const char *text)
{
	size_t len = strlen(text), pos = 0;
	struct cv_glyph g;
	int used = 0;

	while (used < max && cv_glyph_next(text, len, &pos, c->ascii, &g)) {
		if (skip >= g.width) {
			skip -= g.width;
			continue;
		}
		if (skip && g.escape[0])
			memmove(g.escape, g.escape + skip, sizeof g.escape - (size_t)skip);
		else if (skip)
			g = (struct cv_glyph){ .ch = ' ', .width = g.width - skip };
		skip = 0;
		if (put_glyph(c, x + used, y, max - used, ink, &g) == 0)
			break;
		used += glyph_columns(&g);
	}
	return used < max ? used : max;
}

int cv_cells_put(struct cv_cells *c, int x, int y, int max, enum cv_ink ink, const char *text)
{
	return put_part(c, x, y, 0, max > c->w - x ? c->w - x : max, ink, text);
}

int cv_cells_putf(struct cv_cells *c, int x, int y, int max, enum cv_ink ink, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return cv_cells_put(c, x, y, max, ink, text);
}

void cv_cells_right(struct cv_cells *c, int x, int y, int w, enum cv_ink ink, const char *text)
{
	int columns = cv_text_columns(text, c->ascii);

	if (columns < w)
		x += w - columns;
	cv_cells_put(c, x, y, columns < w ? columns : w, ink, text);
}

int cv_cells_elide(struct cv_cells *c, int x, int y, int w, enum cv_ink ink, const char *text)
{
	int columns = cv_text_columns(text, c->ascii), head, used;

	if (columns <= w || w < 3)
		return cv_cells_put(c, x, y, w, ink, text);
	head = w / 2;
	used = cv_cells_put(c, x, y, head, ink, text);
	cv_cells_put(c, x + used, y, 1, ink, c->ascii ? "~" : "\xe2\x80\xa6");
	used++;
	return used + put_part(c, x + used, y, columns - (w - used), w - used, ink, text);
}

int cv_cells_words(struct cv_cells *c, int x, int y, int w, enum cv_ink ink, const char *text)
{
	size_t len = strlen(text), pos = 0;
	int columns = 0, fit = w - 1;
	bool in_word = false;
	struct cv_glyph g;

	if (cv_text_columns(text, c->ascii) <= w || w < 3)
		return cv_cells_put(c, x, y, w, ink, text);
	while (columns < w && cv_glyph_next(text, len, &pos, c->ascii, &g)) {
		bool blank = g.ch == ' ' && !g.escape[0];

		if (blank && in_word)
			fit = columns;
		in_word = !blank;
		columns += glyph_columns(&g);
	}
	columns = cv_cells_put(c, x, y, fit, ink, text);
	return columns + cv_cells_put(c, x + columns, y, 1, ink, c->ascii ? "~" : "\xe2\x80\xa6");
}

void cv_cells_fill(struct cv_cells *c, int x, int y, int count, enum cv_ink ink, uint32_t ch, char ascii)
{
	struct cv_glyph g = { .ch = c->ascii ? (unsigned char)ascii : ch, .width = 1 };
	int end = count > c->w - x ? c->w : x + count;

	for (x = x < 0 ? 0 : x; x < end; x++)
		set(c, x, y, ink, &g);
}

void cv_cells_paint(struct cv_cells *c, int x, int y, int count, enum cv_ink ink)
{
	for (int i = 0; i < count; i++) {
		struct cv_cell *cell = cell_at(c, x + i, y);

		if (cell)
			cell->ink = (uint8_t)ink;
	}
}

void cv_cells_cursor(struct cv_cells *c, int x, int y, int count)
{
	for (int i = 0; i < count; i++) {
		struct cv_cell *cell = cell_at(c, x + i, y);

		if (cell)
			cell->flags |= CV_CELL_CURSOR;
	}
	c->cursor_x = x;
	c->cursor_y = y;
}

static void add_character(struct cv_text *out, uint32_t ch)
{
	char bytes[4];

	cv_text_add_bytes(out, bytes, cv_utf8_put(ch, bytes));
}

static void dump_row(const struct cv_cells *c, int y, struct cv_text *out)
{
	int end = c->w;

	while (end && cell_at(c, end - 1, y)->ch == ' ')
		end--;
	for (int x = 0; x < end; x++) {
		const struct cv_cell *cell = cell_at(c, x, y);

		if (cell->flags & CV_CELL_TAIL)
			continue;
		add_character(out, cell->ch);
		for (int i = 0; i < CV_CELL_MARKS && cell->mark[i]; i++)
			add_character(out, cell->mark[i]);
	}
	cv_text_add(out, "\n");
}

void cv_cells_dump(const struct cv_cells *c, struct cv_text *out)
{
	for (int y = 0; y < c->h; y++)
		dump_row(c, y, out);
}
