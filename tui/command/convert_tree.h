/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* chainview convert --tree: every image of a repository, or of one tree, into a folder of another format. */
#ifndef TUI_COMMAND_CONVERT_TREE_H
#define TUI_COMMAND_CONVERT_TREE_H

#include "tui/command/command.h"

/* source: a repository, or an image of the tree that is meant; dest: a folder, which is made if it is not there. */
int cv_convert_tree_run(struct cv_session *s, char *source, const char *dest);

#endif
