/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Every recipe states all that check must say about what it builds: here each is built, scanned and checked, and
 * the two are compared, finding by finding. And every problem of the registry has a recipe.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <chainview/graph.h>
#include "repair/sample/sample.h"
#include "tests/support/run.h"

#define PLACES 8

/* An absolute path below the folder; "." is the folder itself. */
static char *below(const char *folder, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, strcmp(name, ".") ? "%s/%s" : "%s", folder, name) > 0);
	return path;
}

static struct cv_scan *scan_places(const char *folder, const struct cv_expectations *x)
{
	struct cv_place places[PLACES];
	struct cv_err err = { 0 };
	struct cv_scan *scan;
	size_t n = 0;

	assert_true(x->place_count + x->with_count <= PLACES);
	for (size_t i = 0; i < x->place_count; i++)
		places[n++] = (struct cv_place){ .path = below(folder, x->places[i]) };
	for (size_t i = 0; i < x->with_count; i++)
		places[n++] = (struct cv_place){ .path = below(folder, x->with[i]), .other = true };
	scan = cv_scan_new(&(struct cv_scan_options){ .places = places, .place_count = n, .workers = 1 }, &err);
	if (!scan)
		fail_msg("%s", err.text);
	while (cv_scan_step(scan, -1))
		;
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)places[i].path);
	return scan;
}

static struct cv_check *check_tables(const struct cv_scan *scan)
{
	struct cv_err err = { 0 };
	struct cv_check *check = cv_check_new(scan, &(struct cv_check_options){ .workers = 1 }, &err);

	if (!check)
		fail_msg("%s", err.text);
	while (cv_check_step(check, -1))
		;
	return check;
}

static struct cv_references *read_references(const char *folder, const char *spec, const struct cv_scan *scan)
{
	struct cv_err err = { 0 };
	char *full = NULL, *here = getcwd(NULL, 0);
	struct cv_references *refs;

	assert_non_null(here);
	assert_int_equal(chdir(folder), 0);
	assert_true(asprintf(&full, "%s", spec) >= 0);
	refs = cv_references_read(full, scan, &err);
	if (!refs)
		fail_msg("--refs=%s: %s", spec, err.text);
	assert_int_equal(chdir(here), 0);
	free(full);
	free(here);
	return refs;
}

/* The image's name relative to the sample's folder, as recipes name it; NULL if the finding concerns no image. */
static const char *image_of(const char *sample, const struct cv_graph *g, const struct cv_finding *f)
{
	return f->image == CV_NO_IMAGE ? NULL : g->images[f->image].file->path + strlen(sample) + 1;
}

static bool matches(const struct cv_expectation *x, const char *sample, const struct cv_graph *g, const struct cv_finding *f)
{
	const char *image = image_of(sample, g, f);

	return x->id == f->id && x->severity == f->severity && (!x->image ? !image : image && !strcmp(x->image, image));
}

static void say(const char *recipe, const char *sample, const struct cv_graph *g, const struct cv_finding *f)
{
	const char *image = image_of(sample, g, f);
	struct cv_text title = { 0 };

	cv_finding_title(&title, f);
	printf("%s: not expected: %s %s: %s\n", recipe, cv_problem_by_id(f->id)->name, image ? image : "-",
	       cv_text_str(&title));
	cv_text_fini(&title);
}

/* True if findings and expectations pair off. */
static bool pair_off(const char *recipe, const char *sample, const struct cv_expectations *x, const struct cv_graph *g)
{
	bool *met = calloc(x->count + 1, sizeof *met), good = true;

	assert_non_null(met);
	for (size_t i = 0; i < g->finding_count; i++) {
		size_t k = 0;

		while (k < x->count && (met[k] || !matches(&x->at[k], sample, g, &g->findings[i])))
			k++;
		if (k < x->count) {
			met[k] = true;
		} else {
			say(recipe, sample, g, &g->findings[i]);
			good = false;
		}
	}
	for (size_t k = 0; k < x->count; k++)
		if (!met[k]) {
			printf("%s:%u: not found: %s %s\n", recipe, x->at[k].line, cv_problem_by_id(x->at[k].id)->name,
			       x->at[k].image ? x->at[k].image : "-");
			good = false;
		}
	free(met);
	return good;
}

static void check_says_what_the_recipe_says(void **state)
{
	const char *recipe = *state;
	struct cv_expectations x = { 0 };
	struct cv_err err = { 0 };
	char *folder = cv_test_folder(), *sample = below(folder, "sample");
	struct cv_references *refs;
	struct cv_check *check;
	struct cv_scan *scan;
	struct cv_graph *g;
	bool good;

	if (!cv_recipe_expectations(recipe, &x, &err) || !cv_sample_build(recipe, sample, &err))
		fail_msg("%s", err.text);
	assert_true(x.stated);
	scan = scan_places(sample, &x);
	check = check_tables(scan);
	refs = read_references(sample, x.refs, scan);
	/* How full the file system of the tests is says nothing about a sample. */
	g = cv_graph_build(scan, refs, check, &(struct cv_graph_policy){ .reserve_set = true }, &err);
	assert_non_null(g);
	good = pair_off(recipe, sample, &x, g);
	cv_graph_free(g);
	cv_check_free(check);
	cv_references_free(refs);
	cv_scan_free(scan);
	cv_expectations_fini(&x);
	free(sample);
	cv_test_folder_remove(folder);
	assert_true(good);
}

int main(void)
{
	struct CMUnitTest tests[512];
	size_t n = 0;

	for (const char *const *name = cv_sample_names(); *name && n < CV_COUNT(tests); name++)
		tests[n++] = (struct CMUnitTest){ *name, check_says_what_the_recipe_says, NULL, NULL, (void *)(uintptr_t)*name };
	return _cmocka_run_group_tests("samples", tests, n, NULL, NULL) ? 1 : 0;
}
