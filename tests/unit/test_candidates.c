/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Who could be a lost parent, of small repositories: the order of the candidates, what is said of them, and what follows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>
#include <chainview/candidates.h>
#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"

struct example {
	const char *what, *files, *spare, *found;
};

static void dump(const struct cv_candidates *c, const struct cv_graph *g, struct cv_text *out)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct cv_lost *l = &c->at[i];

		cv_text_addf(out, "%s %s", g->images[l->child].id, cv_lost_verdict_name(l->verdict));
		for (size_t k = 0; k < l->count; k++) {
			const struct cv_candidate *x = &l->candidates[k];

			cv_text_addf(out, " %s%s:", x->against ? "!" : "", x->graph->images[x->image].id);
			if (x->place != CV_CANDIDATE_HERE)
				cv_text_addf(out, "%s:", cv_candidate_place_name(x->place));
			cv_text_addf(out, "%d", x->score);
		}
		cv_text_add(out, "\n");
	}
}

static struct cv_candidates *find(const struct cv_graph *g, const struct cv_graph *spare)
{
	struct cv_candidates_options o = { .spare = spare, .unread = true };
	struct cv_err err = { 0 };
	struct cv_candidates *c = cv_candidates_find(g, &o, &err);

	if (!c)
		fail_msg("%s", err.text);
	return c;
}

/* The spare graph: /found is a place that is searched, /sr/.chainview/trash is the trash. */
static struct cv_scan *spare_scan(const char *files)
{
	struct cv_scan *s = fake_scan_new();

	fake_repository(s, "/found");
	fake_repository(s, "/sr/.chainview/trash");
	fake_images_add(s, files);
	for (size_t i = 0; i < cv_scan_file_count(s); i++) {
		struct cv_file *f = (struct cv_file *)(uintptr_t)cv_scan_file(s, i);

		f->inode += 1000000;
		f->repository = strncmp(f->path, "/found/", 7) != 0;
	}
	return s;
}

/* Each piece of evidence has its words, and their weights add up to the score. */
static void must_be_explained(const struct cv_candidates *c)
{
	for (size_t i = 0; i < c->count; i++) {
		assert_true(c->at[i].reason[0]);
		for (size_t k = 0; k < c->at[i].count; k++) {
			const struct cv_candidate *x = &c->at[i].candidates[k];
			int sum = 0;
			bool against = false;

			for (size_t e = 0; e < x->evidence_count; e++) {
				sum += x->evidence[e].weight;
				against |= x->evidence[e].against;
				assert_true(x->evidence[e].text[0]);
			}
			assert_int_equal(sum, x->score);
			assert_int_equal(against, x->against);
		}
	}
}

static void check_examples(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cv_scan *scan = fake_images(examples[i].files), *spare = NULL;
		struct cv_graph *g = fake_graph(scan, NULL), *spare_graph = NULL;
		struct cv_candidates *c;
		struct cv_text text = { 0 };

		if (examples[i].spare) {
			spare = spare_scan(examples[i].spare);
			spare_graph = fake_graph(spare, NULL);
		}
		c = find(g, spare_graph);
		must_be_explained(c);
		dump(c, g, &text);
		if (strcmp(cv_text_str(&text), examples[i].found))
			print_error("in the example: %s\n", examples[i].what);
		assert_string_equal(cv_text_str(&text), examples[i].found);
		cv_text_fini(&text);
		cv_candidates_free(c);
		cv_graph_free(g);
		cv_scan_free(scan);
		cv_graph_free(spare_graph);
		cv_scan_free(spare);
	}
}

