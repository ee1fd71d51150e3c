/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The recipes that are built into the program, and the language they are written in. */
#include "repair/sample/expect.h"
#include "repair/sample/maker.h"
#include "repair/sample/sample.h"
#include "tests/support/run.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static bool run_text(const char *folder, const char *text, struct cv_err *err)
{
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok;

	assert_true(root >= 0);
	cv_err_clear(err);
	ok = cv_maker_run(&cv_io_real, root, "test", text, err);
	close(root);
	return ok;
}

static size_t entries(const char *folder)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void mistakes_are_reported_with_their_line_and_leave_nothing(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "frobnicate x\n", "test, line 1: unknown verb frobnicate" },
		{ "\n# note\ndir\n", "test, line 3: usage: dir NAME" },
		{ "dir a\ndir ../b\n", "test, line 2: ../b is not a plain name" },
		{ "dir /tmp/b\n", "test, line 1: /tmp/b is not a plain name" },
		{ "file a \"b\n", "test, line 1: a quote is not closed" },
		{ "file a \\q\n", "test, line 1: unknown escape" },
		{ "file a\\x00\n", "test, line 1: unknown escape" },
		{ "file a\nfile a\n", "test, line 2: a is there already" },
		{ "vhd a dynamic\n", "test, line 1: size= is missing" },
		{ "vhd a dynamic size=7Q\n", "test, line 1: size has a value that it cannot have" },
		{ "vhd a dynamic fixed size=8M\n", "test, line 1: fixed, dynamic and parent= exclude each other" },
		{ "vhd a dynamic size=8M creator=nobody\n", "test, line 1: there is no creator nobody" },
		{ "vhd a dynamic size=8M colour=red\n", "test, line 1: unknown option colour=red" },
		{ "vhd a dynamic size=8M block=3000\n", "test, line 1: a block of 3000 bytes is not a power of two" },
		{ "vhd a dynamic size=8M blocks=4\n", "test, line 1: blocks: block 4 of 4: not within the disk" },
		{ "vhd a dynamic size=8M blocks=2-1\n", "test, line 1: blocks: 2-1 is not a list" },
		{ "vhd a dynamic size=8M blocks=1,,2\n", "test, line 1: blocks: 1,,2 is not a list" },
		{ "vhd a fixed size=2M blocks=1\n", "test, line 1: blocks: block 1 lies behind the end of the disk" },
		{ "vhd a dynamic size=8M uuid=12\n", "test, line 1: uuid has a value that it cannot have" },
		{ "vhd a dynamic size=8M time=yesterday\n", "test, line 1: time has a value that it cannot have" },
		{ "vhd a parent=b size=8M locators=macx,post\n", "test, line 1: post is no kind of locator" },
		{ "qcow2 a size=8M cluster=100\n", "test, line 1: clusters have 512 bytes to 2 MiB" },
		{ "qcow2 a size=8M version=4\n", "test, line 1: QCOW2 has versions 2 and 3, not 4" },
		{ "qcow2 a size=8M refcount-bits=3\n", "test, line 1: refcount-bits is a power of two" },
		{ "qcow2 a size=8M version=2 bitmap=b\n", "test, line 1: version 2 has no bitmaps" },
		{ "qcow2 a size=8M version=2 zeros=1\n", "test, line 1: zeros: version 2 has no zero clusters" },
		{ "qcow2 a size=1000\n", "test, line 1: the size 1000 is not one of whole sectors" },
		{ "qcow2 a size=1M blocks=99999999\n", "test, line 1: blocks: cluster 99999999 lies behind the end" },
		{ "qcow2 a size=1M refcount-bits=1 blocks=0 snapshot=s\n",
		  "test, line 1: 2 references do not fit into 1 bits" },
		{ "raw a size=1M blocks=1\n", "test, line 1: blocks: block 1 lies behind the end" },
		{ "poke a 0 00\n", "test, line 1: a has not been made" },
		{ "file a b\npoke a footer 00\n", "test, line 2: a has no structure footer" },
		{ "file a b\npoke a 0 0\n", "test, line 2: 0 is not a number of bytes in hex" },
		{ "file a b\npoke a end-99 00\n", "test, line 2: end-99 is not in the file" },
		{ "file a b\nchop a 99\n", "test, line 2: the file has only 2 bytes" },
		{ "file a b\nseal a\n", "test, line 2: a has no checksums" },
		{ "vhd a dynamic size=8M\nset a colour=1\n", "test, line 2: colour=1: no such field" },
		{ "vhd a dynamic size=8M\nset a hidden=300\n", "test, line 2: hidden=300: the value does not fit" },
		{ "vhd a fixed size=2M\nset a entries=1\n", "test, line 2: the image has no such structure" },
		{ "file a b\nchmod a 999\n", "test, line 2: no such file, or a mode that is not octal" },
		{ "file a b\nmtime a now\n", "test, line 2: no such file, or a time" },
		{ "link b a\n", "test, line 1: a has not been made" },
		{ "repeat 0\nend\n", "test, line 1: repeat needs N or A..B" },
		{ "repeat 3..2\nend\n", "test, line 1: repeat needs N or A..B" },
		{ "repeat 2\nrepeat 2\nend\nend\n", "test, line 2: a repeat cannot stand inside a repeat" },
		{ "dir a\nend\n", "test, line 2: end without repeat" },
		{ "dir a\nrepeat 2\nfile a/{n}\n", "the repeat of line 2 has no end" },
		{ "repeat 2\nfile x\nend\n", "test, line 2: x is there already" },
	};
	char *folder = cv_test_folder();
	struct cv_err err;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		bool ok = run_text(folder, rows[i].text, &err);

		if (ok || !strstr(err.text, rows[i].says))
			fail_msg("\"%s\" gives \"%s\" instead of \"%s\"", rows[i].text, err.text, rows[i].says);
		if (entries(folder))
			fail_msg("\"%s\" leaves something behind", rows[i].text);
	}
	cv_test_folder_remove(folder);
}

