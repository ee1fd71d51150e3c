/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The configuration file, read with inih. Every key is a row; a key that is not known is an error with its
 * line, because a typing error in a safety limit must not be silent.
 */
#include <ini.h>
#include <stdio.h>

#include "tui/command/config.h"

struct reading {
	struct cv_config *config;
	FILE *file;
	int line;                /* of the line that is being looked at */
	int bad_line;            /* of the first error; 0 = none */
	struct cv_err problem;
};

static bool parse_count(uint32_t *n, const char *key, const char *value, struct cv_err *err)
{
	char *end = NULL;
	unsigned long v;

	errno = 0;
	v = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || v < 1 || v > 100000)
		return cv_fail(err, CV_EUSAGE, "%s takes a number from 1 to 100000", key);
	*n = (uint32_t)v;
	return true;
}

static bool set_depth_warn(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return parse_count(&c->policy.depth_warn, "depth_warn", value, err);
}

static bool set_depth_limit(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return parse_count(&c->policy.depth_limit, "depth_limit", value, err);
}

static bool set_refs(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	char *copy = strdup(value);

	(void)section;
	if (!copy)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	free(c->refs);
	c->refs = copy;
	return *value || cv_fail(err, CV_EUSAGE, "refs needs a source");
}

/* The NAME of [repository "NAME"]; NULL if the section is not written like that. */
static char *section_name(const char *section)
{
	static const char before[] = "repository \"";
	size_t len = strlen(section);

	if (len <= sizeof before || strncmp(section, before, sizeof before - 1) || section[len - 1] != '"')
		return NULL;
	return strndup(section + sizeof before - 1, len - sizeof before);
}

static char *without_slashes(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

/* A name that is given again, by a file that is read later, moves. */
static bool set_path(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char *name = section_name(section);
	CV_AUTO(cv_auto_free) char *path = without_slashes(value);
	struct cv_config_repository *old;

	if (!name)
		return cv_fail(err, CV_EUSAGE,
			       "a repository section is written [repository \"NAME\"], NAME at most 36 bytes");
	if (*value != '/')
		return cv_fail(err, CV_EUSAGE, "path must begin with /");
	old = (struct cv_config_repository *)cv_config_named(c, name);
	if (old && path) {
		free(old->path);
		old->path = cv_take(path);
		return true;
	}
	if (!path || !cv_config_repositories_push(&c->repositories, (struct cv_config_repository){ name, path }))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	name = path = NULL;
	return true;
}

static const struct config_row {
	const char *section, *key;
	bool (*set)(struct cv_config *c, const char *section, const char *value, struct cv_err *err);
} rows[] = {
	{ "defaults", "depth_warn", set_depth_warn },
	{ "defaults", "depth_limit", set_depth_limit },
	{ "defaults", "refs", set_refs },
	{ "repository ", "path", set_path },
};

/* A section of rows that ends in a blank takes a name behind it. */
static bool section_fits(const char *row, const char *section)
{
	size_t len = strlen(row);

	return row[len - 1] == ' ' ? !strncmp(row, section, len) : !strcmp(row, section);
}

static int take_pair(void *ctx, const char *section, const char *key, const char *value)
{
	struct reading *r = ctx;
	CV_AUTO(cv_text_fini) struct cv_text what = { 0 };

	for (size_t i = 0; i < CV_COUNT(rows) && !r->bad_line; i++) {
		if (!section_fits(rows[i].section, section) || strcmp(rows[i].key, key))
			continue;
		if (rows[i].set(r->config, section, value, &r->problem))
			return 1;
		r->bad_line = r->line;
		return 0;
	}
	if (r->bad_line)
		return 0;
	r->bad_line = r->line;
	cv_text_escape(&what, cv_bytes_of(key));
	cv_text_add(&what, " in [");
	cv_text_escape(&what, cv_bytes_of(section));
	cv_fail(&r->problem, CV_EUSAGE, "there is no setting %s]", cv_text_str(&what));
	return 0;
}

/* Gives inih a line without the blanks before it, which would make it a continuation of the line above. */
static char *next_line(char *buf, int size, void *ctx)
{
	struct reading *r = ctx;
	size_t len, blanks;

	if (!fgets(buf, size, r->file))
		return NULL;
	r->line++;
	len = strlen(buf);
	if (len + 1 == (size_t)size && buf[len - 1] != '\n' && !r->bad_line) {
		r->bad_line = r->line;
		cv_fail(&r->problem, CV_EUSAGE, "the line is longer than %d bytes", size - 2);
	}
	blanks = strspn(buf, " \t");
	memmove(buf, buf + blanks, len - blanks + 1);
	return buf;
}

bool cv_config_read_file(struct cv_config *config, const char *path, struct cv_err *err)
{
	struct reading r = { .config = config };
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	int syntax;

	cv_text_escape(&name, cv_bytes_of(path));
	r.file = fopen(path, "re");
	if (!r.file)
		return cv_fail_errno(err, "cannot open %s", cv_text_str(&name));
	syntax = ini_parse_stream(next_line, &r, take_pair, &r);
	if (ferror(r.file)) {
		cv_fail_errno(err, "cannot read %s", cv_text_str(&name));
		fclose(r.file);
		return false;
	}
	fclose(r.file);
	if (r.bad_line && (syntax <= 0 || r.bad_line <= syntax))
		return cv_fail(err, r.problem.code, "%s:%d: %s", cv_text_str(&name), r.bad_line, r.problem.text);
	return !syntax ||
	       cv_fail(err, CV_EUSAGE, "%s:%d: neither [section] nor key = value", cv_text_str(&name), syntax);
}

/* Reads a file that need not be there. */
static bool read_if_there(struct cv_config *config, const char *path, struct cv_err *err)
{
	if (cv_config_read_file(config, path, err))
		return true;
	if (err->code != CV_EIO || (err->os_errno != ENOENT && err->os_errno != ENOTDIR))
		return false;
	cv_err_clear(err);
	return true;
}

bool cv_config_load(struct cv_config *config, struct cv_err *err)
{
	const char *only = getenv("CHAINVIEW_CONFIG"), *home = getenv("HOME");
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	if (only)
		return !*only || cv_config_read_file(config, only, err);
	if (!read_if_there(config, "/etc/chainview/chainview.conf", err))
		return false;
	if (!home || *home != '/')
		return true;
	cv_text_addf(&path, "%s/.config/chainview/config", home);
	if (path.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return read_if_there(config, cv_text_str(&path), err);
}

void cv_config_fini(struct cv_config *config)
{
	for (size_t i = 0; i < config->repositories.len; i++) {
		free(config->repositories.at[i].name);
		free(config->repositories.at[i].path);
	}
	free(config->repositories.at);
	free(config->refs);
	*config = (struct cv_config){ .refs = NULL };
}

const struct cv_config_repository *cv_config_named(const struct cv_config *config, const char *name)
{
	for (size_t i = 0; i < config->repositories.len; i++)
		if (!strcmp(config->repositories.at[i].name, name))
			return &config->repositories.at[i];
	return NULL;
}

const struct cv_config_repository *cv_config_enclosing(const struct cv_config *config, const char *path)
{
	const struct cv_config_repository *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < config->repositories.len; i++) {
		const struct cv_config_repository *r = &config->repositories.at[i];
		size_t len = strlen(r->path);

		if (strncmp(path, r->path, len) || (path[len] != '/' && path[len] && len > 1) || len < best_len)
			continue;
		best = r;
		best_len = len;
	}
	return best;
}
