/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Big and random repositories: the shape of the graph against a slow and simple way to compute it, deep
 * chains, wide rings, many images in little time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>
#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"

/* An image of the format with the number as identity, standing on another number; negative: on nothing. */
static struct cv_file *add(struct cv_scan *s, unsigned number, int64_t on, enum cv_format_id format)
{
	char path[64], name[64];
	struct cv_file *file;
	struct cv_facts *f;

	snprintf(path, sizeof path, "/sr/%07u", number);
	file = fake_file(s, path);
	f = fake_facts(file);
	f->format = format;
	if (format == CV_FORMAT_VHD) {
		f->flags |= CV_FACT_UUID;
		fake_uuid(f->uuid, number + 1);
	}
	if (on < 0)
		return file;
	f->flags |= CV_FACT_PARENT;
	if (format == CV_FORMAT_VHD) {
		f->flags |= CV_FACT_PARENT_UUID;
		fake_uuid(f->parent_uuid, (unsigned)on + 1);
	}
	snprintf(name, sizeof name, "./%07u", (unsigned)on);
	assert_true(cv_facts_name(f, (struct cv_name){ .source = CV_NAME_BACKING_FILE, .kind = CV_NAME_RELATIVE,
						       .text = cv_bytes_of(name), .path = cv_bytes_of(name) }));
	return file;
}

/* What the graph should say, computed without cleverness: parents[i] is a number, -1 none, -2 missing. */
struct oracle {
	const int64_t *parents;
	size_t count;
};

static bool oracle_stands_on(const struct oracle *o, size_t upper, size_t lower)
{
	int64_t at = o->parents[upper];

	for (size_t steps = 0; at >= 0 && steps <= o->count; steps++, at = o->parents[at])
		if ((size_t)at == lower)
			return true;
	return false;
}

static size_t oracle_below(const struct oracle *o, size_t i)
{
	size_t n = 0;

	for (size_t k = 0; k < o->count; k++)
		n += k != i && oracle_stands_on(o, k, i);
	return n;
}

/* Images met on the way down, each counted once, without itself; a missing parent counts as one. */
static size_t oracle_depth(const struct oracle *o, size_t i)
{
	CV_AUTO(cv_auto_free) bool *met = calloc(o->count, 1);
	int64_t at = (int64_t)i;
	size_t n = 0;

	while (at >= 0 && !met[at]) {
		met[at] = true;
		at = o->parents[at];
		n += at >= 0 && !met[at];
	}
	return n + (at == -2);
}

/* The image at the lower end; of a ring, its smallest member. */
static size_t oracle_root(const struct oracle *o, size_t i)
{
	size_t at = i, smallest;

	for (size_t steps = 0; o->parents[at] >= 0; at = (size_t)o->parents[at])
		if (steps++ > o->count)
			break;
	if (o->parents[at] < 0)
		return at;
	smallest = at;
	for (size_t k = (size_t)o->parents[at]; k != at; k = (size_t)o->parents[k])
		smallest = k < smallest ? k : smallest;
	return smallest;
}

static void compare(const struct cv_graph *g, const struct oracle *o)
{
	assert_int_equal(g->image_count, o->count);
	for (size_t i = 0; i < o->count; i++) {
		const struct cv_image *image = &g->images[i];
		bool ring = oracle_stands_on(o, i, i);
		uint32_t children = 0;

		assert_int_equal(image->status, o->parents[i] == -1   ? CV_PARENT_NONE
						: o->parents[i] == -2 ? CV_PARENT_MISSING
						: ring                ? CV_PARENT_CYCLE
								      : CV_PARENT_FOUND);
		assert_int_equal(image->parent, o->parents[i] < 0 ? CV_NO_IMAGE : (uint32_t)o->parents[i]);
		assert_int_equal(image->depth, oracle_depth(o, i));
		assert_int_equal(image->root, oracle_root(o, i));
		assert_int_equal(image->below, oracle_below(o, i));
		for (size_t k = 0; k < o->count; k++) {
			if (o->parents[k] != (int64_t)i)
				continue;
			assert_true(children < image->child_count);
			assert_int_equal(cv_graph_child(g, image, children++), k);
		}
		assert_int_equal(image->child_count, children);
		assert_int_equal(image->role, children                        ? CV_ROLE_BASE
					      : image->mark == CV_MARK_HIDDEN ? CV_ROLE_ORPHAN
									      : CV_ROLE_LEAF);
	}
}