static void mistakes_in_what_is_expected_are_reported_with_their_line(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "expect\n", "test, line 1: expect needs a finding, a severity and an image, or none" },
		{ "dir a\nexpect no-such-thing error a\n", "test, line 2: there is no finding no-such-thing" },
		{ "expect parent-missing bad a\n", "test, line 1: bad is no severity" },
		{ "expect none\nexpect parent-missing error a\n", "expects none and something" },
		{ "refs\n", "test, line 1: refs needs one value" },
		{ "repository\n", "test, line 1: repository needs a path" },
		{ "about\n", "test, line 1: about needs a text" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_expectations x;
		struct cv_err err = { CV_OK };

		if (cv_expect_read("test", rows[i].text, &x, &err) || !strstr(err.text, rows[i].says))
			fail_msg("\"%s\" gives \"%s\" instead of \"%s\"", rows[i].text, err.text, rows[i].says);
		cv_expectations_fini(&x);
	}
}

static void expectations_are_read_with_their_places(void **state)
{
	static const char text[] =
		"dir sr\nrepository sr \"other one\"\nwith w\nrefs list:x\n"
		"repeat 2\nexpect CV-CHN-0001 error sr/{nn}.vhd\nend\nexpect leftover-file warning -\n";
	struct cv_expectations x;
	struct cv_err err = { CV_OK };

	(void)state;
	assert_true(cv_expect_read("test", text, &x, &err));
	assert_true(x.stated);
	assert_int_equal(x.count, 3);
	assert_int_equal(x.at[0].id, CV_CHN_PARENT_MISSING);
	assert_int_equal(x.at[0].severity, CV_ERROR);
	assert_string_equal(x.at[1].image, "sr/02.vhd");
	assert_null(x.at[2].image);
	assert_int_equal(x.at[2].line, 8);
	assert_string_equal(x.refs, "list:x");
	assert_int_equal(x.place_count, 2);
	assert_string_equal(x.places[1], "other one");
	assert_int_equal(x.with_count, 1);
	assert_string_equal(x.with[0], "w");
	cv_expectations_fini(&x);
}

static void names_may_hold_any_byte(void **state)
{
	char *folder = cv_test_folder();
	struct cv_err err;

	(void)state;
	assert_true(run_text(folder, "file \"a b\\x1b\\xff\\\"\\\\\" x # comment\nfile c#d\\#e \\x23\n", &err));
	assert_int_equal(cv_test_do(folder, NULL, "test", "-f", "a b\x1b\xff\"\\"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "test", "-f", "c#d#e"), 0);
	cv_test_folder_remove(folder);
}

