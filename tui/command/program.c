/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The whole program but for main(): which command is meant, its options, its exit status. What commands do is
 * in their own files.
 */
#include <gnu/libc-version.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/command/alias.h"
#include "tui/command/command.h"
#include "tui/console.h"

void cv_program_version(struct cv_text *out)
{
	cv_text_addf(out, "chainview %s\n", cv_version());
	cv_text_addf(out, "json-c %s, glibc %s\n", json_c_version(), gnu_get_libc_version());
	cv_text_add(out, "License LGPL-3.0-or-later. There is no warranty.\n");
}

static void hint(const struct cv_session *s)
{
	const char *name = s->command ? s->command : "";

	fprintf(stderr, "Try 'chainview %s%s--help'.\n", name, *name ? " " : "");
}

int cv_command_fail(const struct cv_session *s, const struct cv_err *err)
{
	cv_complain(err->text);
	if (err->code == CV_EUSAGE)
		hint(s);
	return cv_exit_of(err);
}

int cv_command_usage(const struct cv_session *s, const char *text)
{
	cv_complain(text);
	hint(s);
	return CV_EXIT_USAGE;
}

static bool put_text(const struct cv_sink *sink, void *ctx)
{
	const struct cv_text *t = ctx;

	return !t->failed && sink->put(sink->ctx, cv_text_str(t), t->len);
}

int cv_command_print(const struct cv_text *text, int status)
{
	struct cv_text copy = *text;

	return cv_output_report((struct cv_report_call){ put_text, &copy }, status);
}

static const char *command_name(size_t i)
{
	while (cv_commands[i] && cv_commands[i]->flags & CV_COMMAND_HIDDEN)
		i++;
	return cv_commands[i] ? cv_commands[i]->name : NULL;
}

/* Help and version come before everything else, and need no words. */
static bool answered(const struct cv_session *s, const struct cv_command *command, int *status)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (s->settings.help)
		cv_help_add(&t, command);
	else if (s->settings.version)
		cv_program_version(&t);
	else
		return false;
	*status = cv_command_print(&t, CV_EXIT_OK);
	return true;
}

static int run_command(struct cv_session *s, const struct cv_command *command, int argc, char **argv)
{
	struct cv_err err = { .code = CV_OK };
	int first = 1, status = CV_EXIT_OK;

	s->command = command->name;
	if (!(command->flags & CV_COMMAND_RAW) &&
	    !cv_options_parse(&s->settings, command->options, false, argc, argv, &first, &err))
		return cv_command_fail(s, &err);
	if (answered(s, command, &status))
		return status;
	if (s->settings.json && command->flags & CV_COMMAND_NO_JSON)
		return cv_command_usage(s, "this command does not write JSON");
	if (!(command->flags & CV_COMMAND_NO_CONFIG) && !cv_config_load(&s->config, &err))
		return cv_command_fail(s, &err);
	return command->run(s, argc - first, argv + first);
}

static enum cv_color console_color(const struct cv_session *s)
{
	static const enum cv_color colors[] = {
		[CV_WHEN_AUTO] = CV_COLOR_AUTO, [CV_WHEN_ALWAYS] = CV_COLOR_ALWAYS, [CV_WHEN_NEVER] = CV_COLOR_NEVER,
	};

	return colors[s->settings.color];
}

static int run_console(struct cv_session *s, int argc, char **argv)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_console_options options;
	CV_AUTO(cv_auto_free) struct cv_place *places = NULL;
	size_t count;

	if (!cv_session_add_all(s, argv, (size_t)argc, &err))
		return cv_command_fail(s, &err);
	places = cv_session_place_list(s, &count);
	if (!places) {
		cv_complain("out of memory");
		return CV_EXIT_FAILED;
	}
	options = (struct cv_console_options){
		.scan = cv_session_scan_options(s, places, count), .refs = cv_session_refs(s),
		.policy = s->config.policy, .ascii = s->settings.ascii, .color = console_color(s), .session = s,
	};
	return cv_console_run_terminal(&options);
}

