/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a recipe says about itself: its description and the findings check must report. Reads texts only; the
 * maker skips these lines.
 */
#include "repair/sample/expect.h"
#include "inspect/base/arena.h"
#include "repair/sample/recipes.h"
#include "repair/sample/sample.h"
#include <chainview/vec.h>

CV_VEC(expectation_vec, struct cv_expectation);
CV_VEC(path_vec, const char *);

struct expecting {
	const struct cv_recipe *recipe;
	struct expectation_vec list;
	struct path_vec places, with;
	const char *refs;
	bool stated, none;
};

static bool read_severity(const char *word, enum cv_severity *severity)
{
	for (int i = CV_INFO; i <= CV_ERROR; i++) {
		if (!strcmp(word, cv_severity_name((enum cv_severity)i))) {
			*severity = (enum cv_severity)i;
			return true;
		}
	}
	return false;
}

static bool expect_line(struct expecting *x, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_problem *problem = line->count == 4 ? cv_problem_find(line->words[1]) : NULL;
	struct cv_expectation e = { .line = line->number };

	x->stated = true;
	if (line->count == 2 && !strcmp(line->words[1], "none")) {
		x->none = true;
		return true;
	}
	if (line->count != 4)
		return cv_recipe_fail(x->recipe, err, "expect needs a finding, a severity and an image, or none");
	if (!problem)
		return cv_recipe_fail(x->recipe, err, "there is no finding %s", line->words[1]);
	if (!read_severity(line->words[2], &e.severity))
		return cv_recipe_fail(x->recipe, err, "%s is no severity: error, warning, info", line->words[2]);
	e.id = problem->id;
	e.image = strcmp(line->words[3], "-") ? line->words[3] : NULL;
	return expectation_vec_push(&x->list, e) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool refs_line(struct expecting *x, const struct cv_recipe_line *line, struct cv_err *err)
{
	if (line->count != 2)
		return cv_recipe_fail(x->recipe, err, "refs needs one value");
	x->refs = line->words[1];
	return true;
}

static bool path_line(struct expecting *x, struct path_vec *v, const struct cv_recipe_line *line, struct cv_err *err)
{
	if (line->count < 2)
		return cv_recipe_fail(x->recipe, err, "%s needs a path", line->words[0]);
	for (size_t i = 1; i < line->count; i++)
		if (!path_vec_push(v, line->words[i]))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	return true;
}

static bool repository_line(struct expecting *x, const struct cv_recipe_line *line, struct cv_err *err)
{
	return path_line(x, &x->places, line, err);
}

static bool with_line(struct expecting *x, const struct cv_recipe_line *line, struct cv_err *err)
{
	return path_line(x, &x->with, line, err);
}

static bool about_line(struct expecting *x, const struct cv_recipe_line *line, struct cv_err *err)
{
	return line->count > 1 || cv_recipe_fail(x->recipe, err, "about needs a text");
}

static const struct {
	const char *verb;
	bool (*read)(struct expecting *x, const struct cv_recipe_line *line, struct cv_err *err);
} rows[] = {
	{ "about", about_line },           { "expect", expect_line }, { "refs", refs_line },
	{ "repository", repository_line }, { "with", with_line },
};

bool cv_expect_verb(const char *verb)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!strcmp(rows[i].verb, verb))
			return true;
	return false;
}

static bool read_all(struct cv_recipe *recipe, struct expecting *x, struct cv_err *err)
{
	struct cv_recipe_line line;

	do {
		if (!cv_recipe_next(recipe, &line, err))
			return false;
		for (size_t i = 0; line.count && i < CV_COUNT(rows); i++)
			if (!strcmp(rows[i].verb, line.words[0]) && !rows[i].read(x, &line, err))
				return false;
	} while (line.count);
	if (x->none && x->list.len)
		return cv_recipe_fail(recipe, err, "expects none and something");
	return true;
}

/* Copies an array into the arena, so that one free ends everything. */
static void *keep(struct cv_arena *arena, const void *at, size_t bytes)
{
	void *copy = cv_arena_alloc(arena, bytes ? bytes : 1);

	if (copy && bytes)
		memcpy(copy, at, bytes);
	return copy;
}

static bool hand_over(struct expecting *x, struct cv_expectations *out, struct cv_err *err)
{
	if (!x->places.len && !path_vec_push(&x->places, "."))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	out->stated = x->stated;
	out->refs = x->refs ? x->refs : "none";
	out->count = x->list.len;
	out->place_count = x->places.len;
	out->with_count = x->with.len;
	out->at = keep(out->arena, x->list.at, x->list.len * sizeof *x->list.at);
	out->places = keep(out->arena, x->places.at, x->places.len * sizeof *x->places.at);
	out->with = keep(out->arena, x->with.at, x->with.len * sizeof *x->with.at);
	return (out->at && out->places && out->with) || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_expect_read(const char *name, const char *text, struct cv_expectations *out, struct cv_err *err)
{
	struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_recipe recipe = cv_recipe_open(name, text, arena);
	struct expecting x = { .recipe = &recipe };
	bool ok;

	*out = (struct cv_expectations){ .arena = arena };
	if (!arena)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = read_all(&recipe, &x, err) && hand_over(&x, out, err);
	free(x.list.at);
	free(x.places.at);
	free(x.with.at);
	return ok;
}

bool cv_recipe_expectations(const char *recipe_name, struct cv_expectations *x, struct cv_err *err)
{
	const char *text = cv_recipe_find(recipe_name);

	*x = (struct cv_expectations){ 0 };
	if (!text)
		return cv_fail(err, CV_EUSAGE, "there is no recipe %s", recipe_name);
	return cv_expect_read(recipe_name, text, x, err);
}

void cv_expectations_fini(struct cv_expectations *x)
{
	cv_arena_free(x->arena);
	*x = (struct cv_expectations){ 0 };
}

const char *const *cv_sample_names(void)
{
	return cv_recipe_names;
}

const char *cv_sample_about(const char *recipe_name, size_t *len)
{
	const char *text = cv_recipe_find(recipe_name), *key = "about ";

	for (const char *at = text; at && *at;) {
		const char *end = strchr(at, '\n');

		if (!strncmp(at, key, strlen(key))) {
			at += strlen(key);
			*len = end ? (size_t)(end - at) : strlen(at);
			return at;
		}
		at = end ? end + 1 : NULL;
	}
	return NULL;
}
