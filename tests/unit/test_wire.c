/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Facts as bytes and back: what a reading process sends crosses unchanged, and nothing it might send does harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "inspect/sandbox/wire.h"
#include "tests/support/run.h"

static struct cv_facts *rich_facts(void)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_finding finding = cv_finding_of(CV_VHD_FOOTER_CHECKSUM);
	struct cv_name name = { CV_NAME_W2KU, CV_NAME_WINDOWS, cv_bytes_of("C:\\\xc3\xa4\x1b.vhd"),
		cv_bytes_of("C:/x.vhd"), { 512, 24 } };

	assert_non_null(f);
	f->format = CV_FORMAT_VHD;
	f->variant = CV_VARIANT_DIFFERENCING;
	f->mark = CV_MARK_HIDDEN;
	f->flags = CV_FACT_SIZE | CV_FACT_PARENT | CV_FACT_PARTIAL;
	f->virtual_size = UINT64_MAX;
	f->created = -5;
	f->uuid[15] = 15;
	assert_true(cv_facts_bytes(f, "tap\0x", 5, &f->creator));
	assert_true(cv_facts_name(f, name));
	assert_true(cv_facts_name(f, (struct cv_name){ .source = CV_NAME_MACX }));
	assert_true(cv_facts_number(f, CV_ATTR_VHD_SAVED_STATE, 0, 1, (struct cv_range){ 84, 1 }));
	assert_true(cv_facts_text(f, CV_ATTR_VHD_CREATOR_APP, 3, cv_bytes_of("tap "), (struct cv_range){ 28, 4 }));
	finding.has_where = true;
	finding.where = (struct cv_range){ 64, 4 };
	finding.arg[0] = cv_arg_number(7);
	finding.arg[1] = cv_arg_text("header");
	assert_true(cv_facts_find(f, finding));
	return f;
}

static void same_bytes(struct cv_bytes a, struct cv_bytes b)
{
	assert_true(cv_bytes_equal(a, b));
}

static void same_lists(const struct cv_facts *a, const struct cv_facts *b)
{
	assert_int_equal(a->name_count, b->name_count);
	for (uint32_t i = 0; i < a->name_count; i++) {
		same_bytes(a->names[i].text, b->names[i].text);
		same_bytes(a->names[i].path, b->names[i].path);
		assert_int_equal(a->names[i].kind, b->names[i].kind);
		assert_int_equal(a->names[i].source, b->names[i].source);
		assert_memory_equal(&a->names[i].where, &b->names[i].where, sizeof a->names[i].where);
	}
	assert_int_equal(a->attr_count, b->attr_count);
	for (uint32_t i = 0; i < a->attr_count; i++) {
		same_bytes(a->attrs[i].text, b->attrs[i].text);
		assert_int_equal(a->attrs[i].id, b->attrs[i].id);
		assert_int_equal(a->attrs[i].index, b->attrs[i].index);
		assert_int_equal(a->attrs[i].number, b->attrs[i].number);
		assert_memory_equal(&a->attrs[i].where, &b->attrs[i].where, sizeof a->attrs[i].where);
	}
	assert_int_equal(a->finding_count, b->finding_count);
	for (uint32_t i = 0; i < a->finding_count; i++) {
		assert_int_equal(a->findings[i].id, b->findings[i].id);
		assert_int_equal(a->findings[i].severity, b->findings[i].severity);
		assert_int_equal(a->findings[i].has_where, b->findings[i].has_where);
		assert_int_equal(a->findings[i].image, b->findings[i].image);
		for (size_t k = 0; k < CV_FINDING_ARGS; k++) {
			assert_int_equal(a->findings[i].arg[k].kind, b->findings[i].arg[k].kind);
			assert_int_equal(a->findings[i].arg[k].number, b->findings[i].arg[k].number);
			same_bytes(a->findings[i].arg[k].text, b->findings[i].arg[k].text);
		}
	}
}

static void facts_cross_unchanged(void **state)
{
	struct cv_facts *f = rich_facts();
	struct cv_err why = { .code = CV_EIO, .os_errno = EIO, .text = "cannot read \\x1b: \xc3\xa4" }, err = { 0 };
	struct cv_answer a;
	uint8_t bytes[4096];
	size_t n = cv_wire_encode(bytes, sizeof bytes, 9, f, &why);

	(void)state;
	assert_in_range(n, 100, sizeof bytes);
	assert_int_equal(cv_wire_decode(bytes, n, &a, &err), n);
	assert_int_equal(a.index, 9);
	assert_int_equal(a.why.code, CV_EIO);
	assert_int_equal(a.why.os_errno, EIO);
	assert_string_equal(a.why.text, why.text);
	assert_int_equal(a.facts->format, f->format);
	assert_int_equal(a.facts->variant, f->variant);
	assert_int_equal(a.facts->mark, f->mark);
	assert_int_equal(a.facts->flags, f->flags);
	assert_true(a.facts->virtual_size == UINT64_MAX);
	assert_int_equal(a.facts->created, -5);
	assert_memory_equal(a.facts->uuid, f->uuid, 16);
	same_bytes(a.facts->creator, f->creator);
	same_lists(a.facts, f);
	cv_facts_free(a.facts);
	for (size_t cap = 0; cap < n; cap++)
		assert_int_equal(cv_wire_encode(bytes, cap, 9, f, &why), 0);
	cv_facts_free(f);
}

