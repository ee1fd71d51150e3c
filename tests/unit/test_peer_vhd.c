/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Xen-style repositories against two other readers of the same bytes: libvhdi (vhdiinfo) says identity, parent
 * identity and size of every VHD of the demonstration; vhd-util, where it is on the PATH, says parent, depth,
 * hidden mark and its verdict.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <strings.h>
#include <chainview/graph.h>
#include "repair/sample/sample.h"
#include "tests/support/run.h"

struct demo {
	char *folder;
	struct cv_scan *scan;
	struct cv_graph *g;
};

static int build(void **state)
{
	struct demo *d = calloc(1, sizeof *d);
	struct cv_err err = { 0 };
	char *repo = NULL;

	if (!d)
		return 1;
	d->folder = cv_test_folder();
	if (asprintf(&repo, "%s/demo", d->folder) < 0 || !cv_sample_build("demo", repo, &err))
		return 1;
	d->scan = cv_scan_new(&(struct cv_scan_options){ .places = &(struct cv_place){ .path = repo }, .place_count = 1 }, &err);
	while (d->scan && cv_scan_step(d->scan, -1))
		;
	d->g = d->scan ? cv_graph_build(d->scan, NULL, NULL, NULL, &err) : NULL;
	free(repo);
	*state = d;
	return d->g ? 0 : 1;
}

static int discard(void **state)
{
	struct demo *d = *state;

	cv_graph_free(d->g);
	cv_scan_free(d->scan);
	cv_test_folder_remove(d->folder);
	free(d);
	return 0;
}

/* What stands behind "label:" in the other program's output; NULL if it is not there. */
static const char *field(const struct cv_text *out, const char *label, char *value, size_t size)
{
	const char *at = strstr(cv_text_str(out), label);

	if (!at || !(at = strchr(at, ':')))
		return NULL;
	at += 1 + strspn(at + 1, " \t");
	snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
	return value;
}

static bool is_whole(const struct cv_image *image)
{
	return image->format == CV_FORMAT_VHD && !(image->facts->flags & (CV_FACT_LIVE | CV_FACT_DISABLED)) && !image->any_finding;
}

static void compare_with_libvhdi(const struct cv_image *image)
{
	struct cv_text out = { 0 };
	char value[256];
	unsigned long long bytes = 0;

	assert_int_equal(cv_test_do(NULL, &out, "vhdiinfo", image->file->path), 0);
	assert_non_null(field(&out, "\tIdentifier", value, sizeof value));
	assert_int_equal(strcasecmp(value, cv_uuid_str(image->facts->uuid).s), 0);
	if (image->facts->flags & CV_FACT_PARENT_UUID) {
		assert_non_null(field(&out, "\tParent identifier", value, sizeof value));
		assert_int_equal(strcasecmp(value, cv_uuid_str(image->facts->parent_uuid).s), 0);
	}
	/* "Media size : 200 GiB (214748364800 bytes)" */
	assert_non_null(field(&out, "\tMedia size", value, sizeof value));
	assert_int_equal(sscanf(strchr(value, '(') ? strchr(value, '(') + 1 : value, "%llu", &bytes), 1);
	assert_true(bytes == image->virtual_size);
	cv_text_fini(&out);
}

static void libvhdi_reads_the_same_identities_parents_and_sizes(void **state)
{
	const struct demo *d = *state;
	size_t compared = 0, differencing = 0;

	if (!cv_test_has("vhdiinfo")) {
		puts("skipped: vhdiinfo (libvhdi-utils) is not installed");
		skip();
	}
	for (size_t i = 0; i < d->g->image_count; i++) {
		const struct cv_image *image = &d->g->images[i];

		/* qemu's own size by geometry is known to be read otherwise by libvhdi */
		if (!is_whole(image) || cv_bytes_equal(image->facts->creator, cv_bytes_of("qemu 5.3")))
			continue;
		compare_with_libvhdi(image);
		compared++;
		differencing += image->variant == CV_VARIANT_DIFFERENCING;
	}
	assert_true(compared >= 20 && differencing >= 10);
}

static void compare_with_vhd_util(const struct cv_graph *g, const struct cv_image *image)
{
	struct cv_text out = { 0 };
	unsigned n;

	assert_int_equal(cv_test_do(NULL, &out, "vhd-util", "query", "-n", image->file->path, "-f"), 0);
	assert_int_equal(sscanf(cv_text_str(&out), "hidden: %u", &n), 1);
	assert_int_equal(n, image->mark == CV_MARK_HIDDEN);
	cv_text_clear(&out);
	assert_int_equal(cv_test_do(NULL, &out, "vhd-util", "query", "-n", image->file->path, "-d"), 0);
	assert_int_equal(sscanf(cv_text_str(&out), "chain depth: %u", &n), 1);
	assert_int_equal(n, image->depth + 1);
	cv_text_clear(&out);
	if (image->status == CV_PARENT_FOUND) {
		assert_int_equal(cv_test_do(NULL, &out, "vhd-util", "query", "-n", image->file->path, "-p"), 0);
		assert_int_equal(strncmp(cv_text_str(&out), g->images[image->parent].file->path,
					 strlen(g->images[image->parent].file->path)), 0);
		cv_text_clear(&out);
	}
	assert_int_equal(cv_test_do(NULL, NULL, "vhd-util", "check", "-n", image->file->path), 0);
	cv_text_fini(&out);
}

static void vhd_util_sees_the_same_parents_depths_and_marks(void **state)
{
	const struct demo *d = *state;
	size_t compared = 0;

	if (!cv_test_has("vhd-util")) {
		puts("skipped: vhd-util is not on the PATH (Debian does not package it)");
		skip();
	}
	for (size_t i = 0; i < d->g->image_count; i++) {
		const struct cv_image *image = &d->g->images[i];

		if (is_whole(image) && image->mark != CV_MARK_NONE) {
			compare_with_vhd_util(d->g, image);
			compared++;
		}
	}
	assert_true(compared >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(libvhdi_reads_the_same_identities_parents_and_sizes, build, discard),
		cmocka_unit_test_setup_teardown(vhd_util_sees_the_same_parents_depths_and_marks, build, discard),
	};

	return cmocka_run_group_tests_name("peer vhd", tests, NULL, NULL) ? 1 : 0;
}
