/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Results of checks without an image: ignore rules, what is kept and read back, what monitoring is told. The graphs
 * are made of texts; what the peers of these formats think of them is in tests/cli.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <chainview/result.h>

#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"
#include "tests/support/run.h"

#define NOW 1794000000

static bool collect(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

static struct cv_graph *graph_with(const struct cv_scan *scan, const struct cv_ignore *rules, size_t count)
{
	struct cv_graph_policy policy = { .ignores = rules, .ignore_count = count, .now = NOW };
	struct cv_err err = { .code = CV_OK };
	struct cv_graph *g = cv_graph_build(scan, NULL, NULL, &policy, &err);

	if (!g)
		fail_msg("%s", err.text);
	return g;
}

static struct cv_result *result_of(const struct cv_graph *g, const char *name, int64_t finished)
{
	struct cv_result_head head = { name, finished, 1234, 4 };
	struct cv_err err = { .code = CV_OK };
	struct cv_result *r = cv_result_make(g, NULL, 0, &head, &err);

	if (!r)
		fail_msg("%s", err.text);
	return r;
}

/* Two lost parents and a missing one each; a name with what terminals and plugins would act on. */
static const char lost[] = "qcow2 a.qcow2 back=gone.qcow2 fmt=qcow2\n"
			   "qcow2 b.qcow2 back=away.qcow2 fmt=qcow2\n";

static void a_rule_takes_out_what_it_names(void **state)
{
	static const struct {
		const char *image;
		int64_t until;
		size_t ignored;
	} cases[] = {
		{ NULL, NOW + 1, 2 }, { "a.qcow2", NOW + 1, 1 }, { "/sr/b.qcow2", NOW + 1, 1 }, { "\\x61.qcow2", NOW + 1, 1 },
		{ "c.qcow2", NOW + 1, 0 }, { NULL, NOW, 0 },
	};
	struct cv_scan *scan = fake_images(lost);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_ignore rule = { CV_CHN_PARENT_MISSING, cases[i].image, cases[i].until, "here:1", "rule", "why" };
		struct cv_graph *g = graph_with(scan, &rule, 1);

		assert_int_equal(g->ignored_count, cases[i].ignored);
		assert_int_equal(cv_graph_count(g, UINT32_MAX, CV_ERROR), 2 - cases[i].ignored);
		assert_int_equal(g->images[fake_at(g, "a.qcow2")].any_finding + g->images[fake_at(g, "b.qcow2")].any_finding,
				 2 - cases[i].ignored);
		cv_graph_free(g);
	}
	cv_scan_free(scan);
}

