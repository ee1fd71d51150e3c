/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Shapes made of cells: frames and bars. No text but titles, no knowledge of what is framed.
 */
#include "tui/cell/cells.h"

enum { H_LINE = 0x2500, V_LINE = 0x2502, TOP_LEFT = 0x250c, TOP_RIGHT = 0x2510, LOW_LEFT = 0x2514, LOW_RIGHT = 0x2518 };
enum { BLOCK = 0x2588, SHADE = 0x2591 };

static void put_title(struct cv_cells *c, int x, int y, int w, const char *title)
{
	int used;

	if (!title || !*title || w < 10)
		return;
	cv_cells_fill(c, x + 3, y, 1, CV_INK_HEADING, ' ', ' ');
	used = cv_cells_elide(c, x + 4, y, w - 8, CV_INK_HEADING, title);
	cv_cells_fill(c, x + 4 + used, y, 1, CV_INK_HEADING, ' ', ' ');
}

void cv_cells_frame(struct cv_cells *c, int x, int y, int w, enum cv_frame_row row, const char *title)
{
	static const struct { uint32_t left, right; char ascii; } corner[] = {
		[CV_FRAME_TOP] = { TOP_LEFT, TOP_RIGHT, '+' },
		[CV_FRAME_BOTTOM] = { LOW_LEFT, LOW_RIGHT, '+' },
		[CV_FRAME_SIDES] = { V_LINE, V_LINE, '|' },
	};

	cv_cells_fill(c, x, y, 1, CV_INK_BORDER, corner[row].left, corner[row].ascii);
	if (row != CV_FRAME_SIDES)
		cv_cells_fill(c, x + 1, y, w - 2, CV_INK_BORDER, H_LINE, '-');
	cv_cells_fill(c, x + w - 1, y, 1, CV_INK_BORDER, corner[row].right, corner[row].ascii);
	put_title(c, x, y, w, title);
}

void cv_cells_box(struct cv_cells *c, struct cv_area a, const char *title)
{
	if (a.w < 2 || a.h < 2)
		return;
	cv_cells_frame(c, a.x, a.y, a.w, CV_FRAME_TOP, title);
	for (int y = a.y + 1; y < a.y + a.h - 1; y++) {
		cv_cells_frame(c, a.x, y, a.w, CV_FRAME_SIDES, NULL);
		cv_cells_fill(c, a.x + 1, y, a.w - 2, CV_INK_TEXT, ' ', ' ');
	}
	cv_cells_frame(c, a.x, a.y + a.h - 1, a.w, CV_FRAME_BOTTOM, NULL);
}

void cv_cells_bar(struct cv_cells *c, int x, int y, int w, uint64_t part, uint64_t total)
{
	int inside = w - 2, full;

	if (inside < 1)
		return;
	if (part > total)
		part = total;
	/* halves of the numbers when the product would wrap: the bar has few columns anyway */
	while (part > UINT64_MAX / 4096) {
		part >>= 1;
		total >>= 1;
	}
	full = total ? (int)((part * (uint64_t)(inside > 4096 ? 4096 : inside) + total / 2) / total) : 0;
	cv_cells_put(c, x, y, 1, CV_INK_BORDER, "[");
	cv_cells_fill(c, x + 1, y, full, CV_INK_FULL, BLOCK, '#');
	cv_cells_fill(c, x + 1 + full, y, inside - full, CV_INK_EMPTY, SHADE, '.');
	cv_cells_put(c, x + w - 1, y, 1, CV_INK_BORDER, "]");
}