/* No command: the console on a terminal, else the trees. argv[0] is skipped. */
static int run_default(struct cv_session *s, int argc, char **argv)
{
	const struct cv_command *tree = cv_command_find("tree");
	struct cv_err err = { .code = CV_OK };
	int first = 1, status = CV_EXIT_OK;
	bool console;

	if (!cv_options_parse(&s->settings, tree->options, false, argc, argv, &first, &err))
		return cv_command_fail(s, &err);
	if (answered(s, NULL, &status))
		return status;
	if (!cv_config_load(&s->config, &err))
		return cv_command_fail(s, &err);
	if (first == argc && !s->config.repositories.len) {
		fputs("Usage: chainview [OPTIONS] [COMMAND] [ARGS]\n"
		      "       chainview REPO...      the snapshot trees of directories or images\n"
		      "No repository was given, and none is configured. Try 'chainview --help'.\n", stderr);
		return CV_EXIT_USAGE;
	}
	console = !s->settings.json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
	return console ? run_console(s, argc - first, argv + first) : tree->run(s, argc - first, argv + first);
}

/* True if the word can only be meant as a repository. */
static bool is_repository(const char *word)
{
	struct cv_config config = { .refs = NULL };
	struct cv_err err = { .code = CV_OK };
	struct stat st;
	bool named;

	if (strchr(word, '/') || !stat(word, &st))
		return true;
	named = cv_config_load(&config, &err) && cv_config_named(&config, word);
	cv_config_fini(&config);
	return named;
}

static int unknown_command(const struct cv_session *s, const char *word)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *nearest = cv_nearest_word(word, command_name);

	cv_text_escape(&t, cv_bytes_of(word));
	cv_text_add(&t, " is neither a command nor a file");
	if (nearest)
		cv_text_addf(&t, "; did you mean %s?", nearest);
	return cv_command_usage(s, cv_text_str(&t));
}

static int run_words(struct cv_session *s, int argc, char **argv)
{
	const struct cv_command *command = NULL;
	struct cv_err err = { .code = CV_OK };
	int first = 1, skip;
	bool dashes;

	if (!cv_options_parse(&s->settings, NULL, true, argc, argv, &first, &err))
		return cv_command_fail(s, &err);
	dashes = first > 1 && !strcmp(argv[first - 1], "--");
	if (first < argc && !dashes)
		command = cv_command_find(argv[first]);
	if (command)
		return run_command(s, command, argc - first, argv + first);
	if (first < argc && !dashes && !s->settings.help && !s->settings.version && !is_repository(argv[first]))
		return unknown_command(s, argv[first]);
	/* What stands before the rest is taken for the program's name; "--" must be seen again. */
	skip = first - 1 - dashes;
	return run_default(s, argc - skip, argv + skip);
}

/* A monitoring system reads standard output and knows four statuses. */
static int plugin_status(const struct cv_session *s, int status)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (s->settings.help || s->settings.version)
		return 3;
	if (status <= 3)
		return status;
	cv_text_add(&t, "CHAINVIEW UNKNOWN - ");
	for (const char *c = cv_complained() ? cv_complained() : "it did not work"; *c; c++)
		cv_text_add_bytes(&t, *c == '|' ? "/" : c, 1);
	cv_text_add(&t, "\n");
	cv_command_print(&t, 0);
	return 3;
}

int cv_program_run(int argc, char **argv)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_session s;
	char **line;
	int status;

	if (argc < 1)
		return CV_EXIT_USAGE;
	line = cv_alias_line(&argc, argv, &err);
	cv_session_init(&s, argc, line ? line : argv);
	status = line ? run_words(&s, argc, line) : cv_command_fail(&s, &err);
	if (line && cv_alias_is_plugin(argc, line))
		status = plugin_status(&s, status);
	cv_session_fini(&s);
	if (line != argv)
		free(line);
	return status;
}