static void a_rule_for_another_problem_takes_out_nothing(void **state)
{
	struct cv_ignore rule = { CV_CHN_PARENT_CYCLE, NULL, NOW + 1, "here:1", "rule", "why" };
	struct cv_scan *scan = fake_images(lost);
	struct cv_graph *g = graph_with(scan, &rule, 1);

	(void)state;
	assert_int_equal(g->ignored_count, 0);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void what_is_ignored_and_what_has_ended_is_in_the_result(void **state)
{
	struct cv_ignore rules[] = {
		{ CV_CHN_PARENT_MISSING, "a.qcow2", NOW + 1, "here:1", "parent-missing:a.qcow2", "known" },
		{ CV_CHN_PARENT_MISSING, "b.qcow2", NOW - 86400, "here:5", "parent-missing:b.qcow2", "was known" },
	};
	struct cv_scan *scan = fake_images(lost);
	struct cv_graph *g = graph_with(scan, rules, 2);
	struct cv_result *r = result_of(g, "sr", NOW);

	(void)state;
	assert_int_equal(r->figure[CV_FIGURE_IGNORED], 1);
	assert_int_equal(r->figure[CV_FIGURE_ERRORS], 1);
	assert_int_equal(r->ended_rule_count, 1);
	assert_non_null(strstr(r->ended_rules[0], "parent-missing:b.qcow2, until "));
	assert_non_null(strstr(r->ended_rules[0], "was known"));
	cv_result_free(r);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void troubles_are_sorted_and_stay_the_same(void **state)
{
	struct cv_scan *scan = fake_images(lost);
	struct cv_graph *g = graph_with(scan, NULL, 0);
	struct cv_result *r = result_of(g, NULL, NOW);
	size_t count = 0;
	const char **list = cv_result_troubles(r, &count);

	(void)state;
	assert_string_equal(r->name, "/sr");
	assert_int_equal(count, 2);
	assert_string_equal(list[0], "E CV-CHN-0001 parent-missing a.qcow2");
	assert_string_equal(list[1], "E CV-CHN-0001 parent-missing b.qcow2");
	cv_result_free(r);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void a_kept_result_comes_back_as_it_was(void **state)
{
	struct cv_scan *scan = fake_images("qcow2 a.qcow2 back=gone.qcow2 fmt=qcow2\nqcow2 odd|\"\\x1b[2J.qcow2 back=gone.qcow2\n");
	struct cv_graph *g = graph_with(scan, NULL, 0);
	struct cv_result *r = result_of(g, "sr \"x\" \\ y", NOW), *back;
	struct cv_text once = { 0 }, twice = { 0 };
	struct cv_err err = { .code = CV_OK };

	(void)state;
	r->said = cv_result_troubles(r, &r->said_count);
	r->said_at = NOW - 5;
	assert_true(cv_report_result(r, &(struct cv_sink){ collect, &once }));
	back = cv_result_read(once.at, once.len, &err);
	if (!back)
		fail_msg("%s", err.text);
	assert_true(cv_report_result(back, &(struct cv_sink){ collect, &twice }));
	assert_string_equal(once.at, twice.at);
	assert_int_equal(back->finding_count, r->finding_count);
	assert_int_equal(back->said_at, NOW - 5);
	assert_memory_equal(back->figure, r->figure, sizeof back->figure);
	cv_result_free(back);
	cv_result_free(r);
	cv_graph_free(g);
	cv_scan_free(scan);
	cv_text_fini(&once);
	cv_text_fini(&twice);
}

/* A small result, written by hand; the marked member is replaced by what a case says. */
#define RESULT(name, findings) \
	"{\"schema\":{\"name\":\"chainview.result\",\"version\":[1,0]},\"tool\":{\"exit_status\":4},\"name\":" name ",\"path\":" \
	"\"/sr\",\"finished_seconds\":1,\"complete\":true,\"figures\":{\"errors\":1},\"findings\":" findings \
	",\"not_looked_at\":[],\"ended_rules\":[],\"said\":{\"at_seconds\":0,\"troubles\":[]}}"
#define FINDING "[{\"code\":\"CV-CHN-0001\",\"name\":\"n\",\"severity\":\"error\",\"title\":\"t\"}]"

static void what_is_no_result_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "null", "17", "{}", "{\"schema\":{\"name\":\"chainview.check\"}}", RESULT("7", FINDING),
		RESULT("\"sr\"", "{}"), RESULT("\"sr\"", "[7]"), RESULT("\"sr\"", "[{\"code\":\"x\"}]"),
		RESULT("\"sr\"", "[{\"code\":\"x\",\"name\":\"n\",\"severity\":\"bad\",\"title\":\"t\"}]"),
	};
	struct cv_err err = { .code = CV_OK };
	struct cv_result *r;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		cv_err_clear(&err);
		if (cv_result_read(texts[i], strlen(texts[i]), &err))
			fail_msg("case %zu was taken", i);
		assert_int_equal(err.code, CV_EFORMAT);
	}
	cv_err_clear(&err);
	r = cv_result_read(RESULT("\"sr\"", FINDING), strlen(RESULT("\"sr\"", FINDING)), &err);
	assert_non_null(r);
	cv_result_free(r);
}

