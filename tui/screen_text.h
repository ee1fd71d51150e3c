/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A screen without a terminal: keys come from a script, frames can be kept as text. For tests and pictures.
 *
 * A script is plain keys with names in angle brackets: "/web<Enter>n<Down><F5><C-l><Resize 120x40>"; "<Shot>"
 * appends the frame as it is to the output; "<lt>" is "<". At its end it hangs up.
 */
#ifndef TUI_SCREEN_TEXT_H
#define TUI_SCREEN_TEXT_H

#include "tui/cell/cells.h"
#include "tui/console.h"

struct cv_screen_text {
	const char *script;              /* what is left of it */
	int w, h;
	struct cv_text last;             /* the last frame */
	struct cv_text out;              /* all the shots */
	unsigned frames, suspended;
};

extern const struct cv_screen_ops cv_screen_text_ops;
/* Takes one key off a script; CV_KEY_HANGUP at its end. */
int cv_script_key(struct cv_screen_text *screen);
void cv_screen_text_fini(struct cv_screen_text *screen);

#endif