static void an_identity_that_only_one_has_is_safe(void **state)
{
	static const struct example examples[] = {
		{ "whole chains are not lost",
		  "vhd a.vhd id=1\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  NULL,
		  "" },
		{ "renamed and moved within the repository",
		  "vhd sub/moved.vhd id=1 size=2M\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd size=2M",
		  NULL,
		  "b.vhd safe sub/moved.vhd:111\n" },
		{ "another image under its name",
		  "vhd a.vhd id=9 size=2M\n"
		  "vhd old.vhd id=1 size=2M\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd size=2M",
		  NULL,
		  "b.vhd safe old.vhd:111 !a.vhd:-49\n" },
		{ "only another image under its name",
		  "vhd a.vhd id=9 size=2M\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd size=2M",
		  NULL,
		  "b.vhd none !a.vhd:-49\n" },
		{ "its disk is of another size",
		  "vhd moved.vhd id=1 size=1M\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd size=2M",
		  NULL,
		  "b.vhd asks moved.vhd:86\n" },
		{ "it could not be read",
		  "vhd moved.vhd id=1 failed\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  NULL,
		  "b.vhd asks moved.vhd:71\n" },
		{ "the second identity that a VHDX allows",
		  "vhdx moved.vhdx id=7\n"
		  "vhdx b.vhdx id=2 on=1 or=7 name=a.vhdx",
		  NULL,
		  "b.vhdx safe moved.vhdx:101\n" },
		{ "an identity of another format is none",
		  "vhdx a.vhd id=1\n"
		  "vhd b.vhd id=2 on=1 name=x/a.vhd",
		  NULL,
		  "b.vhd none !a.vhd:-89\n" },
		{ "no identity where one is recorded",
		  "vhd x/a.vhd size=2M\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd size=2M",
		  NULL,
		  "b.vhd none x/a.vhd:1\n" },
		{ "the recorded time",
		  "vhd moved.vhd id=1 mtime=500\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd time=501 mtime=900",
		  NULL,
		  "b.vhd safe moved.vhd:115\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static void twins_and_copies_are_never_taken_without_a_word(void **state)
{
	static const struct example examples[] = {
		{ "two with the same identity",
		  "vhd x.vhd id=1\n"
		  "vhd y.vhd id=1\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  NULL,
		  "b.vhd tie x.vhd:101 y.vhd:101\n" },
		{ "one of them under the recorded name, but nobody has compared",
		  "vhd a.vhd id=1\n"
		  "vhd y.vhd id=1\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd name=c.vhd header=z.vhd",
		  NULL,
		  "b.vhd tie a.vhd:141 y.vhd:101\n" },
		{ "a twin in the trash",
		  "vhd x.vhd id=1\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  "vhd /sr/.chainview/trash/op/0-a.vhd id=1",
		  "b.vhd tie x.vhd:101 op/0-a.vhd:trash:91\n" },
		{ "only in the trash",
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  "vhd /sr/.chainview/trash/op/0-a.vhd id=1",
		  "b.vhd asks op/0-a.vhd:trash:91\n" },
		{ "only in a place that is searched",
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  "vhd /found/x/a.vhd id=1",
		  "b.vhd asks x/a.vhd:searched:101\n" },
		{ "a twin in a place that is searched",
		  "vhd x.vhd id=1\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  "vhd /found/a.vhd id=1",
		  "b.vhd tie x.vhd:101 a.vhd:searched:101\n" },
		{ "a twin that stands on the image itself",
		  "vhd x.vhd id=1\n"
		  "vhd y.vhd id=1 on=2 name=b.vhd\n"
		  "vhd b.vhd id=2 on=1 name=a.vhd",
		  NULL,
		  "b.vhd asks x.vhd:101 !y.vhd:-4\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static const struct example by_names[] = {
	{ "moved below another folder",
	  "qcow2 new/vm/base.qcow2 size=2M\n"
	  "qcow2 top.qcow2 back=vm/base.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "top.qcow2 asks new/vm/base.qcow2:41\n" },
	{ "an absolute name from before the move",
	  "qcow2 vm/base.qcow2 size=2M\n"
	  "qcow2 vm/top.qcow2 back=/old/vm/base.qcow2 fmt=qcow2 size=2M\n"
	  "out /old/vm/base.qcow2",
	  NULL,
	  "vm/top.qcow2 asks vm/base.qcow2:41\n" },
	{ "the same name and size twice",
	  "qcow2 x/base.qcow2 size=2M\n"
	  "qcow2 y/base.qcow2 size=2M mtime=7\n"
	  "qcow2 top.qcow2 back=base.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "top.qcow2 tie x/base.qcow2:31 y/base.qcow2:31\n" },
	{ "the same name, another size",
	  "qcow2 x/base.qcow2 size=2M\n"
	  "qcow2 y/base.qcow2 size=1M\n"
	  "qcow2 top.qcow2 back=base.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "top.qcow2 asks x/base.qcow2:31 y/base.qcow2:6\n" },
	{ "another format than recorded",
	  "vhd x/base.qcow2 size=2M\n"
	  "qcow2 top.qcow2 back=base.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "top.qcow2 none !x/base.qcow2:-79\n" },
	{ "recorded as raw, looks like another image",
	  "qcow2 x/base.img size=2M\n"
	  "qcow2 top.qcow2 back=base.img fmt=raw size=2M",
	  NULL,
	  "top.qcow2 none x/base.img:-9\n" },
	{ "renamed by counting on",
	  "qcow2 base-2.qcow2 size=2M\n"
	  "qcow2 web.qcow2 back=base-1.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "web.qcow2 none base-2.qcow2:27\n" },
	{ "nothing but the size",
	  "qcow2 other.qcow2 size=2M\n"
	  "qcow2 web.qcow2 back=base.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "web.qcow2 none other.qcow2:21\n" },
	{ "nothing at all",
	  "qcow2 web.qcow2 back=base.qcow2 fmt=qcow2 size=2M",
	  NULL,
	  "web.qcow2 none\n" },
	{ "a name from Windows",
	  "vhdx disks/base.vhdx id=3 size=2M\n"
	  "vhdx top.vhdx id=2 on=3 win=C:\\vm\\disks\\other.vhdx size=2M",
	  NULL,
	  "top.vhdx safe disks/base.vhdx:111\n" },
	{ "in the trash under its own name",
	  "qcow2 top.qcow2 back=base.qcow2 fmt=qcow2 size=2M",
	  "qcow2 /sr/.chainview/trash/op/3-base.qcow2 size=2M",
	  "top.qcow2 none op/3-base.qcow2:trash:11\n" },
	{ "a raw parent by its name",
	  "raw old/base.raw\n"
	  "qcow2 top.qcow2 back=base.raw fmt=raw size=1M",
	  NULL,
	  "top.qcow2 asks old/base.raw:31\n" },
	{ "a VHD on raw",
	  "raw old/base.raw\n"
	  "vhd top.vhd id=2 raw-parent name=base.raw size=1M",
	  NULL,
	  "top.vhd asks old/base.raw:31\n" },
	{ "a VHD without identity under one that looks for raw",
	  "vhd old/base.vhd size=1M\n"
	  "vhd top.vhd id=2 raw-parent name=base.vhd size=1M",
	  NULL,
	  "top.vhd asks old/base.vhd:21\n" },
	{ "ambiguous by its two paths",
	  "qcow2 x/top.qcow2 back=base.qcow2 fmt=qcow2 size=2M\n"
	  "also x/top.qcow2 y/top.qcow2\n"
	  "qcow2 x/base.qcow2 size=2M\n"
	  "qcow2 y/base.qcow2 size=2M",
	  NULL,
	  "x/top.qcow2 tie x/base.qcow2:61 y/base.qcow2:61\n" },
	{ "the format is not recorded",
	  "qcow2 base.qcow2 size=2M\n"
	  "qcow2 top.qcow2 back=base.qcow2 no-format size=2M",
	  NULL,
	  "top.qcow2 asks base.qcow2:51\n" },
};

static void names_and_sizes_are_asked_about_and_ties_refused(void **state)
{
	(void)state;
	check_examples(by_names, CV_COUNT(by_names));
}

static void circles_are_left_by_who_does_not_stand_on_the_image(void **state)
{
	static const struct example examples[] = {
		{ "its own parent",
		  "vhd a.vhd id=2 on=2 name=a.vhd size=2M\n"
		  "vhd a-1.vhd id=1 size=2M",
		  NULL,
		  "a.vhd none a-1.vhd:17\n" },
		{ "two that stand on each other",
		  "qcow2 a.qcow2 back=b.qcow2 fmt=qcow2 size=2M\n"
		  "qcow2 b.qcow2 back=a.qcow2 fmt=qcow2 size=2M\n"
		  "qcow2 old/b.qcow2 size=2M",
		  NULL,
		  "a.qcow2 asks old/b.qcow2:31 !b.qcow2:-44\n"
		  "b.qcow2 none old/b.qcow2:24 !a.qcow2:-44\n" },
		{ "what stands on it cannot be its parent",
		  "qcow2 leaf.qcow2 back=mid.qcow2 fmt=qcow2\n"
		  "qcow2 mid.qcow2 back=old/leaf.qcow2 fmt=qcow2",
		  NULL,
		  "mid.qcow2 none !leaf.qcow2:-84\n" },
		{ "two that would both come to stand on each other",
		  "qcow2 x/a.qcow2 back=o/x/b.qcow2 fmt=qcow2\n"
		  "qcow2 x/b.qcow2 back=o/x/a.qcow2 fmt=qcow2",
		  NULL,
		  "x/a.qcow2 tie x/b.qcow2:26\n"
		  "x/b.qcow2 tie x/a.qcow2:26\n" },
		{ "who stands on a circle has its parent",
		  "vhd a.vhd id=1 on=2\n"
		  "vhd b.vhd id=2 on=1\n"
		  "vhd c.vhd id=3 on=2",
		  NULL,
		  "a.vhd none !b.vhd:-104\n"
		  "b.vhd none !a.vhd:-104\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static const char *one_reason(const struct cv_candidates *c, uint32_t child, enum cv_evidence_kind kind)
{
	const struct cv_lost *l = cv_candidates_of(c, child);

	assert_non_null(l);
	assert_true(l->count);
	for (size_t i = 0; i < l->candidates[0].evidence_count; i++)
		if (l->candidates[0].evidence[i].kind == kind)
			return l->candidates[0].evidence[i].text;
	return "";
}

static void evidence_is_told_in_words_and_escaped(void **state)
{
	struct cv_scan *scan = fake_images("vhd x/a\033.vhd id=1 size=2M mtime=60 hidden\n"
					   "vhd b.vhd id=2 on=1 name=./a\033.vhd header=a\033.vhd size=2M time=60 mtime=99 visible\n"
					   "vhd c.vhd id=3 on=1 name=x/a\033.vhd win=D:\\x\\a\033.vhd size=3M");
	struct cv_graph *g = fake_graph(scan, NULL);
	struct cv_candidates *c = find(g, NULL);
	uint32_t b = fake_at(g, "b.vhd");

	(void)state;
	assert_int_equal(c->count, 1);
	assert_null(cv_candidates_of(c, fake_at(g, "c.vhd")));
	assert_int_equal(cv_candidates_of(c, b)->problem, CV_CHN_PARENT_PATH_STALE);
	assert_string_equal(cv_candidates_of(c, b)->reason,
			    "x/a\\x1b.vhd is the only image with the recorded identity, and nothing speaks against it");
	assert_string_equal(one_reason(c, b, CV_EVIDENCE_IDENTITY),
			    "it has the recorded identity aa000000-0000-0000-0000-000000000001");
	assert_string_equal(one_reason(c, b, CV_EVIDENCE_NAME), "its file has the recorded name (MacX, header)");
	assert_string_equal(one_reason(c, b, CV_EVIDENCE_TIME),
			    "it was last written to at the recorded time, 1970-01-01T00:01:00Z");
	assert_string_equal(one_reason(c, b, CV_EVIDENCE_MARK), "it is marked hidden, as base copies are");
	cv_candidates_free(c);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static bool put_text(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

static void the_report_fits_its_width(void **state)
{
	struct cv_scan *scan = fake_images("vhd x/a-name-that-is-so-long-that-it-cannot-be-shown-as-a-whole.vhd id=1 size=3M\n"
					   "vhd b.vhd id=9 size=2M\nvhd c.vhd id=2 on=1 name=b.vhd size=2M");
	struct cv_style style = { .width = 60, .ascii = true };
	struct cv_text out = { 0 };
	struct cv_sink sink = { put_text, &out };
	struct cv_graph *g = fake_graph(scan, NULL);
	struct cv_candidates *c = find(g, NULL);

	(void)state;
	assert_true(cv_report_lost(g, &c->at[0], &style, &sink));
	for (const char *line = cv_text_str(&out), *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_true(end - line <= 60);
	}
	assert_non_null(strstr(out.at, "Candidates for its parent (parent-path-stale)\n  perhaps:"));
	assert_non_null(strstr(out.at, "\n    -  b.vhd  cannot be it, -49\n       -100 identity "));
	cv_text_fini(&out);
	cv_candidates_free(c);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void only_those_that_are_asked_for_are_looked_for(void **state)
{
	struct cv_scan *scan = fake_images("vhd b.vhd id=2 on=1 name=a.vhd\nvhd c.vhd id=3 on=1 name=a.vhd");
	struct cv_graph *g = fake_graph(scan, NULL);
	uint32_t only[] = { 1, 1 };
	struct cv_candidates_options o = { .only = only, .only_count = 2, .unread = true };
	struct cv_err err = { 0 };
	struct cv_candidates *c = cv_candidates_find(g, &o, &err);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->count, 1);
	assert_int_equal(c->at[0].child, 1);
	cv_candidates_free(c);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void what_is_not_complete_is_never_safe(void **state)
{
	struct cv_scan *scan = fake_images("vhd x/a.vhd id=1\nvhd b.vhd id=2 on=1 name=a.vhd");
	struct cv_repository *r = (struct cv_repository *)(uintptr_t)cv_scan_repository(scan, 0);
	struct cv_graph *g;
	struct cv_candidates *c;

	(void)state;
	r->complete = false;
	g = fake_graph(scan, NULL);
	c = find(g, NULL);
	assert_int_equal(c->at[0].verdict, CV_LOST_ASKS);
	assert_string_equal(c->at[0].reason,
			    "x/a.vhd is the only one with the recorded identity, but not everything was looked at");
	cv_candidates_free(c);
	cv_graph_free(g);
	cv_scan_free(scan);
}

/* All have the same name, in folders of their own, and the same size: each child has to find its own. */
static void ten_thousand_images_of_one_name_take_no_time(void **state)
{
	struct cv_text text = { 0 };
	struct cv_scan *scan;
	struct cv_graph *g;
	struct cv_candidates *c;
	clock_t start;
	double took;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		cv_text_addf(&text, "qcow2 new/vm%u/base.qcow2 size=2M\n", i);
	for (unsigned i = 0; i < 1000; i++)
		cv_text_addf(&text, "qcow2 t%u.qcow2 back=/old/vm%u/base.qcow2 fmt=qcow2 size=2M\n", i, i * 7);
	scan = fake_images(cv_text_str(&text));
	g = fake_graph(scan, NULL);
	start = clock();
	c = find(g, NULL);
	took = (double)(clock() - start) / CLOCKS_PER_SEC;
	print_message("%.2f s for 1,000 lost among 11,000\n", took);
	assert_int_equal(c->count, 1000);
	for (size_t i = 0; i < c->count; i++) {
		char id[64];

		snprintf(id, sizeof id, "new/vm%lu/base.qcow2", strtoul(g->images[c->at[i].child].id + 1, NULL, 10) * 7);
		assert_int_equal(c->at[i].verdict, CV_LOST_ASKS);
		assert_string_equal(g->images[c->at[i].candidates[0].image].id, id);
		assert_true(c->at[i].left_out > 9000);
	}
	assert_true(took < 10);
	cv_candidates_free(c);
	cv_graph_free(g);
	cv_scan_free(scan);
	cv_text_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_that_only_one_has_is_safe),
		cmocka_unit_test(twins_and_copies_are_never_taken_without_a_word),
		cmocka_unit_test(names_and_sizes_are_asked_about_and_ties_refused),
		cmocka_unit_test(circles_are_left_by_who_does_not_stand_on_the_image),
		cmocka_unit_test(evidence_is_told_in_words_and_escaped),
		cmocka_unit_test(the_report_fits_its_width),
		cmocka_unit_test(only_those_that_are_asked_for_are_looked_for),
		cmocka_unit_test(what_is_not_complete_is_never_safe),
		cmocka_unit_test(ten_thousand_images_of_one_name_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
