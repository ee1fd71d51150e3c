/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview config: what is in force, and where it comes from; and the repositories as Zabbix wants them.
 */
#include <stdio.h>

#include "tui/command/command.h"
#include "tui/command/state.h"

static bool set_output(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	settings->zabbix = !strcmp(value, "zabbix-lld");
	return settings->zabbix || !strcmp(value, "text") ||
	       cv_fail(err, CV_EUSAGE, "--output takes text or zabbix-lld");
}

static const struct cv_option_row options[] = {
	{ "show-origin", 0, NULL, NULL, "say where each value comes from", CV_ON(origins) },
	{ "output", 0, "FORMAT", "text zabbix-lld", "text, or the repositories for Zabbix", set_output, 0 },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

/* "key = value", and behind it the origin as a comment. */
static void add_pair(struct cv_text *t, const struct cv_session *s, const char *key, const char *value, const char *origin)
{
	size_t start = t->len;

	cv_text_addf(t, "%s = ", key);
	cv_text_escape(t, cv_bytes_of(value));
	if (s->settings.origins) {
		cv_text_fill(t, ' ', t->len - start < 40 ? 40 - (t->len - start) : 1);
		cv_text_addf(t, " ; %s", origin ? origin : "built in");
	}
	cv_text_add(t, "\n");
}

static void add_defaults(struct cv_text *t, const struct cv_session *s)
{
	cv_text_add(t, "[defaults]\n");
	for (size_t i = 0; i < cv_config_row_count; i++) {
		const struct cv_config_row *row = &cv_config_rows[i];
		const char *written = s->config.written[i].text;

		if (!strcmp(row->section, "defaults") && (written || row->usual))
			add_pair(t, s, row->key, written ? written : row->usual, s->config.written[i].origin);
	}
}

static void add_section(struct cv_text *t, const char *word, const char *name)
{
	cv_text_addf(t, "\n[%s\"", word);
	cv_text_escape(t, cv_bytes_of(name));
	cv_text_add(t, "\"]\n");
}

static void add_ignores(struct cv_text *t, const struct cv_session *s)
{
	for (size_t i = 0; i < s->config.ignores.len; i++) {
		const struct cv_ignore *rule = &s->config.ignores.at[i];
		bool ended = rule->until <= s->config.policy.now;
		char day[16];

		snprintf(day, sizeof day, "%.10s", cv_time_utc(rule->until - 1).s);
		add_section(t, "ignore ", rule->rule);
		add_pair(t, s, "until", day, rule->origin);
		add_pair(t, s, "reason", rule->reason, rule->origin);
		if (ended)
			cv_text_add(t, "; this rule has ended\n");
	}
}

static void add_folder(struct cv_text *t, const char *what, const char *variable, const char *value)
{
	cv_text_addf(t, "; %s: ", what);
	cv_text_escape(t, cv_bytes_of(value));
	cv_text_addf(t, " (%s%s)\n", getenv(variable) ? "" : "built in; set it with ", variable);
}

static void add_text(struct cv_text *t, const struct cv_session *s)
{
	const char *config = getenv("CHAINVIEW_CONFIG");

	add_folder(t, "configuration", "CHAINVIEW_CONFIG", config ? *config ? config : "none" : "/etc/chainview and ~/.config/chainview/config");
	add_folder(t, "state folder", "CHAINVIEW_STATE_DIR", cv_state_folder() ? cv_state_folder() : "none");
	add_defaults(t, s);
	for (size_t i = 0; i < s->config.repositories.len; i++) {
		add_section(t, "repository ", s->config.repositories.at[i].name);
		add_pair(t, s, "path", s->config.repositories.at[i].path, s->config.repositories.at[i].origin);
	}
	add_ignores(t, s);
}

/* A JSON string; what is not printable ASCII was escaped before. */
static void add_string(struct cv_text *t, const char *raw)
{
	CV_AUTO(cv_text_fini) struct cv_text clean = { 0 };

	cv_text_escape(&clean, cv_bytes_of(raw));
	cv_text_add(t, "\"");
	for (const char *c = cv_text_str(&clean); *c; c++) {
		if (*c == '"' || *c == '\\')
			cv_text_add(t, "\\");
		cv_text_add_bytes(t, c, 1);
	}
	cv_text_add(t, "\"");
	t->failed |= clean.failed;
}

/* Low-level discovery: a plain array of macros. */
static void add_zabbix(struct cv_text *t, const struct cv_session *s)
{
	cv_text_add(t, "[");
	for (size_t i = 0; i < s->config.repositories.len; i++) {
		cv_text_addf(t, "%s{\"{#REPO}\":", i ? ",\n" : "");
		add_string(t, s->config.repositories.at[i].name);
		cv_text_add(t, ",\"{#PATH}\":");
		add_string(t, s->config.repositories.at[i].path);
		cv_text_add(t, "}");
	}
	cv_text_add(t, "]\n");
}

static int run(struct cv_session *s, int argc, char **argv)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	(void)argv;
	if (argc)
		return cv_command_usage(s, "config takes no words");
	if (s->settings.zabbix)
		add_zabbix(&t, s);
	else
		add_text(&t, s);
	return cv_command_print(&t, CV_EXIT_OK);
}

const struct cv_command cv_command_show_config = {
	"config", "", "show the configuration that is in force", CV_COMMAND_NO_JSON, options, run,
};
