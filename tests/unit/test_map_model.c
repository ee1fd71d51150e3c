/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Models of maps: what becomes of extents that were made by hand. No file is touched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <chainview/map.h>
#include "tests/support/run.h"

static void fail_on(bool ok, const struct cv_err *err)
{
	if (!ok)
		fail_msg("%s", err->text);
}

static struct cv_extent extent(uint64_t off, uint64_t len, enum cv_extent_kind kind, uint32_t layer)
{
	return (struct cv_extent){ .at = { off, len }, .kind = kind, .placed = kind == CV_EXTENT_DATA, .layer = layer };
}

static void a_model_adds_up(void **unused)
{
	const struct cv_extent list[] = {
		extent(0, 1000, CV_EXTENT_DATA, 0), extent(1000, 1048, CV_EXTENT_ZERO, 2),
		extent(2048, 2048, CV_EXTENT_PARENT, 3), extent(4096, 512, CV_EXTENT_BAD, 1),
		extent(4608, 512, CV_EXTENT_BAD, 3), extent(5120, 1000, CV_EXTENT_DATA, 1),
	};
	struct cv_err err = { 0 };
	struct cv_map_model m;
	uint64_t sum = 0;

	(void)unused;
	fail_on(cv_map_model_init(&m, (struct cv_range){ 0, 6120 }, 3, 4, UINT32_MAX, &err), &err);
	assert_int_equal(m.cell_bytes, 2048);
	assert_int_equal(m.cell_count, 3);
	cv_map_model_add(&m, list, CV_COUNT(list));
	assert_int_equal(m.data[0], 1000);
	assert_int_equal(m.data[1], 1000);
	assert_int_equal(m.zero[2], 1048);
	assert_int_equal(m.total.unallocated, 2048);
	assert_int_equal(m.total.bad, 512);
	assert_int_equal(m.total.missing, 512);
	assert_int_equal(m.total.deepest, 2);
	assert_true(cv_map_cell_mean(&m.total) > 1.015 && cv_map_cell_mean(&m.total) < 1.016);
	for (size_t i = 0; i < m.cell_count; i++)
		sum += m.cells[i].data + m.cells[i].zero + m.cells[i].unallocated + m.cells[i].bad + m.cells[i].missing;
	assert_int_equal(sum, 6120);
	assert_int_equal(cv_map_cell_mode(&m, 0), 2);
	assert_int_equal(cv_map_cell_sight(&m, 0, CV_MAP_DEEPEST).glyph, '2');
	assert_int_equal(cv_map_cell_sight(&m, 0, CV_MAP_MEAN).glyph, '1');
	assert_int_equal(cv_map_cell_sight(&m, 1, CV_MAP_MODE).glyph, '.');
	assert_int_equal(cv_map_cell_sight(&m, 2, CV_MAP_DEEPEST).glyph, '!');
	cv_map_model_fini(&m);
}

static uint32_t next(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

static void assert_cell(const struct cv_map_cell *a, const struct cv_map_cell *b)
{
	assert_int_equal(a->data, b->data);
	assert_int_equal(a->zero, b->zero);
	assert_int_equal(a->unallocated, b->unallocated);
	assert_int_equal(a->bad, b->bad);
	assert_int_equal(a->missing, b->missing);
	assert_true(a->depth_bytes == b->depth_bytes);
	if (a->data | a->zero)
		assert_int_equal(a->deepest, b->deepest);
}

static void assert_same(const struct cv_map_model *a, const struct cv_map_model *b)
{
	assert_int_equal(a->cell_bytes, b->cell_bytes);
	assert_int_equal(a->cell_count, b->cell_count);
	assert_int_equal(a->layer_count, b->layer_count);
	assert_int_equal(a->depths, b->depths);
	assert_cell(&a->total, &b->total);
	for (size_t i = 0; i < a->cell_count; i++)
		assert_cell(&a->cells[i], &b->cells[i]);
	assert_memory_equal(a->cell_depths, b->cell_depths, a->cell_count * a->depths * sizeof *a->cell_depths);
	assert_memory_equal(a->data, b->data, a->layer_count * sizeof *a->data);
	assert_memory_equal(a->zero, b->zero, a->layer_count * sizeof *a->zero);
}

/* The same extents into a model of the plan, and into one of which that of the plan is made. */
static void a_model_of_a_merge_is_that_of_the_same_extents(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t seed = round, layers = 2 + next(&seed, 12), merge = next(&seed, layers - 1);
		struct cv_map_model now, plan, after;
		struct cv_err err = { 0 };
		uint64_t pos = 0;

		fail_on(cv_map_model_init(&now, (struct cv_range){ 0, 1 << 20 }, layers, 50, UINT32_MAX, &err), &err);
		fail_on(cv_map_model_init(&plan, (struct cv_range){ 0, 1 << 20 }, layers, 50, merge, &err), &err);
		while (pos < 1 << 20) {
			uint64_t len = 512 * (1 + next(&seed, 100));
			enum cv_extent_kind kind = (enum cv_extent_kind)next(&seed, CV_EXTENT_BAD + 1);
			uint32_t layer = next(&seed, layers + (kind == CV_EXTENT_BAD));
			struct cv_extent e = extent(pos, len, kind, kind == CV_EXTENT_PARENT ? layers : layer);

			cv_map_model_add(&now, &e, 1);
			cv_map_model_add(&plan, &e, 1);
			pos += len;
		}
		fail_on(cv_map_model_merged(&after, &now, merge, &err), &err);
		assert_same(&after, &plan);
		cv_map_model_fini(&now);
		cv_map_model_fini(&plan);
		cv_map_model_fini(&after);
	}
}

