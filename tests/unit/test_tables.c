/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of tables: every image gets its result or a reason, whatever the others of its process do; what is found
 * enters the graph; findings are merged and counted. The checks here do what their file says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <chainview/report.h>
#include "inspect/tables/gather.h"
#include "inspect/tables/tables.h"
#include "tests/support/run.h"

#define IMAGES 150
/* A sanitizer makes an exit of it, and has to be allowed to try opening files. */
#ifdef __SANITIZE_ADDRESS__
#define CRASHED "the reading process"
#define OPENED "no reason is known"
#else
#define OPENED "tried what it must not do"
#define CRASHED "killed by signal 11"
#endif

struct world {
	char *folder;
	struct cv_scan *scan;
};

static int begin_world(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	char *folder = cv_test_folder();

	w->folder = realpath(folder, NULL);
	free(folder);
	*state = w;
	return w->folder ? 0 : -1;
}

static int end_world(void **state)
{
	struct world *w = *state;

	cv_scan_free(w->scan);
	cv_test_folder_remove(w->folder);
	free(w);
	return 0;
}

/* A file that says what its check is to do; padded so that every one has a size of its own. */
static void put(const struct world *w, int number, const char *order)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/%03d.raw", w->folder, number);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, order, strlen(order)), strlen(order));
	assert_int_equal(ftruncate(fd, 4096 + number), 0);
	close(fd);
}

static void scan(struct world *w, bool other)
{
	struct cv_place place = { .path = w->folder, .other = other };
	struct cv_scan_options options = { .places = &place, .place_count = 1, .workers = 1 };
	struct cv_err err = { 0 };

	w->scan = cv_scan_new(&options, &err);
	assert_non_null(w->scan);
	while (cv_scan_step(w->scan, -1))
		;
}

static void spin(struct cv_checking *c, bool alive, struct cv_err *err)
{
	for (volatile uint64_t i = 0; i != UINT64_MAX; i++)
		if (alive && i % 1000000 == 0 && !c->tick(c, 1, 2, err))
			return;
}

static void find(struct cv_checking *c)
{
	struct cv_finding f = cv_finding_of(CV_GEN_HOSTILE_VALUE);

	f.arg[0] = cv_arg_text("a value\033");
	f.arg[1] = cv_arg_number(c->source->size);
	f.arg[2] = cv_arg_number(1);
	cv_facts_find(c->facts, f);
	c->corruptions = c->source->size;
	c->leaked_bytes = UINT64_C(1) << 40;
}

static bool obey(struct cv_checking *c, struct cv_err *err)
{
	char order[8] = "";

	if (!cv_source_read(c->source, order, sizeof order, 0, err) || !c->tick(c, 10, 20, err))
		return false;
	find(c);
	switch (order[0]) {
	case 'c':
		raise(SIGSEGV);
		break;
	case 'o':
		return open("/etc/passwd", O_RDONLY) >= 0;
	case 's':
	case 'l':
		spin(c, order[0] == 'l', err);
		break;
	case 'e':
		return cv_fail(err, CV_EIO, "the table at %d is gone", 7);
	case 'n':
		return false;
	}
	return true;
}

static cv_check_function *obey_all(enum cv_format_id format)
{
	(void)format;
	return obey;
}

static struct cv_check_setup usual = { obey_all, 16, 1 << 30, 1 };

static struct cv_check *begin(const struct world *w, unsigned workers, const struct cv_check_setup *setup)
{
	struct cv_check_options options = { .workers = workers };
	struct cv_err err = { 0 };
	struct cv_check *c = cv_check_begin(w->scan, &options, setup, &err);

	if (!c)
		print_message("%s\n", err.text);
	assert_non_null(c);
	return c;
}

static struct cv_check *run(const struct world *w, unsigned workers, const struct cv_check_setup *setup)
{
	struct cv_check *c = begin(w, workers, setup);

	while (cv_check_step(c, -1))
		;
	return c;
}

/* Its number, from its name. */
static int number_of(const struct world *w, size_t file)
{
	return atoi(strrchr(cv_scan_file(w->scan, file)->path, '/') + 1);
}

