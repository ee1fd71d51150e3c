/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The smallest cases of what random sequences of operations (test_sequences.c) have found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "repair/sample/maker.h"
#include "tests/support/inline_task.h"
#include "tests/support/run.h"
#include "tests/support/sim_forest.h"
#include "tests/support/sim_real.h"
#include "tests/support/sim_scan.h"
#include "tests/support/simdisk_io.h"
#include <chainview/operation.h>
#include <chainview/space.h>

struct kept {
	struct sim *s;
	struct sim_host host;
	struct sim_house h;
	uint64_t size;
	uint8_t *truth;              /* what is read through the leaf */
};

static void begin(struct kept *k, const char *recipe, const char *leaf)
{
	struct cv_err err = { .code = CV_OK };
	int root, folder;

	*k = (struct kept){ .s = sim_new() };
	sim_scan_forget();
	sim_host_init(&k->host, 5, 1, 1, 4711);
	root = sim_root(k->s);
	assert_int_equal(k->s->io.mkdirat(&k->s->io, root, SIM_REPOSITORY + 1, 0700), 0);
	folder = k->s->io.openat(&k->s->io, root, SIM_REPOSITORY + 1, O_RDONLY | O_DIRECTORY, 0);
	if (!cv_maker_run(&k->s->io, folder, "kept", recipe, &err))
		fail_msg("%s", err.text);
	k->s->io.close(&k->s->io, folder);
	k->s->io.close(&k->s->io, root);
	sim_settle(k->s);
	sim_real_is(k->s, &k->host);
	sim_house_open(&k->h, k->s, leaf, false);
	k->size = k->h.graph->images[sim_house_image(&k->h, leaf)].virtual_size;
	k->truth = malloc((size_t)k->size);
	assert_non_null(k->truth);
	if (!forest_read(&k->h, sim_house_image(&k->h, leaf), k->truth, k->size, &err))
		fail_msg("%s", err.text);
}

/* The plan is carried out, and the leaf reads what it did. */
static void keeps(struct kept *k, struct cv_plan *plan, const char *leaf, const struct cv_err *trouble)
{
	struct cv_operation_result result;
	struct cv_err err = { .code = CV_OK };
	struct cv_writing *w;
	uint8_t *bytes = malloc((size_t)k->size);

	if (!plan || plan->refused)
		fail_msg("%s", plan ? "it is refused" : trouble->text);
	sim_real_close_all();
	w = cv_writing_begin(SIM_REPOSITORY, &err);
	if (!w || !cv_operation_run(w, plan, "test", NULL, &result, &err))
		fail_msg("%s", err.text);
	cv_writing_end(w);
	cv_plan_free(plan);
	sim_house_close(&k->h);
	sim_house_open(&k->h, k->s, leaf, false);
	assert_non_null(bytes);
	if (!forest_read(&k->h, sim_house_image(&k->h, leaf), bytes, k->size, &err))
		fail_msg("%s", err.text);
	assert_memory_equal(bytes, k->truth, k->size);
	for (size_t i = 0; i < k->h.graph->finding_count; i++)
		assert_int_not_equal(k->h.graph->findings[i].severity, CV_ERROR);
	free(bytes);
	free(k->truth);
	sim_house_close(&k->h);
	sim_free(k->s);
}

/* onto NULL: it is to stand alone. */
static void keeps_rebased(const char *recipe, const char *image, const char *onto)
{
	struct cv_err err = { .code = CV_OK };
	struct kept k;
	struct cv_rebase_options o;

	begin(&k, recipe, image);
	o = (struct cv_rebase_options){ .image = sim_house_image(&k.h, image), .onto = onto ? sim_house_image(&k.h, onto) : CV_NO_IMAGE };
	keeps(&k, cv_plan_rebase(k.h.graph, &o, &err), image, &err);
}

static struct cv_plan *plan_merge(const struct kept *k, const char *image, bool leaf, struct cv_err *err)
{
	struct cv_survey *survey = cv_survey_new(k->h.graph, NULL, err);
	struct cv_space *space;
	struct cv_coalesce_options o;
	struct cv_plan *plan;

	while (survey && cv_survey_step(survey, -1))
		;
	space = survey ? cv_survey_take(survey, err) : NULL;
	assert_non_null(space);
	o = (struct cv_coalesce_options){ .image = sim_house_image(&k->h, image), .space = space, .leaf = leaf };
	plan = cv_plan_coalesce(k->h.graph, &o, err);
	cv_space_free(space);
	return plan;
}