static void a_merge_that_is_too_deep_is_refused(void **unused)
{
	struct cv_map_model now, after;
	struct cv_err err = { 0 };

	(void)unused;
	fail_on(cv_map_model_init(&now, (struct cv_range){ 0, 4096 }, 100, 8, UINT32_MAX, &err), &err);
	assert_false(cv_map_model_merged(&after, &now, CV_MAP_DEPTHS - 1, &err));
	assert_null(after.cells);
	assert_true(cv_map_model_merged(&after, &now, CV_MAP_DEPTHS - 2, &err));
	cv_map_model_fini(&after);
	cv_map_model_fini(&now);
}

static void a_plan_makes_two_layers_one(void **unused)
{
	const struct cv_extent list[] = {
		extent(0, 512, CV_EXTENT_DATA, 0), extent(512, 512, CV_EXTENT_DATA, 1),
		extent(1024, 512, CV_EXTENT_ZERO, 2),
		extent(1536, 512, CV_EXTENT_DATA, 3), extent(2048, 512, CV_EXTENT_PARENT, 4),
		extent(2560, 512, CV_EXTENT_BAD, 4),
	};
	struct cv_err err = { 0 };
	struct cv_map_model m;

	(void)unused;
	fail_on(cv_map_model_init(&m, (struct cv_range){ 0, 3072 }, 4, 100, 1, &err), &err);
	assert_int_equal(m.layer_count, 3);
	cv_map_model_add(&m, list, CV_COUNT(list));
	assert_int_equal(m.data[0], 512);
	assert_int_equal(m.data[1], 512);
	assert_int_equal(m.zero[1], 512);
	assert_int_equal(m.data[2], 512);
	assert_int_equal(m.total.unallocated, 512);
	assert_int_equal(m.total.missing, 512);
	assert_int_equal(m.total.bad, 0);
	assert_int_equal(m.total.deepest, 2);
	cv_map_model_fini(&m);
	assert_false(cv_map_model_init(&m, (struct cv_range){ 0, 3072 }, 4, 100, 3, &err));
	assert_int_equal(err.code, CV_EUSAGE);
}

static void a_huge_disk_and_a_deep_chain_fit_into_a_small_model(void **unused)
{
	struct cv_extent deep[] = { extent(0, 5, CV_EXTENT_DATA, 499), extent(5, INT64_MAX - 5, CV_EXTENT_DATA, 70) };
	struct cv_err err = { 0 };
	struct cv_map_model m;

	(void)unused;
	fail_on(cv_map_model_init(&m, (struct cv_range){ 0, INT64_MAX }, 500, 768, UINT32_MAX, &err), &err);
	assert_true(m.cell_count <= 768 && m.cell_count > 300);
	assert_int_equal(m.depths, CV_MAP_DEPTHS);
	cv_map_model_add(&m, deep, CV_COUNT(deep));
	assert_int_equal(m.data[499], 5);
	assert_int_equal(m.total.deepest, 499);
	assert_int_equal(cv_map_cell_sight(&m, 0, CV_MAP_DEEPEST).glyph, '+');
	assert_int_equal(cv_map_cell_sight(&m, 0, CV_MAP_MODE).depth, CV_MAP_DEPTHS - 1);
	cv_map_model_fini(&m);
	assert_false(cv_map_model_init(&m, (struct cv_range){ 0, UINT64_MAX }, 1, 1, UINT32_MAX, &err));
}

