/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The cell buffer that everything draws into. The same buffer becomes the terminal's screen, a golden file
 * of a test, or a screenshot. All drawing clips: no coordinate is wrong, only invisible.
 *
 * Text is UTF-8 that went through cv_text_escape() if it came from outside. Width is measured with wcwidth
 * in the current locale. In an ASCII buffer other characters appear as \u{HHHH} and lines as + - |.
 */
#ifndef TUI_CELL_CELLS_H
#define TUI_CELL_CELLS_H

#include <chainview/text.h>

#include "tui/cell/theme.h"

#define CV_CELL_MARKS 2

enum cv_cell_flag { CV_CELL_WIDE = 1, CV_CELL_TAIL = 2, CV_CELL_CURSOR = 4 };

struct cv_cell {
	uint32_t ch;                     /* one character; 0 in the right half of a wide one */
	uint32_t mark[CV_CELL_MARKS];    /* combining characters on it, 0 for none */
	uint8_t ink, flags;              /* CURSOR: the row under the cursor, shown in reverse */
};

struct cv_cells {
	int w, h;
	bool ascii;
	int cursor_x, cursor_y;          /* where the terminal's own cursor rests; -1 hides it */
	struct cv_cell *at;              /* w * h, row after row */
};

struct cv_area {
	int x, y, w, h;
};

/* All blank. False when memory is short; then the old content is still there. */
bool cv_cells_init(struct cv_cells *c, int w, int h, bool ascii);
void cv_cells_fini(struct cv_cells *c);
void cv_cells_clear(struct cv_cells *c);

/* Writes text from x on, at most max columns (less when the buffer ends). Returns the columns used. */
int cv_cells_put(struct cv_cells *c, int x, int y, int max, enum cv_ink ink, const char *text);
int cv_cells_putf(struct cv_cells *c, int x, int y, int max, enum cv_ink ink, const char *fmt, ...) CV_PRINTF(6, 7);
/* Right-aligned in w columns; text that is too long is cut on the right. */
void cv_cells_right(struct cv_cells *c, int x, int y, int w, enum cv_ink ink, const char *text);
/* Text that is too long loses its middle. Returns the columns used. */
int cv_cells_elide(struct cv_cells *c, int x, int y, int w, enum cv_ink ink, const char *text);
/* Text that is too long loses its end, at a blank where there is one: for what is not a name. */
int cv_cells_words(struct cv_cells *c, int x, int y, int w, enum cv_ink ink, const char *text);
/* One character, count times. ascii stands in for ch in an ASCII buffer. */
void cv_cells_fill(struct cv_cells *c, int x, int y, int count, enum cv_ink ink, uint32_t ch, char ascii);
/* Gives the cells of a row another ink, or puts the cursor's reverse on them. */
void cv_cells_paint(struct cv_cells *c, int x, int y, int count, enum cv_ink ink);
void cv_cells_cursor(struct cv_cells *c, int x, int y, int count);
/* One row of a frame: its upper edge (with a title, or NULL), its lower edge, or its two sides. */
enum cv_frame_row { CV_FRAME_TOP, CV_FRAME_BOTTOM, CV_FRAME_SIDES };
void cv_cells_frame(struct cv_cells *c, int x, int y, int w, enum cv_frame_row row, const char *title);
/* A whole frame; the inside is blanked. */
void cv_cells_box(struct cv_cells *c, struct cv_area area, const char *title);
/* "[####....]": part of total over w columns. */
void cv_cells_bar(struct cv_cells *c, int x, int y, int w, uint64_t part, uint64_t total);

/* The buffer as lines of text without blanks at their ends. */
void cv_cells_dump(const struct cv_cells *c, struct cv_text *out);

/* Columns that escaped text takes; ascii as in the buffer. */
int cv_text_columns(const char *text, bool ascii);

/* Writes one character as UTF-8; returns how many bytes. */
size_t cv_utf8_put(uint32_t ch, char out[4]);

/* One piece of text: a character with the combining ones on it, or in ASCII its escape as a string. */
struct cv_glyph {
	uint32_t ch, mark[CV_CELL_MARKS];
	int width;
	char escape[16];         /* not empty: this instead of ch */
};
/* Reads the next piece and moves *pos behind it; false at the end of the text. */
bool cv_glyph_next(const char *text, size_t len, size_t *pos, bool ascii, struct cv_glyph *g);

#endif
