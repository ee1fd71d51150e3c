/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Samples: repositories made from recipes, which are texts that are built into the program. Every healthy and
 * damaged case that chainview knows is one; "demo" is the demonstration. samples/README.md has the language.
 *
 * The same recipe always gives the same bytes: clock and identities are fixed.
 */
#ifndef CV_REPAIR_SAMPLE_SAMPLE_H
#define CV_REPAIR_SAMPLE_SAMPLE_H

#include <chainview/error.h>
#include <chainview/finding.h>

/* NULL-ended, in byte order; the list belongs to the program. */
CV_API const char *const *cv_sample_names(void);

/* The line "about" of a recipe, as it stands in the text; NULL if there is no such recipe or no such line.
 * The length is in *len; the text is not NUL-terminated there. */
CV_API const char *cv_sample_about(const char *recipe_name, size_t *len);

/*
 * Builds the recipe in the directory, which is created if it is not there and must be empty if it is. On
 * failure what was made is removed again, and nothing else.
 */
CV_API bool cv_sample_build(const char *recipe_name, const char *directory, struct cv_err *err);

/* One finding that check must report. */
struct cv_expectation {
	enum cv_problem_id id;
	enum cv_severity severity;
	const char *image; /* raw bytes, relative to the sample's directory; NULL: of no single image */
	unsigned line;     /* in the recipe */
};

/* All that check must say about a built recipe. Everything belongs to the struct. */
struct cv_expectations {
	struct cv_expectation *at;
	size_t count;
	bool stated;               /* the recipe says what to expect, which may be "none" */
	const char *refs;          /* the value of --refs; list:FILE is relative to the sample's directory */
	const char *const *places; /* what to give to check, relative to the sample's directory; usually "." */
	const char *const *with;   /* what to give to it as --with */
	size_t place_count, with_count;
	struct cv_arena *arena;
};

/* Reads the expectations of a recipe, without building it. cv_expectations_fini() them also on failure. */
CV_API bool cv_recipe_expectations(const char *recipe_name, struct cv_expectations *x, struct cv_err *err);
CV_API void cv_expectations_fini(struct cv_expectations *x);

#endif
