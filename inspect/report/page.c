/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lines for a sink: colours, columns, eliding and wrapping. Widths come from the C library under a UTF-8
 * locale of our own, so that they do not depend on the caller's. What a report says does not belong here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#include "inspect/report/page.h"

/* Narrower terminals are treated as if they were this wide. */
#define NARROWEST 24

/* 256-colour numbers that stay apart for all common kinds of colour blindness: red, orange, sky, grey. */
static const char *const paints[CV_PAINT_COUNT] = {
	[CV_PAINT_PLAIN] = "",
	[CV_PAINT_BOLD] = "\033[1m",
	[CV_PAINT_DIM] = "\033[38;5;246m",
	[CV_PAINT_INFO] = "\033[38;5;75m",
	[CV_PAINT_WARNING] = "\033[38;5;214m",
	[CV_PAINT_ERROR] = "\033[1;38;5;160m",
};

void cv_page_init(struct cv_page *o, const struct cv_style *style, const struct cv_sink *sink)
{
	*o = (struct cv_page){ .sink = sink, .style = *style, .ok = true };
	if (o->style.width && o->style.width < NARROWEST)
		o->style.width = NARROWEST;
	o->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

bool cv_page_fini(struct cv_page *o)
{
	bool ok = o->ok && !o->line.failed;

	cv_text_fini(&o->line);
	if (o->locale)
		freelocale(o->locale);
	return ok;
}

/* Columns of one character; one for those that the C library does not know. */
static size_t char_columns(int32_t c)
{
	int w = c < 0 ? 1 : wcwidth((wchar_t)c);

	return w < 0 ? 1 : (size_t)w;
}

size_t cv_page_columns(const struct cv_page *o, struct cv_bytes text)
{
	locale_t before = o->locale ? uselocale(o->locale) : (locale_t)0;
	size_t columns = 0;

	for (size_t pos = 0; pos < text.len;)
		columns += char_columns(cv_utf8_next(text, &pos));
	if (before)
		uselocale(before);
	return columns;
}

/* Colours change only where they differ, so that a line of one colour is one run. */
static void switch_paint(struct cv_page *o, enum cv_paint paint)
{
	if (!o->style.color || paint == o->paint)
		return;
	if (o->paint != CV_PAINT_PLAIN)
		cv_text_add(&o->line, "\033[0m");
	cv_text_add(&o->line, paints[paint]);
	o->paint = paint;
}

void cv_page_add(struct cv_page *o, enum cv_paint paint, struct cv_bytes text)
{
	if (!text.len)
		return;
	switch_paint(o, paint);
	cv_text_add_bytes(&o->line, text.at, text.len);
	o->column += cv_page_columns(o, text);
}

void cv_page_str(struct cv_page *o, enum cv_paint paint, const char *text)
{
	cv_page_add(o, paint, cv_bytes_of(text));
}

void cv_page_addf(struct cv_page *o, enum cv_paint paint, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	cv_page_str(o, paint, buf);
}

/* The longest start of the text that fits into max columns. */
static size_t head_bytes(struct cv_bytes text, size_t max)
{
	size_t columns = 0, pos = 0;

	while (pos < text.len) {
		size_t next = pos;

		columns += char_columns(cv_utf8_next(text, &next));
		if (columns > max)
			break;
		pos = next;
	}
	return pos;
}

/* Where the longest end of the text begins that fits into max columns; total is the whole text's columns. */
static size_t tail_start(struct cv_bytes text, size_t total, size_t max)
{
	size_t pos = 0;

	while (pos < text.len && total > max)
		total -= char_columns(cv_utf8_next(text, &pos));
	/* Combining characters belong to the one before them, which is cut off. */
	while (pos < text.len) {
		size_t next = pos;

		if (char_columns(cv_utf8_next(text, &next)))
			break;
		pos = next;
	}
	return pos;
}

void cv_page_elided(struct cv_page *o, enum cv_paint paint, struct cv_bytes text, size_t max)
{
	size_t total = cv_page_columns(o, text), head, tail;
	const char *dots = o->style.ascii ? "~" : "…";
	CV_AUTO(cv_text_fini) struct cv_text cut = { 0 };
	locale_t before;

	if (total <= max) {
		cv_page_add(o, paint, text);
		return;
	}
	if (!max)
		return;
	before = o->locale ? uselocale(o->locale) : (locale_t)0;
	/* The end says more than the beginning: extensions and last digits tell images apart. */
	head = head_bytes(text, (max - 1) / 2);
	tail = tail_start(text, total, max - 1 - (max - 1) / 2);
	if (before)
		uselocale(before);
	cv_text_add_bytes(&cut, text.at, head);
	cv_text_add(&cut, dots);
	cv_text_add_bytes(&cut, text.at + tail, text.len - tail);
	o->line.failed = o->line.failed || cut.failed;
	cv_page_add(o, paint, (struct cv_bytes){ cut.at, cut.len });
}

void cv_page_to(struct cv_page *o, size_t column)
{
	if (column > o->column) {
		cv_text_fill(&o->line, ' ', column - o->column);
		o->column = column;
	}
}

void cv_page_right(struct cv_page *o, enum cv_paint paint, const char *text, size_t end)
{
	size_t columns = cv_page_columns(o, cv_bytes_of(text));

	cv_page_to(o, end > columns ? end - columns : 0);
	cv_page_str(o, paint, text);
}

void cv_page_end(struct cv_page *o)
{
	struct cv_text *t = &o->line;

	while (t->len && t->at[t->len - 1] == ' ')
		t->len--;
	switch_paint(o, CV_PAINT_PLAIN);
	cv_text_add(t, "\n");
	o->ok = o->ok && !t->failed && o->sink->put(o->sink->ctx, t->at, t->len);
	cv_text_clear(t);
	o->column = 0;
}

size_t cv_page_left(const struct cv_page *o)
{
	if (!o->style.width)
		return SIZE_MAX;
	return o->style.width > o->column ? o->style.width - o->column : 0;
}

/* The next word with the blanks before it. */
static struct cv_bytes next_word(struct cv_bytes text, size_t *pos)
{
	size_t start = *pos;

	while (*pos < text.len && text.at[*pos] == ' ')
		(*pos)++;
	while (*pos < text.len && text.at[*pos] != ' ')
		(*pos)++;
	return (struct cv_bytes){ text.at + start, *pos - start };
}

static struct cv_bytes without_blanks(struct cv_bytes word)
{
	while (word.len && *word.at == ' ') {
		word.at++;
		word.len--;
	}
	return word;
}

void cv_page_wrapped(struct cv_page *o, enum cv_paint paint, struct cv_bytes text, size_t indent)
{
	for (size_t pos = 0; pos < text.len && o->ok && !o->line.failed;) {
		struct cv_bytes word = next_word(text, &pos);

		if (cv_page_columns(o, word) > cv_page_left(o)) {
			word = without_blanks(word);
			if (o->column > indent) {
				cv_page_end(o);
				cv_page_to(o, indent);
			}
		}
		cv_page_elided(o, paint, word, cv_page_left(o));
	}
}
