/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thresholds: when a file system is too full, which files belong to nothing, which leaks are told; findings of images
 * in use; findings that are given to a graph. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"

#define GIB ((uint64_t)1 << 30)

static struct cv_graph *graph_of(const struct cv_scan *scan, const struct cv_graph_policy *policy)
{
	struct cv_err err = { 0 };
	struct cv_graph *g = cv_graph_build(scan, NULL, NULL, policy, &err);

	assert_non_null(g);
	return g;
}

static const struct cv_finding *find(const struct cv_graph *g, enum cv_problem_id id)
{
	for (size_t i = 0; i < g->finding_count; i++)
		if (g->findings[i].id == id)
			return &g->findings[i];
	return NULL;
}

static void must_say(const struct cv_finding *f, const char *wanted)
{
	struct cv_text title = { 0 };

	assert_int_equal(f != NULL, wanted != NULL);
	if (!f)
		return;
	cv_finding_title(&title, f);
	assert_string_equal(cv_text_str(&title), wanted);
	cv_text_fini(&title);
}

static void a_file_system_is_too_full_by_its_reserve_its_merges_or_its_growth(void **state)
{
	/* images of 1 MiB each; mid.vhd can be merged; leaf.vhd may grow by 19 MiB */
	static const char files[] = "vhd base.vhd id=1 hidden size=20M\nvhd mid.vhd id=2 on=1 hidden size=20M\n"
				    "vhd leaf.vhd id=3 on=2 visible size=20M\n";
	static const struct {
		uint64_t size, free;
		struct cv_graph_policy policy;
		const char *title, *besides;
	} cases[] = {
		{ 100 * GIB, 2 * GIB, { 0 }, NULL, NULL },
		{ 100 * GIB, GIB / 2, { 0 }, "512M free: less than the reserve of 1G", NULL },
		{ 100000 * GIB, 17 * GIB, { 0 }, NULL, NULL },
		{ 100000 * GIB, 15 * GIB, { 0 }, "15G free: less than the reserve of 16G", NULL },
		{ 100 * GIB, 2 * GIB, { .reserve_set = true, .space_reserve = 3 * GIB },
		  "2G free: less than the reserve of 3G", NULL },
		{ 100 * GIB, 1 << 20, { .reserve_set = true }, NULL, NULL },
		{ 100 * GIB, 1000000, { .reserve_set = true },
		  "976K free: even the smallest merge, of mid.vhd, may take up to 1M", NULL },
		{ 100 * GIB, 0, { 0 }, "0 free: less than the reserve of 1G",
		  "even the smallest merge, of mid.vhd, may take up to 1M" },
		{ 100 * GIB, 10 << 20, { .reserve_set = true, .growth_percent = 100 },
		  "10M free: less than 100% of the 19M by which thin images may still grow", NULL },
		{ 100 * GIB, 10 << 20, { .reserve_set = true, .growth_percent = 50 }, NULL, NULL },
		{ 0, 0, { 0 }, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_scan *scan = fake_images(files);
		struct cv_repository *r = (struct cv_repository *)(uintptr_t)cv_scan_repository(scan, 0);
		const struct cv_finding *f;
		struct cv_graph *g;

		r->size_bytes = cases[i].size;
		r->free_bytes = cases[i].free;
		g = graph_of(scan, &cases[i].policy);
		f = find(g, CV_SPC_EXPECTED_SPACE_EXHAUSTION);
		must_say(f, cases[i].title);
		if (cases[i].besides)
			assert_string_equal(f->arg[2].text.at, cases[i].besides);
		cv_graph_free(g);
		cv_scan_free(scan);
	}
}

static void files_that_belong_to_nothing_are_told_from_a_size_on(void **state)
{
	struct cv_scan *scan = fake_images("qcow2 a.qcow2\nfile x.iso\nfile sub/y.iso\nfile coalesce_"
					   "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11\n");
	struct cv_repository *r = (struct cv_repository *)(uintptr_t)cv_scan_repository(scan, 0);
	struct cv_graph *g;

	(void)state;
	r->size_bytes = r->free_bytes = 100 * GIB;
	g = graph_of(scan, NULL);
	must_say(find(g, CV_SPC_UNCLAIMED_SPACE), NULL);
	cv_graph_free(g);
	((struct cv_file *)(uintptr_t)cv_scan_file(scan, 2))->allocated = 64 << 20;
	g = graph_of(scan, NULL);
	must_say(find(g, CV_SPC_UNCLAIMED_SPACE), "65M in 2 files that belong to no image, the largest of them sub/y.iso");
	cv_graph_free(g);
	g = graph_of(scan, &(struct cv_graph_policy){ .unclaimed_bytes = GIB });
	must_say(find(g, CV_SPC_UNCLAIMED_SPACE), NULL);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void findings_of_an_image_in_use_are_advisory_and_have_no_repair(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1 hidden live\nvhd b.vhd id=2 on=9 name=gone.vhd\n");
	struct cv_graph *g = graph_of(scan, NULL);
	bool safe;

	(void)state;
	cv_graph_free(g);
	cv_facts_find(fake_facts((struct cv_file *)(uintptr_t)cv_scan_file(scan, 0)), cv_finding_of(CV_VHD_FOOTER_KILLED));
	g = graph_of(scan, NULL);
	assert_true(find(g, CV_VHD_FOOTER_KILLED)->advisory);
	assert_null(cv_finding_fix(find(g, CV_VHD_FOOTER_KILLED), &safe));
	assert_false(find(g, CV_CHN_PARENT_MISSING)->advisory);
	assert_string_equal(cv_finding_fix(find(g, CV_CHN_PARENT_MISSING), &safe), "relink");
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void leaks_below_a_share_are_not_told(void **state)
{
	struct cv_scan *scan = fake_images("qcow2 a.qcow2\n");
	struct cv_finding leak = cv_finding_of(CV_SPC_LEAKED_CLUSTERS);
	struct cv_graph *g;

	(void)state;
	leak.bytes = 65536;                      /* of 1 MiB: 6 percent */
	leak.arg[0] = cv_arg_number(leak.bytes);
	cv_facts_find(fake_facts((struct cv_file *)(uintptr_t)cv_scan_file(scan, 0)), leak);
	g = graph_of(scan, NULL);
	assert_non_null(find(g, CV_SPC_LEAKED_CLUSTERS));
	cv_graph_free(g);
	g = graph_of(scan, &(struct cv_graph_policy){ .leak_percent = 5 });
	assert_non_null(find(g, CV_SPC_LEAKED_CLUSTERS));
	cv_graph_free(g);
	g = graph_of(scan, &(struct cv_graph_policy){ .leak_percent = 10 });
	assert_null(find(g, CV_SPC_LEAKED_CLUSTERS));
	cv_graph_free(g);
	cv_scan_free(scan);
}

/* An error that was found in the images forbids a merge like one that was found before, and what may be the true
 * parent is not deletable. */
static void findings_that_are_given_count_for_verdicts(void **state)
{
	static struct cv_claim_source source[] = { { .name = "list:x", .read = true, .complete = true } };
	struct cv_references refs = { .sources = source, .source_count = 1, .complete = true };
	struct cv_scan *scan = fake_images("qcow2 base\nqcow2 mid back=base fmt=qcow2\nqcow2 leaf back=mid fmt=qcow2\n"
					   "qcow2 other\n");
	struct cv_finding f = cv_finding_of(CV_CHN_PARENT_CONTENT_CHANGED);
	struct cv_graph *g = fake_graph(scan, &refs), *again;
	char text[] = "some samples differ";
	struct cv_err err = { 0 };
	uint32_t mid = fake_at(g, "mid"), other = fake_at(g, "other");

	(void)state;
	assert_true(g->images[mid].coalesce.possible && g->images[other].deletable.possible);
	f.image = mid;
	f.arg[0] = cv_arg_text("base");
	f.arg[1] = cv_arg_text(text);
	again = cv_graph_rebuild(g, &f, 1, &err);
	assert_non_null(again);
	cv_graph_free(g);
	text[0] = 'S';                           /* the graph has a copy */
	must_say(find(again, CV_CHN_PARENT_CONTENT_CHANGED),
		 "parent base no longer holds what this image was made on: some samples differ");
	assert_string_equal(again->images[mid].coalesce.reason, "it has errors that must be repaired first");
	assert_null(find(again, CV_SPC_COALESCABLE));
	assert_string_equal(again->images[other].deletable.reason,
			    "mid names base, where something else lies by now; it may be this image");
	cv_graph_free(again);
	cv_scan_free(scan);
}

/* What is no parent's name, but what follows, stands in the arguments that the title leaves out. */
static void the_collector_is_said_where_it_is_dangerous(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1 visible\nvhd b.vhd id=2 on=1 hidden\nvhd c.vhd id=3 on=2 hidden\n");
	struct cv_graph *g = graph_of(scan, NULL);
	const struct cv_finding *f = find(g, CV_CHN_VISIBLE_BASE_WITH_HIDDEN_CHILDREN);

	(void)state;
	assert_non_null(f);
	assert_false(cv_finding_title_has(f, 1));
	assert_string_equal(f->arg[1].text.at,
			    "the next run of the garbage collector would delete c.vhd, b.vhd, and then this image");
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void an_operation_of_our_own_stops_everything_in_its_repository(void **state)
{
	static const char *const operations[] = { "/sr/.chainview/journal/7.cvj" };
	struct cv_scan *scan = fake_images("vhd a.vhd id=1 hidden\nvhd b.vhd id=2 on=1 hidden\nvhd c.vhd id=3 on=2 visible\n");
	struct cv_repository *r = (struct cv_repository *)(uintptr_t)cv_scan_repository(scan, 0);
	struct cv_graph *g;

	(void)state;
	r->operations = operations;
	r->operation_count = 1;
	g = graph_of(scan, NULL);
	must_say(find(g, CV_GEN_OPERATION_PENDING), "an operation of chainview is not finished: 7.cvj");
	assert_string_equal(g->images[fake_at(g, "b.vhd")].coalesce.reason,
			    "an operation of chainview in its repository is not finished: 7.cvj");
	assert_string_equal(g->images[fake_at(g, "c.vhd")].deletable.reason,
			    "an operation of chainview in its repository is not finished: 7.cvj");
	cv_graph_free(g);
	cv_scan_free(scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_system_is_too_full_by_its_reserve_its_merges_or_its_growth),
		cmocka_unit_test(files_that_belong_to_nothing_are_told_from_a_size_on),
		cmocka_unit_test(findings_of_an_image_in_use_are_advisory_and_have_no_repair),
		cmocka_unit_test(leaks_below_a_share_are_not_told),
		cmocka_unit_test(findings_that_are_given_count_for_verdicts),
		cmocka_unit_test(the_collector_is_said_where_it_is_dangerous),
		cmocka_unit_test(an_operation_of_our_own_stops_everything_in_its_repository),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
