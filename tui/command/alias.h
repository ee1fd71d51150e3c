/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Other names of the program: a link called check_chainview or fsck.chain is check with options that those who call
 * it expect.
 */
#ifndef TUI_COMMAND_ALIAS_H
#define TUI_COMMAND_ALIAS_H

#include <chainview/error.h>

/* The line that is meant, to be freed (its words are borrowed or static); argv itself if it has no other name. NULL
 * with an error that is a usage error of the other name. */
char **cv_alias_line(int *argc, char **argv, struct cv_err *err);

/* True if whoever reads the output is a monitoring system: usage errors and failures are UNKNOWN to it. */
bool cv_alias_is_plugin(int argc, char **argv);

#endif