/* Impact and chain of each image against the same oracle. */
static void compare_lists(const struct cv_graph *g, const struct oracle *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t *list;
		size_t count;

		assert_true(cv_graph_impact(g, i, &list, &count));
		assert_int_equal(count, g->images[i].below);
		for (size_t k = 0; k < count; k++) {
			assert_true(oracle_stands_on(o, list[k], i));
			for (size_t m = 0; m < k; m++)
				assert_int_not_equal(list[m], list[k]);
		}
		free(list);
		assert_true(cv_graph_chain(g, i, &list, &count));
		assert_int_equal(count,
				 g->images[i].depth + (g->images[g->images[i].root].status != CV_PARENT_MISSING));
		assert_int_equal(list[0], i);
		for (size_t k = 1; k < count; k++)
			assert_int_equal(list[k], o->parents[list[k - 1]]);
		free(list);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

#define MOST 60

/* Mostly an earlier image, sometimes any: that makes rings. */
static int64_t random_parent(uint32_t *random, uint32_t i, uint32_t count)
{
	uint32_t kind = next_random(random) % 10;

	if (kind == 1)
		return -2;
	if (kind == 2)
		return next_random(random) % count;
	return kind && i ? (int64_t)(next_random(random) % i) : -1;
}

static void random_forests_have_the_shape_that_a_slow_way_finds(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 300; seed++) {
		uint32_t random = seed, count = 1 + next_random(&random) % MOST;
		enum cv_format_id format = seed % 2 ? CV_FORMAT_VHD : CV_FORMAT_QCOW2;
		int64_t parents[MOST];
		struct cv_scan *scan = fake_images("");
		struct cv_graph *g;

		for (uint32_t i = 0; i < count; i++) {
			parents[i] = random_parent(&random, i, count);
			fake_facts(add(scan, i, parents[i] == -2 ? 9000 : parents[i], format))->mark =
				next_random(&random) % 3;
		}
		g = fake_graph(scan, NULL);
		compare(g, &(struct oracle){ parents, count });
		compare_lists(g, &(struct oracle){ parents, count });
		cv_graph_free(g);
		cv_scan_free(scan);
	}
}

static void a_ring_of_a_thousand_is_one_ring(void **state)
{
	struct cv_scan *scan = fake_images("");
	struct cv_text title = { 0 };
	const struct cv_finding *f;
	struct cv_graph *g;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		add(scan, i, (i + 1) % 1000, CV_FORMAT_VHD);
	g = fake_graph(scan, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(g->images[i].status, CV_PARENT_CYCLE);
		assert_int_equal(g->images[i].depth, 999);
		assert_int_equal(g->images[i].below, 999);
		assert_int_equal(g->images[i].root, 0);
	}
	assert_int_equal(g->root_count, 1);
	assert_int_equal(cv_graph_findings_of(g, 500, &f), 1);
	cv_finding_title(&title, f);
	assert_string_equal(cv_text_str(&title), "its parents lead back to themselves: 0000500 -> 0000501 -> 0000502 -> "
						 "0000503 -> 996 more -> 0000500");
	cv_text_fini(&title);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void a_chain_of_five_thousand_is_walked_without_recursion(void **state)
{
	struct cv_scan *scan = fake_images("");
	const struct cv_finding *f;
	struct cv_graph *g;
	uint32_t *list;
	size_t count;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		add(scan, i, (int64_t)i - 1, CV_FORMAT_QCOW2);
	g = fake_graph(scan, NULL);
	assert_int_equal(g->images[4999].depth, 4999);
	assert_int_equal(g->images[4999].root, 0);
	assert_int_equal(g->images[0].below, 4999);
	assert_true(cv_graph_chain(g, 4999, &list, &count));
	assert_int_equal(count, 5000);
	free(list);
	assert_int_equal(cv_graph_findings_of(g, 4999, &f), 1);
	assert_int_equal(f->id, CV_SPC_CHAIN_TOO_DEEP);
	assert_int_equal(f->arg[0].number, 5000);
	assert_int_equal(g->finding_count, 1);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Trees of chains; and the worst for any index: all images with one identity, all children of it. */
static void a_hundred_thousand_images_take_about_a_second(void **state)
{
	(void)state;
	for (int alike = 0; alike < 2; alike++) {
		struct cv_scan *scan = fake_images("");
		struct cv_graph *g;
		double start;

		for (unsigned i = 0; i < 100000; i++) {
			struct cv_facts *f = fake_facts(add(scan, i, i % 25 ? (int64_t)i - 1 : -1, CV_FORMAT_VHD));

			if (alike) {
				fake_uuid(f->uuid, 7);
				fake_uuid(f->parent_uuid, 7);
			}
		}
		start = seconds();
		g = fake_graph(scan, NULL);
		print_message("graph of 100000 images%s: %.2f s\n", alike ? " of one identity" : "", seconds() - start);
		assert_int_equal(g->image_count, 100000);
		assert_int_equal(g->images[24].depth, 24);
		assert_true(seconds() - start < 10);
		cv_graph_free(g);
		cv_scan_free(scan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_forests_have_the_shape_that_a_slow_way_finds),
		cmocka_unit_test(a_ring_of_a_thousand_is_one_ring),
		cmocka_unit_test(a_chain_of_five_thousand_is_walked_without_recursion),
		cmocka_unit_test(a_hundred_thousand_images_take_about_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
