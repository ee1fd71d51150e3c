/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Arena, vectors, ranges, byte order, joined paths, the lists of facts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <chainview/bytes.h>
#include <chainview/scan.h>
#include <chainview/vec.h>
#include "inspect/base/arena.h"

CV_VEC(number_vec, uint32_t);

static void an_arena_gives_zeroed_memory_up_to_its_cap(void **state)
{
	struct cv_arena *a = cv_arena_new(10000);
	size_t given = 0;
	char *p;

	(void)state;
	assert_non_null(a);
	while ((p = cv_arena_alloc(a, 100))) {
		for (int i = 0; i < 100; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, 100);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		given += 100;
	}
	assert_in_range(given, 8000, 10000);
	assert_null(cv_arena_alloc(a, SIZE_MAX));
	assert_null(cv_arena_dup(a, "", SIZE_MAX));
	cv_arena_free(a);
	cv_arena_free(NULL);
}

static void vectors_grow_and_refuse_what_overflows(void **state)
{
	struct number_vec v = { 0 };
	size_t cap = 1;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(number_vec_push(&v, i));
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(v.at[i], i);
	free(v.at);
	assert_null(cv_vec_grow(NULL, &cap, SIZE_MAX / 2, 16));
	assert_int_equal(cap, 1);
}

static void ranges_never_wrap(void **state)
{
	(void)state;
	assert_true(cv_range_inside((struct cv_range){ 0, 0 }, 0));
	assert_true(cv_range_inside((struct cv_range){ 10, 5 }, 15));
	assert_false(cv_range_inside((struct cv_range){ 10, 6 }, 15));
	assert_false(cv_range_inside((struct cv_range){ UINT64_MAX, 2 }, UINT64_MAX));
	assert_true(cv_ranges_touch((struct cv_range){ 0, 10 }, (struct cv_range){ 9, 1 }));
	assert_false(cv_ranges_touch((struct cv_range){ 0, 10 }, (struct cv_range){ 10, 1 }));
	assert_false(cv_ranges_touch((struct cv_range){ 5, 0 }, (struct cv_range){ 0, 10 }));
	assert_true(cv_ranges_touch((struct cv_range){ UINT64_MAX - 1, 1 }, (struct cv_range){ 0, UINT64_MAX }));
}

static void numbers_keep_their_byte_order(void **state)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	cv_be64 big;
	cv_le64 little;

	(void)state;
	memcpy(&big, bytes, 8);
	memcpy(&little, bytes, 8);
	assert_true(cv_be64_get(big) == 0x0102030405060708ull);
	assert_true(cv_le64_get(little) == 0x0807060504030201ull);
	assert_int_equal(cv_be32_get(cv_be32_of(0xdeadbeef)), 0xdeadbeef);
	assert_int_equal(cv_le32_get(cv_le32_of(0xdeadbeef)), 0xdeadbeef);
	assert_int_equal(cv_be16_get(cv_be16_of(0xbeef)), 0xbeef);
	assert_int_equal(cv_le16_get(cv_le16_of(0xbeef)), 0xbeef);
	assert_true(cv_be64_get(cv_be64_of(UINT64_MAX - 7)) == UINT64_MAX - 7);
	assert_true(cv_le64_get(cv_le64_of(UINT64_MAX - 7)) == UINT64_MAX - 7);
	assert_int_equal(cv_be32_of(1).b[3], 1);
}

