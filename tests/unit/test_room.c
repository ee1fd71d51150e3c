/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which quota counts, of what a kernel says about users, groups and projects. That kernels say so is in tests/cli. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "inspect/space/room.h"

#define MIB ((uint64_t)1 << 20)

/* By type: of the one id that the kernel knows there. */
static struct if_dqblk blocks[3];
static uint32_t known[3];
static bool there[3], in_force[3];

static bool enforced(const struct cv_quota_asker *a, int type)
{
	(void)a;
	return in_force[type];
}

static bool get(const struct cv_quota_asker *a, int type, uint32_t id, struct if_dqblk *block)
{
	(void)a;
	if (!there[type] || known[type] != id)
		return false;
	*block = blocks[type];
	return true;
}

/* A limit in blocks of 1024 bytes, as the kernel counts. */
static void put(int type, uint32_t id, uint64_t hard, uint64_t used)
{
	there[type] = in_force[type] = true;
	known[type] = id;
	blocks[type] = (struct if_dqblk){ .dqb_bhardlimit = hard / 1024, .dqb_curspace = used };
}

static int setup(void **state)
{
	(void)state;
	memset(blocks, 0, sizeof blocks);
	memset(there, 0, sizeof there);
	memset(in_force, 0, sizeof in_force);
	return 0;
}

static bool find(struct cv_quota *q)
{
	struct cv_quota_asker a = { enforced, get, -1, NULL };
	struct cv_quota_payer payer = { 1000, 100, 7 };

	*q = (struct cv_quota){ .kind = NULL };
	return cv_quota_find(&a, &payer, 1000000, q);
}

static void the_tightest_one_counts(void **state)
{
	struct cv_quota q;

	(void)state;
	assert_false(find(&q));
	put(USRQUOTA, 1000, 100 * MIB, 40 * MIB);
	assert_true(find(&q));
	assert_string_equal(q.kind, "user");
	assert_int_equal(q.id, 1000);
	assert_int_equal(cv_quota_left(&q), 60 * MIB);
	put(GRPQUOTA, 100, 50 * MIB, 40 * MIB);
	assert_true(find(&q));
	assert_string_equal(q.kind, "group");
	assert_int_equal(cv_quota_left(&q), 10 * MIB);
	put(PRJQUOTA, 7, 500 * MIB, 495 * MIB);
	assert_true(find(&q));
	assert_string_equal(q.kind, "project");
	assert_int_equal(cv_quota_left(&q), 5 * MIB);
	put(USRQUOTA, 1000, 1 * MIB, 40 * MIB);
	assert_true(find(&q));
	assert_string_equal(q.kind, "user");
	assert_int_equal(cv_quota_left(&q), 0);
}

static void what_is_only_counted_is_no_limit(void **state)
{
	struct cv_quota q;

	(void)state;
	put(USRQUOTA, 1000, 1 * MIB, 0);
	in_force[USRQUOTA] = false;
	assert_false(find(&q));
	put(GRPQUOTA, 100, 0, 40 * MIB);
	assert_false(find(&q));
	put(PRJQUOTA, 8, 1 * MIB, 0);
	assert_false(find(&q));
}

static void project_0_is_none(void **state)
{
	struct cv_quota_asker a = { enforced, get, -1, NULL };
	struct cv_quota_payer payer = { 1000, 100, 0 };
	struct cv_quota q;

	(void)state;
	put(PRJQUOTA, 0, 1 * MIB, 0);
	assert_false(cv_quota_find(&a, &payer, 0, &q));
}

static void a_soft_limit_is_hard_when_its_time_is_over(void **state)
{
	struct cv_quota q;

	(void)state;
	put(USRQUOTA, 1000, 100 * MIB, 40 * MIB);
	blocks[USRQUOTA].dqb_bsoftlimit = 30 * 1024;
	blocks[USRQUOTA].dqb_btime = 1000001;
	assert_true(find(&q));
	assert_int_equal(cv_quota_left(&q), 60 * MIB);
	blocks[USRQUOTA].dqb_btime = 1000000;
	assert_true(find(&q));
	assert_int_equal(cv_quota_left(&q), 0);
	/* also where there is no other; not below it */
	blocks[USRQUOTA].dqb_bhardlimit = 0;
	assert_true(find(&q));
	assert_int_equal(q.limit, 30 * MIB);
	blocks[USRQUOTA].dqb_curspace = 20 * MIB;
	assert_false(find(&q));
}

static void a_limit_beyond_all_numbers_is_one(void **state)
{
	struct cv_quota q;

	(void)state;
	put(USRQUOTA, 1000, 0, 5);
	blocks[USRQUOTA].dqb_bhardlimit = UINT64_MAX / 2;
	assert_true(find(&q));
	assert_int_equal(q.limit, UINT64_MAX);
	assert_int_equal(cv_quota_left(&q), UINT64_MAX - 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_tightest_one_counts, setup),
		cmocka_unit_test_setup(what_is_only_counted_is_no_limit, setup),
		cmocka_unit_test_setup(project_0_is_none, setup),
		cmocka_unit_test_setup(a_soft_limit_is_hard_when_its_time_is_over, setup),
		cmocka_unit_test_setup(a_limit_beyond_all_numbers_is_one, setup),
	};

	return cmocka_run_group_tests_name("room", tests, NULL, NULL) ? 1 : 0;
}
