/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The sanitiser and everything else that turns bytes into text: what comes out may be shown, whatever went in. */
#include "tests/fuzz/target.h"
#include <chainview/finding.h>
#include <chainview/facts.h>
#include <chainview/scan.h>
#include <limits.h>

static struct cv_bytes text_of(const struct cv_text *t)
{
	return (struct cv_bytes){ cv_text_str(t), t->len };
}

/* Escaped text can be shown, and is turned back into exactly what it was. */
static void escape_both_ways(struct cv_bytes in)
{
	struct cv_text shown = { 0 }, back = { 0 };

	cv_text_escape(&shown, in);
	fuzz_require(!shown.failed && shown.len >= in.len, "%zu bytes became %zu", in.len, shown.len);
	fuzz_require_shown(text_of(&shown), false);
	cv_text_unescape(&back, text_of(&shown));
	fuzz_require(cv_bytes_equal(text_of(&back), in), "escaping cannot be undone");
	cv_text_fini(&shown);
	cv_text_fini(&back);
}

/* What is no escape stays, so any text at all can be read; what that means can be written again. */
static void unescape_anything(struct cv_bytes in)
{
	struct cv_text plain = { 0 };

	cv_text_unescape(&plain, in);
	fuzz_require(!plain.failed && plain.len <= in.len, "%zu bytes became %zu", in.len, plain.len);
	escape_both_ways(text_of(&plain));
	cv_text_fini(&plain);
}

static void decode_utf16(struct cv_bytes in, bool big_endian)
{
	struct cv_text t = { 0 };
	size_t used = cv_text_add_utf16(&t, (const uint8_t *)in.at, in.len, big_endian);

	fuzz_require(used <= in.len && used % 2 == 0, "%zu of %zu bytes used", used, in.len);
	fuzz_require(t.len <= in.len / 2 * 3, "UTF-16 of %zu bytes became %zu", in.len, t.len);
	escape_both_ways(text_of(&t));
	cv_text_fini(&t);
}

/* Errors are cut to their length, titles are not. */
static void cut_in_messages(struct cv_bytes in)
{
	struct cv_finding f = cv_finding_of(cv_problems[in.len % cv_problem_count].id);
	struct cv_text shown = { 0 }, title = { 0 };
	struct cv_err err = { 0 };

	for (size_t i = 0; i < CV_FINDING_ARGS; i++)
		f.arg[i] = i % 2 ? cv_arg_number(in.len) : cv_arg_bytes(in);
	cv_finding_title(&title, &f);
	fuzz_require_shown(text_of(&title), false);
	cv_text_escape(&shown, in);
	cv_fail(&err, CV_EFORMAT, "%s", cv_text_str(&shown));
	cv_wrap(&err, "%s", cv_text_str(&shown));
	fuzz_require_shown(cv_bytes_of(err.text), false);
	cv_text_fini(&shown);
	cv_text_fini(&title);
}

static void run_escape(const uint8_t *at, size_t len)
{
	struct cv_bytes in = { (const char *)at, len };
	struct cv_text coded = { 0 };

	escape_both_ways(in);
	unescape_anything(in);
	decode_utf16(in, len & 1);
	if (len % 8 == 7)
		cut_in_messages(in);
	cv_text_base64(&coded, in);
	fuzz_require(coded.len == (len + 2) / 3 * 4, "base64 of %zu bytes has %zu", len, coded.len);
	cv_text_fini(&coded);
}

static const char *const text_words[] = {
	"\xc2\x9b" "31m", "\x1b]0;title\x07", "\\x41\\u{202e}", "\\\\x", "\\u{110000}", "\xe2\x80\xae" "gpj.exe", "\xed\xa0\x80",
	"\xf4\x90\x80\x80", "\xc0\xaf", "../../etc/passwd", "/./a//b/../..", "C:\\images\\base.vhd", "json:{\"driver\":\"nbd\"}",
	"file://localhost/a%20b", "10GiB", "18446744073709551615", "15.9EiB", "qcow2", "CV-VHD-0004", "parent-missing", NULL,
};

const struct fuzz_target fuzz_target_escape = {
	.name = "escape", .max = 256, .run = run_escape, .words = text_words,
};

/* No name leads above the root, holds a NUL, or has a component that means something else. */
static void require_clean(const char *path, size_t len)
{
	fuzz_require(len && path[0] == '/' && len < PATH_MAX && strlen(path) == len, "no clean path");
	fuzz_require(len == 1 || path[len - 1] != '/', "a slash at the end");
	for (const char *p = path; (p = strchr(p, '/')); p++)
		fuzz_require(strncmp(p, "//", 2) && strcmp(p, "/.") && strncmp(p, "/./", 3) && strcmp(p, "/..") &&
				     strncmp(p, "/../", 4),
			     "a component is left in %s", path);
}

static void run_paths(const uint8_t *at, size_t len)
{
	struct cv_bytes name = { (const char *)at, len };
	struct cv_text path = { 0 }, again = { 0 };

	if (cv_path_join(&path, "/sr/images", name)) {
		require_clean(cv_text_str(&path), path.len);
		fuzz_require(cv_path_join(&again, "/elsewhere", text_of(&path)), "a clean path cannot be joined");
		fuzz_require(cv_bytes_equal(text_of(&path), text_of(&again)), "a clean path changes");
	} else {
		fuzz_require(memchr(at, 0, len) || len + 12 > PATH_MAX, "a name of %zu bytes is refused", len);
	}
	cv_text_fini(&path);
	cv_text_fini(&again);
}

const struct fuzz_target fuzz_target_paths = {
	.name = "paths", .max = 512, .run = run_paths, .words = text_words,
};

/* Sizes, formats and findings as people write them. */
static void run_words(const uint8_t *at, size_t len)
{
	char *word = strndup((const char *)at, len);
	struct cv_bytes in = { (const char *)at, len };
	const struct cv_problem *problem;
	uint64_t n = 0;

	fuzz_require(word, "no memory");
	if (!cv_size_parse(word, &n))
		memcpy(&n, at, len < sizeof n ? len : sizeof n);
	fuzz_require(strlen(cv_size_short(n).s) <= 5 && strlen(cv_size_full(n).s) < 47, "%" PRIu64 " is too long", n);
	fuzz_require_shown(cv_bytes_of(cv_size_full(n).s), false);
	fuzz_require_shown(cv_bytes_of(cv_time_utc((int64_t)n).s), false);
	fuzz_require(cv_format_by_name(in) < CV_FORMAT_COUNT, "a format that is none");
	problem = cv_problem_find(word);
	fuzz_require(!problem || cv_problem_by_id(problem->id) == problem, "the problem is another one");
	free(word);
}

const struct fuzz_target fuzz_target_words = {
	.name = "words", .max = 64, .run = run_words, .words = text_words,
};
