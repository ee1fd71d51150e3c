/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The configuration files, read with inih. A key that is no row of config_rows.c is an error with its line, because a
 * typing error in a safety limit must not be silent.
 */
#include <dirent.h>
#include <ini.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tui/command/clock.h"
#include "tui/command/config.h"

struct reading {
	struct cv_config *config;
	FILE *file;
	const char *name;        /* escaped */
	int line;                /* of the line that is being looked at */
	int bad_line;            /* of the first error; 0 = none */
	char section[INI_MAX_LINE];   /* inih cuts long ones */
	int section_line;
	struct cv_err problem;
};

/* A section of rows that ends in a blank takes a name behind it. */
static bool section_fits(const char *row, const char *section)
{
	size_t len = strlen(row);

	return row[len - 1] == ' ' ? !strncmp(row, section, len) : !strcmp(row, section);
}

static void replace(char **slot, char *value)
{
	free(*slot);
	*slot = value;
}

/* Remembers what was written for a row, and where. */
static bool note_origin(struct reading *r, size_t row, const char *section, const char *value)
{
	CV_AUTO(cv_text_fini) struct cv_text origin = { 0 };
	struct cv_config *c = r->config;
	char *name = cv_config_section_name(section, "repository");
	struct cv_config_repository *repository =
		name ? (struct cv_config_repository *)cv_config_named(c, name) : NULL;

	free(name);
	cv_text_addf(&origin, "%s:%d", r->name, r->line);
	if (origin.failed)
		return cv_fail(&r->problem, CV_ENOMEM, "out of memory");
	if (repository)
		replace(&repository->origin, cv_take(origin.at));
	if (repository || strcmp(cv_config_rows[row].section, "defaults") != 0)
		return true;
	replace(&c->written[row].text, strdup(value));
	replace(&c->written[row].origin, cv_take(origin.at));
	return c->written[row].text || cv_fail(&r->problem, CV_ENOMEM, "out of memory");
}

static int take_pair(void *ctx, const char *inih_section, const char *key, const char *value)
{
	struct reading *r = ctx;
	const char *section = *inih_section ? r->section : "";
	CV_AUTO(cv_text_fini) struct cv_text what = { 0 };

	for (size_t i = 0; i < cv_config_row_count && !r->bad_line; i++) {
		if (!section_fits(cv_config_rows[i].section, section) || strcmp(cv_config_rows[i].key, key) != 0)
			continue;
		if (cv_config_rows[i].set(r->config, section, value, &r->problem) && note_origin(r, i, section, value))
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

static bool in_ignore(const struct reading *r)
{
	return section_fits("ignore ", r->section);
}

/* The section before is over, also at the end of the file. */
static void end_section(struct reading *r)
{
	if (!r->bad_line && in_ignore(r) && !cv_config_ignore_end(r->config, &r->problem))
		r->bad_line = r->section_line;
	r->section[0] = '\0';
}

static void begin_ignore(struct reading *r)
{
	CV_AUTO(cv_text_fini) struct cv_text origin = { 0 };

	cv_text_addf(&origin, "%s:%d", r->name, r->line);
	if (!cv_config_ignore_begin(r->config, r->section, cv_text_str(&origin), &r->problem))
		r->bad_line = r->line;
}

/* Takes the name of a section out of its line, which may hold brackets in quotes, and leaves a short one for inih. */
static void take_section(struct reading *r, char *buf, size_t size)
{
	const char *quote = strrchr(buf, '"');
	char *end = strchr(quote ? quote : buf, ']');

	if (!end)
		return;
	end_section(r);
	*end = '\0';
	snprintf(r->section, sizeof r->section, "%s", buf + 1);
	r->section_line = r->line;
	snprintf(buf, size, "[section]\n");
	if (!r->bad_line && (in_ignore(r) || !strcmp(r->section, "ignore")))
		begin_ignore(r);
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
	if (*buf == '[')
		take_section(r, buf, (size_t)size);
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
	r.name = cv_text_str(&name);
	syntax = ini_parse_stream(next_line, &r, take_pair, &r);
	end_section(&r);
	if (ferror(r.file)) {
		cv_fail_errno(err, "cannot read %s", cv_text_str(&name));
		fclose(r.file);
		return false;
	}
	fclose(r.file);
	config->policy.ignores = config->ignores.at;
	config->policy.ignore_count = config->ignores.len;
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

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && entry->d_name[0] != '.' && !strcmp(entry->d_name + len - 5, ".conf");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The files of folder/conf.d in the order of their names. */
static bool read_parts(struct cv_config *config, const char *folder, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct dirent **names = NULL;
	int count;
	bool ok = true;

	cv_text_addf(&path, "%s/conf.d", folder);
	count = scandir(cv_text_str(&path), &names, is_conf, by_bytes);
	if (count < 0 && errno != ENOENT && errno != ENOTDIR)
		return cv_fail_errno(err, "cannot read the folder conf.d of the configuration");
	for (int i = 0; i < count; i++) {
		cv_text_clear(&path);
		cv_text_addf(&path, "%s/conf.d/%s", folder, names[i]->d_name);
		ok = ok && !path.failed && cv_config_read_file(config, cv_text_str(&path), err);
		free(names[i]);
	}
	free(names);
	return ok || (!err->code && cv_fail(err, CV_ENOMEM, "out of memory"));
}

static bool read_folder(struct cv_config *config, const char *folder, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	cv_text_addf(&path, "%s/chainview.conf", folder);
	return read_if_there(config, cv_text_str(&path), err) && read_parts(config, folder, err);
}

bool cv_config_load(struct cv_config *config, struct cv_err *err)
{
	const char *only = getenv("CHAINVIEW_CONFIG"), *home = getenv("HOME");
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct stat st;

	config->policy.now = cv_clock_now();
	if (only && !*only)
		return true;
	if (only)
		return !stat(only, &st) && S_ISDIR(st.st_mode) ? read_folder(config, only, err) :
								 cv_config_read_file(config, only, err);
	if (!read_folder(config, "/etc/chainview", err))
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
		free(config->repositories.at[i].origin);
	}
	for (size_t i = 0; i < CV_CONFIG_SETTINGS; i++) {
		free(config->written[i].text);
		free(config->written[i].origin);
	}
	cv_config_ignores_fini(config);
	free(config->repositories.at);
	free(config->refs);
	free(config->metrics);
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

const struct cv_config_repository *cv_config_at(const struct cv_config *config, const char *path)
{
	for (size_t i = 0; i < config->repositories.len; i++)
		if (!strcmp(config->repositories.at[i].path, path))
			return &config->repositories.at[i];
	return NULL;
}
