/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Verification through the public functions: a scan, a graph, processes, results. What the readers say in detail
 * is in test_reader2_*.c, the program's side in tests/cli/test_verify.sh.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <chainview/verify.h>
#include "tests/support/run.h"

static char *folder;
static struct cv_scan *scan;
static struct cv_references *refs;
static struct cv_graph *graph;

static void run_script(const char *script)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };
	const char *const argv[] = { "sh", "-ec", script, NULL };

	if (cv_test_run(folder, &said, true, argv))
		fail_msg("%s\n%s", script, cv_text_str(&said));
}

static void close_folder(void)
{
	cv_graph_free(graph);
	cv_references_free(refs);
	cv_scan_free(scan);
	graph = NULL;
	refs = NULL;
	scan = NULL;
}

static void scan_folder(void)
{
	const struct cv_place place = { .path = folder };
	const struct cv_scan_options options = { .places = &place, .place_count = 1, .workers = 1 };
	struct cv_err err = { .code = CV_OK };

	close_folder();
	scan = cv_scan_new(&options, &err);
	assert_non_null(scan);
	while (cv_scan_step(scan, -1))
		;
	refs = cv_references_read("none", scan, &err);
	assert_non_null(refs);
	graph = cv_graph_build(scan, refs, NULL, NULL, &err);
	assert_non_null(graph);
}

static int make_folder(void **state)
{
	(void)state;
	folder = cv_test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	close_folder();
	cv_test_folder_remove(folder);
	return 0;
}

static uint32_t image_of(const char *name)
{
	struct cv_err err = { .code = CV_OK };
	uint32_t image = CV_NO_IMAGE;

	if (!cv_graph_find(graph, name, &image, &err))
		fail_msg("%s", err.text);
	return image;
}

static struct cv_verify *verify(const char *one, const char *two, bool own_only)
{
	const struct cv_verify_options options = { .own_reader_only = own_only };
	uint32_t images[2] = { image_of(one), two ? image_of(two) : CV_NO_IMAGE };
	struct cv_err err = { .code = CV_OK };
	struct cv_verify *v = cv_verify_new(graph, images, two ? 2 : 1, &options, &err);
	uint64_t last = 0;

	if (!v)
		fail_msg("%s", err.text);
	while (cv_verify_step(v, 1000)) {
		assert_true(cv_verify_progress(v).done >= last);
		last = cv_verify_progress(v).done;
	}
	return v;
}

static void needs_qemu(void)
{
	if (cv_test_has("qemu-img") && cv_test_has("qemu-io"))
		return;
	puts("skipped: qemu-img and qemu-io are not installed");
	skip();
}

static void put_chain(void)
{
	run_script("qemu-img create -q -f qcow2 base.qcow2 8M; qemu-io -f qcow2 -c 'write -P 3 0 3M' base.qcow2 >/dev/null; "
		   "qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2; "
		   "qemu-io -f qcow2 -c 'write -P 4 1M 5k' top.qcow2 >/dev/null");
}

static void a_chain_is_digested_and_confirmed(void **state)
{
	struct cv_verify *v;
	const struct cv_verified *r;

	(void)state;
	needs_qemu();
	put_chain();
	scan_folder();
	v = verify("top.qcow2", NULL, false);
	assert_int_equal(cv_verify_count(v), 1);
	r = cv_verify_result(v, 0);
	assert_true(r->digested && r->size == 8 << 20 && !r->trouble);
	assert_string_equal(r->second.name, "libqcow");
	assert_int_equal(r->second.verdict, CV_SECOND_AGREE);
	assert_true(r->second.compared == r->size && !r->second.gap_count);
	assert_false(cv_verify_compared(v)->known);
	cv_verify_free(v);
}

/* One kind of name for one verdict. */
static void what_was_not_compared_adds_up(void **state)
{
	struct cv_verify *v;
	const struct cv_verified *r;
	uint64_t sum = 0;

	(void)state;
	needs_qemu();
	put_chain();
	run_script("qemu-io -f qcow2 -c 'write -z 2M 64k' top.qcow2 >/dev/null");
	scan_folder();
	v = verify("top.qcow2", NULL, false);
	r = cv_verify_result(v, 0);
	assert_int_equal(r->second.verdict, CV_SECOND_PARTIAL);
	for (size_t i = 0; i < r->second.gap_count; i++) {
		assert_non_null(r->second.gaps[i].reason);
		sum += r->second.gaps[i].bytes;
	}
	assert_true(sum == 64 << 10 && sum + r->second.compared == r->size);
	cv_verify_free(v);
	v = verify("top.qcow2", NULL, true);
	r = cv_verify_result(v, 0);
	assert_true(r->digested && r->second.verdict == CV_SECOND_SKIPPED && !r->second.name);
	assert_true(r->second.gaps[0].bytes == r->size);
	cv_verify_free(v);
}

