/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Text that goes to a sink line by line: colours, columns, eliding and wrapping, all measured in terminal
 * columns. What a report says does not belong here.
 */
#ifndef CV_INSPECT_REPORT_PAGE_H
#define CV_INSPECT_REPORT_PAGE_H

#include <locale.h>

#include <chainview/report.h>

enum cv_paint {
	CV_PAINT_PLAIN, CV_PAINT_BOLD, CV_PAINT_DIM, CV_PAINT_INFO, CV_PAINT_WARNING, CV_PAINT_ERROR, CV_PAINT_COUNT
};

struct cv_page {
	const struct cv_sink *sink;
	struct cv_style style;
	locale_t locale;             /* for widths only */
	struct cv_text line;         /* the line being made, with colours */
	enum cv_paint paint;         /* the colour that is on */
	size_t column;               /* where it has got to */
	bool ok;                     /* the sink still listens */
};

void cv_page_init(struct cv_page *o, const struct cv_style *style, const struct cv_sink *sink);
/* False if the sink stopped or memory ran out at any time. */
bool cv_page_fini(struct cv_page *o);

/* Columns of legal, escaped UTF-8 on a terminal. */
size_t cv_page_columns(const struct cv_page *o, struct cv_bytes text);

/* Adds escaped text to the line. */
void cv_page_add(struct cv_page *o, enum cv_paint paint, struct cv_bytes text);
void cv_page_str(struct cv_page *o, enum cv_paint paint, const char *text);
void cv_page_addf(struct cv_page *o, enum cv_paint paint, const char *fmt, ...) CV_PRINTF(3, 4);
/* Adds escaped text in at most max columns; what is too long loses its middle. */
void cv_page_elided(struct cv_page *o, enum cv_paint paint, struct cv_bytes text, size_t max);
/* Blanks up to the column; none if it is there already. */
void cv_page_to(struct cv_page *o, size_t column);
/* Right-aligned text that ends before the column end. */
void cv_page_right(struct cv_page *o, enum cv_paint paint, const char *text, size_t end);
/* Ends the line; trailing blanks are dropped. */
void cv_page_end(struct cv_page *o);
/* Adds escaped text word by word; lines that would be too wide go on at the column indent. */
void cv_page_wrapped(struct cv_page *o, enum cv_paint paint, struct cv_bytes text, size_t indent);

/* Columns left on the line, or SIZE_MAX when there is no width. */
size_t cv_page_left(const struct cv_page *o);

#endif
