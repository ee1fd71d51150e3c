/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A plan as bytes comes back as it was; bytes that are short, long or others are no plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repair/plan/make.h"

static const struct cv_plan_fix fixes[] = {
	{ CV_VHD_FOOTER_MISSING, "sub/a\xff.vhd", "restore-footer", CV_FIX_SAFE, true, "written again", 4096, 512 },
	{ CV_CHN_PARENT_MISSING, "b.vhd", NULL, CV_FIX_REFUSED, false, "nothing is like it", 0, 0 },
};

static struct cv_plan *make(void)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_plan_maker m;

	assert_true(cv_plan_begin(&m, CV_PLAN_REBASE, "/srv/images", &err));
	cv_plan_item(&m, (struct cv_plan_item){ .path = "sub/a\xff.vhd", .device = 7, .inode = 8, .size = 9, .allocated = 10,
						.mtime_ns = -11, .uuid = { 12 }, .parent = "base.vhd", .parent_inode = 13,
						.parent_size = 14, .parent_mtime_ns = 15, .from = { 16 }, .from_index = 17 });
	cv_plan_step(&m, "relink", "sub/a\xff.vhd", 1024, "its parent becomes base.vhd");
	cv_plan_check(&m, "same-content", true, "both read the same");
	cv_plan_check(&m, "sizes", false, "its size is not known");
	cv_plan_searched(&m, "/srv/images");
	cv_plan_searched(&m, "/srv/others");
	m.plan->makes_folder = true;
	m.plan->fixes = fixes;
	m.plan->fix_count = CV_COUNT(fixes);
	m.plan->space = (struct cv_plan_space){ .free_now = 1 << 30, .reserve = 5, .peak = 100, .net = -200 };
	return cv_plan_end(&m, &err);
}

static void assert_same(const struct cv_plan *a, const struct cv_plan *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->repository, b->repository);
	assert_string_equal(a->confirm, b->confirm);
	assert_int_equal(a->refused, b->refused);
	assert_int_equal(a->makes_folder, b->makes_folder);
	assert_memory_equal(a->digest, b->digest, sizeof a->digest);
	assert_memory_equal(&a->space, &b->space, offsetof(struct cv_plan_space, fits) + 1);
	assert_int_equal(a->item_count, b->item_count);
	for (size_t i = 0; i < a->item_count; i++) {
		assert_string_equal(a->items[i].path, b->items[i].path);
		assert_string_equal(a->items[i].parent, b->items[i].parent);
		assert_int_equal(a->items[i].mtime_ns, b->items[i].mtime_ns);
		assert_int_equal(a->items[i].from_index, b->items[i].from_index);
	}
	assert_int_equal(a->step_count, b->step_count);
	for (size_t i = 0; i < a->step_count; i++) {
		assert_string_equal(a->steps[i].kind, b->steps[i].kind);
		assert_string_equal(a->steps[i].target, b->steps[i].target);
		assert_int_equal(a->steps[i].bytes, b->steps[i].bytes);
		assert_string_equal(a->steps[i].why, b->steps[i].why);
	}
	assert_int_equal(a->check_count, b->check_count);
	for (size_t i = 0; i < a->check_count; i++) {
		assert_string_equal(a->checks[i].name, b->checks[i].name);
		assert_int_equal(a->checks[i].ok, b->checks[i].ok);
		assert_string_equal(a->checks[i].text, b->checks[i].text);
	}
	assert_int_equal(a->fix_count, b->fix_count);
	for (size_t i = 0; i < a->fix_count; i++) {
		assert_int_equal(a->fixes[i].problem, b->fixes[i].problem);
		assert_string_equal(a->fixes[i].image, b->fixes[i].image);
		assert_int_equal(!a->fixes[i].kind, !b->fixes[i].kind);
		assert_int_equal(a->fixes[i].verdict, b->fixes[i].verdict);
		assert_int_equal(a->fixes[i].chosen, b->fixes[i].chosen);
		assert_string_equal(a->fixes[i].why, b->fixes[i].why);
		assert_int_equal(a->fixes[i].off, b->fixes[i].off);
		assert_int_equal(a->fixes[i].bytes, b->fixes[i].bytes);
	}
	assert_int_equal(a->searched_count, b->searched_count);
	for (size_t i = 0; i < a->searched_count; i++)
		assert_string_equal(a->searched[i], b->searched[i]);
}