static void two_images_are_compared_to_the_byte(void **state)
{
	struct cv_verify *v;

	(void)state;
	needs_qemu();
	put_chain();
	run_script("qemu-img convert -O qcow2 -o cluster_size=4k top.qcow2 flat.qcow2; "
		   "qemu-img convert -O raw top.qcow2 other.raw; "
		   "printf x | dd of=other.raw bs=1 seek=5000001 conv=notrunc status=none; "
		   "qemu-img convert -O qcow2 top.qcow2 long.qcow2; qemu-img resize -q long.qcow2 9M");
	scan_folder();
	v = verify("top.qcow2", "flat.qcow2", true);
	assert_true(cv_verify_compared(v)->known && cv_verify_compared(v)->equal);
	cv_verify_free(v);
	v = verify("top.qcow2", "base.qcow2", true);
	assert_true(cv_verify_compared(v)->known && !cv_verify_compared(v)->equal);
	assert_true(cv_verify_compared(v)->first_difference == 1 << 20 && !cv_verify_compared(v)->same_content);
	cv_verify_free(v);
	v = verify("top.qcow2", "long.qcow2", true);
	assert_true(!cv_verify_compared(v)->equal && cv_verify_compared(v)->same_content);
	assert_true(cv_verify_compared(v)->first_difference == 8 << 20);
	cv_verify_free(v);
	v = verify("long.qcow2", "other.raw", true);
	assert_true(cv_verify_compared(v)->known && cv_verify_compared(v)->first_difference == 5000001);
	cv_verify_free(v);
}

/* Zeroes where the file ends, a table that leads nowhere, no parent: reasons, and no digest. */
static void what_cannot_be_read_says_why(void **state)
{
	static const struct { const char *what, *script, *text; } rows[] = {
		{ "no parent", "rm base.qcow2", "not complete" },
		{ "a bad entry", "printf '\\200\\377\\377\\377\\377\\377\\000\\000' | "
				 "dd of=top.qcow2 bs=1 seek=262144 conv=notrunc status=none", "cannot be true" },
		{ "encrypted", "rm base.qcow2 top.qcow2; qemu-img create -q -f qcow2 --object secret,id=s,data=x "
			       "-o encrypt.format=aes,encrypt.key-secret=s top.qcow2 8M; "
			       "qemu-io --object secret,id=s,data=x --image-opts -c 'write -P 1 0 1M' "
			       "driver=qcow2,file.filename=top.qcow2,encrypt.key-secret=s >/dev/null", "encrypted" },
	};

	(void)state;
	needs_qemu();
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct cv_verified *r;
		struct cv_verify *v;

		put_chain();
		run_script(rows[i].script);
		scan_folder();
		v = verify("top.qcow2", NULL, false);
		r = cv_verify_result(v, 0);
		if (r->digested || !r->trouble || !strstr(r->trouble, rows[i].text))
			fail_msg("%s: %s", rows[i].what, r->trouble ? r->trouble : "no trouble");
		assert_int_equal(r->second.verdict, CV_SECOND_SKIPPED);
		cv_verify_free(v);
		run_script("rm -f *.qcow2");
	}
}

static bool keep(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

static void reports_say_what_was_found(void **state)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 }, json = { 0 };
	const struct cv_sink to_text = { keep, &text }, to_json = { keep, &json };
	const struct cv_report_head head = { .command = "verify" };
	struct cv_style style = { .ascii = true };
	struct cv_verify *v;

	(void)state;
	needs_qemu();
	put_chain();
	scan_folder();
	v = verify("top.qcow2", "base.qcow2", false);
	assert_true(cv_report_verify(graph, v, &style, &to_text));
	assert_true(cv_report_verify_json(graph, v, &head, &to_json));
	assert_non_null(strstr(cv_text_str(&text), "libqcow agrees; compared: 100.0 %"));
	assert_non_null(strstr(cv_text_str(&text), "guest offset 1048576"));
	assert_non_null(strstr(cv_text_str(&json), "\"verdict\":\"agree\",\"compared_bytes\":8388608,\"not_checked\":[]"));
	assert_non_null(strstr(cv_text_str(&json), "\"equal\":false"));
	cv_verify_free(v);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		T(a_chain_is_digested_and_confirmed), T(what_was_not_compared_adds_up), T(two_images_are_compared_to_the_byte),
		T(what_cannot_be_read_says_why), T(reports_say_what_was_found),
	};

	return cmocka_run_group_tests_name("verify", tests, NULL, NULL) ? 1 : 0;
}
