/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The command line and the configuration file: tables of what is understood, what is refused and with which
 * words. The program as a whole is tested in tests/cli.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/run.h"
#include "tui/command/clock.h"
#include "tui/command/config.h"
#include "tui/command/output.h"
#include "tui/command/session.h"

#define MOST 8

/* A line as it is typed, in words; the first stands for the program. */
struct line {
	const char *words[MOST];
};

static int split(const struct line *line, char **argv)
{
	int argc = 0;

	argv[argc++] = (char *)(uintptr_t)"chainview";
	for (size_t i = 0; i < MOST && line->words[i]; i++)
		argv[argc++] = (char *)(uintptr_t)line->words[i];
	argv[argc] = NULL;
	return argc;
}

static bool parse(struct cv_settings *s, const struct line *line, bool stop, int *first, struct cv_err *err)
{
	char *argv[MOST + 2];
	int argc = split(line, argv);

	cv_settings_init(s);
	cv_err_clear(err);
	return cv_options_parse(s, NULL, stop, argc, argv, first, err);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same(const struct cv_settings *a, const struct cv_settings *b)
{
	return a->json == b->json && a->quiet == b->quiet && a->verbose == b->verbose && a->dry_run == b->dry_run &&
	       a->ascii == b->ascii && a->help == b->help && a->version == b->version && a->color == b->color &&
	       a->progress == b->progress && same_text(a->refs, b->refs) && same_text(a->repo, b->repo) &&
	       a->has_offset == b->has_offset && a->offset == b->offset && a->workers == b->workers &&
	       a->cross_file_systems == b->cross_file_systems && a->require_sandbox == b->require_sandbox;
}

static void options_are_understood(void **state)
{
	static const struct {
		struct line line;
		struct cv_settings want;
		int words;
	} cases[] = {
		{ { { "--json" } }, { .json = true }, 0 },
		{ { { "--output=json" } }, { .json = true }, 0 },
		{ { { "--output", "json", "/r" } }, { .json = true }, 1 },
		{ { { "--json", "--output=text" } }, { .json = false }, 0 },
		{ { { "/r", "--json" } }, { .json = true }, 1 },
		{ { { "--", "--json" } }, { .json = false }, 1 },
		{ { { "-qvv" } }, { .quiet = true, .verbose = 2 }, 0 },
		{ { { "-n" } }, { .dry_run = true }, 0 },
		{ { { "--dry-run", "a", "b" } }, { .dry_run = true }, 2 },
		{ { { "--color=never" } }, { .color = CV_WHEN_NEVER }, 0 },
		{ { { "--color", "always", "--color", "never" } }, { .color = CV_WHEN_NEVER }, 0 },
		{ { { "--progress=always" } }, { .progress = CV_WHEN_ALWAYS }, 0 },
		{ { { "--refs=list:a,proc" } }, { .refs = "list:a,proc" }, 0 },
		{ { { "--repo=/r" } }, { .repo = "/r" }, 0 },
		{ { { "--offset=1048576" } }, { .has_offset = true, .offset = 1 << 20 }, 0 },
		{ { { "--offset=1MiB" } }, { .has_offset = true, .offset = 1 << 20 }, 0 },
		{ { { "--offset=0" } }, { .has_offset = true }, 0 },
		{ { { "--cross-file-systems" } }, { .cross_file_systems = true }, 0 },
		{ { { "--cross-file-systems", "--one-file-system" } }, { .json = false }, 0 },
		{ { { "--workers=3", "--require-sandbox" } }, { .workers = 3, .require_sandbox = true }, 0 },
		{ { { "-hV", "--ascii" } }, { .help = true, .version = true, .ascii = true }, 0 },
		{ { { "--verb", "-qv" } }, { .quiet = true, .verbose = 2 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_settings s;
		struct cv_err err;
		char *argv[MOST + 2];
		int first = 0, argc = split(&cases[i].line, argv);

		if (!parse(&s, &cases[i].line, false, &first, &err) || !same(&s, &cases[i].want))
			fail_msg("case %zu: %s", i, err.text);
		assert_int_equal(argc - first, cases[i].words);
		cv_settings_fini(&s);
	}
}

static void every_with_is_kept_in_order(void **state)
{
	static const struct line line = { { "--with", "/a", "--with=/b" } };
	struct cv_settings s;
	struct cv_err err;
	int first = 0;

	(void)state;
	assert_true(parse(&s, &line, false, &first, &err));
	assert_int_equal(s.with.len, 2);
	assert_string_equal(s.with.at[0], "/a");
	assert_string_equal(s.with.at[1], "/b");
	cv_settings_fini(&s);
}

static void nonsense_is_refused_with_its_reason(void **state)
{
	static const struct {
		struct line line;
		const char *text;
	} cases[] = {
		{ { { "--frobnicate" } }, "unknown option --frobnicate" },
		{ { { "--frob\033nicate=1" } }, "unknown option --frob\\x1bnicate=1" },
		{ { { "-x" } }, "unknown option -x" },
		{ { { "-qx" } }, "unknown option -x" },
		{ { { "--json=yes" } }, "--json takes no value" },
		{ { { "--refs" } }, "--refs needs a value: SOURCE,..." },
		{ { { "--refs=" } }, "--refs needs a source" },
		{ { { "--with=" } }, "--with needs a repository" },
		{ { { "--repo=" } }, "--repo needs a repository" },
		{ { { "--output=xml" } }, "--output takes text or json" },
		{ { { "--color=blue" } }, "--color takes auto, always or never" },
		{ { { "--progress=1" } }, "--progress takes auto, always or never" },
		{ { { "--offset=-1" } }, "--offset takes a number of bytes, such as 1048576 or 1MiB" },
		{ { { "--offset=" } }, "--offset takes a number of bytes, such as 1048576 or 1MiB" },
		{ { { "--workers=0" } }, "--workers takes a number from 1 to 64" },
		{ { { "--workers=-3" } }, "--workers takes a number from 1 to 64" },
		{ { { "--workers=99999999999999999999" } }, "--workers takes a number from 1 to 64" },
		{ { { "--workers=3x" } }, "--workers takes a number from 1 to 64" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_settings s;
		struct cv_err err;
		int first = 0;

		assert_false(parse(&s, &cases[i].line, false, &first, &err));
		assert_string_equal(err.text, cases[i].text);
		assert_int_equal(err.code, CV_EUSAGE);
		cv_settings_fini(&s);
	}
}

static void parsing_can_stop_at_the_first_word(void **state)
{
	static const struct line line = { { "-q", "check", "--fail-on=warning" } };
	struct cv_settings s;
	struct cv_err err;
	int first = 0;

	(void)state;
	assert_true(parse(&s, &line, true, &first, &err));
	assert_int_equal(first, 2);
	assert_true(s.quiet);
	cv_settings_fini(&s);
}

/* Rows with the same name or letter would shadow each other. */
static void common_options_are_unique_and_explained(void **state)
{
	(void)state;
	for (const struct cv_option_row *row = cv_common_options; row->flag; row++) {
		assert_true(row->help && *row->help);
		assert_true(row->set || (!row->value && row->on < sizeof(struct cv_settings)));
		for (const struct cv_option_row *other = cv_common_options; other != row; other++) {
			assert_string_not_equal(row->flag, other->flag);
			assert_true(!row->letter || row->letter != other->letter);
		}
	}
}

static void help_lines_fit_a_terminal(void **state)
{
	struct cv_text t = { 0 };

	(void)state;
	cv_options_help(&t, cv_common_options, NULL);
	assert_non_null(strstr(t.at, "\n  -q, --quiet "));
	assert_non_null(strstr(t.at, "\n      --refs=SOURCE,... "));
	for (const char *line = t.at; *line; line = strchr(line, '\n') + 1)
		assert_true((size_t)(strchr(line, '\n') - line) <= 80);
	cv_text_fini(&t);
}

static const char *word(size_t i)
{
	static const char *const words[] = { "tree", "info", "check", "explain", "sample" };

	return i < CV_COUNT(words) ? words[i] : NULL;
}

static void the_nearest_word_is_a_likely_one(void **state)
{
	static const char *const cases[][2] = {
		{ "chekc", "check" }, { "chek", "check" }, { "tre", "tree" }, { "teee", "tree" }, { "inof", "info" },
		{ "smaple", "sample" }, { "explian", "explain" }, { "xyzzy", NULL }, { "", NULL }, { "i", NULL },
		{ "treeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", NULL },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		const char *got = cv_nearest_word(cases[i][0], word);

		if ((got != NULL) != (cases[i][1] != NULL) || (got && strcmp(got, cases[i][1])))
			fail_msg("%s gives %s", cases[i][0], got ? got : "nothing");
	}
}

/* Reads text as a configuration file called "conf" in a folder of its own. */
static bool read_config(struct cv_config *config, const char *text, size_t len, struct cv_err *err)
{
	char *folder = cv_test_folder();
	struct cv_text path = { 0 };
	FILE *file;
	bool ok;

	cv_text_addf(&path, "%s/conf", folder);
	file = fopen(cv_text_str(&path), "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	*config = (struct cv_config){ .refs = NULL };
	cv_err_clear(err);
	ok = cv_config_read_file(config, cv_text_str(&path), err);
	cv_text_fini(&path);
	cv_test_folder_remove(folder);
	return ok;
}

static void a_configuration_is_read(void **state)
{
	static const char text[] =
		"; comment\n"
		"[defaults]\n"
		"depth_warn = 20\n"
		"  depth_limit = 28\n"
		"refs = proc,list:/etc/needed\n"
		"\n"
		"[repository \"sr ssd\"]\n"
		"path = /run/sr-mount/5c2e/\n"
		"[repository \"inner\"]\n"
		"path = /run/sr-mount/5c2e/deep\n"
		"[repository \"all\"]\n"
		"path = /\n";
	static const char *const enclosing[][2] = {
		{ "/run/sr-mount/5c2e/a.vhd", "sr ssd" }, { "/run/sr-mount/5c2e", "sr ssd" },
		{ "/run/sr-mount/5c2e/deep/x/a.vhd", "inner" }, { "/run/sr-mount/5c2efg/a.vhd", "all" },
		{ "/run/sr-mount/5c2e/deeper", "sr ssd" },
	};
	struct cv_config c;
	struct cv_err err;

	(void)state;
	if (!read_config(&c, text, sizeof text - 1, &err))
		fail_msg("%s", err.text);
	assert_int_equal(c.policy.depth_warn, 20);
	assert_int_equal(c.policy.depth_limit, 28);
	assert_string_equal(c.refs, "proc,list:/etc/needed");
	assert_int_equal(c.repositories.len, 3);
	assert_string_equal(cv_config_named(&c, "sr ssd")->path, "/run/sr-mount/5c2e");
	assert_null(cv_config_named(&c, "sr"));
	for (size_t i = 0; i < CV_COUNT(enclosing); i++)
		assert_string_equal(cv_config_enclosing(&c, enclosing[i][0])->name, enclosing[i][1]);
	cv_config_fini(&c);
}

static void brackets_and_long_names_are_kept_in_section_names(void **state)
{
	static const char text[] =
		"[repository \"a] name that is far longer than what the reader of such files keeps by itself\"] ; why not\n"
		"path = /srv/a\n"
		"[ignore \"qcow2-dirty:b]c\"]\n"
		"until = 2027-01-31\n"
		"reason = one; two\n";
	struct cv_config c;
	struct cv_err err;

	(void)state;
	if (!read_config(&c, text, sizeof text - 1, &err))
		fail_msg("%s", err.text);
	assert_non_null(cv_config_named(&c, "a] name that is far longer than what the reader of such files keeps by itself"));
	assert_int_equal(c.policy.ignore_count, 1);
	assert_int_equal(c.policy.ignores[0].problem, CV_QCW_DIRTY);
	assert_string_equal(c.policy.ignores[0].image, "b]c");
	assert_string_equal(c.policy.ignores[0].reason, "one; two");
	/* 1 February 2027 */
	assert_int_equal(c.policy.ignores[0].until, 1801440000);
	cv_config_fini(&c);
}

static void times_and_days_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = { { "0", 0 }, { "90", 90 }, { "90s", 90 }, { "30m", 1800 }, { "12h", 43200 }, { "7d", 604800 }, { "2w", 1209600 } };
	static const char *const bad[] = { "", "d", "-1", "1y", "7 d", "7dd", "99999999999999999999", "9223372036854775807w" };
	static const char *const no_days[] = { "", "2027", "2027-02-29", "2027-13-01", "2027-01-32", "27-01-01", "2027-01-31x" };
	int64_t n;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(good); i++) {
		assert_true(cv_duration_parse(good[i].text, &n));
		assert_int_equal(n, good[i].seconds);
	}
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		assert_false(cv_duration_parse(bad[i], &n));
	for (size_t i = 0; i < CV_COUNT(no_days); i++)
		assert_false(cv_day_parse(no_days[i], &n));
	assert_true(cv_day_parse("2028-02-29", &n));
	setenv("CHAINVIEW_NOW", "2027-02-01T00:00:01Z", 1);
	assert_int_equal(cv_clock_now(), 1801440001);
	setenv("CHAINVIEW_NOW", "17", 1);
	assert_int_equal(cv_clock_now(), 17);
	unsetenv("CHAINVIEW_NOW");
	assert_true(cv_clock_now() > 1700000000);
}

static void nothing_encloses_a_path_outside(void **state)
{
	static const char text[] = "[repository \"a\"]\npath = /srv/a\n[repository \"a\"]\npath = /srv/b\n";
	struct cv_config c;
	struct cv_err err;

	(void)state;
	assert_true(read_config(&c, text, sizeof text - 1, &err));
	assert_int_equal(c.repositories.len, 1);
	assert_null(cv_config_enclosing(&c, "/srv/a/x"));
	assert_string_equal(cv_config_enclosing(&c, "/srv/b/x")->path, "/srv/b");
	cv_config_fini(&c);
}

static void a_bad_line_is_named(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "[defaults]\ndepth_warn = many\n", "/conf:2: depth_warn takes a number from 1 to 100000" },
		{ "[defaults]\n\n\ndepth_limit = 0\n", "/conf:4: depth_limit takes a number" },
		{ "[defaults]\ndepth_warn = 5 apples\n", "/conf:2: depth_warn takes a number" },
		{ "[defaults]\ndpeth_warn = 5\n", "/conf:2: there is no setting dpeth_warn in [defaults]" },
		{ "[default]\ndepth_warn = 5\n", "/conf:2: there is no setting depth_warn in [default]" },
		{ "[repository sr]\npath = /x\n", "/conf:2: a repository section is written" },
		{ "[repository \"\"]\npath = /x\n", "/conf:2: a repository section is written" },
		{ "[repository \"sr\"]\npath = relative\n", "/conf:2: path must begin with /" },
		{ "[repository \"sr\"]\npath =\n", "/conf:2: path must begin with /" },
		{ "[ignore \"no-such-finding\"]\nuntil = 2027-01-31\n", "/conf:1: no finding is called no-such-finding" },
		{ "[ignore coalescable]\nuntil = 2027-01-31\n", "/conf:1: a rule is written [ignore" },
		{ "[ignore]\nuntil = 2027-01-31\n", "/conf:1: a rule is written [ignore" },
		{ "[ignore \"coalescable:\"]\n", "/conf:1: a rule for one image needs its name" },
		{ "\n[ignore \"coalescable\"]\nuntil = 2027-01-31\n", "/conf:2: an ignore rule needs until" },
		{ "[ignore \"coalescable\"]\nreason = x\n[defaults]\n", "/conf:1: an ignore rule needs until" },
		{ "[ignore \"coalescable\"]\nuntil = 2027-02-31\n", "/conf:2: until takes a day" },
		{ "[ignore \"coalescable\"]\nuntil = 2027-1-3\n", "/conf:2: until takes a day" },
		{ "[ignore \"coalescable\"]\nreason =\n", "/conf:2: reason is empty" },
		{ "[ignore \"coalescable\"]\nbecause = x\n", "/conf:2: there is no setting because in [ignore" },
		{ "[defaults]\nremind = soon\n", "/conf:2: remind takes a time" },
		{ "[defaults]\nmax_age = 1y\n", "/conf:2: max_age takes a time" },
		{ "[defaults]\nreserve = much\n", "/conf:2: reserve takes a size" },
		{ "[defaults]\nmetrics = here\n", "/conf:2: metrics must begin with /" },
		{ "[defaults]\nnonsense\n", "/conf:2: neither [section] nor key = value" },
		{ "[defaults\ndepth_warn = 5\n", "/conf:1: neither" },
		{ "nonsense\n[defaults]\ndepth_warn = x\n", "/conf:1: neither" },
		{ "[defaults]\ndepth_warn = x\nnonsense\n", "/conf:2: depth_warn takes" },
		{ "[defaults]\nre\033fs = x\n", "/conf:2: there is no setting re\\x1bfs in [defaults]" },
		{ "[defaults]\nrefs =\n", "/conf:2: refs needs a source" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_config c;
		struct cv_err err;

		assert_false(read_config(&c, cases[i].text, strlen(cases[i].text), &err));
		assert_int_equal(err.code, CV_EUSAGE);
		if (!strstr(err.text, cases[i].says))
			fail_msg("case %zu: %s", i, err.text);
		cv_config_fini(&c);
	}
}

static void a_line_that_does_not_fit_is_refused(void **state)
{
	struct cv_text t = { 0 };
	struct cv_config c;
	struct cv_err err;

	(void)state;
	cv_text_add(&t, "[repository \"x\"]\npath = /");
	cv_text_fill(&t, 'a', 300);
	cv_text_add(&t, "\n");
	assert_false(read_config(&c, t.at, t.len, &err));
	assert_non_null(strstr(err.text, "/conf:2: the line is longer than "));
	cv_config_fini(&c);
	cv_text_fini(&t);
}

/* Any bytes are read without harm: a small generator, many files. */
static void random_bytes_do_no_harm(void **state)
{
	static const char letters[] = "[]=\n\n\n\" ;abrepository defaults path/\\\0\xff";
	uint32_t seed = 7;
	char text[600];

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t len = cv_test_random(&seed, sizeof text);
		struct cv_config c;
		struct cv_err err;

		for (size_t i = 0; i < len; i++)
			text[i] = letters[cv_test_random(&seed, sizeof letters)];
		if (!read_config(&c, text, len, &err))
			assert_int_equal(err.code, CV_EUSAGE);
		cv_config_fini(&c);
	}
}

static void the_environment_names_the_file(void **state)
{
	struct cv_config c = { .refs = NULL };
	struct cv_err err = { .code = CV_OK };

	(void)state;
	setenv("CHAINVIEW_CONFIG", "/nonexistent/conf", 1);
	assert_false(cv_config_load(&c, &err));
	assert_int_equal(err.code, CV_EIO);
	cv_err_clear(&err);
	setenv("CHAINVIEW_CONFIG", "", 1);
	assert_true(cv_config_load(&c, &err));
	unsetenv("CHAINVIEW_CONFIG");
	setenv("HOME", "/nonexistent", 1);
	assert_true(cv_config_load(&c, &err));
	cv_config_fini(&c);
}

static void colours_follow_options_then_environment(void **state)
{
	static const struct {
		enum cv_when when;
		const char *no_color, *force;
		bool color;
	} cases[] = {
		{ CV_WHEN_AUTO, "", "", false },
		{ CV_WHEN_AUTO, "", "1", true },
		{ CV_WHEN_AUTO, "", "0", false },
		{ CV_WHEN_AUTO, "1", "1", false },
		{ CV_WHEN_ALWAYS, "1", "", true },
		{ CV_WHEN_NEVER, "", "1", false },
	};
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_session s = { .settings = { .color = cases[i].when } };

		setenv("NO_COLOR", cases[i].no_color, 1);
		setenv("CLICOLOR_FORCE", cases[i].force, 1);
		assert_int_equal(cv_session_style(&s, fd).color, cases[i].color);
	}
	close(fd);
	unsetenv("NO_COLOR");
	unsetenv("CLICOLOR_FORCE");
}

