/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Recipes as text: words, quotes, escapes, comments, repeat. Knows no verb but "repeat" and "end", and touches
 * no file.
 */
#include "repair/sample/recipe.h"
#include "inspect/base/arena.h"
#include "repair/sample/recipes.h"
#include <chainview/vec.h>
#include <stdarg.h>
#include <stdio.h>

enum { REPEAT_MOST = 1000 };

CV_VEC(word_vec, char *);

struct cv_recipe cv_recipe_open(const char *name, const char *text, struct cv_arena *arena)
{
	return (struct cv_recipe){ .name = name, .next = text, .arena = arena };
}

bool cv_recipe_wrap(const struct cv_recipe *r, struct cv_err *err)
{
	return cv_wrap(err, "%s, line %u", r->name, r->number);
}

bool cv_recipe_fail(const struct cv_recipe *r, struct cv_err *err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	cv_fail(err, CV_EFORMAT, "%s", text);
	return cv_recipe_wrap(r, err);
}

const char *cv_recipe_find(const char *name)
{
	for (const struct cv_recipe_text *t = cv_recipe_texts; t->name; t++)
		if (!strcmp(t->name, name))
			return t->text;
	return NULL;
}

bool cv_recipe_number(const char *text, uint64_t *n)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	char *end;

	if (!*digits || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
		return false;
	errno = 0;
	*n = strtoull(digits, &end, hex ? 16 : 10);
	return errno == 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* After a backslash: a byte in hex, or the character itself if it has a meaning here. */
static bool add_escape(const struct cv_recipe *r, struct cv_text *t, const char **at, struct cv_err *err)
{
	const char *p = *at;
	int high = p[0] == 'x' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

	if (low >= 0 && (high || low)) {
		char byte = (char)(high << 4 | low);

		cv_text_add_bytes(t, &byte, 1);
		*at = p + 3;
		return true;
	}
	if (!p[0] || !strchr("\\\"{# ", p[0]))
		return cv_recipe_fail(r, err, "unknown escape: use \\xHH, \\\\, \\\", \\{, \\# or \\ and a space");
	cv_text_add_bytes(t, p, 1);
	*at = p + 1;
	return true;
}

/* {n} and {p} are the number of this round and of the one before; {nn} and {pp} have two digits at least. */
static bool add_counter(const struct cv_recipe *r, struct cv_text *t, const char **at)
{
	static const struct {
		const char *text;
		unsigned back, digits;
	} rows[] = {
		{ "{n}", 0, 1 },
		{ "{nn}", 0, 2 },
		{ "{p}", 1, 1 },
		{ "{pp}", 1, 2 },
	};

	for (size_t i = 0; r->repeat.body && i < CV_COUNT(rows); i++) {
		if (!strncmp(*at, rows[i].text, strlen(rows[i].text))) {
			cv_text_addf(t, "%0*u", (int)rows[i].digits, r->repeat.at - rows[i].back);
			*at += strlen(rows[i].text);
			return true;
		}
	}
	return false;
}

static bool word_ends(char c, bool quoted)
{
	return !c || c == '\n' || (!quoted && (c == ' ' || c == '\t'));
}

/* One word from *at on, which is left behind it. */
static bool read_word(const struct cv_recipe *r, const char **at, struct cv_text *t, struct cv_err *err)
{
	bool quoted = false;

	while (!word_ends(**at, quoted)) {
		if (**at == '"') {
			quoted = !quoted;
			(*at)++;
		} else if (**at == '\\') {
			(*at)++;
			if (!add_escape(r, t, at, err))
				return false;
		} else if (!add_counter(r, t, at)) {
			cv_text_add_bytes(t, (*at)++, 1);
		}
	}
	return !quoted || cv_recipe_fail(r, err, "a quote is not closed");
}

static bool add_word(struct cv_recipe *r, struct word_vec *words, struct cv_text *t, struct cv_err *err)
{
	char *copy = t->failed ? NULL : cv_arena_dup(r->arena, cv_text_str(t), t->len);

	cv_text_clear(t);
	return (copy && word_vec_push(words, copy)) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool split_line(struct cv_recipe *r, const char *at, struct word_vec *words, struct cv_text *t,
		       struct cv_err *err)
{
	for (;;) {
		at += strspn(at, " \t");
		if (!*at || *at == '\n' || *at == '#')
			return true;
		if (!read_word(r, &at, t, err) || !add_word(r, words, t, err))
			return false;
	}
}

/* Takes one line of the text; false in *more at its end. */
static bool read_line(struct cv_recipe *r, struct cv_recipe_line *line, struct cv_err *err)
{
	const char *at = r->next, *end = strchr(at, '\n');
	struct word_vec words = { 0 };
	struct cv_text t = { 0 };
	bool ok;

	r->next = end ? end + 1 : at + strlen(at);
	r->number++;
	ok = split_line(r, at, &words, &t, err);
	*line = (struct cv_recipe_line){ .number = r->number, .count = words.len };
	if (ok && words.len) {
		line->words = cv_arena_alloc(r->arena, words.len * sizeof(char *));
		ok = line->words || cv_fail(err, CV_ENOMEM, "out of memory");
		if (ok)
			memcpy(line->words, words.at, words.len * sizeof(char *));
	}
	free(words.at);
	cv_text_fini(&t);
	return ok;
}

/* "repeat N" counts from 1 to N, "repeat A..B" from A to B. */
static bool begin_repeat(struct cv_recipe *r, const struct cv_recipe_line *line, struct cv_err *err)
{
	char *dots = line->count == 2 ? strstr(line->words[1], "..") : NULL;
	uint64_t first = 1, last = 0;
	bool ok = line->count == 2;

	if (dots) {
		*dots = '\0';
		ok = cv_recipe_number(line->words[1], &first) && cv_recipe_number(dots + 2, &last);
	} else if (ok) {
		ok = cv_recipe_number(line->words[1], &last);
	}
	if (!ok || first < 1 || last < first || last > REPEAT_MOST)
		return cv_recipe_fail(r, err, "repeat needs N or A..B, from 1 to %d", REPEAT_MOST);
	if (r->repeat.body)
		return cv_recipe_fail(r, err, "a repeat cannot stand inside a repeat");
	r->repeat.body = r->next;
	r->repeat.number = r->number;
	r->repeat.at = (unsigned)first;
	r->repeat.last = (unsigned)last;
	return true;
}

static bool end_repeat(struct cv_recipe *r, const struct cv_recipe_line *line, struct cv_err *err)
{
	if (!r->repeat.body || line->count != 1)
		return cv_recipe_fail(r, err, line->count == 1 ? "end without repeat" : "end takes nothing");
	if (r->repeat.at == r->repeat.last) {
		r->repeat.body = NULL;
		return true;
	}
	r->repeat.at++;
	r->next = r->repeat.body;
	r->number = r->repeat.number;
	return true;
}

bool cv_recipe_next(struct cv_recipe *r, struct cv_recipe_line *line, struct cv_err *err)
{
	while (*r->next) {
		if (!read_line(r, line, err))
			return false;
		if (line->count && !strcmp(line->words[0], "repeat")) {
			if (!begin_repeat(r, line, err))
				return false;
		} else if (line->count && !strcmp(line->words[0], "end")) {
			if (!end_repeat(r, line, err))
				return false;
		} else if (line->count) {
			return true;
		}
	}
	*line = (struct cv_recipe_line){ .number = r->number };
	return !r->repeat.body || cv_recipe_fail(r, err, "the repeat of line %u has no end", r->repeat.number);
}
