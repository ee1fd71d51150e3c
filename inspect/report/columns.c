/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The columns of the tree: title, alignment, text of each. How they are laid out is in text_tree.c.
 */
#include <stdio.h>

#include "inspect/report/columns.h"
#include "inspect/report/words.h"

struct cv_cell cv_cell_text(const char *text)
{
	struct cv_cell c;

	snprintf(c.s, sizeof c.s, "%s", text);
	return c;
}

struct cv_cell cv_cell_size(const struct cv_style *style, uint64_t bytes)
{
	struct cv_cell c;

	if (!style->exact_bytes)
		return cv_cell_text(cv_size_short(bytes).s);
	snprintf(c.s, sizeof c.s, "%" PRIu64, bytes);
	return c;
}

static struct cv_cell format_cell(const struct cv_graph *g, const struct cv_image *m, const struct cv_style *style)
{
	(void)g;
	(void)style;
	return cv_cell_text(m->format == CV_FORMAT_NONE ? "?" : cv_format_name(m->format));
}

static struct cv_cell virtual_cell(const struct cv_graph *g, const struct cv_image *m, const struct cv_style *style)
{
	(void)g;
	return m->size_known ? cv_cell_size(style, m->virtual_size) : (struct cv_cell){ "?" };
}

static struct cv_cell allocated_cell(const struct cv_graph *g, const struct cv_image *m, const struct cv_style *style)
{
	(void)g;
	return cv_cell_size(style, m->file->allocated);
}

static struct cv_cell depth_cell(const struct cv_graph *g, const struct cv_image *m, const struct cv_style *style)
{
	struct cv_cell c;

	(void)g;
	(void)style;
	snprintf(c.s, sizeof c.s, "%" PRIu32, m->depth);
	return c;
}

static struct cv_cell flags_cell(const struct cv_graph *g, const struct cv_image *m, const struct cv_style *style)
{
	struct cv_cell c = { "-" };
	size_t n = 0;

	(void)style;
	for (size_t i = 0; i < cv_flag_count && n + 1 < sizeof c.s; i++)
		if (cv_flag_rows[i].applies(g, m))
			c.s[n++] = cv_flag_rows[i].letter;
	c.s[n ? n : 1] = '\0';
	return c;
}

const struct cv_column cv_columns[CV_COLUMNS] = {
	{ "FORMAT", false, format_cell },
	{ "VIRT", true, virtual_cell },
	{ "ALLOC", true, allocated_cell },
	{ "DEPTH", true, depth_cell },
	{ "FLAGS", false, flags_cell },
};

/* Depth can be counted, the format mostly shows in the name. */
const unsigned char cv_columns_drop[CV_COLUMNS] = { 3, 0, 1, 4, 2 };
