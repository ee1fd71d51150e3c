/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The dump's two ends: what is heard from a reading process that lies, and the one decoder of fields. The document
 * itself is compared with the files in tests/cli/test_dump.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include "inspect/dump/dump.h"

struct ear {
	struct cv_dump d;
	struct cv_dump_source_of source;
	struct cv_dump_image_of image;
};

static int set_up(void **state)
{
	struct ear *e = calloc(1, sizeof *e);

	e->d = (struct cv_dump){ .arena = cv_arena_new(SIZE_MAX),
				 .sources = &e->source,
				 .source_count = 1,
				 .images = &e->image,
				 .count = 1,
				 .options = { .max_bytes = 4096 } };
	e->image.data_source = SIZE_MAX;
	*state = e;
	return 0;
}

static int tear_down(void **state)
{
	struct ear *e = *state;

	free(e->image.items.at);
	cv_arena_free(e->d.arena);
	free(e);
	return 0;
}

static bool hears(struct ear *e, uint32_t kind, const void *bytes, size_t len)
{
	struct cv_task_record r = { kind, bytes, len };
	struct cv_err err = { .code = CV_OK };
	bool good = cv_dump_hear(&e->d, &e->image, &r, &err);

	assert_true(good == (err.code == CV_OK));
	return good;
}

struct message {
	struct cv_dump_structure s;
	uint8_t shown[64];
};

static struct message footer(void)
{
	return (struct message){ .s = { .offset = 0,
					.length = 512,
					.present = 512,
					.shown = 64,
					.zero_tail = 448,
					.layout = CV_LAYOUT_VHD_FOOTER },
				 .shown = "conectix" };
}

static void a_structure_that_cannot_be_is_not_kept(void **state)
{
	struct message good = footer(), m;

	assert_true(hears(*state, CV_DUMP_STRUCTURE, &good, sizeof good));
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &good, sizeof good - 1));
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &good, 8));
	m = good, m.s.layout = CV_LAYOUT_COUNT;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.copy = CV_COPY_COUNT;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.state = UINT32_MAX;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.sum = CV_SUM_COUNT;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.present = 63, m.s.zero_tail = 0;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.present = 513;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.zero_tail = 449;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
	m = good, m.s.shown = UINT32_MAX;
	assert_false(hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m));
}

static void records_of_no_kind_or_length_are_refused(void **state)
{
	static const uint8_t zeros[256];

	for (uint32_t kind = 0; kind < 20; kind++)
		assert_false(hears(*state, kind, zeros, 3));
	assert_false(hears(*state, 0, zeros, sizeof zeros));
	assert_false(hears(*state, UINT32_MAX, zeros, sizeof zeros));
	assert_int_equal(((struct ear *)*state)->image.items.len, 0);
}

static void names_for_numbers_must_exist(void **state)
{
	struct cv_dump_count c = { .number = CV_COUNT_NUMBERS };
	struct cv_dump_summary s = { .group = CV_GROUP_COUNT };
	struct cv_dump_gap g = { .first_len = CV_DUMP_FIRST_BYTES + 1 };
	struct cv_dump_digest d = { .kind = CV_DIGEST_COUNT };
	struct cv_dump_digest of_nothing = { .data_file = 1 };

	assert_false(hears(*state, CV_DUMP_COUNT, &c, sizeof c));
	assert_false(hears(*state, CV_DUMP_SUMMARY, &s, sizeof s));
	assert_false(hears(*state, CV_DUMP_GAP, &g, sizeof g));
	assert_false(hears(*state, CV_DUMP_DIGEST, &d, sizeof d));
	assert_false(hears(*state, CV_DUMP_DIGEST, &of_nothing, sizeof of_nothing));
}

static void a_layout_that_nobody_asked_for_is_refused(void **state)
{
	struct cv_dump_run r = { .length = 512 };

	assert_false(hears(*state, CV_DUMP_RUNS, &r, sizeof r));
}

static void more_than_was_asked_for_ends_it(void **state)
{
	struct message m = footer();
	size_t n = 0;

	while (n < 1000000 && hears(*state, CV_DUMP_STRUCTURE, &m, sizeof m))
		n++;
	assert_in_range(n, 1000, 100000);
}

