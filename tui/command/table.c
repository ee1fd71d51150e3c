/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The table of commands, from commands.def. With CV_READ_ONLY the writing ones are replaced by entries that
 * refuse, so that their code is not even linked.
 */
#include "tui/command/command.h"

#ifdef CV_READ_ONLY
static int refuse(struct cv_session *s, int argc, char **argv)
{
	(void)s;
	(void)argc;
	(void)argv;
	cv_complain("this is chainview-ro: it has no writing commands");
	return CV_EXIT_USAGE;
}

#define C(name) extern const struct cv_command cv_command_##name;
#define W(name) static const struct cv_command cv_command_##name = { \
	#name, "", "writes, and so is not in chainview-ro", CV_COMMAND_RAW | CV_COMMAND_NO_CONFIG | CV_COMMAND_WRITES, \
	NULL, refuse \
};
#else
#define C(name) extern const struct cv_command cv_command_##name;
#define W(name) C(name)
#endif
#include "tui/command/commands.def"
#undef C
#undef W

const struct cv_command *const cv_commands[] = {
#define C(name) &cv_command_##name,
#define W(name) C(name)
#include "tui/command/commands.def"
#undef C
#undef W
	NULL,
};

const struct cv_command *cv_command_find(const char *name)
{
	for (size_t i = 0; cv_commands[i]; i++)
		if (!strcmp(cv_commands[i]->name, name))
			return cv_commands[i];
	return NULL;
}