static size_t file_of(const struct world *w, int number)
{
	for (size_t i = 0; i < cv_scan_file_count(w->scan); i++)
		if (number_of(w, i) == number)
			return i;
	fail();
	return 0;
}

static void assert_done(const struct world *w, const struct cv_check *c, size_t file)
{
	const struct cv_checked *r = cv_check_of(c, file);

	assert_non_null(r);
	if (r->trouble)
		print_message("%d: %s\n", number_of(w, file), r->trouble);
	assert_null(r->trouble);
	assert_true(r->done);
	assert_int_equal(r->corruptions, 4096 + number_of(w, file));
	assert_int_equal(r->leaked_bytes, UINT64_C(1) << 40);
	assert_int_equal(r->facts->finding_count, 1);
	assert_int_equal(r->facts->findings[0].arg[1].number, 4096 + number_of(w, file));
}

static void every_image_gets_its_own_result(void **state)
{
	struct world *w = *state;
	struct cv_check_progress p;
	struct cv_check *c;

	for (int i = 0; i < IMAGES; i++)
		put(w, i, "fine");
	scan(w, false);
	for (unsigned workers = 1; workers <= 8; workers += 7) {
		c = run(w, workers, &usual);
		for (size_t i = 0; i < IMAGES; i++)
			assert_done(w, c, i);
		p = cv_check_progress(c);
		assert_true(p.done && !p.cancelled && !p.current);
		assert_int_equal(p.images, IMAGES);
		assert_int_equal(p.images_done, IMAGES);
		assert_int_equal(p.bytes_done, p.bytes);
		assert_null(cv_check_of(c, IMAGES));
		cv_check_free(c);
	}
}

static void one_that_goes_wrong_costs_only_itself(void **state)
{
	static const struct { int number; const char *order, *trouble; } bad[] = {
		{ 3, "crash", CRASHED }, { 4, "crash", CRASHED },
		{ 17, "stall", "no answer within 1 s" }, { 40, "error", "the table at 7 is gone" },
		{ 41, "none", "no reason is known" }, { 149, "open", OPENED },
		{ 0, "crash", CRASHED },
	};
	struct world *w = *state;
	struct cv_check *c;

	for (int i = 0; i < IMAGES; i++)
		put(w, i, "fine");
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		put(w, bad[i].number, bad[i].order);
	scan(w, false);
	c = run(w, 2, &usual);
	for (size_t i = 0; i < IMAGES; i++) {
		const struct cv_checked *r = cv_check_of(c, i);
		const char *trouble = NULL;

		for (size_t k = 0; k < CV_COUNT(bad); k++)
			if (bad[k].number == number_of(w, i))
				trouble = bad[k].trouble;
		if (!trouble) {
			assert_done(w, c, i);
			continue;
		}
		assert_false(r->done);
		assert_non_null(r->trouble);
		if (!strstr(r->trouble, trouble))
			print_message("%d: %s\n", number_of(w, i), r->trouble);
		assert_non_null(strstr(r->trouble, trouble));
	}
	/* What was found before an error is kept. */
	assert_int_equal(cv_check_of(c, file_of(w, 40))->facts->finding_count, 1);
	assert_true(cv_check_progress(c).done);
	cv_check_free(c);
}

static void signs_of_life_keep_a_long_check_alive_and_cancelling_ends_it(void **state)
{
	struct world *w = *state;
	struct pollfd wait;
	struct cv_check *c;

	put(w, 1, "fine");
	put(w, 2, "long");
	scan(w, false);
	c = begin(w, 2, &usual);
	wait = (struct pollfd){ .fd = cv_check_poll_fd(c), .events = POLLIN };
	assert_int_equal(poll(&wait, 1, 10000), 1);
	/* Longer than the second after which a silent one would be ended. */
	for (int i = 0; i < 25; i++)
		assert_true(cv_check_step(c, 100));
	assert_true(cv_check_of(c, file_of(w, 1))->done);
	assert_string_equal(cv_check_progress(c).current, cv_scan_file(w->scan, file_of(w, 2))->path);
	cv_check_cancel(c);
	assert_false(cv_check_step(c, -1));
	assert_true(cv_check_of(c, file_of(w, 1))->done);
	assert_false(cv_check_of(c, file_of(w, 2))->done);
	assert_null(cv_check_of(c, file_of(w, 2))->trouble);
	assert_true(cv_check_progress(c).cancelled);
	assert_false(cv_check_progress(c).done);
	cv_check_free(c);
}