static void a_plan_comes_back_as_it_was(void **state)
{
	CV_AUTO(cv_text_fini) struct cv_text saved = { 0 };
	struct cv_err err = { .code = CV_OK };
	struct cv_plan *plan = make(), *loaded;

	(void)state;
	assert_non_null(plan);
	assert_true(plan->refused);
	assert_true(cv_plan_save(plan, &saved));
	loaded = cv_plan_load((struct cv_bytes){ saved.at, saved.len }, &err);
	assert_non_null(loaded);
	assert_same(plan, loaded);
	cv_plan_free(plan);
	cv_plan_free(loaded);
}

static void a_plan_with_nothing_in_it_does_too(void **state)
{
	CV_AUTO(cv_text_fini) struct cv_text saved = { 0 };
	struct cv_err err = { .code = CV_OK };
	struct cv_plan_maker m;
	struct cv_plan *plan, *loaded;

	(void)state;
	assert_true(cv_plan_begin(&m, CV_PLAN_TRASH, "/srv/images", &err));
	plan = cv_plan_end(&m, &err);
	assert_non_null(plan);
	assert_true(cv_plan_save(plan, &saved));
	loaded = cv_plan_load((struct cv_bytes){ saved.at, saved.len }, &err);
	assert_non_null(loaded);
	assert_same(plan, loaded);
	assert_int_equal(loaded->item_count, 0);
	cv_plan_free(plan);
	cv_plan_free(loaded);
}

static void what_is_cut_short_is_no_plan(void **state)
{
	CV_AUTO(cv_text_fini) struct cv_text saved = { 0 };
	struct cv_plan *plan = make();

	(void)state;
	assert_true(cv_plan_save(plan, &saved));
	for (size_t len = 0; len < saved.len; len++) {
		/* of this size, so that reading behind it is noticed */
		CV_AUTO(cv_auto_free) char *part = malloc(len + 1);
		struct cv_err err = { .code = CV_OK };

		assert_non_null(part);
		memcpy(part, saved.at, len);
		assert_null(cv_plan_load((struct cv_bytes){ part, len }, &err));
		assert_int_equal(err.code, CV_EFORMAT);
	}
	cv_text_add(&saved, "x");
	assert_null(cv_plan_load((struct cv_bytes){ saved.at, saved.len }, &(struct cv_err){ .code = CV_OK }));
	cv_plan_free(plan);
}

static void any_byte_may_be_another(void **state)
{
	CV_AUTO(cv_text_fini) struct cv_text saved = { 0 };
	struct cv_plan *plan = make();

	(void)state;
	assert_true(cv_plan_save(plan, &saved));
	for (size_t at = 0; at < saved.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			struct cv_err err = { .code = CV_OK };
			struct cv_plan *loaded;

			saved.at[at] ^= (char)(1 << bit);
			loaded = cv_plan_load((struct cv_bytes){ saved.at, saved.len }, &err);
			assert_true(loaded || err.code);
			cv_plan_free(loaded);
			saved.at[at] ^= (char)(1 << bit);
		}
	cv_plan_free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_comes_back_as_it_was),
		cmocka_unit_test(a_plan_with_nothing_in_it_does_too),
		cmocka_unit_test(what_is_cut_short_is_no_plan),
		cmocka_unit_test(any_byte_may_be_another),
	};

	return cmocka_run_group_tests_name("plan_save", tests, NULL, NULL) ? 1 : 0;
}
