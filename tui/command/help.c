/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview help: the same as --help, of the program or of one command; and how help is laid out.
 */
#include <ctype.h>

#include "tui/command/command.h"

static const char *const exit_help =
	"\nExit status, bits that may come together:\n"
	"   0 healthy, done           4 errors found; or refused by a safety rule\n"
	"   8 could not look or finish         16 usage         32 cancelled\n"
	"   1 corrected (repair); they differ (verify, diff), or the copy\n"
	"     lacks something (convert --salvage)\n"
	"  64 warnings found (check, repair)\n";

/* What every command has. */
static void add_common(struct cv_text *out, const struct cv_option_row *own)
{
	cv_text_add(out, "\nOptions of all commands:\n");
	cv_options_help(out, cv_common_options, own);
	cv_text_add(out, "\nSources of references, for --refs:\n");
	for (const struct cv_reference_row *row = cv_reference_rows; row->name; row++)
		cv_text_addf(out, "  %-10s %s\n", row->name, row->what);
	cv_text_add(out, exit_help);
}

static void program_help(struct cv_text *out)
{
	cv_text_add(out, "Usage: chainview [OPTIONS] [COMMAND] [ARGS]\n"
			 "       chainview [REPO...]          the console on a terminal, else the trees\n\n"
			 "Shows, explains and checks snapshot chains of VHD, VHDX, QCOW, QCOW2 and raw images.\n\nCommands:\n");
	for (size_t i = 0; cv_commands[i]; i++) {
		const struct cv_command *c = cv_commands[i];

		if (!(c->flags & CV_COMMAND_HIDDEN))
			cv_text_addf(out, "  %-8s %-16s %s\n", c->name, c->args, c->what);
	}
	cv_text_add(out, "\nREPO is a directory, an image file, a block device or a configured name.\n"
			 "IMAGE is a path, a UUID or its start (4 digits or more), or a name in --repo.\n");
	add_common(out, NULL);
}

void cv_help_add(struct cv_text *out, const struct cv_command *command)
{
	if (!command) {
		program_help(out);
		return;
	}
	cv_text_addf(out, "Usage: chainview %s [OPTIONS] %s\n\n", command->name, command->args);
	cv_text_addf(out, "%c%s.\n", toupper((unsigned char)command->what[0]), command->what + 1);
	if (command->options) {
		cv_text_addf(out, "\nOptions of %s:\n", command->name);
		cv_options_help(out, command->options, NULL);
	}
	add_common(out, command->options);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	const struct cv_command *command = argc ? cv_command_find(argv[0]) : NULL;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (argc > 1 || (argc && !command))
		return cv_command_usage(s, "help takes the name of one command");
	cv_help_add(&t, command);
	return cv_command_print(&t, CV_EXIT_OK);
}

const struct cv_command cv_command_help = {
	"help", "[COMMAND]", "show this help, or that of one command", CV_COMMAND_NO_CONFIG, NULL, run,
};