static void big_images_get_a_process_of_their_own(void **state)
{
	struct cv_check_setup all_big = { obey_all, 16, 1, 1 };
	struct world *w = *state;
	struct cv_check *c;

	for (int i = 0; i < 6; i++)
		put(w, i, i == 2 ? "crash" : "fine");
	scan(w, false);
	c = run(w, 2, &all_big);
	for (int i = 0; i < 6; i++)
		if (i != 2)
			assert_done(w, c, file_of(w, i));
	cv_check_free(c);
}

static void an_image_that_was_replaced_or_is_elsewhere_is_not_looked_at(void **state)
{
	struct world *w = *state;
	char path[PATH_MAX];
	struct cv_check *c;

	put(w, 1, "fine");
	put(w, 2, "fine");
	scan(w, false);
	snprintf(path, sizeof path, "%s/001.raw", w->folder);
	assert_int_equal(unlink(path), 0);
	c = run(w, 1, &usual);
	assert_non_null(cv_check_of(c, file_of(w, 1))->trouble);
	assert_done(w, c, file_of(w, 2));
	cv_check_free(c);
	cv_scan_free(w->scan);
	scan(w, true);
	c = run(w, 1, &usual);
	assert_int_equal(cv_check_progress(c).images, 0);
	assert_true(cv_check_progress(c).done);
	assert_null(cv_check_of(c, 0));
	cv_check_free(c);
}

static bool add_to_text(void *ctx, const char *bytes, size_t len)
{
	cv_text_add_bytes(ctx, bytes, len);
	return true;
}

static void what_is_found_enters_the_graph_and_the_json(void **state)
{
	struct cv_report_head head = { "check", 0, NULL, 0 };
	CV_AUTO(cv_text_fini) struct cv_text json = { 0 };
	struct cv_sink sink = { add_to_text, &json };
	struct world *w = *state;
	const struct cv_finding *f;
	struct cv_err err = { 0 };
	struct cv_check *c;
	struct cv_graph *g;

	put(w, 1, "fine");
	put(w, 2, "error");
	for (int i = 1; i <= 2; i++) {
		char path[PATH_MAX], to[PATH_MAX];

		snprintf(path, sizeof path, "%s/%03d.raw", w->folder, i);
		snprintf(to, sizeof to, "%s/%03d.qcow2", w->folder, i);
		assert_int_equal(rename(path, to), 0);
	}
	scan(w, false);
	c = run(w, 1, &usual);
	g = cv_graph_build(w->scan, NULL, c, NULL, &err);
	assert_int_equal(cv_graph_findings_of(g, 0, &f), 2);
	assert_int_equal(f[1].id, CV_GEN_HOSTILE_VALUE);
	assert_int_equal(cv_graph_findings_of(g, 1, &f), 3);
	assert_int_equal(f[1].id + f[2].id, CV_GEN_IMAGE_UNREADABLE + CV_GEN_HOSTILE_VALUE);
	assert_true(cv_report_json(g, &head, NULL, 0, &sink));
	assert_non_null(strstr(cv_text_str(&json), "\"check\":{\"complete\":true,\"corruptions\":4097,"
						    "\"leaked_bytes\":1099511627776}"));
	assert_non_null(strstr(cv_text_str(&json), "\"check\":{\"complete\":false}"));
	assert_non_null(strstr(cv_text_str(&json), "its tables were not looked at to their end: the table at 7 is gone"));
	cv_graph_free(g);
	cv_check_free(c);
}

