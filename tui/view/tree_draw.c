/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tree view on the screen: columns, branches, the pane. Only the rows that can be seen are looked at.
 */
#include <chainview/report.h>
#include "tui/console_model.h"
#include "tui/view/list.h"
#include "tui/view/tree.h"

enum { HEAD = 2, NAME_X = 3, COLUMNS_W = 34, MODIFIED_W = 18 };

static bool is_wide(int w)
{
	return w >= CV_WIDE_W;
}

static int name_width(int w)
{
	return w - NAME_X - COLUMNS_W - (is_wide(w) ? MODIFIED_W : 0);
}

int cv_tree_page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_TREE, HEAD);
}

void cv_tree_panes(struct cv_console *c)
{
	uint32_t image = cv_current_image(c);
	struct cv_text name = { 0 };

	if (!cv_image_at(c, image) || !cv_pane_height(c, CV_VIEW_TREE))
		return;
	cv_image_name(&name, cv_image_at(c, image));
	cv_pane_title(&c->pane[0], cv_text_str(&name));
	cv_text_fini(&name);
	cv_write_image(&c->snap, image, &c->pane[0].paper, false);
}

void cv_tree_title(const struct cv_console *c, struct cv_text *out)
{
	for (size_t i = 0; c->shown && i < c->snap.repository_count; i++)
		if (c->snap.repository_count == 1 ||
		    (c->scoped && cv_ident_equal(cv_repository_ident(c->snap.repositories[i]), c->scope))) {
			cv_text_escape(out, cv_bytes_of(c->snap.repositories[i]->path));
			return;
		}
	cv_text_add(out, "snapshot trees");
}

void cv_tree_hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));

	if (!image) {
		cv_text_add(out, c->view[CV_VIEW_TREE].filter.count ? "Nothing fits the filter; \\ changes it."
								    : "No images.");
		return;
	}
	if (cv_pane_height(c, CV_VIEW_TREE))
		cv_image_name(out, image);
	else if (image->file && image->file->trouble)
		cv_text_add(out, image->file->trouble);
	else if (image->any_finding) {
		const struct cv_finding *f, *worst;
		size_t n = cv_findings_of(c->snap.graph, image, &f);

		worst = f;
		for (size_t i = 1; i < n; i++)
			worst = f[i].severity > worst->severity ? &f[i] : worst;
		if (n)
			cv_finding_words(out, worst);
	} else {
		cv_image_name(out, image);
		if (image->coalesce.reason && *image->coalesce.reason)
			cv_text_addf(out, " can%s be merged: %s", image->coalesce.possible ? "" : "not",
				     image->coalesce.reason);
	}
}

static void draw_heading(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_view_state *state = &c->view[CV_VIEW_TREE];
	struct cv_text t = { 0 };
	int x = a.w - COLUMNS_W - (is_wide(a.w) ? MODIFIED_W : 0);

	cv_text_addf(&t, "Filter: %s   Sort: %s   ", state->filter_text[0] ? state->filter_text : "(none)",
		     cv_tree_sorts[c->view[CV_VIEW_TREE].sort]);
	if (state->filter.count)
		cv_text_addf(&t, "%zu of ", c->tree_matches);
	cv_text_addf(&t, "%s%zu image%s", c->shown && c->snap.graph->partial ? ">" : "", c->tree_total,
		     cv_plural(c->tree_total));
	cv_cells_put(out, 1, a.y, a.w - 1, CV_INK_QUIET, cv_text_str(&t));
	cv_cells_put(out, NAME_X, a.y + 1, a.w, CV_INK_COLUMNS, "IMAGE");
	cv_cells_put(out, x, a.y + 1, COLUMNS_W, CV_INK_COLUMNS, " FORMAT  VIRT  ALLOC DEP FLAG  REF");
	if (is_wide(a.w))
		cv_cells_put(out, x + COLUMNS_W, a.y + 1, MODIFIED_W, CV_INK_COLUMNS, "  MODIFIED (UTC)");
	cv_text_fini(&t);
}

/* Branches of deep rows would push the name out: only the levels next to the row are drawn, after a "<". */
static int draw_branches(const struct cv_console *c, struct cv_cells *out, const struct cv_tree_row *row, int y,
			 int room)
{
	uint32_t most = (uint32_t)(room / 4), levels = row->level < most ? row->level : most;
	int x = NAME_X + 2 * ((int)levels - 1);
	const struct cv_tree_row *at = row;

	if (!row->level)
		return 0;
	cv_cells_fill(out, x, y, 1, CV_INK_BORDER, row->last ? 0x2514 : 0x251c, row->last ? '`' : '|');
	cv_cells_fill(out, x + 1, y, 1, CV_INK_BORDER, 0x2500, '-');
	for (uint32_t i = 1; i < levels && at->up != UINT32_MAX; i++) {
		at = &c->tree_rows.at[at->up];
		if (!at->last)
			cv_cells_fill(out, x - 2 * (int)i, y, 1, CV_INK_BORDER, 0x2502, '|');
	}
	if (levels < row->level)
		cv_cells_put(out, NAME_X, y, 1, CV_INK_MARK, "<");
	return 2 * (int)levels;
}