static void the_width_is_that_of_columns(void **state)
{
	struct cv_session s = { .argc = 0 };
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	setenv("COLUMNS", "72", 1);
	assert_int_equal(cv_session_style(&s, fd).width, 72);
	setenv("COLUMNS", "nonsense", 1);
	assert_int_equal(cv_session_style(&s, fd).width, 0);
	unsetenv("COLUMNS");
	close(fd);
}

static void output_is_buffered_and_complete(void **state)
{
	char *folder = cv_test_folder();
	struct cv_text path = { 0 };
	struct cv_output *o;
	struct cv_sink sink;
	struct cv_err err = { .code = CV_OK };
	char big[CV_OUTPUT_BUFFER + 10];
	int fd;

	(void)state;
	memset(big, 'x', sizeof big);
	cv_text_addf(&path, "%s/out", folder);
	fd = open(cv_text_str(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	o = cv_output_new(fd);
	assert_non_null(o);
	sink = cv_output_sink(o);
	assert_true(sink.put(sink.ctx, "abc", 3));
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	assert_true(sink.put(sink.ctx, big, sizeof big));
	assert_true(sink.put(sink.ctx, big, sizeof big / 2));
	assert_true(sink.put(sink.ctx, big, sizeof big / 2));
	assert_true(cv_output_flush(o, &err));
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 + sizeof big + sizeof big / 2 * 2);
	cv_output_free(o);
	close(fd);
	cv_text_fini(&path);
	cv_test_folder_remove(folder);
}

static void a_full_disk_is_an_error(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct cv_output *o = cv_output_new(fd);
	struct cv_sink sink;
	struct cv_err err = { .code = CV_OK };

	(void)state;
	assert_non_null(o);
	sink = cv_output_sink(o);
	assert_true(sink.put(sink.ctx, "abc", 3));
	assert_false(cv_output_flush(o, &err));
	assert_int_equal(err.os_errno, ENOSPC);
	assert_false(sink.put(sink.ctx, "abc", 3));
	cv_output_free(o);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_understood),
		cmocka_unit_test(every_with_is_kept_in_order),
		cmocka_unit_test(nonsense_is_refused_with_its_reason),
		cmocka_unit_test(parsing_can_stop_at_the_first_word),
		cmocka_unit_test(common_options_are_unique_and_explained),
		cmocka_unit_test(help_lines_fit_a_terminal),
		cmocka_unit_test(the_nearest_word_is_a_likely_one),
		cmocka_unit_test(a_configuration_is_read),
		cmocka_unit_test(brackets_and_long_names_are_kept_in_section_names),
		cmocka_unit_test(times_and_days_are_read),
		cmocka_unit_test(nothing_encloses_a_path_outside),
		cmocka_unit_test(a_bad_line_is_named),
		cmocka_unit_test(a_line_that_does_not_fit_is_refused),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(the_environment_names_the_file),
		cmocka_unit_test(colours_follow_options_then_environment),
		cmocka_unit_test(the_width_is_that_of_columns),
		cmocka_unit_test(output_is_buffered_and_complete),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL) ? 1 : 0;
}
