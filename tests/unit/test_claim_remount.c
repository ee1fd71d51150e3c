/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Files that an operation only reads, when it is taken up again after a boot: their file system may have another number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/operation/work.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_store.h"
#include "tests/support/sim_world.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

/* Whether the image can be claimed as this source. */
static bool can_be_claimed(struct sim *s, struct cv_plan_source source, const struct cv_plan *plan)
{
	struct cv_writing w = { .io = &s->io };
	struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_work work = { .w = &w, .plan = plan, .sources = &source, .source_count = 1, .arena = arena };
	struct cv_err err = { .code = CV_OK };
	int root = sim_root(s), fd = s->io.openat(&s->io, root, "b.raw", O_RDONLY, 0);
	bool ok;

	assert_true(cv_work_claim(&work, false, &err));
	ok = cv_work_claim_reader(&work, fd, 0, &err);
	assert_true(ok || err.code == CV_EREFUSED);
	cv_work_release(&work);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	cv_arena_free(arena);
	return ok;
}

static void a_file_system_that_was_mounted_anew_is_no_reason_to_refuse(void **state)
{
	struct sim *s = sim_repository("remount", "raw b.raw size=4K blocks=0 block=4K\n");
	struct cv_plan_item item = sim_item_of_image(s, "b.raw");
	const struct cv_plan_source is = { "/b.raw", item.device, item.inode, item.size, item.mtime_ns };
	struct cv_plan_source other = is;
	const struct cv_plan plan = { .kind = CV_PLAN_COALESCE };

	(void)state;
	assert_true(can_be_claimed(s, is, &plan));
	s->device++;
	assert_true(can_be_claimed(s, is, NULL));
	/* A plan that was just made knows what it saw. */
	assert_false(can_be_claimed(s, is, &plan));
	other.inode++;
	assert_false(can_be_claimed(s, other, NULL));
	other = is;
	other.size++;
	assert_false(can_be_claimed(s, other, NULL));
	other = is;
	other.mtime_ns++;
	assert_false(can_be_claimed(s, other, NULL));
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_file_system_that_was_mounted_anew_is_no_reason_to_refuse) };

	return cmocka_run_group_tests_name("files that are read, after a boot", tests, NULL, NULL);
}
