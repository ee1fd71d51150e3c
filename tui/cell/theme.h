/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Inks: what a cell means, and the look of each on terminals of 256 colours, 8 colours and none. No terminal
 * calls: the screen turns these values into its own.
 */
#ifndef TUI_CELL_THEME_H
#define TUI_CELL_THEME_H

#include <chainview/base.h>

enum cv_ink {
#define R(tag, color256, attributes256, color8, attributes8, attributes_mono) CV_INK_##tag,
#define D(tag, color256, back256, color8, attributes8, attributes_mono) CV_INK_##tag,
#include "tui/cell/theme.def"
#undef R
#undef D
	CV_INK_COUNT
};

enum cv_attribute { CV_BOLD = 1, CV_REVERSE = 2, CV_UNDERLINE = 4 };

struct cv_look {
	int color;               /* foreground; -1 is the terminal's own */
	int back;                /* background; -1, its own, except in maps */
	unsigned attributes;     /* enum cv_attribute */
};

/* colors: how many the terminal has; below 8 it is treated as having none. */
struct cv_look cv_theme_look(enum cv_ink ink, int colors);
const char *cv_ink_name(enum cv_ink ink);

#endif
