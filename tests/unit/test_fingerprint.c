/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sets of fingerprints as text: read back, merged, and refused when they are damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <chainview/fingerprint.h>

#define HEAD "{\"schema\":{\"name\":\"chainview.fingerprints\",\"version\":[1,0]}}\n"
#define ONE(child, seen) "{\"child\":\"" child "\",\"parent\":\"/r/base\",\"size\":1048576,\"recorded\":5,\"seen\":" seen \
	",\"samples\":[\"0:0123456789abcdef\"]}\n"

static bool put_text(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

static struct cv_fingerprints *read_set(const char *text)
{
	struct cv_err err = { 0 };
	struct cv_fingerprints *set = cv_fingerprints_read(cv_bytes_of(text), &err);

	if (!set)
		fail_msg("%s", err.text);
	return set;
}

static void must_be(const struct cv_fingerprints *set, const char *wanted)
{
	struct cv_text out = { 0 };
	struct cv_sink sink = { put_text, &out };

	assert_true(cv_fingerprints_write(set, &sink));
	assert_string_equal(cv_text_str(&out), wanted);
	cv_text_fini(&out);
}

static void what_is_written_reads_back_as_it_was(void **state)
{
	static const char text[] =
		HEAD "{\"child\":\"/r/a\\\\x0ab\",\"child_uuid\":\"9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11\",\"parent\":\"/r/base\","
		     "\"parent_uuid\":\"00000000-0000-0000-0000-000000000001\",\"size\":1048576,\"recorded\":5,\"seen\":6,"
		     "\"samples\":[\"0:0123456789abcdef\",\"18446744073709551615:ffffffffffffffff\"]}\n" ONE("/r/z", "6");
	struct cv_fingerprints *set = read_set(text);
	const struct cv_fingerprint *f = cv_fingerprints_of(set, "/r/a\nb");

	(void)state;
	assert_int_equal(set->count, 2);
	assert_non_null(f);
	assert_true(f->child_known && f->parent_known && f->parent_uuid[15] == 1);
	assert_int_equal(f->count, 2);
	assert_true(f->samples[1].off == UINT64_MAX && f->samples[0].digest[7] == 0xef);
	assert_null(cv_fingerprints_of(set, "/r/a"));
	must_be(set, text);
	cv_fingerprints_free(set);
	set = read_set("");
	assert_int_equal(set->count, 0);
	assert_null(cv_fingerprints_of(set, "/r/a"));
	must_be(set, HEAD);
	cv_fingerprints_free(set);
}

static void damaged_text_is_refused_with_its_line(void **state)
{
	static const struct { const char *text; unsigned line; } cases[] = {
		{ "x", 1 }, { "{}\n", 1 }, { ONE("/r/a", "1"), 1 }, { HEAD "\n", 2 }, { HEAD "[]\n", 2 },
		{ HEAD ONE("/r/a", "1") ONE("r/a", "1"), 3 },            /* not absolute */
		{ HEAD ONE("", "1"), 2 }, { HEAD ONE("/r/a\\\\x00b", "1"), 2 }, { HEAD ONE("/r/a", "-1"), 2 },
		{ HEAD ONE("/r/a", "\"1\""), 2 }, { HEAD ONE("/r/a", "1") "{\"child\":", 3 },
		{ HEAD "{\"child\":\"/a\",\"parent\":\"/b\",\"size\":1,\"recorded\":1,\"seen\":1,\"samples\":[1]}\n", 2 },
		{ HEAD "{\"child\":\"/a\",\"parent\":\"/b\",\"size\":1,\"recorded\":1,\"seen\":1,\"samples\":[\"1:0\"]}\n", 2 },
		{ HEAD "{\"child\":\"/a\",\"parent\":\"/b\",\"size\":1,\"recorded\":1,\"seen\":1,\"samples\":[\"-1:0123456789abcdef\"]}\n", 2 },
		{ HEAD "{\"child\":\"/a\",\"child_uuid\":\"x\",\"parent\":\"/b\",\"size\":1,\"recorded\":1,\"seen\":1,\"samples\":[]}\n", 2 },
		{ HEAD "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_err err = { 0 };
		struct cv_text wanted = { 0 };

		cv_text_addf(&wanted, "line %u is no fingerprint", cases[i].line);
		assert_null(cv_fingerprints_read(cv_bytes_of(cases[i].text), &err));
		assert_string_equal(err.text, cv_text_str(&wanted));
		cv_text_fini(&wanted);
	}
}

static void more_samples_than_fit_are_refused(void **state)
{
	struct cv_text text = { 0 };
	struct cv_err err = { 0 };

	(void)state;
	cv_text_add(&text, HEAD "{\"child\":\"/a\",\"parent\":\"/b\",\"size\":1,\"recorded\":1,\"seen\":1,\"samples\":[");
	for (unsigned i = 0; i <= CV_SAMPLES; i++)
		cv_text_addf(&text, "%s\"%u:0123456789abcdef\"", i ? "," : "", i);
	cv_text_add(&text, "]}\n");
	assert_null(cv_fingerprints_read((struct cv_bytes){ text.at, text.len }, &err));
	cv_text_fini(&text);
}

static void sets_are_merged_and_what_nobody_sees_is_forgotten(void **state)
{
	struct cv_fingerprints *old = read_set(HEAD ONE("/r/a", "10") ONE("/r/b", "10") ONE("/r/c", "1"));
	struct cv_fingerprints *add = read_set(HEAD ONE("/r/b", "20") ONE("/r/d", "20")), *all;
	struct cv_err err = { 0 };

	(void)state;
	all = cv_fingerprints_merge(old, add, 20, 15, &err);
	cv_fingerprints_free(old);
	cv_fingerprints_free(add);
	assert_non_null(all);
	must_be(all, HEAD ONE("/r/a", "10") ONE("/r/b", "20") ONE("/r/d", "20"));
	cv_fingerprints_free(all);
	all = cv_fingerprints_merge(NULL, NULL, 0, 0, &err);
	assert_non_null(all);
	must_be(all, HEAD);
	cv_fingerprints_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_reads_back_as_it_was),
		cmocka_unit_test(damaged_text_is_refused_with_its_line),
		cmocka_unit_test(more_samples_than_fit_are_refused),
		cmocka_unit_test(sets_are_merged_and_what_nobody_sees_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
