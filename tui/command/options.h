/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Options: what can be set on the command line, as rows. The parser, --help and completion are made of the
 * same rows. No meaning of a command belongs here.
 */
#ifndef TUI_COMMAND_OPTIONS_H
#define TUI_COMMAND_OPTIONS_H

#include <chainview/dump.h>
#include <chainview/error.h>
#include <chainview/graph.h>
#include <chainview/result.h>
#include <chainview/vec.h>

enum cv_when { CV_WHEN_AUTO, CV_WHEN_ALWAYS, CV_WHEN_NEVER };

/* option: its name, for the message. */
bool cv_when_parse(enum cv_when *when, const char *option, const char *value, struct cv_err *err);

enum cv_fingerprints_how { CV_FINGERPRINTS_AUTO, CV_FINGERPRINTS_OFF, CV_FINGERPRINTS_RENEW };

CV_VEC(cv_string_vec, const char *);

/* Of the command map. */
struct cv_map_settings {
	bool has_at;
	uint64_t at;                 /* --at, bytes */
	struct cv_range range;       /* --range; len 0: up to the end */
	const char *svg, *png;       /* file names */
	const char *plan;            /* --plan-coalesce */
};

/* Of the commands that write. */
struct cv_write_settings {
	bool yes;                    /* consent */
	bool safe;                   /* repair: only what loses nothing */
	bool exclusive;              /* --exclusive */
	uint64_t rate;               /* --rate, bytes a second; 0: as fast as it goes */
	bool unreferenced;           /* gc */
	bool now, all;               /* trash; all also: coalesce */
	bool purge_merged, leaf, undo_full;          /* coalesce */
	bool adopt, abort;           /* recover */
	bool has_keep;
	uint64_t keep;               /* --trash-keep, seconds */
	const char *onto;            /* rebase */
	bool flatten;                /* rebase */
};

/* Of the command convert. */
struct cv_convert_settings {
	enum cv_format_id to;
	const char *options;
	bool compress, keep_zeros, no_sharing, full_verify, tree, salvage;
	const char *map;             /* --salvage=MAPFILE; NULL: not given */
};

/* Of the command check, for those who are not there. */
enum cv_monitor_output { CV_MONITOR_TEXT, CV_MONITOR_NDJSON, CV_MONITOR_NAGIOS };
CV_VEC(cv_nagios_limits, struct cv_nagios_limit);
struct cv_monitor_settings {
	enum cv_monitor_output output;
	bool cron, now, has_remind, has_max_age;
	int64_t remind, max_age;     /* seconds */
	const char *metrics;         /* a file or a folder */
	enum cv_when syslog;
	struct cv_nagios_limits limits;
	unsigned timeout;            /* seconds; 0 = none */
};

/* Of the command dump. */
struct cv_dump_settings {
	bool has_form;
	enum cv_dump_form form;      /* --output */
	const char *file, *maps;     /* names of a new file and of a folder */
	const char *case_number, *evidence, *examiner, *note;
	uint64_t max_bytes;
	unsigned digests;            /* bits 1 << cv_digest_kind */
	bool reproducible, only;
};

/* Everything that options can set. Strings are borrowed from argv; all zero is the default. */
struct cv_settings {
	bool json, quiet, dry_run, ascii, help, version;
	unsigned verbose;
	enum cv_when color, progress;
	const char *refs;            /* --refs; NULL: not given */
	const char *repo;            /* --repo */
	struct cv_string_vec with;   /* --with, in order */
	struct cv_string_vec search; /* --search, in order */
	bool has_offset;
	uint64_t offset;             /* --offset, bytes */
	bool cross_file_systems, require_sandbox;
	unsigned workers;            /* 0 = the library's choice */
	enum cv_severity fail_on;    /* set by --fail-on; CV_ERROR unless the option was given */
	bool fail_never;             /* --fail-on=never */
	struct cv_monitor_settings monitor;   /* check */
	bool origins, zabbix;        /* config */
	int progress_fd;             /* --progress=fd:N; 0 = none */
	struct cv_graph_policy policy; /* check: thresholds that go before the configured ones */
	enum cv_fingerprints_how fingerprints;   /* check */
	bool repair;                 /* check */
	bool deletable;              /* info */
	bool own_reader;             /* verify */
	bool deep;                   /* space */
	bool has_reserve;
	uint64_t reserve;            /* --reserve, bytes */
	bool list;                   /* sample */
	const char *recipe;          /* sample */
	struct cv_map_settings map;
	struct cv_write_settings write;
	struct cv_convert_settings convert;
	struct cv_dump_settings dump;
};

struct cv_option_row {
	const char *flag;            /* long name, without the dashes */
	char letter;                 /* or 0 */
	const char *value;           /* what it takes, for people; NULL: nothing; "[=X]": it may be left out ("" is set then) */
	const char *values;          /* the words it takes, separated by blanks, for completion; or NULL */
	const char *help;
	/* Takes the value; NULL: the option only turns on the flag at the offset on of struct cv_settings. */
	bool (*set)(struct cv_settings *settings, const char *value, struct cv_err *err);
	size_t on;
};
/* --search, for commands that look for lost parents. */
bool cv_set_search(struct cv_settings *settings, const char *value, struct cv_err *err);
#define CV_SEARCH_OPTION { "search", 0, "DIR", NULL, "look for lost parents here, too", cv_set_search, 0 }
/* --reserve, for commands that plan; what is in force is cv_session_reserve(). */
bool cv_set_reserve(struct cv_settings *settings, const char *value, struct cv_err *err);
#define CV_RESERVE_OPTION { "reserve", 0, "SIZE", NULL, "space that must stay free", cv_set_reserve, 0 }
/* Of repair, and of check that repairs; -n is a common option. */
#define CV_REPAIR_OPTIONS \
	{ "safe", 'p', NULL, NULL, "do what loses nothing", CV_ON(write.safe) }, \
	{ "yes", 'y', NULL, NULL, "do all that can be done", CV_ON(write.yes) }, \
	CV_SEARCH_OPTION
#define CV_ON(flag) NULL, offsetof(struct cv_settings, flag)

/* Rows that every command takes; ended by a row without a flag. */
extern const struct cv_option_row cv_common_options[];

void cv_settings_init(struct cv_settings *settings);
void cv_settings_fini(struct cv_settings *settings);

/*
 * Parses argv[1..] with the common rows and own (may be NULL). Words that are no options are moved behind
 * the options, *first is the index of the first of them. With stop_at_word parsing ends at the first word.
 * CV_EUSAGE if an option is not known or its value makes no sense.
 */
bool cv_options_parse(struct cv_settings *settings, const struct cv_option_row *own, bool stop_at_word,
		      int argc, char **argv, int *first, struct cv_err *err);

/* True if rows (may be NULL) have a row of this flag: a command's own takes the place of a common one. */
bool cv_options_have(const struct cv_option_row *rows, const char *flag);

/* Appends one line for each row: "  -q, --quiet        say only what is wrong"; but for those that own has too. */
void cv_options_help(struct cv_text *out, const struct cv_option_row *rows, const struct cv_option_row *own);

/* The word that is nearest to what was typed, or NULL if none is near. Words are given by a getter, which
 * returns NULL behind the last. */
const char *cv_nearest_word(const char *typed, const char *(*word)(size_t i));

#endif