static void a_result_that_was_cut_or_changed_does_no_harm(void **state)
{
	char text[sizeof RESULT("\"sr\"", FINDING)];
	struct cv_err err = { .code = CV_OK };
	uint32_t seed = 11;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t len = 1 + cv_test_random(&seed, sizeof text - 1);

		memcpy(text, RESULT("\"sr\"", FINDING), sizeof text);
		for (int i = 0; i < 3; i++)
			text[cv_test_random(&seed, (uint32_t)len)] = (char)cv_test_random(&seed, 256);
		cv_err_clear(&err);
		cv_result_free(cv_result_read(text, len, &err));
	}
}

static void a_forged_result_reaches_no_terminal_raw(void **state)
{
	static const char forged[] = RESULT("\"s\\u001b[2Jr|'=\\u202e\"", "[{\"code\":\"a|b\",\"name\":\"n\\n\",\"severity\":\"error\","
						     "\"title\":\"x\\u0007|y\",\"image\":\"i\\r\\n|\"}]");
	struct cv_err err = { .code = CV_OK };
	struct cv_result *r = cv_result_read(forged, sizeof forged - 1, &err);
	const struct cv_result *list[] = { r, r };
	struct cv_nagios n = { .results = list, .count = 2, .now = NOW };
	struct cv_cron_part part = { .now = r };
	struct cv_text t = { 0 };

	(void)state;
	assert_non_null(r);
	assert_true(cv_report_nagios(&n, &(struct cv_sink){ collect, &t }));
	assert_true(cv_report_cron(&part, 1, "host\033", &(struct cv_sink){ collect, &t }));
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.at[i] < 0x20 && t.at[i] != '\n')
			fail_msg("byte %d of the output is %d", (int)i, t.at[i]);
	assert_null(strstr(t.at, "\xe2\x80\xae"));
	cv_result_free(r);
	cv_text_fini(&t);
}

static void ranges_alert_as_the_guidelines_say(void **state)
{
	static const struct {
		const char *text;
		double value;
		bool alerts;
	} cases[] = {
		{ "10", -0.5, true }, { "10", 0, false }, { "10", 10, false }, { "10", 10.5, true },
		{ "10:", 9, true }, { "10:", 10, false }, { "10:", 1e15, false },
		{ "~:10", -1e15, false }, { "~:10", 10, false }, { "~:10", 11, true },
		{ "10:20", 9, true }, { "10:20", 10, false }, { "10:20", 20, false }, { "10:20", 21, true },
		{ "@10:20", 9, false }, { "@10:20", 10, true }, { "@10:20", 20, true }, { "@10:20", 21, false },
		{ "-5:5", -6, true }, { "-5:5", -5, false }, { "0.5", 0.6, true }, { "0", 0, false }, { "0", 1, true },
		{ "@5", 3, true }, { "@5", 6, false }, { "@~:5", -7, true },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_nagios_range range;

		if (!cv_nagios_range_parse(&range, cases[i].text) ||
		    cv_nagios_range_alerts(&range, cases[i].value) != cases[i].alerts)
			fail_msg("case %zu: %s of %g", i, cases[i].text, cases[i].value);
	}
}

static void what_is_no_range_is_refused(void **state)
{
	static const char *const texts[] = { "", ":", "~", "~:", "x", "10:x", "10:5", "1:2:3", "@", "1 ", " 1", "1|2", "1;2", "1e3", "--1",
					     "10:~", "." };
	struct cv_nagios_range range;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		if (cv_nagios_range_parse(&range, texts[i]))
			fail_msg("\"%s\" was taken", texts[i]);
}

