/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* All merges of a repository: which of them, in which order, what is not taken and why. The room there is is set by what is
 * kept free. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <chainview/merges.h>
#include "tests/support/run.h"
#include "tests/support/space_world.h"

struct trees {
	char *folder, refs[300];
	struct world w;
	uint64_t free;
};

/* p <- m1 <- m2 <- c, of QCOW2; and, on a VHD of blocks of 2 MiB, v <- v1 <- v2 <- v3 <- x. */
static const char chains[] =
	"set -e; qemu-img create -q -f qcow2 p 32M; qemu-img create -q -f qcow2 -b p -F qcow2 m1; qemu-img create -q -f qcow2 -b m1 -F qcow2 m2;"
	"qemu-img create -q -f qcow2 -b m2 -F qcow2 c; qemu-io -c 'write -q -P 1 1M 2M' m1; qemu-io -c 'write -q -P 2 8M 4M' m2";
static const char on_blocks[] =
	"set -e; qemu-img create -q -f vpc -o force_size v 16M; qemu-io -f vpc -c 'write -q -P 1 0 4M' v; below=v format=vpc;"
	"for i in 1 2 3; do qemu-img create -q -f qcow2 -b $below -F $format v$i 16M;"
	"qemu-io -c \"write -q -P $((10 + i)) ${i}M 1M\" -c \"write -q -P $((20 + i)) $((6 + i))M 64k\" v$i; below=v$i format=qcow2; done;"
	"qemu-img create -q -f qcow2 -b v3 -F qcow2 c";

static void make(struct trees *t, const char *script)
{
	FILE *f;

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not there\n");
		skip();
	}
	*t = (struct trees){ .folder = cv_test_folder() };
	assert_int_equal(cv_test_do(t->folder, NULL, "bash", "-c", script), 0);
	snprintf(t->refs, sizeof t->refs, "list:%s/list", t->folder);
	f = fopen(t->refs + 5, "w");
	assert_non_null(f);
	fprintf(f, "%s/c\n", t->folder);
	fclose(f);
}

static void open_trees(struct trees *t, const char *refs)
{
	world_open(&t->w, t->folder, refs, NULL);
	t->free = cv_scan_repository(t->w.scan, 0)->free_bytes;
}

static void end(struct trees *t)
{
	world_close(&t->w);
	cv_test_folder_remove(t->folder);
}

/* With so much room. The space plan is made for it, too. */
static struct cv_merges *plan(struct trees *t, uint64_t room, struct cv_merges_options o)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_merges *m;

	o.reserve = t->free - room;
	world_survey(&t->w, &(struct cv_space_options){ .reserve = o.reserve });
	m = cv_merges_plan(t->w.graph, t->w.space, &o, &err);
	assert_non_null(m);
	return m;
}

static void each_goes_straight_into_the_base_and_the_lowest_first(void **state)
{
	struct cv_merges_options o = { .purge = false };
	struct cv_merges *m, *purged;
	uint64_t low;
	struct trees t;

	(void)state;
	make(&t, chains);
	open_trees(&t, t.refs);
	m = plan(&t, t.free, o);
	assert_int_equal(m->count, 2);
	assert_int_equal(m->left_count, 0);
	assert_string_equal(m->steps[0].name, "m1");
	assert_string_equal(m->steps[0].into_name, "p");
	assert_int_equal(m->steps[0].after, SIZE_MAX);
	assert_non_null(m->steps[0].plan);
	assert_string_equal(m->steps[1].name, "m2");
	assert_string_equal(m->steps[1].into_name, "p");
	assert_int_equal(m->steps[1].after, 0);
	assert_null(m->steps[1].plan);
	assert_true(m->way == CV_MERGES_STRAIGHT && m->space.fits);
	assert_int_equal(m->steps[1].free_after, (int64_t)t.free + m->space.net);
	assert_int_equal(m->space.net, m->steps[0].net + m->steps[1].net);
	low = m->steps[0].free_after - m->steps[1].peak;
	assert_true(low < t.free - m->steps[0].peak);
	assert_int_equal(m->space.lowest_free, low);
	/* what is merged is not free as long as it lies in the trash */
	o.purge = true;
	purged = plan(&t, t.free, o);
	assert_int_equal(purged->space.net - m->space.net, m->steps[0].bytes + m->steps[1].bytes);
	assert_true(m->space.lowest_free < purged->space.lowest_free);
	cv_merges_free(purged);
	cv_merges_free(m);
	end(&t);
}

