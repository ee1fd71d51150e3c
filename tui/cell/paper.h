/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Paper: wrapped lines of fields and paragraphs in frames, made for one width and drawn from any line on. It
 * is what details, panes and help pages are written on. Text must be escaped already.
 */
#ifndef TUI_CELL_PAPER_H
#define TUI_CELL_PAPER_H

#include <chainview/vec.h>

#include "tui/cell/cells.h"

enum cv_line_kind { CV_LINE_TEXT, CV_LINE_TOP, CV_LINE_BOTTOM, CV_LINE_BLANK };

struct cv_paper_line {
	enum cv_line_kind kind;
	enum cv_ink ink;
	bool framed;
	int indent;              /* columns before the text */
	size_t label, text;      /* offsets in the paper's text; SIZE_MAX is none */
};
CV_VEC(cv_paper_lines, struct cv_paper_line);

struct cv_paper {
	struct cv_paper_lines lines;
	struct cv_text text;
	int w;
	bool ascii, framed, failed;
};

/* Empties it for a width; keeps memory. */
void cv_paper_begin(struct cv_paper *p, int w, bool ascii);
void cv_paper_fini(struct cv_paper *p);

void cv_paper_open(struct cv_paper *p, const char *title);
void cv_paper_close(struct cv_paper *p);
void cv_paper_blank(struct cv_paper *p);
/* "label     value", the value wrapped below itself. label_w is the column of the value. */
void cv_paper_field(struct cv_paper *p, int label_w, const char *label, enum cv_ink ink, const char *value);
void cv_paper_fieldf(struct cv_paper *p, int label_w, const char *label, enum cv_ink ink, const char *fmt, ...)
	CV_PRINTF(5, 6);
/* Lines separated by \n, each wrapped. */
void cv_paper_text(struct cv_paper *p, enum cv_ink ink, const char *text);

/* Appends the text of one line, for searching. */
void cv_paper_line_text(const struct cv_paper *p, size_t line, struct cv_text *out);
/* Draws from line top on. */
void cv_paper_draw(const struct cv_paper *p, struct cv_cells *c, struct cv_area area, size_t top);

#endif
