/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Text as pieces of known width: characters with their combining marks, or escapes in ASCII. Knows nothing
 * of buffers.
 */
#include <stdio.h>
#include <wchar.h>

#include "tui/cell/cells.h"

/* What the C library cannot measure is shown as an escape, also on a UTF-8 screen. */
static int width_of(uint32_t ch)
{
	return ch < 0x20 || ch == 0x7f ? -1 : ch < 0x7f ? 1 : wcwidth((wchar_t)ch);
}

static void take_marks(const char *text, size_t len, size_t *pos, struct cv_glyph *g)
{
	struct cv_bytes bytes = { text, len };
	int used = 0;

	while (*pos < len) {
		size_t next = *pos;
		int32_t ch = cv_utf8_next(bytes, &next);

		if (ch < 0x80 || width_of((uint32_t)ch) != 0)
			return;
		if (used < CV_CELL_MARKS)
			g->mark[used++] = (uint32_t)ch;
		*pos = next;
	}
}

bool cv_glyph_next(const char *text, size_t len, size_t *pos, bool ascii, struct cv_glyph *g)
{
	size_t start = *pos;
	int32_t ch;

	if (start >= len)
		return false;
	*g = (struct cv_glyph){ 0 };
	ch = cv_utf8_next((struct cv_bytes){ text, len }, pos);
	g->ch = ch < 0 ? '?' : (uint32_t)ch;
	g->width = width_of(g->ch);
	if (ch < 0)
		g->width = snprintf(g->escape, sizeof g->escape, "\\x%02X", (unsigned char)text[start]);
	else if (g->width < 0 || (ascii && ch >= 0x80))
		g->width = snprintf(g->escape, sizeof g->escape, "\\u{%04X}", (unsigned)ch);
	else if (g->width == 0) {
		/* a mark with nothing before it gets a circle to stand on */
		g->ch = 0x25cc;
		g->width = 1;
		*pos = start;
	}
	if (!g->escape[0] && !ascii)
		take_marks(text, len, pos, g);
	return true;
}

int cv_text_columns(const char *text, bool ascii)
{
	size_t len = strlen(text), pos = 0;
	struct cv_glyph g;
	int columns = 0;

	while (cv_glyph_next(text, len, &pos, ascii, &g))
		columns += g.width;
	return columns;
}

size_t cv_utf8_put(uint32_t ch, char out[4])
{
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; ch >>= 6)
		out[i] = (char)(0x80 | (ch & 63));
	out[0] = (char)(lead[n] | ch);
	return n;
}