/* What looked at it as something else does not count. */
static void content_that_is_declared_raw_gets_no_findings(void **state)
{
	struct world *w = *state;
	struct cv_err err = { 0 };
	struct cv_check *c;
	struct cv_graph *g;

	if (!cv_test_has("qemu-img"))
		skip();
	assert_int_equal(cv_test_do(w->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "base", "1M"), 0);
	assert_int_equal(cv_test_do(w->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw",
				    "over", "1M"), 0);
	scan(w, false);
	c = run(w, 1, &usual);
	assert_int_equal(cv_check_of(c, 0)->facts->finding_count, 1);
	g = cv_graph_build(w->scan, NULL, c, NULL, &err);
	assert_int_equal(g->images[0].format, CV_FORMAT_RAW);
	assert_int_equal(cv_graph_count(g, UINT32_MAX, CV_ERROR), 1);
	cv_graph_free(g);
	cv_check_free(c);
}

static struct cv_gathered at(uint64_t off, uint64_t value)
{
	struct cv_gathered one = { .finding = cv_finding_of(CV_QCW_TABLE_OUT_OF_RANGE), .one = "table", .many = "tables",
				   .count = 1 };

	one.finding.has_where = true;
	one.finding.where = (struct cv_range){ off, 8 };
	one.finding.bytes = 100;
	one.finding.arg[1] = cv_arg_number(off);
	one.finding.arg[2] = cv_arg_number(value);
	return one;
}

static void assert_text(const struct cv_finding *f, const char *text, uint64_t off, uint64_t len, uint64_t bytes)
{
	assert_true(cv_bytes_equal(f->arg[0].text, cv_bytes_of(text)));
	assert_int_equal(f->where.off, off);
	assert_int_equal(f->where.len, len);
	assert_int_equal(f->bytes, bytes);
}

static void neighbours_become_one_finding_with_a_range(void **state)
{
	struct cv_facts *facts = cv_facts_new();
	struct cv_gather g = { .facts = facts };
	struct cv_gathered one;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		one = at(i * 8, 1);
		cv_gather(&g, &one);
	}
	one = at(40, 2);
	cv_gather(&g, &one);
	one = at(56, 2);
	cv_gather(&g, &one);
	cv_gather_end(&g);
	assert_int_equal(facts->finding_count, 3);
	assert_text(&facts->findings[0], "5 tables", 0, 40, 500);
	assert_text(&facts->findings[1], "table", 40, 8, 100);
	assert_text(&facts->findings[2], "table", 56, 8, 100);
	cv_facts_free(facts);
}

static void too_many_findings_end_in_one_with_the_sum(void **state)
{
	struct cv_facts *facts = cv_facts_new();
	struct cv_gather g = { .facts = facts };
	uint64_t bytes = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		struct cv_gathered one = at(i * 16, 1);

		one.one = i % 2 ? "table" : "block";
		one.many = i % 2 ? "tables" : "blocks";
		cv_gather(&g, &one);
	}
	cv_gather_end(&g);
	assert_int_equal(facts->finding_count, CV_GATHER_LISTED + 2);
	for (uint32_t i = 0; i < facts->finding_count; i++)
		bytes += facts->findings[i].bytes;
	assert_int_equal(bytes, 100 * 100000);
	assert_text(&facts->findings[CV_GATHER_LISTED], "49996 more blocks", 16 * CV_GATHER_LISTED, 8, 4999600);
	assert_text(&facts->findings[CV_GATHER_LISTED + 1], "49996 more tables", 16 * CV_GATHER_LISTED + 16, 8, 4999600);
	cv_facts_free(facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_image_gets_its_own_result, begin_world, end_world),
		cmocka_unit_test_setup_teardown(one_that_goes_wrong_costs_only_itself, begin_world, end_world),
		cmocka_unit_test_setup_teardown(signs_of_life_keep_a_long_check_alive_and_cancelling_ends_it, begin_world,
						end_world),
		cmocka_unit_test_setup_teardown(big_images_get_a_process_of_their_own, begin_world, end_world),
		cmocka_unit_test_setup_teardown(an_image_that_was_replaced_or_is_elsewhere_is_not_looked_at, begin_world,
						end_world),
		cmocka_unit_test_setup_teardown(what_is_found_enters_the_graph_and_the_json, begin_world, end_world),
		cmocka_unit_test_setup_teardown(content_that_is_declared_raw_gets_no_findings, begin_world, end_world),
		cmocka_unit_test(neighbours_become_one_finding_with_a_range),
		cmocka_unit_test(too_many_findings_end_in_one_with_the_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
