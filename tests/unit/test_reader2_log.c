/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A VHDX with a pending log: our own reader shows it replayed, libvhdi does not, and so it is not asked. */
#include "tests/unit/test_reader2.h"
#include "tests/unit/test_block_vhdx_log.h"
#include "tests/support/run.h"

static void store_image(void)
{
	char *path = path_in(folder, "0");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, image, FILE_LEN) == FILE_LEN);
	close(fd);
	free(path);
}

/* The log gives block 1 its place: the bytes are there, the entry of the BAT is not yet. */
static void d7_an_image_with_a_pending_log_is_kept_from_the_library(void **state)
{
	const struct entry e = { .sequence = 1, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	struct files f = { folder, 1, { { "0", CV_FORMAT_VHDX, NULL } } };
	static struct change change;
	struct unguarded u;
	struct answer a;

	(void)state;
	start_over();
	change = (struct change){ .off = BAT_AT };
	memcpy(change.page, sound + BAT_AT, PAGE);
	put_le(change.page + 8, 8, (FIRST_BLOCK + MIB) | FULL);
	put_log(0, &e, &change, 1);
	store_image();
	assert_int_equal(assert_agrees(&f, &a, "pending log"), 0);
	assert_true(a.checked.gated[CV_GATE_D7] == DISK);
	open_unguarded(&u, &f, false);
	assert_int_equal(u.gate.opened, 0);
	assert_true(library_is_wrong(&u, (struct cv_range){ MIB, MIB }, MIB));
	assert_false(library_is_wrong(&u, (struct cv_range){ 0, MIB }, MIB));
	close_unguarded(&u);
	a = run_task(&f, cv_digest_task);
	assert_int_equal(a.state, CV_TASK_DONE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_image, drop_image)
	const struct CMUnitTest tests[] = {
		T(d7_an_image_with_a_pending_log_is_kept_from_the_library),
	};

	return cmocka_run_group_tests_name("reader2_log", tests, NULL, NULL) ? 1 : 0;
}
