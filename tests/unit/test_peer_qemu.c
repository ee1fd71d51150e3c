/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Trees that qemu-img made, compared with what qemu-img says of them: random forests of QCOW2 overlays on
 * QCOW2 and raw bases, versions 2 and 3, relative and absolute backing names, subfolders.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <chainview/graph.h>
#include "tests/support/run.h"

#define IMAGES 48
#define NONE (-1)

struct model { char path[64]; int parent; bool raw, vpc; unsigned depth, children; unsigned long long size; };

struct forest {
	char *folder;
	struct model image[IMAGES];
	int count;
};

static const char *const folders[] = { "", "clones/", "clones/deep er/", "templates/" };

/* The way from one image's folder to another image, by going up to the top first. */
static void relative_name(char *out, size_t size, const struct model *from, const struct model *to)
{
	size_t at = 0;

	out[0] = '\0';
	for (const char *p = from->path; *p; p++)
		if (*p == '/')
			at += (size_t)snprintf(out + at, size - at, "../");
	snprintf(out + at, size - at, "%s", to->path);
}

static void create_base(struct forest *f, struct model *m, uint32_t *seed)
{
	static const char *const clusters[] = { "cluster_size=512", "cluster_size=64k", "cluster_size=2M" };
	char size[32];

	m->size = (1 + cv_test_random(seed, 64)) * 1048576ull + 512 * cv_test_random(seed, 3);
	snprintf(size, sizeof size, "%llu", m->size);
	m->raw = cv_test_random(seed, 3) == 0;
	m->vpc = !m->raw && cv_test_random(seed, 6) == 0;
	if (m->raw)
		assert_int_equal(cv_test_do(f->folder, NULL, "truncate", "-s", size, m->path), 0);
	else if (m->vpc)
		assert_int_equal(cv_test_do(f->folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on",
					    m->path, size), 0);
	else
		assert_int_equal(cv_test_do(f->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o",
					    clusters[cv_test_random(seed, 3)], m->path, size), 0);
}

static void create_overlay(struct forest *f, struct model *m, uint32_t *seed)
{
	struct model *parent = &f->image[m->parent];
	char name[PATH_MAX], options[64];

	if (cv_test_random(seed, 4) == 0)
		snprintf(name, sizeof name, "%s/%s", f->folder, parent->path);
	else
		relative_name(name, sizeof name, m, parent);
	snprintf(options, sizeof options, "compat=%s", cv_test_random(seed, 3) ? "1.1" : "0.10");
	m->size = parent->size;
	m->depth = parent->depth + 1;
	parent->children++;
	assert_int_equal(cv_test_do(f->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", name,
				    "-F", parent->raw ? "raw" : parent->vpc ? "vpc" : "qcow2", m->path), 0);
}

static void grow_forest(struct forest *f, uint32_t seed)
{
	for (size_t i = 0; i < CV_COUNT(folders); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof path, "%s/%s", f->folder, folders[i]);
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	}
	for (f->count = 0; f->count < IMAGES; f->count++) {
		struct model *m = &f->image[f->count];

		*m = (struct model){ .parent = NONE };
		if (f->count && cv_test_random(&seed, 5))
			m->parent = (int)cv_test_random(&seed, (uint32_t)f->count);
		snprintf(m->path, sizeof m->path, "%sdisk %d.img", folders[cv_test_random(&seed, CV_COUNT(folders))], f->count);
		if (m->parent == NONE)
			create_base(f, m, &seed);
		else
			create_overlay(f, m, &seed);
	}
}

static uint32_t find(const struct cv_graph *g, const char *id)
{
	for (uint32_t i = 0; i < g->image_count; i++)
		if (!strcmp(g->images[i].id, id))
			return i;
	return CV_NO_IMAGE;
}