static void errors_are_made_harmless(void **state)
{
	static const struct { const char *text, *wanted; } rows[] = {
		{ "plain", "plain" }, { "two\nlines \x1b[31m", "two\\x0alines \\x1b[31m" }, { "\\x1b", "\\x1b" },
		{ "\xff", "\\xff" }, { "C:\\temp", "C:\\temp" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err why = { .code = CV_EIO }, err = { 0 };
		uint8_t bytes[1024];
		struct cv_answer a;
		size_t n;

		snprintf(why.text, sizeof why.text, "%s", rows[i].text);
		n = cv_wire_encode(bytes, sizeof bytes, 0, NULL, &why);
		assert_int_equal(cv_wire_decode(bytes, n, &a, &err), n);
		assert_string_equal(a.why.text, rows[i].wanted);
		assert_null(a.facts);
	}
}

static void truncated_records_are_refused(void **state)
{
	struct cv_facts *f = rich_facts();
	uint8_t bytes[4096];
	size_t n = cv_wire_encode(bytes, sizeof bytes, 1, f, NULL);

	(void)state;
	for (size_t len = 0; len < n; len++)
		for (int lie = 0; lie < 2; lie++) {
			struct cv_err err = { 0 };
			struct cv_answer a;
			uint32_t said = (uint32_t)len;
			uint8_t *exact = malloc(len ? len : 1);

			/* A copy of exactly this size, so that a sanitizer sees a read behind it. */
			memcpy(exact, bytes, len);
			if (lie && len >= sizeof said)
				memcpy(exact, &said, sizeof said);
			assert_int_equal(cv_wire_decode(exact, len, &a, &err), 0);
			assert_int_equal(err.code, CV_EFORMAT);
			assert_null(a.facts);
			free(exact);
		}
	cv_facts_free(f);
}

/* All that is said to be there can be touched, and all enumerations are in range. */
static uint64_t touch(const struct cv_facts *f)
{
	uint64_t sum = f->creator.len ? (uint64_t)f->creator.at[f->creator.len - 1] : 0;

	assert_true(f->format < CV_FORMAT_COUNT && f->variant < CV_VARIANT_COUNT && f->mark <= CV_MARK_HIDDEN);
	for (uint32_t i = 0; i < f->name_count; i++) {
		assert_true(f->names[i].source < CV_NAME_SOURCE_COUNT && f->names[i].kind <= CV_NAME_EXTERNAL);
		for (size_t k = 0; k < f->names[i].text.len; k++)
			sum += (uint8_t)f->names[i].text.at[k];
		for (size_t k = 0; k < f->names[i].path.len; k++)
			sum += (uint8_t)f->names[i].path.at[k];
	}
	for (uint32_t i = 0; i < f->attr_count; i++) {
		assert_true(f->attrs[i].id < CV_ATTR_COUNT);
		for (size_t k = 0; k < f->attrs[i].text.len; k++)
			sum += (uint8_t)f->attrs[i].text.at[k];
	}
	for (uint32_t i = 0; i < f->finding_count; i++) {
		struct cv_text title = { 0 };

		assert_non_null(cv_problem_by_id(f->findings[i].id));
		cv_finding_title(&title, &f->findings[i]);
		sum += title.len;
		cv_text_fini(&title);
	}
	return sum;
}

static void mutated_records_never_do_harm(void **state)
{
	struct cv_facts *f = rich_facts();
	uint8_t good[4096];
	size_t n = cv_wire_encode(good, sizeof good, 1, f, NULL), refused = 0, accepted = 0;
	uint32_t seed = 20261120;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t *bytes = malloc(n);
		struct cv_err err = { 0 };
		struct cv_answer a;

		memcpy(bytes, good, n);
		for (uint32_t k = cv_test_random(&seed, 4) + 1; k > 0; k--) {
			static const uint8_t nasty[] = { 0, 1, 0x7f, 0x80, 0xff };
			uint32_t at = cv_test_random(&seed, (uint32_t)n);

			/* The length stays in most rounds: what is behind it is more interesting. */
			if (at < 4 && round % 8)
				at += 8;
			bytes[at] = cv_test_random(&seed, 2) ? nasty[cv_test_random(&seed, CV_COUNT(nasty))]
							     : (uint8_t)cv_test_random(&seed, 256);
		}
		if (cv_wire_decode(bytes, n, &a, &err)) {
			accepted++;
			if (a.facts)
				touch(a.facts);
			cv_facts_free(a.facts);
		} else {
			refused++;
			assert_non_null(strstr(err.text, "damaged answer"));
		}
		free(bytes);
	}
	assert_true(accepted > 1000);
	assert_true(refused > 1000);
	cv_facts_free(f);
}

static void lists_that_promise_too_much_are_refused(void **state)
{
	struct cv_facts *f = cv_facts_new();
	uint8_t bytes[1024];
	size_t n = cv_wire_encode(bytes, sizeof bytes, 0, f, NULL);

	(void)state;
	/* index, code, errno, text, present: then the three counts and the bytes of all texts. */
	for (size_t at = 18; at <= 30; at += 4) {
		uint8_t copy[1024];
		struct cv_err err = { 0 };
		struct cv_answer a;

		memcpy(copy, bytes, n);
		memset(copy + at, 0xff, 4);
		assert_int_equal(cv_wire_decode(copy, n, &a, &err), 0);
		assert_non_null(strstr(err.text, "longer than the record"));
	}
	cv_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_cross_unchanged),
		cmocka_unit_test(errors_are_made_harmless),
		cmocka_unit_test(truncated_records_are_refused),
		cmocka_unit_test(mutated_records_never_do_harm),
		cmocka_unit_test(lists_that_promise_too_much_are_refused),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL) ? 1 : 0;
}
