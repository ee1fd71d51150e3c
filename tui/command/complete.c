/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview __complete: what can be typed, for shells. "bash" prints a whole completion file; the other words
 * print lists. Everything comes from the tables of commands and options.
 */
#include "tui/command/command.h"

static void add_commands(struct cv_text *out, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; cv_commands[i]; i++)
		if (!(cv_commands[i]->flags & CV_COMMAND_HIDDEN))
			cv_text_addf(out, "%s\n", cv_commands[i]->name);
}

static void add_flags(struct cv_text *out, const struct cv_option_row *rows)
{
	for (; rows && rows->flag; rows++)
		cv_text_addf(out, "--%s%s\n", rows->flag, rows->value && rows->value[0] != '[' ? "=" : "");
}

static void add_options(struct cv_text *out, int argc, char **argv)
{
	const struct cv_command *command = argc ? cv_command_find(argv[0]) : NULL;

	if (command)
		add_flags(out, command->options);
	add_flags(out, cv_common_options);
}

/* The words an option takes, each followed by end; false if any text will do. */
static bool add_words_of(struct cv_text *out, const struct cv_option_row *row, char end)
{
	if (!strcmp(row->flag, "refs")) {
		for (const struct cv_reference_row *r = cv_reference_rows; r->name; r++) {
			const char *colon = strchr(r->name, ':');

			cv_text_add_bytes(out, r->name, colon ? (size_t)(colon - r->name) + 1 : strlen(r->name));
			cv_text_addf(out, "%c", end);
		}
		return true;
	}
	for (const char *c = row->values; c && *c; c++)
		cv_text_addf(out, "%c", *c == ' ' ? end : *c);
	if (row->values)
		cv_text_addf(out, "%c", end);
	return row->values;
}

static bool add_values_of(struct cv_text *out, const struct cv_option_row *rows, const char *flag)
{
	for (; rows && rows->flag; rows++)
		if (!strcmp(rows->flag, flag))
			return add_words_of(out, rows, '\n');
	return false;
}

/* values COMMAND --OPTION */
static void add_values(struct cv_text *out, int argc, char **argv)
{
	const struct cv_command *command = argc > 1 ? cv_command_find(argv[0]) : NULL;
	const char *flag = argc > 1 ? argv[1] + strspn(argv[1], "-") : "";

	if (!command || !add_values_of(out, command->options, flag))
		add_values_of(out, cv_common_options, flag);
}

static void add_problems(struct cv_text *out, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < cv_problem_count; i++)
		cv_text_addf(out, "%s\n", cv_problems[i].name);
}

static void add_repositories(struct cv_text *out, int argc, char **argv)
{
	struct cv_config config = { .refs = NULL };
	struct cv_err err = { .code = CV_OK };

	(void)argc;
	(void)argv;
	/* A shell that completes has no use for an error. */
	if (cv_config_load(&config, &err))
		for (size_t i = 0; i < config.repositories.len; i++)
			cv_text_addf(out, "%s\n", config.repositories.at[i].name);
	cv_config_fini(&config);
}

/* "	check:--color) words='auto always never ' ;;" for each option with fixed values; "*" is any command. */
static void add_value_cases(struct cv_text *out, const char *command, const struct cv_option_row *rows)
{
	for (; rows && rows->flag; rows++) {
		CV_AUTO(cv_text_fini) struct cv_text words = { 0 };

		if (add_words_of(&words, rows, ' '))
			cv_text_addf(out, "\t%s:--%s) words='%s' ;;\n", command, rows->flag, cv_text_str(&words));
	}
}

static void add_flag_words(struct cv_text *out, const struct cv_option_row *rows)
{
	for (; rows && rows->flag; rows++)
		cv_text_addf(out, " --%s%s", rows->flag, rows->value && rows->value[0] != '[' ? "=" : "");
}