static void keeps_merged(const char *recipe, const char *leaf)
{
	struct cv_err err = { .code = CV_OK };
	struct kept k;

	begin(&k, recipe, leaf);
	keeps(&k, plan_merge(&k, leaf, true, &err), leaf, &err);
}

static void is_refused(const char *recipe, const char *image, bool leaf, const char *why)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_plan *plan;
	bool said = false;
	struct kept k;

	begin(&k, recipe, leaf ? image : "leaf.qcow2");
	plan = plan_merge(&k, image, leaf, &err);
	assert_true(plan && plan->refused);
	for (size_t i = 0; i < plan->check_count; i++)
		said |= !plan->checks[i].ok && strstr(plan->checks[i].text, why);
	assert_true(said);
	cv_plan_free(plan);
	free(k.truth);
	sim_house_close(&k.h);
	sim_free(k.s);
}

/* What the image lacks of a block that was filled up already was taken for nothing when it was read back. */
static void parts_of_several_blocks_are_filled_up(void **state)
{
	(void)state;
	keeps_rebased("raw b.raw size=60K block=4K pattern=1536 blocks=2,4,6-8,10-13\n"
		      "vhd i.vhd creator=win block=8K size=64K parent=b.raw pattern=512 sectors=6 blocks=2,3,7\n", "i.vhd", NULL);
	keeps_rebased("vhd b.vhd dynamic creator=win block=8K size=24K pattern=8K sectors=13 blocks=0-2\n"
		      "vhd p.vhd creator=win block=8K size=24K parent=b.vhd pattern=8K blocks=0-2\n"
		      "vhd i.vhd creator=win block=8K size=24K parent=p.vhd pattern=1K sectors=9 blocks=0-2\n", "i.vhd", "b.vhd");
}

/* The last block was read back before it was in the table. */
static void the_last_block_of_a_vhdx_is_read_back_when_it_is_there(void **state)
{
	(void)state;
	keeps_rebased("vhdx b.vhdx block=1M size=2M pattern=1536 blocks=0\n"
		      "vhdx p.vhdx block=1M size=2M parent=b.vhdx pattern=1536 sectors=17 partial=0,1\n"
		      "vhdx i.vhdx block=1M size=2M parent=p.vhdx pattern=1K blocks=1\n", "i.vhdx", "b.vhdx");
}

/* A piece that ends before the next block of the file system begins has nothing to be shared: more than it was written. */
static void clusters_smaller_than_what_is_shared_are_merged(void **state)
{
	char recipe[512];

	(void)state;
	for (int last = 0; last < 8; last++) {
		snprintf(recipe, sizeof recipe, "raw b.raw size=32K block=4K blocks=0-7\n"
			 "qcow2 p.qcow2 cluster=512 size=32K parent=b.raw parent-format=raw blocks=0-%d\n"
			 "qcow2 i.qcow2 cluster=512 size=32K parent=p.qcow2 parent-format=qcow2 blocks=12-20,28-47\n", last);
		keeps_merged(recipe, "i.qcow2");
	}
}

/* Whoever reads behind the end of an image that is smaller than its parent reads zeros, and would read what the parent has. */
static void what_a_smaller_image_hides_stays_hidden(void **state)
{
	(void)state;
	is_refused("qcow2 p.qcow2 cluster=4K size=64K blocks=0-15\n"
		   "qcow2 i.qcow2 cluster=4K size=32K parent=p.qcow2 parent-format=qcow2 blocks=1\n"
		   "qcow2 leaf.qcow2 cluster=4K size=64K parent=i.qcow2 parent-format=qcow2 blocks=2\n", "i.qcow2", false,
		   "leaf.qcow2 stands on it and is larger");
	is_refused("qcow2 p.qcow2 cluster=4K size=64K blocks=0-15\n"
		   "qcow2 i.qcow2 cluster=4K size=32K parent=p.qcow2 parent-format=qcow2 blocks=1\n", "i.qcow2", true,
		   "smaller than its parent p.qcow2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_several_blocks_are_filled_up),
		cmocka_unit_test(the_last_block_of_a_vhdx_is_read_back_when_it_is_there),
		cmocka_unit_test(clusters_smaller_than_what_is_shared_are_merged),
		cmocka_unit_test(what_a_smaller_image_hides_stays_hidden),
	};

	return cmocka_run_group_tests_name("kept sequences of operations", tests, NULL, NULL);
}