static void texts_become_one_escaped_line(void **state)
{
	struct ear *e = *state;
	struct {
		struct cv_dump_trouble t;
		char text[16];
	} m = { .text = "a\033[31m\nb" };

	assert_true(hears(e, CV_DUMP_TROUBLE, &m, sizeof m.t + 8));
	assert_string_equal((const char *)e->image.items.at[0].bytes + sizeof m.t, "a\\x1b[31m\\x0ab");
}

/* --- fields ------------------------------------------------------------------------------------------- */

struct seen {
	const char *wanted;
	uint32_t index;
	struct cv_dump_field field;
	bool found;
};

static bool look(void *ctx, const struct cv_dump_field *f)
{
	struct seen *s = ctx;

	if (!strcmp(f->row->name, s->wanted) && f->list_index == s->index) {
		s->field = *f;
		s->found = true;
	}
	return true;
}

static struct seen find(const struct cv_dump_structure *s, const uint8_t *shown, const char *name, uint32_t index)
{
	struct seen seen = { .wanted = name, .index = index };

	assert_true(cv_dump_fields(s, shown, look, &seen));
	return seen;
}

static void numbers_are_read_in_the_order_of_their_format(void **state)
{
	uint8_t bytes[512] = { [8] = 1, [11] = 2 };
	struct cv_dump_structure big = { .length = 512, .present = 512, .shown = 512, .layout = CV_LAYOUT_VHD_FOOTER };
	struct cv_dump_structure little = {
		.length = 4096, .present = 4096, .shown = 512, .zero_tail = 3584, .layout = CV_LAYOUT_VHDX_HEADER
	};

	(void)state;
	assert_int_equal(find(&big, bytes, "features", 0).field.number, 0x01000002);
	assert_int_equal(find(&little, bytes, "sequence_number", 0).field.number, 0x02000001);
}

static void zeros_that_are_not_shown_are_fields_too(void **state)
{
	uint8_t bytes[9] = "head";
	struct cv_dump_structure s = {
		.length = 4096, .present = 4096, .shown = 9, .zero_tail = 4087, .layout = CV_LAYOUT_VHDX_HEADER
	};
	struct seen half, whole;

	(void)state;
	bytes[8] = 7;
	half = find(&s, bytes, "sequence_number", 0);
	whole = find(&s, bytes, "log_offset", 0);
	assert_true(half.found && half.field.number == 7);
	assert_true(whole.found && whole.field.number == 0);
	s.zero_tail = 0;
	assert_false(find(&s, bytes, "log_offset", 0).found);
}

static void a_list_is_never_longer_than_its_bytes(void **state)
{
	uint8_t bytes[80] = "regi";
	struct cv_dump_structure s = {
		.length = 80, .present = 80, .shown = 80, .layout = CV_LAYOUT_VHDX_REGION_TABLE
	};

	(void)state;
	memset(bytes + 8, 0xff, 4);
	assert_true(find(&s, bytes, "length", 1).found);
	assert_false(find(&s, bytes, "length", 2).found);
}

static void every_layout_lies_within_its_structure(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < CV_LAYOUT_COUNT; id++) {
		const struct cv_layout *l = cv_layout_of(id);
		uint64_t end = 0;

		assert_non_null(l);
		assert_non_null(l->name);
		for (size_t i = 0; i < l->count; i++) {
			/* Without overlaps, in order. */
			assert_true(l->fields[i].at >= end);
			end = l->fields[i].at + l->fields[i].len;
		}
		for (size_t i = 0; i < l->each.count; i++)
			assert_true(l->each.fields[i].at + l->each.fields[i].len <= l->each.size);
	}
	assert_null(cv_layout_of(CV_LAYOUT_COUNT));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_structure_that_cannot_be_is_not_kept),
		T(records_of_no_kind_or_length_are_refused),
		T(names_for_numbers_must_exist),
		T(a_layout_that_nobody_asked_for_is_refused),
		T(more_than_was_asked_for_ends_it),
		T(texts_become_one_escaped_line),
		cmocka_unit_test(numbers_are_read_in_the_order_of_their_format),
		cmocka_unit_test(zeros_that_are_not_shown_are_fields_too),
		cmocka_unit_test(a_list_is_never_longer_than_its_bytes),
		cmocka_unit_test(every_layout_lies_within_its_structure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
