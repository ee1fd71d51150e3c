/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reading a recipe: lines into words, and "repeat" into the lines it stands for. What the words mean is the
 * business of maker.h and expect.c; errors name the line.
 */
#ifndef CV_REPAIR_SAMPLE_RECIPE_H
#define CV_REPAIR_SAMPLE_RECIPE_H

#include <chainview/error.h>
#include <chainview/text.h>

struct cv_arena;

/* One line: words are raw bytes, NUL-terminated. Belongs to the reader's arena. */
struct cv_recipe_line {
	unsigned number;
	char **words;
	size_t count;
};

struct cv_recipe {
	const char *name, *next; /* the rest of the text */
	unsigned number;         /* of the line before next */
	struct cv_arena *arena;
	struct {
		const char *body; /* NULL: not inside a repeat */
		unsigned number, at, last;
	} repeat;
};

/* Borrows text and arena. */
struct cv_recipe cv_recipe_open(const char *name, const char *text, struct cv_arena *arena);

/* The next line that says something. At the end line->count is 0. */
bool cv_recipe_next(struct cv_recipe *r, struct cv_recipe_line *line, struct cv_err *err);

/* As cv_fail(CV_EFORMAT) with "name, line N: " before it. */
bool cv_recipe_fail(const struct cv_recipe *r, struct cv_err *err, const char *fmt, ...) CV_PRINTF(3, 4);
/* Puts "name, line N: " before an error that is set. Returns false. */
bool cv_recipe_wrap(const struct cv_recipe *r, struct cv_err *err);

/* The text of a built-in recipe; NULL if there is none of this name. */
const char *cv_recipe_find(const char *name);

/* Reads a number: decimal, or hex after 0x. False if the text is anything else. */
bool cv_recipe_number(const char *text, uint64_t *n);

#endif
