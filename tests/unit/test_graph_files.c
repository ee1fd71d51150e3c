/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Verdicts on real files: samples in which an image is needed by a way that is easily overlooked are built,
 * scanned and judged. Links, "..", lists and damaged headers are those of a real file system.
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
#include "inspect/repository/lookup.h"
#include "repair/sample/sample.h"
#include "tests/support/run.h"

struct scene {
	char *folder, *sample;
	struct cv_scan *scan;
	struct cv_references *refs;
	struct cv_graph *g;
};

static char *join(const char *folder, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

/* Scans the places that the recipe names, with its references. */
static void look(struct scene *s, const struct cv_expectations *x)
{
	struct cv_place place = { .path = join(s->sample, x->places[0]) };
	struct cv_err err = { 0 };
	char *here = getcwd(NULL, 0);

	assert_non_null(here);
	assert_int_equal(x->place_count, 1);
	s->scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);
	assert_non_null(s->scan);
	while (cv_scan_step(s->scan, -1))
		;
	assert_int_equal(chdir(s->sample), 0);
	s->refs = cv_references_read(x->refs, s->scan, &err);
	assert_int_equal(chdir(here), 0);
	assert_non_null(s->refs);
	s->g = cv_graph_build(s->scan, s->refs, NULL, NULL, &err);
	assert_non_null(s->g);
	free((char *)(uintptr_t)place.path);
	free(here);
}

static void set_up(struct scene *s, const char *recipe)
{
	struct cv_expectations x = { 0 };
	struct cv_err err = { 0 };

	s->folder = cv_test_folder();
	s->sample = join(s->folder, "sample");
	if (!cv_recipe_expectations(recipe, &x, &err) || !cv_sample_build(recipe, s->sample, &err))
		fail_msg("%s: %s", recipe, err.text);
	look(s, &x);
	cv_expectations_fini(&x);
}

static void tear_down(struct scene *s)
{
	cv_graph_free(s->g);
	cv_references_free(s->refs);
	cv_scan_free(s->scan);
	cv_test_folder_remove(s->folder);
	free(s->sample);
}

static const struct cv_image *image_of(const struct scene *s, const char *what)
{
	struct cv_err err = { 0 };
	uint32_t image;

	if (!cv_graph_find(s->g, what, &image, &err))
		fail_msg("%s", err.text);
	return &s->g->images[image];
}

enum { MERGE, DELETE };

static void what_may_be_needed_is_neither_merged_nor_deleted(void **state)
{
	static const struct { const char *recipe, *image; int what; const char *says; } rows[] = {
		{ "parent-locators-disagree-raw", "root.qcow2", DELETE, "3 images stand on it" },
		{ "parent-locators-disagree-raw", "middle.qcow2", MERGE, "takes it for raw" },
		{ "parent-locators-disagree-kind", "base.vhd", DELETE, "leaf.vhd cannot be read and might" },
		{ "vhd-footers-differ-kind", "base.vhd", DELETE, "leaf.vhd cannot be read and might" },
		{ "parent-outside-repository-link", "base.qcow2", DELETE, "elsewhere/base.qcow2, which cannot be" },
		{ "parent-outside-repository-climb", "base.qcow2", DELETE, "link/../base.qcow2, which cannot be" },
		{ "healthy-links-climb", "real/base.qcow2", DELETE, "2 images stand on it" },
		{ "parent-external-file", "base.qcow2", DELETE, "file:base.qcow2, which cannot be followed" },
		{ "healthy-links-elsewhere", "middle.vhd", MERGE, "another name (a hard link)" },
		{ "image-unreadable-orphan", "base.vhd", DELETE, "damaged.qcow2 cannot be read and might stand on it" },
		{ "image-unreadable-referenced", "base.img", DELETE, "leaf.img cannot be read and might stand on it" },
		{ "reference-target-missing-elsewhere", "base.qcow2", DELETE, "leads to nothing that is known" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct cv_image *image;
		const struct cv_verdict *v;
		struct scene s = { 0 };

		set_up(&s, rows[i].recipe);
		image = image_of(&s, rows[i].image);
		v = rows[i].what == MERGE ? &image->coalesce : &image->deletable;
		if (v->possible || !strstr(v->reason, rows[i].says))
			fail_msg("%s, %s: %d %s", rows[i].recipe, rows[i].image, v->possible, v->reason);
		tear_down(&s);
	}
}

static void only_names_of_the_file_itself_count_as_its_links(void **state)
{
	struct scene s = { 0 };

	(void)state;
	set_up(&s, "healthy-links-elsewhere");
	assert_int_equal(image_of(&s, "middle.vhd")->file->alias_count, 1);
	assert_int_equal(cv_scan_links_elsewhere(s.scan, image_of(&s, "middle.vhd")->file), 1);
	assert_int_equal(cv_scan_links_elsewhere(s.scan, image_of(&s, "leaf.vhd")->file), 0);
	tear_down(&s);
	set_up(&s, "healthy-links");
	for (size_t i = 0; i < s.g->image_count; i++)
		assert_int_equal(cv_scan_links_elsewhere(s.scan, s.g->images[i].file), 0);
	tear_down(&s);
}

/* What a name with ".." in it leads to, as the kernel has it. */
static void dots_behind_links_are_looked_up_as_the_kernel_does(void **state)
{
	static const struct { const char *path, *leads; enum cv_found found; } rows[] = {
		{ "over/link/../base.qcow2", "real/base.qcow2", CV_FOUND_FILE },
		{ "over/relay/../base.qcow2", "real/base.qcow2", CV_FOUND_FILE },
		{ "over/relay/../sub/../base.qcow2", "real/base.qcow2", CV_FOUND_FILE },
		{ "real/sub/../../over/base.qcow2", "over/base.qcow2", CV_FOUND_FILE },
		{ "real/sub/../base.qcow2", "real/base.qcow2", CV_FOUND_FILE },
		{ "real/none/../base.qcow2", NULL, CV_FOUND_MISSING },
		{ "real/base.qcow2/../base.qcow2", NULL, CV_FOUND_MISSING },
		{ "over/link/../../../x", NULL, CV_FOUND_OUTSIDE },
		{ "over/../../x", NULL, CV_FOUND_OUTSIDE },
		{ "over/link/..", NULL, CV_FOUND_NOT_REGULAR },
		{ "over/..", NULL, CV_FOUND_NOT_REGULAR },
	};
	struct cv_text deep = { 0 };
	struct scene s = { 0 };
	char *path;

	(void)state;
	set_up(&s, "healthy-links-climb");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_lookup l;

		path = join(s.sample, rows[i].path);
		l = cv_scan_lookup(s.scan, path);
		if (l.found != rows[i].found)
			fail_msg("%s: %d", rows[i].path, l.found);
		if (rows[i].leads)
			assert_ptr_equal(cv_scan_file(s.scan, l.file), image_of(&s, rows[i].leads)->file);
		free(path);
	}
	for (int i = 0; i < 400; i++)
		cv_text_add(&deep, "over/../");
	cv_text_add(&deep, "real/base.qcow2");
	path = join(s.sample, deep.at);
	assert_int_equal(cv_scan_lookup(s.scan, path).found, CV_FOUND_OUTSIDE);
	free(path);
	cv_text_fini(&deep);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_be_needed_is_neither_merged_nor_deleted),
		cmocka_unit_test(only_names_of_the_file_itself_count_as_its_links),
		cmocka_unit_test(dots_behind_links_are_looked_up_as_the_kernel_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
