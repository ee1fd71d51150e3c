/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Wrapping text onto paper and drawing it. Knows widths and frames, not what the text is about.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tui/cell/paper.h"

#define NO_TEXT SIZE_MAX

void cv_paper_begin(struct cv_paper *p, int w, bool ascii)
{
	p->lines.len = 0;
	cv_text_clear(&p->text);
	p->w = w;
	p->ascii = ascii;
	p->framed = p->failed = false;
}

void cv_paper_fini(struct cv_paper *p)
{
	free(p->lines.at);
	cv_text_fini(&p->text);
	*p = (struct cv_paper){ 0 };
}

/* Keeps a piece of text, NUL-terminated, and says where. */
static size_t keep(struct cv_paper *p, const char *text, size_t len)
{
	size_t at = p->text.len;

	cv_text_add_bytes(&p->text, text, len);
	cv_text_add_bytes(&p->text, "", 1);
	p->failed |= p->text.failed;
	return p->text.failed ? NO_TEXT : at;
}

static void line(struct cv_paper *p, struct cv_paper_line l)
{
	l.framed = p->framed;
	if (!cv_paper_lines_push(&p->lines, l))
		p->failed = true;
}

static struct cv_paper_line plain(enum cv_line_kind kind)
{
	return (struct cv_paper_line){ .kind = kind, .label = NO_TEXT, .text = NO_TEXT };
}

void cv_paper_open(struct cv_paper *p, const char *title)
{
	struct cv_paper_line l = plain(CV_LINE_TOP);

	l.text = keep(p, title, strlen(title));
	p->framed = true;
	line(p, l);
}

void cv_paper_close(struct cv_paper *p)
{
	line(p, plain(CV_LINE_BOTTOM));
	p->framed = false;
}

void cv_paper_blank(struct cv_paper *p)
{
	line(p, plain(CV_LINE_BLANK));
}

/* How many bytes of the text fit into w columns, cut after a blank if there is one, else after a slash that is not the
 * first byte, so that names in a path stay whole. */
static size_t fitting(const char *text, size_t len, int w, bool ascii)
{
	size_t pos = 0, blank = 0, slash = 0;
	struct cv_glyph g;
	int used = 0;

	for (;;) {
		size_t before = pos;

		if (!cv_glyph_next(text, len, &pos, ascii, &g))
			return len;
		if (g.ch == ' ' && !g.escape[0])
			blank = pos;
		used += g.width;
		if (used > w && g.ch != ' ')
			return blank ? blank : slash ? slash : before ? before : pos;
		if (g.ch == '/' && before)
			slash = pos;
	}
}

static void wrap(struct cv_paper *p, enum cv_ink ink, int indent, const char *label, const char *text, size_t len)
{
	int room = p->w - (p->framed ? 4 : 2) - indent;
	size_t label_at = label ? keep(p, label, strlen(label)) : NO_TEXT;

	if (room < 8)
		room = 8;
	do {
		size_t n = fitting(text, len, room, p->ascii), shown = n;
		struct cv_paper_line l = { .kind = CV_LINE_TEXT, .ink = ink, .indent = indent, .label = label_at };

		while (shown && text[shown - 1] == ' ')
			shown--;
		l.text = keep(p, text, shown);
		line(p, l);
		label_at = NO_TEXT;
		text += n;
		len -= n;
	} while (len);
}

void cv_paper_field(struct cv_paper *p, int label_w, const char *label, enum cv_ink ink, const char *value)
{
	wrap(p, ink, label_w, label, value, strlen(value));
}

void cv_paper_fieldf(struct cv_paper *p, int label_w, const char *label, enum cv_ink ink, const char *fmt, ...)
{
	CV_AUTO(cv_auto_free) char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		value = NULL;
	va_end(ap);
	if (value)
		cv_paper_field(p, label_w, label, ink, value);
	else
		p->failed = true;
}

void cv_paper_text(struct cv_paper *p, enum cv_ink ink, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len)
			wrap(p, ink, 0, NULL, text, len);
		else
			cv_paper_blank(p);
		text += len + (text[len] == '\n');
	}
}

static const char *at(const struct cv_paper *p, size_t offset)
{
	return offset == NO_TEXT || !p->text.at || offset >= p->text.len ? "" : p->text.at + offset;
}

void cv_paper_line_text(const struct cv_paper *p, size_t n, struct cv_text *out)
{
	if (n < p->lines.len)
		cv_text_addf(out, "%s %s", at(p, p->lines.at[n].label), at(p, p->lines.at[n].text));
}

static void draw_text(const struct cv_paper *p, struct cv_cells *c, struct cv_area a, const struct cv_paper_line *l)
{
	int inset = l->framed ? 2 : 1, x = a.x + inset, room = a.w - 2 * inset;

	if (l->framed)
		cv_cells_frame(c, a.x, a.y, a.w, CV_FRAME_SIDES, NULL);
	if (room <= 0)
		return;
	if (l->label != NO_TEXT)
		cv_cells_put(c, x, a.y, l->indent < room ? l->indent : room, CV_INK_LABEL, at(p, l->label));
	if (room > l->indent)
		cv_cells_put(c, x + l->indent, a.y, room - l->indent, l->ink, at(p, l->text));
}

void cv_paper_draw(const struct cv_paper *p, struct cv_cells *c, struct cv_area area, size_t top)
{
	for (int i = 0; i < area.h && top + (size_t)i < p->lines.len; i++) {
		const struct cv_paper_line *l = &p->lines.at[top + (size_t)i];
		struct cv_area row = { area.x, area.y + i, area.w, 1 };

		if (l->kind == CV_LINE_TOP)
			cv_cells_frame(c, row.x, row.y, row.w, CV_FRAME_TOP, at(p, l->text));
		else if (l->kind == CV_LINE_BOTTOM)
			cv_cells_frame(c, row.x, row.y, row.w, CV_FRAME_BOTTOM, NULL);
		else
			draw_text(p, c, row, l);
	}
}