static void one_that_does_not_fit_leaves_those_that_come_after_it(void **state)
{
	struct cv_merges_options o = { .purge = false };
	struct trees t;
	struct cv_merges *m;
	uint64_t first, first_takes;

	(void)state;
	make(&t, chains);
	open_trees(&t, t.refs);
	m = plan(&t, t.free, o);
	first = m->steps[0].peak;
	first_takes = (uint64_t)-m->steps[0].net;
	cv_merges_free(m);
	m = plan(&t, first - 1, o);
	assert_true(!m->count && m->left_count == 2 && m->blocked_count == 2 && !m->space.fits);
	assert_string_equal(m->left[0].name, "m1");
	assert_non_null(strstr(m->left[0].reason, "does not fit: 1 bytes"));
	assert_non_null(strstr(m->left[1].reason, "it comes after m1"));
	cv_merges_free(m);
	m = plan(&t, first, o);
	assert_true(m->count == 1 && m->left_count == 1 && first_takes > 0);
	assert_string_equal(m->left[0].name, "m2");
	cv_merges_free(m);
	/* what an earlier run left in the trash makes room */
	o = (struct cv_merges_options){ .purge = true, .purged_first = 1, .purged_first_bytes = UINT64_C(1) << 30 };
	m = plan(&t, 0, o);
	assert_true(m->count == 2 && !m->left_count && m->space.fits);
	cv_merges_free(m);
	end(&t);
}

static void what_has_no_mark_is_left_unless_a_source_knows_all(void **state)
{
	struct trees t;
	struct cv_merges *m;

	(void)state;
	make(&t, chains);
	open_trees(&t, "none");
	m = plan(&t, t.free, (struct cv_merges_options){ .purge = false });
	assert_true(!m->count && m->left_count == 2 && !m->blocked_count);
	assert_non_null(strstr(m->left[0].reason, "no hidden mark"));
	cv_merges_free(m);
	end(&t);
}

static void single_merges_are_for_want_of_space(void **state)
{
	struct cv_merges_options o = { .purge = false };
	struct trees t;
	struct cv_merges *m;
	uint64_t straight, single;
	char name[8];

	(void)state;
	make(&t, on_blocks);
	open_trees(&t, t.refs);
	m = plan(&t, t.free, o);
	assert_int_equal(m->count, 3);
	for (size_t i = 0; i < m->count; i++)
		assert_string_equal(m->steps[i].into_name, "v");
	straight = m->steps[0].peak;
	cv_merges_free(m);
	o.way = CV_MERGES_SINGLE;
	m = plan(&t, t.free, o);
	assert_string_not_equal(m->steps[0].into_name, "v");
	snprintf(name, sizeof name, "%s", m->steps[0].name);
	single = m->steps[0].peak;
	assert_true(single < straight);
	cv_merges_free(m);
	o.way = CV_MERGES_BEST;
	m = plan(&t, single, o);
	assert_true(m->way == CV_MERGES_SINGLE && m->count == 1);
	assert_string_equal(m->steps[0].name, name);
	cv_merges_free(m);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_goes_straight_into_the_base_and_the_lowest_first),
		cmocka_unit_test(one_that_does_not_fit_leaves_those_that_come_after_it),
		cmocka_unit_test(what_has_no_mark_is_left_unless_a_source_knows_all),
		cmocka_unit_test(single_merges_are_for_want_of_space),
	};

	return cmocka_run_group_tests_name("merges", tests, NULL, NULL) ? 1 : 0;
}