static void add_bash_tables(struct cv_text *out)
{
	cv_text_add(out, "_chainview_values()\n{\n\tcase $1 in\n");
	for (size_t i = 0; cv_commands[i]; i++)
		add_value_cases(out, cv_commands[i]->name, cv_commands[i]->options);
	add_value_cases(out, "*", cv_common_options);
	cv_text_add(out, "\tesac\n}\n\n_chainview_options()\n{\n\twords='");
	add_flag_words(out, cv_common_options);
	cv_text_add(out, "'\n\tcase $1 in\n");
	for (size_t i = 0; cv_commands[i]; i++) {
		if (!cv_commands[i]->options)
			continue;
		cv_text_addf(out, "\t%s) words+='", cv_commands[i]->name);
		add_flag_words(out, cv_commands[i]->options);
		cv_text_add(out, "' ;;\n");
	}
	cv_text_add(out, "\tesac\n}\n\n_chainview_commands='");
	for (size_t i = 0; cv_commands[i]; i++)
		if (!(cv_commands[i]->flags & CV_COMMAND_HIDDEN))
			cv_text_addf(out, "%s%s", i ? " " : "", cv_commands[i]->name);
	cv_text_add(out, "'\n\n");
}

static const char bash_function[] =
	"_chainview()\n{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} option= command= words= word i\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $cur == = ]]; then\n"
	"\t\toption=${COMP_WORDS[COMP_CWORD-1]} cur=\n"
	"\telif (( COMP_CWORD > 1 )) && [[ ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then\n"
	"\t\toption=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\tfor (( i = 1; i < COMP_CWORD; i++ )); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ -z $command && \" $_chainview_commands \" == *\" $word \"* ]]; then command=$word; fi\n"
	"\tdone\n"
	"\tif [[ -n $option ]]; then\n"
	"\t\t_chainview_values \"$command:$option\"\n"
	"\t\tif [[ -z $words ]]; then compopt -o filenames; COMPREPLY=( $(compgen -f -- \"$cur\") ); return; fi\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\t_chainview_options \"$command\"\n"
	"\telif [[ $command == explain ]]; then\n"
	"\t\twords=$(chainview __complete problems 2>/dev/null)\n"
	"\telif [[ $command == help ]]; then\n"
	"\t\twords=$_chainview_commands\n"
	"\telse\n"
	"\t\twords=$(chainview __complete repositories 2>/dev/null)\n"
	"\t\tif [[ -z $command ]]; then words+=\" $_chainview_commands\"; fi\n"
	"\t\tcompopt -o filenames\n"
	"\t\tCOMPREPLY=( $(compgen -f -- \"$cur\") )\n"
	"\tfi\n"
	"\tCOMPREPLY+=( $(compgen -W \"$words\" -- \"$cur\") )\n"
	"\tif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]]; then compopt -o nospace; fi\n"
	"}\n"
	"complete -F _chainview chainview chainview-ro\n";

static void add_bash(struct cv_text *out, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cv_text_add(out, "# bash completion for chainview, made by: chainview __complete bash\n\n");
	add_bash_tables(out);
	cv_text_add(out, bash_function);
}

static const struct {
	const char *name;
	void (*add)(struct cv_text *out, int argc, char **argv);
} lists[] = {
	{ "bash", add_bash }, { "commands", add_commands }, { "options", add_options }, { "values", add_values },
	{ "problems", add_problems }, { "repositories", add_repositories },
};

static int run(struct cv_session *s, int argc, char **argv)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t i = 0; argc && i < CV_COUNT(lists); i++)
		if (!strcmp(argv[0], lists[i].name)) {
			lists[i].add(&t, argc - 1, argv + 1);
			return cv_command_print(&t, CV_EXIT_OK);
		}
	return cv_command_usage(s, "__complete takes bash, commands, options, values, problems or repositories");
}

const struct cv_command cv_command_complete = {
	"__complete", "LIST [WORDS]", "what can be typed, for shells",
	CV_COMMAND_RAW | CV_COMMAND_HIDDEN | CV_COMMAND_NO_CONFIG, NULL, run,
};
