/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview __man: the text of a manual page from standard input, with what the tables of the program know put in. A
 * line "@options check@" becomes the list of the options of check, and so on.
 */
#include <stdio.h>

#include <chainview/result.h>

#include "tui/command/command.h"
#include "tui/view/view.h"

/* Text as mdoc takes it: no line that looks like a request, backslashes as they are, every sentence on its line. */
static void add_plain(struct cv_text *t, const char *text)
{
	bool begins = true;

	for (char last = 0; *text; last = *text++) {
		if (*text == ' ' && (last == '.' || last == '?' || last == '!')) {
			cv_text_add(t, "\n");
			begins = true;
			continue;
		}
		if (begins && (*text == '.' || *text == '\''))
			cv_text_add(t, "\\&");
		if (*text == '\\')
			cv_text_add(t, "\\e");
		else
			cv_text_add_bytes(t, text, 1);
		begins = *text == '\n';
	}
}

static void add_line(struct cv_text *t, const char *text)
{
	add_plain(t, text);
	cv_text_add(t, "\n");
}

static void add_option_rows(struct cv_text *t, const struct cv_option_row *rows, const struct cv_option_row *own)
{
	cv_text_add(t, ".Bl -tag -width Ds\n");
	for (; rows && rows->flag; rows++) {
		if (cv_options_have(own, rows->flag))
			continue;
		cv_text_add(t, ".It ");
		if (rows->letter)
			cv_text_addf(t, "Fl %c , ", rows->letter);
		cv_text_addf(t, "Fl Fl %s", rows->flag);
		if (rows->value && rows->value[0] == '[')
			cv_text_addf(t, " Ns Ar %s", rows->value);
		else if (rows->value)
			cv_text_addf(t, " Ns = Ns Ar %s", rows->value);
		cv_text_add(t, "\n");
		add_line(t, rows->help);
	}
	cv_text_add(t, ".El\n");
}

static bool add_options(struct cv_text *t, const char *word)
{
	const struct cv_command *command = *word ? cv_command_find(word) : NULL;

	if (*word && !command)
		return false;
	add_option_rows(t, command ? command->options : cv_common_options, NULL);
	return true;
}

static bool add_commands(struct cv_text *t, const char *word)
{
	(void)word;
	cv_text_add(t, ".Bl -tag -width Ds\n");
	for (size_t i = 0; cv_commands[i]; i++) {
		const struct cv_command *c = cv_commands[i];

		if (c->flags & CV_COMMAND_HIDDEN)
			continue;
		cv_text_addf(t, ".It Cm %s%s%s\n", c->name, *c->args ? " Ar " : "", c->args);
		add_line(t, c->what);
		if (c->options) {
			add_option_rows(t, c->options, NULL);
		}
	}
	cv_text_add(t, ".El\n");
	return true;
}

static bool add_sources(struct cv_text *t, const char *word)
{
	(void)word;
	cv_text_add(t, ".Bl -tag -width Ds\n");
	for (const struct cv_reference_row *row = cv_reference_rows; row->name; row++) {
		cv_text_addf(t, ".It Cm %s\n", row->name);
		add_line(t, row->what);
	}
	cv_text_add(t, ".El\n");
	return true;
}

/* word: the section. */
static bool add_settings(struct cv_text *t, const char *word)
{
	size_t len = strlen(word), found = 0;

	cv_text_add(t, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < cv_config_row_count; i++) {
		const struct cv_config_row *row = &cv_config_rows[i];

		if (strncmp(row->section, word, len) != 0 || (row->section[len] && row->section[len] != ' '))
			continue;
		cv_text_addf(t, ".It Cm %s No = Ar %s\n", row->key, row->value);
		add_plain(t, row->help);
		cv_text_addf(t, "%s%s.\n", row->usual ? "; usually " : "", row->usual ? row->usual : "");
		found++;
	}
	cv_text_add(t, ".El\n");
	return found > 0;
}

static bool add_metrics(struct cv_text *t, const char *word)
{
	(void)word;
	cv_text_add(t, ".Bl -tag -width Ds -compact\n");
	for (size_t i = 0; i < CV_FIGURE_COUNT; i++) {
		const struct cv_figure_row *row = &cv_figure_rows[i];

		if (row->label)
			cv_text_addf(t, ".It Cm %s\n%s\n", row->label,
				     !strcmp(row->unit, "B") ? "in bytes" : *row->unit ? "in seconds" : "a number");
	}
	cv_text_addf(t, ".It Cm %s\nin seconds\n.El\n", CV_NAGIOS_AGE);
	return true;
}

static void add_paragraphs(struct cv_text *t, const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		CV_AUTO(cv_auto_free) char *one = strndup(text, end ? (size_t)(end - text) : strlen(text));

		cv_text_add(t, ".Pp\n");
		add_line(t, one ? one : "");
		text += strlen(one ? one : text) + (end ? 2 : 0);
	}
}

static bool add_findings(struct cv_text *t, const char *word)
{
	(void)word;
	for (size_t i = 0; i < cv_problem_count; i++) {
		const struct cv_problem *p = &cv_problems[i];

		cv_text_addf(t, ".Ss %s\n.Sy %s , %s .\n", p->name, p->code, cv_severity_name(p->severity));
		add_paragraphs(t, p->explanation);
	}
	return true;
}

/* The keys of the console, group by group. */
static bool add_keys(struct cv_text *t, const char *word)
{
	CV_AUTO(cv_text_fini) struct cv_text help = { 0 };

	(void)word;
	for (int group = 0; group < CV_GROUP_COUNT; group++) {
		cv_text_addf(t, ".Ss %s\n.Bl -tag -width 10n -compact\n", cv_group_names[group]);
		for (size_t i = 0; i < cv_action_count; i++) {
			if ((int)cv_actions[i].group != group)
				continue;
			cv_text_add(t, ".It Cm \\&");
			add_line(t, cv_actions[i].shown);
			cv_text_clear(&help);
			cv_action_help(&help, &cv_actions[i]);
			add_line(t, cv_text_str(&help));
		}
		cv_text_add(t, ".El\n");
	}
	return true;
}

static const struct {
	const char *name;
	bool (*add)(struct cv_text *t, const char *word);
} parts[] = {
	{ "options", add_options }, { "commands", add_commands }, { "references", add_sources },
	{ "settings", add_settings }, { "metrics", add_metrics }, { "findings", add_findings },
	{ "keys", add_keys },
};

/* "@name word@" and the end of the line. False: there is no such part. */
static bool add_part(struct cv_text *t, char *line)
{
	char *name = line + 1, *word, *end = strchr(name, '@');

	if (!end)
		return false;
	*end = '\0';
	word = strchr(name, ' ');
	if (word)
		*word++ = '\0';
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		if (!strcmp(parts[i].name, name))
			return parts[i].add(t, word ? word : "");
	return false;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	char line[4096];

	(void)argv;
	if (argc)
		return cv_command_usage(s, "__man takes no words");
	while (fgets(line, sizeof line, stdin))
		if (*line != '@')
			cv_text_add(&t, line);
		else if (!add_part(&t, line))
			return cv_command_usage(s, "a line that begins with @ names no part");
	return cv_command_print(&t, CV_EXIT_OK);
}

const struct cv_command cv_command_man = {
	"__man", "", "a manual page, from its text on standard input", CV_COMMAND_RAW | CV_COMMAND_HIDDEN | CV_COMMAND_NO_CONFIG,
	NULL, run,
};