static void a_repeat_counts_in_two_forms(void **state)
{
	char *folder = cv_test_folder();
	struct cv_err err;

	(void)state;
	assert_true(run_text(folder, "repeat 9..10\nfile {n}-{nn}-{p}-{pp}\nend\nfile {n}\n", &err));
	assert_int_equal(cv_test_do(folder, NULL, "test", "-f", "9-09-8-08"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "test", "-f", "10-10-9-09"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "test", "-f", "{n}"), 0);
	cv_test_folder_remove(folder);
}

/* Builds a recipe in a fresh folder of this name below another one. */
static void build_in(const char *folder, const char *sub, const char *recipe)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct cv_err err = { CV_OK };

	cv_text_addf(&path, "%s/%s", folder, sub);
	if (!cv_sample_build(recipe, cv_text_str(&path), &err))
		fail_msg("%s: %s", recipe, err.text);
}

static void every_recipe_builds_and_twice_gives_the_same_bytes(void **state)
{
	/* Names, lengths and times in one list; then the bytes. FIFOs and links that lead nowhere have none. */
	static const char compare[] =
		"for d in a b; do (cd $d && find . -printf '%P %y %s %l' -type f -printf ' %T@' -o -printf '\\n' | "
		"sed 's/ d [0-9]*/ d/' | LC_ALL=C sort) > l$d; done; cmp la lb; "
		"cd a && find . -type f -exec sh -c 'for f; do cmp -- \"$f\" \"../b/$f\"; done' _ {} +";
	char *folder = cv_test_folder();
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 }, sub = { 0 };

	(void)state;
	assert_non_null(cv_sample_names()[0]);
	assert_int_equal(cv_test_do(folder, NULL, "mkdir", "a", "b"), 0);
	for (const char *const *name = cv_sample_names(); *name; name++) {
		for (int i = 0; i < 2; i++) {
			cv_text_clear(&sub);
			cv_text_addf(&sub, "%c/%s", "ab"[i], *name);
			build_in(folder, cv_text_str(&sub), *name);
		}
	}
	cv_test_run(folder, &out, true, (const char *const[]){ "sh", "-c", compare, NULL });
	if (out.len)
		fail_msg("%s", cv_text_str(&out));
	cv_test_folder_remove(folder);
}

static void every_recipe_says_what_it_is_and_what_to_expect(void **state)
{
	(void)state;
	for (const char *const *name = cv_sample_names(); *name; name++) {
		struct cv_expectations x;
		struct cv_err err = { CV_OK };
		size_t len = 0;

		if (!cv_sample_about(*name, &len) || len < 10)
			fail_msg("%s has no description", *name);
		if (!cv_recipe_expectations(*name, &x, &err))
			fail_msg("%s", err.text);
		if (!x.stated)
			fail_msg("%s does not say what to expect", *name);
		cv_expectations_fini(&x);
	}
}

static bool expects(const char *recipe, enum cv_problem_id id)
{
	struct cv_expectations x;
	struct cv_err err = { CV_OK };
	bool found = false;

	if (cv_recipe_expectations(recipe, &x, &err))
		for (size_t i = 0; i < x.count; i++)
			found |= x.at[i].id == id;
	cv_expectations_fini(&x);
	return found;
}

/* Problems that depend on the moment or on other programs; their tests are named here. */
static const struct { enum cv_problem_id id; const char *tested_in; } fixtures[] = {
	{ CV_GEN_IMAGE_IN_USE, "unit/test_reference.c" },
	{ CV_CHN_PARENT_CONTENT_CHANGED, "unit/test_fingerprint.c, cli/test_fingerprints.sh: it takes two looks" },
	{ CV_SPC_EXPECTED_SPACE_EXHAUSTION, "unit/test_graph_space.c: it depends on the file system" },
	{ CV_SPC_LEAKED_CLUSTERS, "unit/test_space.c: only the command space gives it" },
	{ CV_SPC_SHADOWED_DATA, "unit/test_space.c, cli/test_fingerprints.sh: it takes a look into the images" },
	{ CV_REF_REFERENCE_SOURCE_UNREADABLE, "unit/test_graph.c" },
};

static bool is_fixture(enum cv_problem_id id)
{
	for (size_t i = 0; i < CV_COUNT(fixtures); i++)
		if (fixtures[i].id == id)
			return true;
	return false;
}

