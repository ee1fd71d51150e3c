/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The configuration: known repositories, thresholds, rules. /etc/chainview/chainview.conf and the files of conf.d beside it
 * first, then ~/.config/chainview/config; CHAINVIEW_CONFIG names one file that is read instead of all of them, or a
 * folder with chainview.conf and conf.d/ in it. What is read later wins.
 */
#ifndef TUI_COMMAND_CONFIG_H
#define TUI_COMMAND_CONFIG_H

#include <chainview/graph.h>
#include <chainview/vec.h>

struct cv_config_repository {
	char *name, *path;       /* path is absolute */
	char *origin;            /* "file:line", escaped */
};
CV_VEC(cv_config_repositories, struct cv_config_repository);

CV_VEC(cv_config_ignores, struct cv_ignore);   /* their strings are owned by the configuration */

#define CV_CONFIG_SETTINGS 16
struct cv_config {
	struct cv_graph_policy policy;   /* with the rules below */
	char *refs;                      /* default for --refs, or NULL */
	uint64_t reserve;                /* default for --reserve, bytes */
	int64_t remind, max_age;         /* defaults for --remind and --max-age, seconds; 0 = not set */
	char *metrics;                   /* default for --metrics with --cron, or NULL */
	struct cv_config_repositories repositories;
	struct cv_config_ignores ignores;
	/* What was written for the row of the same number, and where; NULL = nothing. */
	struct { char *text, *origin; } written[CV_CONFIG_SETTINGS];
};

/* A key of the configuration file. A section that ends in a blank takes a name behind it: [repository "NAME"]. */
struct cv_config_row {
	const char *section, *key, *value, *usual, *help;   /* value and help for people; usual: without it, or NULL */
	bool (*set)(struct cv_config *c, const char *section, const char *value, struct cv_err *err);
};
extern const struct cv_config_row cv_config_rows[];
extern const size_t cv_config_row_count;

/* Reads the files that there are; a missing one is fine unless CHAINVIEW_CONFIG names it. A bad line gives
 * CV_EUSAGE with "file:line: what". */
bool cv_config_load(struct cv_config *config, struct cv_err *err);
bool cv_config_read_file(struct cv_config *config, const char *path, struct cv_err *err);
void cv_config_fini(struct cv_config *config);

/* config_ignore.c: the section [ignore "NAME-or-CODE[:IMAGE]"]; begin when it opens, end when the next one does. */
/* origin is copied. */
bool cv_config_ignore_begin(struct cv_config *c, const char *section, const char *origin, struct cv_err *err);
bool cv_config_ignore_until(struct cv_config *c, const char *section, const char *value, struct cv_err *err);
bool cv_config_ignore_reason(struct cv_config *c, const char *section, const char *value, struct cv_err *err);
bool cv_config_ignore_end(const struct cv_config *c, struct cv_err *err);
void cv_config_ignores_fini(struct cv_config *c);

/* The NAME of [word "NAME"], to be freed; NULL if the section is not written like that. */
char *cv_config_section_name(const char *section, const char *word);

/* The repository of that name, or NULL. */
const struct cv_config_repository *cv_config_named(const struct cv_config *config, const char *name);
/* The repository with the longest path that holds the absolute path, or NULL. */
const struct cv_config_repository *cv_config_enclosing(const struct cv_config *config, const char *path);
/* The repository at exactly this path, or NULL. */
const struct cv_config_repository *cv_config_at(const struct cv_config *config, const char *path);

#endif
