/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What can be set in the configuration file: every key is a row. chainview config, the manual page and the reader of
 * the file are made of these.
 */
#include "tui/command/clock.h"
#include "tui/command/config.h"
#include "tui/command/policy.h"

static bool keep(char **slot, const char *value, struct cv_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	free(*slot);
	*slot = copy;
	return true;
}

#define THRESHOLD(key) \
	static bool set_##key(struct cv_config *c, const char *section, const char *value, struct cv_err *err) \
	{ \
		(void)section; \
		return cv_policy_set(&c->policy, #key, value, err); \
	}
THRESHOLD(depth_warn)
THRESHOLD(depth_limit)
THRESHOLD(leak_percent)
THRESHOLD(growth_percent)
THRESHOLD(space_reserve)
THRESHOLD(unclaimed_bytes)
#undef THRESHOLD

static bool set_refs(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return keep(&c->refs, value, err) && (*value || cv_fail(err, CV_EUSAGE, "refs needs a source"));
}

static bool set_reserve(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return cv_size_parse(value, &c->reserve) || cv_fail(err, CV_EUSAGE, "reserve takes a size, such as 100G");
}

static bool set_remind(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return cv_duration_take(&c->remind, "remind", value, err);
}

static bool set_max_age(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return cv_duration_take(&c->max_age, "max_age", value, err);
}

static bool set_metrics(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	if (*value != '/')
		return cv_fail(err, CV_EUSAGE, "metrics must begin with /");
	return keep(&c->metrics, value, err);
}

char *cv_config_section_name(const char *section, const char *word)
{
	size_t before = strlen(word), len = strlen(section);

	if (strncmp(section, word, before) != 0 || strncmp(section + before, " \"", 2) != 0 || len < before + 4 ||
	    section[len - 1] != '"')
		return NULL;
	return strndup(section + before + 2, len - before - 3);
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
	CV_AUTO(cv_auto_free) char *name = cv_config_section_name(section, "repository");
	CV_AUTO(cv_auto_free) char *path = without_slashes(value);
	struct cv_config_repository *old;

	if (!name)
		return cv_fail(err, CV_EUSAGE, "a repository section is written [repository \"NAME\"]");
	if (*value != '/')
		return cv_fail(err, CV_EUSAGE, "path must begin with /");
	old = (struct cv_config_repository *)cv_config_named(c, name);
	if (old && path) {
		free(old->path);
		old->path = cv_take(path);
		return true;
	}
	if (!path || !cv_config_repositories_push(&c->repositories, (struct cv_config_repository){ name, path, NULL }))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	name = path = NULL;
	return true;
}

const struct cv_config_row cv_config_rows[] = {
	{ "defaults", "depth_warn", "NUMBER", "25", "images in a chain from which chain-too-deep warns", set_depth_warn },
	{ "defaults", "depth_limit", "NUMBER", "30", "images in a chain that the hypervisor can take", set_depth_limit },
	{ "defaults", "leak_percent", "NUMBER", "0", "leaks below this share of an image are not reported", set_leak_percent },
	{ "defaults", "growth_percent", "NUMBER", "0", "how much of what images may still grow by has to fit", set_growth_percent },
	{ "defaults", "space_reserve", "SIZE", NULL, "warn when less is free on a file system", set_space_reserve },
	{ "defaults", "unclaimed_bytes", "SIZE", "64M", "files that belong to nothing are reported from so many bytes on", set_unclaimed_bytes },
	{ "defaults", "refs", "SOURCE,...", "auto", "who says which images are needed, as --refs", set_refs },
	{ "defaults", "reserve", "SIZE", "0", "bytes of a file system that plans leave free, as --reserve", set_reserve },
	{ "defaults", "remind", "TIME", "7d", "after this time check --cron repeats what has not changed", set_remind },
	{ "defaults", "max_age", "TIME", "8d", "an older report is UNKNOWN to check --output=nagios", set_max_age },
	{ "defaults", "metrics", "FILE|DIR", NULL, "where check --cron writes metrics, as --metrics", set_metrics },
	{ "repository ", "path", "PATH", NULL, "where the repository is", set_path },
	{ "ignore ", "until", "YYYY-MM-DD", NULL, "the last day of the rule, in UTC", cv_config_ignore_until },
	{ "ignore ", "reason", "TEXT", NULL, "why the finding need not be reported", cv_config_ignore_reason },
};
const size_t cv_config_row_count = CV_COUNT(cv_config_rows);
_Static_assert(CV_COUNT(cv_config_rows) <= CV_CONFIG_SETTINGS, "every row has a place in cv_config");