static void draw_name(const struct cv_console *c, struct cv_cells *out, const struct cv_tree_row *row, int y)
{
	const struct cv_image *image = &c->snap.graph->images[row->image];
	const struct cv_image_sum *sum = &c->index.images[row->image];
	int room = name_width(out->w) - 1, x = NAME_X + draw_branches(c, out, row, y, room);
	bool orphan = image->role == CV_ROLE_ORPHAN;
	struct cv_text t = { 0 };
	char below[32] = "";
	int below_w;

	if (sum->below)
		cv_cells_fill(out, x, y, 1, CV_INK_MARK, row->folded ? 0x25ba : 0x25bc, row->folded ? '>' : 'v');
	else if (orphan)
		cv_cells_put(out, x, y, 1, CV_INK_WARNING, "x");
	else if (row->level)
		cv_cells_fill(out, x, y, 1, CV_INK_BORDER, 0x2500, '-');
	if (row->folded)
		snprintf(below, sizeof below, " (%u below)", sum->below);
	below_w = (int)strlen(below);
	room -= x - NAME_X + 2;
	if (row->up == UINT32_MAX)
		cv_image_name(&t, image);
	else
		cv_tree_name(c->snap.graph, row->image, c->tree_rows.at[row->up].image, &t);
	x += 2;
	x += cv_cells_elide(out, x, y, room - below_w, row->context ? CV_INK_QUIET : CV_INK_TEXT, cv_text_str(&t));
	cv_cells_put(out, x, y, below_w, CV_INK_QUIET, below);
	cv_text_fini(&t);
}

/* A folded row speaks for everything that it hides. */
static void draw_columns(const struct cv_console *c, struct cv_cells *out, const struct cv_tree_row *row, int y)
{
	const struct cv_image *image = &c->snap.graph->images[row->image];
	const struct cv_image_sum *sum = &c->index.images[row->image];
	int x = out->w - COLUMNS_W - (is_wide(out->w) ? MODIFIED_W : 0);
	uint64_t alloc = row->folded ? sum->allocated : image->file ? image->file->allocated : 0;
	uint32_t depth = row->folded ? sum->deepest : image->depth;
	char number[16];

	cv_cells_put(out, x + 1, y, 6, CV_INK_TEXT,
		     image->format == CV_FORMAT_NONE ? "-" : cv_format_name(image->format));
	cv_cells_right(out, x + 7, y, 6, CV_INK_TEXT, image->size_known ? cv_size_short(image->virtual_size).s : "-");
	cv_cells_right(out, x + 14, y, 6, CV_INK_TEXT, cv_size_short(alloc).s);
	snprintf(number, sizeof number, "%u", depth);
	cv_cells_right(out, x + 20, y, 4, CV_INK_TEXT, number);
	cv_cells_put(out, x + 25, y, CV_FLAG_COLUMNS, CV_INK_TEXT, cv_image_flags(c->snap.graph, image).s);
	snprintf(number, sizeof number, "%u", image->reference_count);
	cv_cells_right(out, x + 30, y, 4, CV_INK_TEXT, c->snap.graph->refs ? number : "?");
	if (is_wide(out->w))
		cv_cells_put(out, x + COLUMNS_W + 2, y, 16, CV_INK_TEXT,
			     cv_minute(row->folded ? sum->newest : cv_image_mtime(image)).s);
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t i, int y)
{
	const struct cv_tree_row *row = &c->tree_rows.at[i];
	const struct cv_image *image = &c->snap.graph->images[row->image];
	uint8_t worst = c->index.images[row->image].worst;
	char state[2] = { cv_image_state(image), '\0' };

	if (row->folded && worst > CV_WARNING + 1)
		state[0] = 'X';
	else if (row->folded && worst > CV_INFO + 1 && (state[0] == ' ' || state[0] == 'i'))
		state[0] = '!';
	cv_cells_put(out, 1, y, 1, cv_state_ink(state[0]), state);
	if (cv_ident_set_has(&c->marked, cv_image_ident(image)))
		cv_cells_put(out, 2, y, 1, CV_INK_MARK, "*");
	draw_name(c, out, row, y);
	draw_columns(c, out, row, y);
}

void cv_tree_draw(const struct cv_console *c, struct cv_cells *out, struct cv_area area)
{
	draw_heading(c, out, area);
	cv_list_draw(c, out, area, CV_VIEW_TREE, HEAD, draw_row);
}
