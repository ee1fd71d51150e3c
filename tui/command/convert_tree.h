/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* chainview convert --tree: every image of a repository, or of one tree, into a folder of another format; for the command and for
 * the console. */
#ifndef TUI_COMMAND_CONVERT_TREE_H
#define TUI_COMMAND_CONVERT_TREE_H

#include "tui/command/target.h"
#include "tui/write/flow.h"

struct cv_convert_tree_call {
	struct cv_image_word image;  /* of the tree, unless all of a repository is meant */
	char *source;                /* then: absolute */
	const struct cv_convert_settings *settings;
	char *dest;                  /* the folder: absolute */
	char *repository;            /* that it is in */
	const char *folder;          /* its path there; "": it is the repository */
	bool made;                   /* it is there already */
};

/* The folder as typed; its repository is the configured one around it, or the folder itself. */
bool cv_convert_tree_place(struct cv_convert_tree_call *c, const struct cv_session *s, const char *word, struct cv_err *err);
/* Something may lie there already: its repository is to be added to the session. */
static inline bool cv_convert_tree_looks(const struct cv_convert_tree_call *c)
{
	return c->made || *c->folder;
}
void cv_convert_tree_fini(struct cv_convert_tree_call *c);

/* The plan that this is. c is borrowed. */
struct cv_write_call cv_convert_tree_call_of(struct cv_convert_tree_call *c);

/* The command. source: a repository, or an image of the tree that is meant; dest: a folder, which is made if it is not there. */
int cv_convert_tree_run(struct cv_session *s, char *source, const char *dest);

#endif