static const char *json_text(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

/* What qemu-img info says of one image, against ours. */
static void compare_with_info(const struct forest *f, const struct model *m, const struct cv_image *image)
{
	struct cv_text out = { 0 };
	struct json_object *info;
	struct stat st;
	char path[PATH_MAX];

	assert_int_equal(cv_test_do(f->folder, &out, "qemu-img", "info", "--output=json", "-f",
				    m->raw ? "raw" : m->vpc ? "vpc" : "qcow2", m->path), 0);
	info = json_tokener_parse(cv_text_str(&out));
	assert_non_null(info);
	assert_true(image->size_known);
	assert_int_equal(image->virtual_size, json_object_get_int64(json_object_object_get(info, "virtual-size")));
	assert_int_equal(image->file->allocated, json_object_get_int64(json_object_object_get(info, "actual-size")));
	snprintf(path, sizeof path, "%s/%s", f->folder, m->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(image->file->size, st.st_size);
	assert_int_equal(image->file->inode, st.st_ino);
	if (m->parent != NONE) {
		assert_true(cv_bytes_equal(image->parent_name->text, cv_bytes_of(json_text(info, "backing-filename"))));
		assert_int_equal(image->facts->parent_format,
				 cv_format_by_name(cv_bytes_of(json_text(info, "backing-filename-format"))));
	}
	json_object_put(info);
	cv_text_fini(&out);
}

static void compare_node(const struct forest *f, const struct cv_graph *g, const struct model *m)
{
	uint32_t at = find(g, m->path);
	const struct cv_image *image;

	/* a raw file that nobody names is no image: nothing says what it is */
	if (m->raw && !m->children) {
		assert_int_equal(at, CV_NO_IMAGE);
		return;
	}
	assert_int_not_equal(at, CV_NO_IMAGE);
	image = &g->images[at];
	assert_int_equal(image->format, m->raw ? CV_FORMAT_RAW : m->vpc ? CV_FORMAT_VHD : CV_FORMAT_QCOW2);
	assert_int_equal(image->depth, m->depth);
	assert_int_equal(image->child_count, m->children);
	assert_int_equal(image->role, m->children ? CV_ROLE_BASE : CV_ROLE_LEAF);
	if (m->parent == NONE) {
		assert_int_equal(image->status, CV_PARENT_NONE);
	} else {
		assert_int_equal(image->status, CV_PARENT_FOUND);
		assert_int_equal(image->basis, CV_BASIS_NAME);
		assert_string_equal(g->images[image->parent].id, f->image[m->parent].path);
	}
	compare_with_info(f, m, image);
}

static void a_forest_of_qemu_images_is_drawn_as_it_is(void **state)
{
	uint32_t seed = (uint32_t)(uintptr_t)*state;
	struct forest *f = calloc(1, sizeof *f);
	struct cv_err err = { 0 };
	struct cv_scan *scan;
	struct cv_graph *g;

	assert_non_null(f);
	f->folder = cv_test_folder();
	grow_forest(f, seed);
	scan = cv_scan_new(&(struct cv_scan_options){ .places = &(struct cv_place){ .path = f->folder }, .place_count = 1 }, &err);
	assert_non_null(scan);
	while (cv_scan_step(scan, -1))
		;
	g = cv_graph_build(scan, NULL, NULL, NULL, &err);
	assert_non_null(g);
	for (int i = 0; i < f->count; i++)
		compare_node(f, g, &f->image[i]);
	cv_graph_free(g);
	cv_scan_free(scan);
	cv_test_folder_remove(f->folder);
	free(f);
}

int main(void)
{
	struct CMUnitTest tests[4];

	if (!cv_test_has("qemu-img")) {
		puts("skipped: qemu-img is not installed");
		return 1;
	}
	for (size_t i = 0; i < CV_COUNT(tests); i++)
		tests[i] = (struct CMUnitTest){ "a_forest_of_qemu_images_is_drawn_as_it_is", a_forest_of_qemu_images_is_drawn_as_it_is,
						NULL, NULL, (void *)(uintptr_t)(i + 1) };
	return cmocka_run_group_tests_name("peer qemu", tests, NULL, NULL) ? 1 : 0;
}