static void glyphs_and_steps_run_from_near_to_deep(void **unused)
{
	(void)unused;
	assert_int_equal(cv_map_glyph(0), '0');
	assert_int_equal(cv_map_glyph(10), 'a');
	assert_int_equal(cv_map_glyph(34), 'y');
	assert_int_equal(cv_map_glyph(35), '+');
	assert_int_equal(cv_map_glyph(UINT32_MAX), '+');
	assert_int_equal(cv_map_step(0, 1), 0);
	assert_int_equal(cv_map_step(1, 2), CV_MAP_STEPS - 1);
	for (size_t layers = 1; layers < 200; layers++)
		for (uint32_t d = 1; d < layers; d++) {
			assert_true(cv_map_step(d, layers) < CV_MAP_STEPS);
			assert_true(cv_map_step(d - 1, layers) <= cv_map_step(d, layers));
		}
}

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

static void labels_of_rows_tell_neighbours_apart(void **state)
{
	static const struct { uint64_t off, len; size_t cells, columns; unsigned decimals; const char *label[3]; } rows[] = {
		{ 0, 40 * GIB, 640, 64, 1, { "0.0G", "4.0G", "8.0G" } },
		{ 0, 40 * GIB, 640, 64, 2, { "0.00G", "4.00G", "8.00G" } },
		{ 3968 * MIB, 640 * MIB, 640, 64, 1, { "3968M", "4032M", "4096M" } },
		{ 4 * GIB, 64 * MIB, 512, 64, 2, { "4096M", "4104M", "4112M" } },
		{ 15 * TIB + 64 * KIB, 64 * MIB, 1024, 64, 1, { "+0M", "+4M", "+8M" } },
		{ 15 * TIB, 512 * KIB, 1024, 64, 2, { "+0K", "+32K", "+64K" } },
		{ 4 * GIB, 64 * MIB, 4128, 96, 2, { "+0K", "+1536K", "+3072K" } },
		{ 512, 1536, 4, 2, 2, { "0.50K", "1.50K" } },
		{ 0, 1000, 4, 1, 2, { "0B", "512B" } },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_map_model m;
		struct cv_err err = { 0 };

		assert_true(cv_map_model_init(&m, (struct cv_range){ rows[i].off, rows[i].len }, 1, rows[i].cells,
					      UINT32_MAX, &err));
		for (size_t k = 0; k < CV_COUNT(rows[i].label) && rows[i].label[k]; k++) {
			CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

			cv_map_add_label(&t, &m, rows[i].columns, k, rows[i].decimals);
			assert_string_equal(cv_text_str(&t), rows[i].label[k]);
		}
		cv_map_model_fini(&m);
	}
}

/* Whatever is zoomed into, as the text, the console and the pictures do it. */
static void labels_differ_and_fit_everywhere(void **state)
{
	static const struct { size_t columns, rows; unsigned decimals; } shapes[] = { { 64, 12, 2 }, { 128, 30, 1 }, { 96, 43, 2 } };
	uint32_t seed = 77;

	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		size_t shape = n % CV_COUNT(shapes), columns = shapes[shape].columns;
		uint64_t len = UINT64_C(512) << cv_test_random(&seed, 40), off = cv_test_random(&seed, 1u << 30) * UINT64_C(512);
		char last[32] = "";
		struct cv_map_model m;
		struct cv_err err = { 0 };

		off <<= cv_test_random(&seed, 14);
		len += cv_test_random(&seed, 1000) * (len / 2048 / 512 * 512);
		assert_true(cv_map_model_init(&m, (struct cv_range){ off, len }, 1, columns * shapes[shape].rows, UINT32_MAX, &err));
		for (size_t k = 0; k * columns < m.cell_count; k++) {
			CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

			cv_map_add_label(&t, &m, columns, k, shapes[shape].decimals);
			if (t.len > CV_MAP_LABEL || !strcmp(cv_text_str(&t), last))
				fail_msg("%" PRIu64 "+%" PRIu64 ": row %zu has \"%s\" behind \"%s\"", off, len, k,
					 cv_text_str(&t), last);
			snprintf(last, sizeof last, "%s", cv_text_str(&t));
		}
		cv_map_model_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_adds_up),
		cmocka_unit_test(a_plan_makes_two_layers_one),
		cmocka_unit_test(a_model_of_a_merge_is_that_of_the_same_extents),
		cmocka_unit_test(a_merge_that_is_too_deep_is_refused),
		cmocka_unit_test(a_huge_disk_and_a_deep_chain_fit_into_a_small_model),
		cmocka_unit_test(glyphs_and_steps_run_from_near_to_deep),
		cmocka_unit_test(labels_of_rows_tell_neighbours_apart),
		cmocka_unit_test(labels_differ_and_fit_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
