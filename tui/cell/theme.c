/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The theme table, made of theme.def. Values only; which escape sequences they become is the screen's matter.
 */
#include "tui/cell/theme.h"

#define B CV_BOLD
#define V CV_REVERSE
#define U CV_UNDERLINE

struct theme_row {
	const char *name;
	struct cv_look full, few, mono;
};

static const struct theme_row theme[CV_INK_COUNT] = {
#define R(tag, color256, attributes256, color8, attributes8, attributes_mono) \
	[CV_INK_##tag] = { #tag, { color256, -1, attributes256 }, { color8, -1, attributes8 }, \
			   { -1, -1, attributes_mono } },
#define D(tag, color256, back256, color8, attributes8, attributes_mono) \
	[CV_INK_##tag] = { #tag, { color256, back256, 0 }, { color8, -1, attributes8 }, { -1, -1, attributes_mono } },
#include "tui/cell/theme.def"
#undef R
#undef D
};

struct cv_look cv_theme_look(enum cv_ink ink, int colors)
{
	const struct theme_row *row = &theme[ink < CV_INK_COUNT ? ink : CV_INK_TEXT];

	if (colors >= 256)
		return row->full;
	return colors >= 8 ? row->few : row->mono;
}

const char *cv_ink_name(enum cv_ink ink)
{
	return ink < CV_INK_COUNT ? theme[ink].name : "";
}
