/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Options from rows: parsing with getopt_long, lines for --help, the setters of the options that every
 * command takes. What a command makes of its settings does not belong here.
 */
#include <getopt.h>
#include <strings.h>

#include "tui/command/options.h"

#define MOST_ROWS 64
#define NO_LETTER 0x100          /* getopt's value for row i without a letter is NO_LETTER + i */

static bool set_output(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->json = !strcmp(value, "json");
	return s->json || !strcmp(value, "text") ||
	       cv_fail(err, CV_EUSAGE, "--output takes text or json");
}

static bool set_verbose(struct cv_settings *s, const char *value, struct cv_err *err)
{
	(void)value;
	(void)err;
	s->verbose++;
	return true;
}

bool cv_set_reserve(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	settings->has_reserve = true;
	return cv_size_parse(value, &settings->reserve) ||
	       cv_fail(err, CV_EUSAGE, "--reserve takes a size, such as 10GiB");
}

bool cv_when_parse(enum cv_when *when, const char *option, const char *value, struct cv_err *err)
{
	static const char *const words[] = {
		[CV_WHEN_AUTO] = "auto", [CV_WHEN_ALWAYS] = "always", [CV_WHEN_NEVER] = "never",
	};

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (!strcmp(value, words[i])) {
			*when = (enum cv_when)i;
			return true;
		}
	return cv_fail(err, CV_EUSAGE, "%s takes auto, always or never", option);
}

static bool set_color(struct cv_settings *s, const char *value, struct cv_err *err)
{
	return cv_when_parse(&s->color, "--color", value, err);
}

static bool set_progress(struct cv_settings *s, const char *value, struct cv_err *err)
{
	char *end;

	if (!strncmp(value, "fd:", 3)) {
		s->progress_fd = value[3] >= '1' && value[3] <= '9' ? (int)strtol(value + 3, &end, 10) : -1;
		return (s->progress_fd > 0 && !*end && s->progress_fd < 1024) ||
		       cv_fail(err, CV_EUSAGE, "--progress=fd: needs the number of an open descriptor");
	}
	return cv_when_parse(&s->progress, "--progress", value, err);
}

static bool set_refs(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->refs = value;
	return *value || cv_fail(err, CV_EUSAGE, "--refs needs a source");
}

static bool set_with(struct cv_settings *s, const char *value, struct cv_err *err)
{
	if (!*value)
		return cv_fail(err, CV_EUSAGE, "--with needs a repository");
	return cv_string_vec_push(&s->with, value) || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_set_search(struct cv_settings *s, const char *value, struct cv_err *err)
{
	if (!*value)
		return cv_fail(err, CV_EUSAGE, "--search needs a folder or an image");
	return cv_string_vec_push(&s->search, value) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool set_repo(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->repo = value;
	return *value || cv_fail(err, CV_EUSAGE, "--repo needs a repository");
}

static bool set_offset(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->has_offset = true;
	return cv_size_parse(value, &s->offset) ||
	       cv_fail(err, CV_EUSAGE, "--offset takes a number of bytes, such as 1048576 or 1MiB");
}

static bool set_one_file_system(struct cv_settings *s, const char *value, struct cv_err *err)
{
	(void)value;
	(void)err;
	s->cross_file_systems = false;
	return true;
}

static bool set_rate(struct cv_settings *s, const char *value, struct cv_err *err)
{
	return (cv_size_parse(value, &s->write.rate) && s->write.rate) ||
	       cv_fail(err, CV_EUSAGE, "--rate takes a size for each second, such as 50MiB");
}

static bool set_workers(struct cv_settings *s, const char *value, struct cv_err *err)
{
	char *end = NULL;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < 1 || n > 64)
		return cv_fail(err, CV_EUSAGE, "--workers takes a number from 1 to 64");
	s->workers = (unsigned)n;
	return true;
}

const struct cv_option_row cv_common_options[] = {
	{ "json", 0, NULL, NULL, "write JSON, the same as --output=json", CV_ON(json) },
	{ "output", 0, "FORMAT", "text json", "what to write: text or json", set_output, 0 },
	{ "quiet", 'q', NULL, NULL, "be silent when there is nothing to say", CV_ON(quiet) },
	{ "verbose", 'v', NULL, NULL, "say more: evidence, all fields", set_verbose, 0 },
	{ "dry-run", 'n', NULL, NULL, "change nothing; commands that only read never do", CV_ON(dry_run) },
	{ "refs", 0, "SOURCE,...", NULL, "who says which images are needed; see below", set_refs, 0 },
	{ "with", 0, "REPO", NULL, "another place where parents or children may lie", set_with, 0 },
	{ "repo", 0, "REPO", NULL, "the repository of IMAGE", set_repo, 0 },
	{ "offset", 0, "BYTES", NULL, "the image starts at this byte of the given file", set_offset, 0 },
	{ "one-file-system", 0, NULL, NULL, "stay on one file system (default)", set_one_file_system, 0 },
	{ "cross-file-systems", 0, NULL, NULL, "enter other file systems too", CV_ON(cross_file_systems) },
	{ "workers", 0, "N", NULL, "how many processes read images", set_workers, 0 },
	{ "rate", 0, "SIZE", NULL, "copy at most so much in a second", set_rate, 0 },
	{ "require-sandbox", 0, NULL, NULL, "fail if the kernel cannot fence the readers in", CV_ON(require_sandbox) },
	{ "color", 0, "WHEN", "auto always never", "colours: auto, always or never", set_color, 0 },
	{ "ascii", 0, NULL, NULL, "draw with ASCII characters only", CV_ON(ascii) },
	{ "progress", 0, "WHEN", "auto always never", "progress on stderr: auto, always or never", set_progress, 0 },
	{ "help", 'h', NULL, NULL, "show this help", CV_ON(help) },
	{ "version", 'V', NULL, NULL, "show the version", CV_ON(version) },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

void cv_settings_init(struct cv_settings *settings)
{
	*settings = (struct cv_settings){ .fail_on = CV_ERROR };
}

void cv_settings_fini(struct cv_settings *settings)
{
	free(settings->with.at);
	free(settings->search.at);
	free(settings->monitor.limits.at);
	settings->with = settings->search = (struct cv_string_vec){ 0 };
	settings->monitor.limits = (struct cv_nagios_limits){ 0 };
}

/* The rows of one command as getopt wants them. */
struct table {
	const struct cv_option_row *rows[MOST_ROWS];
	struct option longs[MOST_ROWS + 1];
	char letters[2 * MOST_ROWS + 4];
	size_t count, letter_count;
};

bool cv_options_have(const struct cv_option_row *rows, const char *flag)
{
	for (; rows && rows->flag; rows++)
		if (!strcmp(rows->flag, flag))
			return true;
	return false;
}

static bool is_optional(const struct cv_option_row *row)
{
	return row->value && row->value[0] == '[';
}

static void add_rows(struct table *t, const struct cv_option_row *rows, const struct cv_option_row *own)
{
	for (; rows && rows->flag && t->count < MOST_ROWS; rows++) {
		if (cv_options_have(own, rows->flag))
			continue;
		t->longs[t->count] = (struct option){ rows->flag, is_optional(rows) ? optional_argument : rows->value ? required_argument : no_argument, NULL,
						      rows->letter ? rows->letter : NO_LETTER + (int)t->count };
		if (rows->letter) {
			t->letters[t->letter_count++] = rows->letter;
			if (rows->value)
				t->letters[t->letter_count++] = ':';
		}
		t->rows[t->count++] = rows;
	}
}

static const struct cv_option_row *row_of(const struct table *t, int value)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->longs[i].val == value)
			return t->rows[i];
	return NULL;
}