static void monitoring_is_told_the_worst(void **state)
{
	static const struct {
		uint64_t errors, warnings, depth;
		bool complete;
		int64_t age;
		enum cv_nagios_status status;
	} cases[] = {
		{ 0, 0, 3, true, 10, CV_NAGIOS_OK }, { 0, 2, 3, true, 10, CV_NAGIOS_WARNING },
		{ 1, 2, 3, true, 10, CV_NAGIOS_CRITICAL }, { 0, 0, 8, true, 10, CV_NAGIOS_CRITICAL },
		{ 0, 0, 3, false, 10, CV_NAGIOS_UNKNOWN }, { 0, 2, 3, true, 1001, CV_NAGIOS_UNKNOWN },
		{ 1, 0, 3, true, 1001, CV_NAGIOS_CRITICAL },
	};
	struct cv_nagios_limit limit = { CV_FIGURE_MAX_DEPTH, true, { 0 } };
	struct cv_scan *scan = fake_images(lost);
	struct cv_graph *g = graph_with(scan, NULL, 0);
	struct cv_result *r = result_of(g, "sr", NOW);
	const struct cv_result *list[] = { r };
	struct cv_nagios n = { list, 1, NULL, 0, &limit, 1, NOW, 1000 };

	(void)state;
	assert_true(cv_nagios_range_parse(&limit.range, "7"));
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		r->figure[CV_FIGURE_ERRORS] = cases[i].errors;
		r->figure[CV_FIGURE_WARNINGS] = cases[i].warnings;
		r->figure[CV_FIGURE_MAX_DEPTH] = cases[i].depth;
		r->complete = cases[i].complete;
		r->finished = NOW - cases[i].age;
		if (cv_nagios_judge(&n) != cases[i].status)
			fail_msg("case %zu is %d", i, cv_nagios_judge(&n));
	}
	n.count = 0;
	assert_int_equal(cv_nagios_judge(&n), CV_NAGIOS_UNKNOWN);
	cv_result_free(r);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void metrics_have_every_code_and_bounded_labels(void **state)
{
	struct cv_scan *scan = fake_images("qcow2 secret-name.qcow2 back=gone.qcow2 fmt=qcow2\n");
	struct cv_graph *g = graph_with(scan, NULL, 0);
	struct cv_result *r = result_of(g, "sr\"\\x", NOW);
	struct cv_text t = { 0 };

	(void)state;
	assert_true(cv_report_metrics(r, &(struct cv_sink){ collect, &t }));
	assert_null(strstr(t.at, "secret-name"));
	assert_non_null(strstr(t.at, "repository=\"sr\\\"\\\\"));
	assert_non_null(strstr(t.at, "severity=\"error\",code=\"CV-CHN-0001\"} 1\n"));
	for (size_t i = 0; i < cv_problem_count; i++) {
		char line[64];

		snprintf(line, sizeof line, ",code=\"%s\"} ", cv_problems[i].code);
		assert_non_null(strstr(t.at, line));
	}
	assert_non_null(strstr(t.at, "le=\"+Inf\"} 1\n"));
	assert_string_equal(t.at + t.len - 1, "\n");
	cv_result_free(r);
	cv_graph_free(g);
	cv_scan_free(scan);
	cv_text_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_takes_out_what_it_names),
		cmocka_unit_test(a_rule_for_another_problem_takes_out_nothing),
		cmocka_unit_test(what_is_ignored_and_what_has_ended_is_in_the_result),
		cmocka_unit_test(troubles_are_sorted_and_stay_the_same),
		cmocka_unit_test(a_kept_result_comes_back_as_it_was),
		cmocka_unit_test(what_is_no_result_is_refused),
		cmocka_unit_test(a_result_that_was_cut_or_changed_does_no_harm),
		cmocka_unit_test(a_forged_result_reaches_no_terminal_raw),
		cmocka_unit_test(ranges_alert_as_the_guidelines_say),
		cmocka_unit_test(what_is_no_range_is_refused),
		cmocka_unit_test(monitoring_is_told_the_worst),
		cmocka_unit_test(metrics_have_every_code_and_bounded_labels),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL) ? 1 : 0;
}