static void joined_paths_are_clean(void **state)
{
	static const struct { const char *base, *name, *path; } rows[] = {
		{ "/sr", "a.vhd", "/sr/a.vhd" }, { "/sr", "./a.vhd", "/sr/a.vhd" }, { "/sr/x", "../a.vhd", "/sr/a.vhd" },
		{ "/sr", "/abs//b/./c", "/abs/b/c" }, { "/", "a", "/a" }, { "/sr", "../../../etc/passwd", "/etc/passwd" },
		{ "/sr", "", "/sr" }, { "/sr/", "a/", "/sr/a" }, { "/sr", "..", "/" }, { "/sr", "...", "/sr/..." },
	};
	char longest[PATH_MAX + 2];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_text t = { 0 };

		assert_true(cv_path_join(&t, rows[i].base, cv_bytes_of(rows[i].name)));
		assert_string_equal(cv_text_str(&t), rows[i].path);
		cv_text_fini(&t);
	}
	memset(longest, 'a', sizeof longest);
	struct cv_text t = { 0 };
	assert_false(cv_path_join(&t, "/sr", (struct cv_bytes){ longest, sizeof longest }));
	assert_false(cv_path_join(&t, "/sr", (struct cv_bytes){ "a\0b", 3 }));
	cv_text_fini(&t);
}

static void facts_keep_copies_and_stop_at_their_caps(void **state)
{
	struct cv_facts *f = cv_facts_new();
	char text[8] = "before";
	uint32_t added = 0;

	(void)state;
	assert_non_null(f);
	assert_true(cv_facts_text(f, CV_ATTR_VHD_CREATOR_APP, 3, cv_bytes_of(text), (struct cv_range){ 28, 4 }));
	memcpy(text, "behind", 7);
	assert_string_equal(cv_facts_attr(f, CV_ATTR_VHD_CREATOR_APP, 3)->text.at, "before");
	assert_null(cv_facts_attr(f, CV_ATTR_VHD_CREATOR_APP, 2));
	while (cv_facts_number(f, CV_ATTR_QCOW2_BITMAP_FLAGS, added, added, (struct cv_range){ 0, 0 }))
		added++;
	assert_in_range(added, 1000, 100000);
	assert_true(f->flags & CV_FACT_PARTIAL);
	for (uint32_t i = 0; i < added; i++)
		assert_int_equal(f->attrs[i + 1].number, i);
	for (int i = 0; i < 100; i++)
		assert_true(cv_facts_find(f, (struct cv_finding){ .id = CV_GEN_HOSTILE_VALUE,
			.arg = { cv_arg_text("entries"), cv_arg_number((uint64_t)i) } }));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(f->findings[i].arg[1].number, i);
		assert_string_equal(f->findings[i].arg[0].text.at, "entries");
	}
	cv_facts_free(f);
	cv_facts_free(NULL);
}

static void formats_are_known_by_the_names_people_use(void **state)
{
	(void)state;
	for (int id = CV_FORMAT_RAW; id < CV_FORMAT_COUNT; id++)
		assert_int_equal(cv_format_by_name(cv_bytes_of(cv_format_name((enum cv_format_id)id))), id);
	assert_int_equal(cv_format_by_name(cv_bytes_of("vpc")), CV_FORMAT_VHD);
	assert_int_equal(cv_format_by_name(cv_bytes_of("QCOW2")), CV_FORMAT_QCOW2);
	assert_int_equal(cv_format_by_name(cv_bytes_of("qcow3")), CV_FORMAT_NONE);
	assert_int_equal(cv_format_by_name((struct cv_bytes){ NULL, 0 }), CV_FORMAT_NONE);
	for (int i = 0; i < CV_ATTR_COUNT; i++)
		assert_true(cv_attr_rows[i].key && *cv_attr_rows[i].key && cv_attr_rows[i].label && *cv_attr_rows[i].label);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_gives_zeroed_memory_up_to_its_cap),
		cmocka_unit_test(vectors_grow_and_refuse_what_overflows),
		cmocka_unit_test(ranges_never_wrap),
		cmocka_unit_test(numbers_keep_their_byte_order),
		cmocka_unit_test(joined_paths_are_clean),
		cmocka_unit_test(facts_keep_copies_and_stop_at_their_caps),
		cmocka_unit_test(formats_are_known_by_the_names_people_use),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL) ? 1 : 0;
}