/* What was wrong with the word that getopt has just refused. */
static bool refuse(const struct table *t, int problem, char **argv, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text word = { 0 };
	const struct cv_option_row *row = row_of(t, optopt);
	const char *typed = argv[optind - 1];

	if (problem == ':' && row)
		return cv_fail(err, CV_EUSAGE, "--%s needs a value: %s", row->flag, row->value);
	if (row)
		return cv_fail(err, CV_EUSAGE, "--%s takes no value", row->flag);
	if (optopt && optopt < NO_LETTER)
		cv_text_escape(&word, (struct cv_bytes){ (char[]){ '-', (char)optopt }, 2 });
	else
		cv_text_escape(&word, cv_bytes_of(typed));
	return cv_fail(err, CV_EUSAGE, "unknown option %s", cv_text_str(&word));
}

static bool take(struct cv_settings *settings, const struct cv_option_row *row, struct cv_err *err)
{
	if (row->set)
		return row->set(settings, row->value && optarg ? optarg : "", err);
	*(bool *)((char *)settings + row->on) = true;
	return true;
}

bool cv_options_parse(struct cv_settings *settings, const struct cv_option_row *own, bool stop_at_word,
		      int argc, char **argv, int *first, struct cv_err *err)
{
	struct table t = { .letter_count = 0 };
	int found;

	if (stop_at_word)
		t.letters[t.letter_count++] = '+';
	t.letters[t.letter_count++] = ':';
	add_rows(&t, own, NULL);
	add_rows(&t, cv_common_options, own);
	optind = 0;      /* glibc: begin anew */
	opterr = 0;
	while ((found = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1) {
		const struct cv_option_row *row = found == '?' || found == ':' ? NULL : row_of(&t, found);

		if (!row)
			return refuse(&t, found, argv, err);
		if (!take(settings, row, err))
			return false;
	}
	*first = optind;
	return true;
}

void cv_options_help(struct cv_text *out, const struct cv_option_row *rows, const struct cv_option_row *own)
{
	for (; rows && rows->flag; rows++) {
		size_t start = out->len;

		if (cv_options_have(own, rows->flag))
			continue;
		if (rows->letter)
			cv_text_addf(out, "  -%c, ", rows->letter);
		else
			cv_text_add(out, "      ");
		cv_text_addf(out, "--%s%s%s", rows->flag, rows->value && !is_optional(rows) ? "=" : "", rows->value ? rows->value : "");
		cv_text_fill(out, ' ', out->len - start < 28 ? 28 - (out->len - start) : 2);
		cv_text_addf(out, "%s\n", rows->help);
	}
}

/* Edit distance of two words, capped; two neighbours in the wrong order count as one slip. */
static unsigned distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	unsigned d[LONGEST + 1][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST || m > LONGEST)
		return LONGEST;
	for (unsigned i = 0; i <= n; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
			best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = d[i - 2][j - 2] + 1 < best ? d[i - 2][j - 2] + 1 : best;
			d[i][j] = best;
		}
	return d[n][m];
}

const char *cv_nearest_word(const char *typed, const char *(*word)(size_t i))
{
	const char *nearest = NULL;
	unsigned best = (unsigned)strlen(typed) / 3 + 1;

	for (size_t i = 0; word(i); i++) {
		unsigned n = distance(typed, word(i));

		if (n <= best && (!nearest || n < best)) {
			nearest = word(i);
			best = n;
		}
	}
	return nearest;
}