static void every_problem_has_a_recipe_of_its_name_that_expects_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_problem_count; i++)
		if (!is_fixture(cv_problems[i].id) && !expects(cv_problems[i].name, cv_problems[i].id))
			fail_msg("no recipe %s that expects it", cv_problems[i].name);
}

static void the_demonstration_is_small_and_quick(void **state)
{
	char *folder = cv_test_folder();
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 };
	struct timespec from, to;
	uint64_t kib;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	build_in(folder, "demo", "demo");
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 2);
	assert_int_equal(cv_test_do(folder, &out, "sh", "-c", "du -sk demo | cut -f1 | tr -d '\\n'"), 0);
	assert_true(cv_recipe_number(cv_text_str(&out), &kib));
	assert_true(kib > 1000 && kib < 20000);
	cv_test_folder_remove(folder);
}

static void a_folder_that_is_not_empty_is_refused_and_left_alone(void **state)
{
	char *folder = cv_test_folder();
	struct cv_err err = { CV_OK };

	(void)state;
	assert_int_equal(cv_test_do(folder, NULL, "touch", "mine"), 0);
	assert_false(cv_sample_build("coalescable", folder, &err));
	assert_int_equal(err.code, CV_EREFUSED);
	assert_non_null(strstr(err.text, "is not empty"));
	assert_int_equal(entries(folder), 1);
	cv_test_folder_remove(folder);
}

static void a_folder_that_cannot_be_made_or_a_recipe_that_is_not_there_is_an_error(void **state)
{
	struct cv_err err = { CV_OK };

	(void)state;
	assert_false(cv_sample_build("coalescable", "/nonexistent/sample", &err));
	assert_int_equal(err.code, CV_EIO);
	cv_err_clear(&err);
	assert_false(cv_sample_build("no-such-recipe", "/tmp", &err));
	assert_int_equal(err.code, CV_EUSAGE);
}

/* The back-end of which the nth write fails as on a full disk. */
static int writes_left;
static ssize_t failing_pwrite(const struct cv_io *io, int fd, const void *buf, size_t len, uint64_t off)
{
	(void)io;
	if (writes_left-- > 0)
		return cv_io_real.pwrite(&cv_io_real, fd, buf, len, off);
	errno = ENOSPC;
	return -1;
}

static void a_full_disk_is_reported_and_nothing_is_left(void **state)
{
	static const char text[] =
		"dir a\nvhd a/b.vhd dynamic size=10M blocks=0\nqcow2 c.qcow2 size=1M blocks=0 snapshot=s\n"
		"vhdx d.vhdx size=32M\nsymlink e a\nraw f size=2M blocks=1\n";
	struct cv_io io = cv_io_real;
	char *folder = cv_test_folder();
	int nth = 0;
	bool ok;

	(void)state;
	io.pwrite = failing_pwrite;
	do {
		int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct cv_err err = { CV_OK };

		writes_left = nth++;
		ok = cv_maker_run(&io, root, "test", text, &err);
		close(root);
		if (!ok) {
			assert_int_equal(err.os_errno, ENOSPC);
			assert_non_null(strstr(err.text, "cannot write "));
			assert_int_equal(entries(folder), 0);
		}
	} while (!ok && nth < 1000);
	assert_true(ok && nth > 20);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_reported_with_their_line_and_leave_nothing),
		cmocka_unit_test(mistakes_in_what_is_expected_are_reported_with_their_line),
		cmocka_unit_test(expectations_are_read_with_their_places),
		cmocka_unit_test(names_may_hold_any_byte),
		cmocka_unit_test(a_repeat_counts_in_two_forms),
		cmocka_unit_test(every_recipe_builds_and_twice_gives_the_same_bytes),
		cmocka_unit_test(every_recipe_says_what_it_is_and_what_to_expect),
		cmocka_unit_test(every_problem_has_a_recipe_of_its_name_that_expects_it),
		cmocka_unit_test(the_demonstration_is_small_and_quick),
		cmocka_unit_test(a_folder_that_is_not_empty_is_refused_and_left_alone),
		cmocka_unit_test(a_folder_that_cannot_be_made_or_a_recipe_that_is_not_there_is_an_error),
		cmocka_unit_test(a_full_disk_is_reported_and_nothing_is_left),
	};

	return cmocka_run_group_tests_name("samples", tests, NULL, NULL) ? 1 : 0;
}
