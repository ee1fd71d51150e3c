/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The space of one repository: totals with bars, and below what could be freed, the largest first. Where the
 * numbers come from is in space_job.c and space_rows.c.
 */
#include "tui/console_model.h"

static const struct { enum cv_space_class class; const char *name, *note; bool always;
} classes[] = {
	{ CV_SPACE_ORPHANED, "orphaned", "only orphans read it", true },
	{ CV_SPACE_SHADOWED, "shadowed", "overwritten in nearer images", true },
	{ CV_SPACE_LEAKED, "leaked", "nothing points to it", true },
	{ CV_SPACE_SNAPSHOT, "snapshots", "only internal snapshots hold it", false },
	{ CV_SPACE_SLACK, "slack", "padding, free clusters, tails", false },
	{ CV_SPACE_METADATA, "metadata", "tables and headers", false },
	{ CV_SPACE_LIVE, "live", "some leaf or needed image reads it", false },
};

uint32_t cv_space_repository(const struct cv_console *c)
{
	for (size_t i = 0; c->shown && i < c->snap.repository_count; i++)
		if (cv_ident_equal(cv_repository_ident(c->snap.repositories[i]), c->space.repository))
			return (uint32_t)i;
	return UINT32_MAX;
}

/* Rows of the body above the table: the line of figures, the bars, the heading. */
static int head_rows(int h)
{
	int bars = 0;

	for (size_t i = 0; i < CV_COUNT(classes); i++)
		bars += classes[i].always || h >= 22;
	return bars + 2;
}

static bool rebuild(struct cv_console *c)
{
	bool ok = cv_space_lines_make(c);

	c->view[CV_VIEW_SPACE].list.count = c->space.lines.len;
	return ok;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	struct cv_ident id = cv_image_ident(&c->snap.graph->images[c->space.lines.at[row].image]);

	id.c = (uint64_t)c->space.lines.at[row].kind << 8 ^ 6;
	return id;
}

static int page(const struct cv_console *c)
{
	return cv_body(c->w, c->h).h - head_rows(c->h) - cv_pane_height(c, CV_VIEW_SPACE);
}

static const struct cv_space_line *selected(const struct cv_console *c)
{
	size_t row = c->view[CV_VIEW_SPACE].list.cursor;

	return row < c->space.lines.len ? &c->space.lines.at[row] : NULL;
}

static void panes(struct cv_console *c)
{
	const struct cv_space_line *line = selected(c);
	struct cv_paper *p = &c->pane[0].paper;
	struct cv_text t = { 0 };

	if (!line)
		return;
	cv_image_name(&t, &c->snap.graph->images[line->image]);
	cv_pane_title(&c->pane[0], cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_why(c, line, &t);
	cv_paper_field(p, 9, "Why", CV_INK_TEXT, cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_cure(c, line, &t);
	cv_paper_field(p, 9, "Remedy", CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

/* The next repository of those that were asked for. */
static void neighbour(struct cv_console *c, int direction)
{
	size_t count = c->shown ? c->snap.repository_count : 0, at = cv_space_repository(c);

	for (size_t tries = 0; tries < count; tries++) {
		at = at >= count ? 0 : (at + (direction < 0 ? count - 1 : 1)) % count;
		if (!c->snap.repositories[at]->other)
			break;
	}
	if (at >= count)
		return;
	c->space.repository = cv_repository_ident(c->snap.repositories[at]);
	c->view[CV_VIEW_SPACE].list = (struct cv_list){ 0 };
	cv_touch(c, 1u << CV_VIEW_SPACE);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	(void)fx;
	switch (action) {
	case CV_ACT_GO_TO_IMAGE:
		if (cv_current_image(c) != CV_NO_IMAGE)
			cv_open_in_tree(c, cv_current_image(c));
		return true;
	case CV_ACT_PREVIOUS:
	case CV_ACT_NEXT:
		neighbour(c, action == CV_ACT_NEXT ? 1 : -1);
		return true;
	default:
		return false;
	}
}

struct totals {
	uint64_t bytes[CV_SPACE_CLASS_COUNT], allocated;
	size_t unknown;
};

static struct totals totals_of(const struct cv_console *c, uint32_t repository)
{
	struct totals t = { 0 };

	for (size_t i = 0; i < c->snap.graph->image_count; i++) {
		const struct cv_image *image = &c->snap.graph->images[i];
		const struct cv_space_image *m = &c->space.space->images[i];

		if (image->repository != repository)
			continue;
		t.allocated += image->file ? image->file->allocated : 0;
		t.unknown += !m->known;
		for (int k = 0; m->known && k < CV_SPACE_CLASS_COUNT; k++)
			t.bytes[k] += m->bytes[k];
	}
	return t;
}

static void draw_figures(const struct cv_console *c, struct cv_cells *out, int y, uint32_t repository,
			 const struct totals *t)
{
	const struct cv_space_plan *p = &c->space.space->plans[repository];
	uint64_t freed = p->net_bytes > 0 ? (uint64_t)p->net_bytes : 0;
	struct cv_text text = { 0 };

	cv_text_addf(&text, "used %s  reclaimable %s (%.1f%%)  free %s -> %s if all is done",
		     cv_size_short(t->allocated).s, cv_size_short(freed).s,
		     t->allocated ? 100.0 * (double)freed / (double)t->allocated : 0.0, cv_size_short(p->free_now).s,
		     cv_size_short(p->free_now + freed).s);
	cv_cells_elide(out, 0, y, out->w, CV_INK_TEXT, cv_text_str(&text));
	cv_text_fini(&text);
}

static int draw_bars(const struct cv_console *c, struct cv_cells *out, int y, const struct totals *t)
{
	int bar = out->w >= CV_WIDE_W ? 50 : 26;

	for (size_t i = 0; i < CV_COUNT(classes); i++) {
		uint64_t bytes = t->bytes[classes[i].class];

		/* by the height that the model knows, as the page is */
		if (!classes[i].always && c->h < 22)
			continue;
		cv_cells_put(out, 1, y, 10, CV_INK_LABEL, classes[i].name);
		cv_cells_right(out, 11, y, 7, CV_INK_TEXT, cv_size_short(bytes).s);
		cv_cells_bar(out, 19, y, bar, bytes, t->allocated);
		cv_cells_put(out, 20 + bar, y, out->w - 20 - bar, CV_INK_QUIET, classes[i].note);
		y++;
	}
	return y;
}

struct columns {
	int image, why, cure;    /* where they begin */
};

static struct columns columns_of(int w)
{
	struct columns x = { .image = 20 };

	x.why = x.image + (w >= CV_WIDE_W ? 36 : w >= 76 ? 20 : 15);
	x.cure = x.why + (w >= CV_WIDE_W ? 34 : 25);
	return x;
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, const struct cv_space_line *line, int y)
{
	struct columns x = columns_of(out->w);
	struct cv_text t = { 0 };

	cv_cells_right(out, 2, y, 7, CV_INK_TEXT, cv_size_short(line->bytes).s);
	cv_cells_put(out, 10, y, 9, CV_INK_TEXT, cv_space_kind_name(line->kind));
	cv_image_name(&t, &c->snap.graph->images[line->image]);
	cv_cells_elide(out, x.image, y, x.why - x.image - 1, CV_INK_TEXT, cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_why(c, line, &t);
	cv_cells_elide(out, x.why, y, (x.cure < out->w ? x.cure : out->w + 1) - x.why - 1, CV_INK_TEXT,
		       cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_cure(c, line, &t);
	if (x.cure < out->w)
		cv_cells_elide(out, x.cure, y, out->w - x.cure, CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

static void draw_rows(const struct cv_console *c, struct cv_cells *out, int y, int bottom)
{
	const struct cv_list *l = &c->view[CV_VIEW_SPACE].list;
	const struct cv_space_lines *lines = &c->space.lines;
	struct columns x = columns_of(out->w);
	size_t top;

	cv_cells_put(out, 5, y, out->w, CV_INK_COLUMNS, "SIZE KIND");
	cv_cells_put(out, x.image, y, out->w, CV_INK_COLUMNS, "IMAGE");
	cv_cells_put(out, x.why, y, out->w, CV_INK_COLUMNS, "WHY");
	cv_cells_put(out, x.cure, y, out->w, CV_INK_COLUMNS, "WHAT FREES IT");
	y++;
	top = cv_list_top(l, bottom - y);
	for (size_t i = top; i < lines->len && y < bottom; i++, y++) {
		draw_row(c, out, &lines->at[i], y);
		if (i == l->cursor)
			cv_draw_cursor(c, out, y, out->w);
	}
	if (!lines->len && y < bottom)
		cv_cells_put(out, 2, y, out->w, CV_INK_GOOD, "Nothing could be freed here.");
}

static void draw_nothing(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const char *text = c->space.state == CV_JOB_FAILED ? c->space.why
			   : c->scanning ? "The space is computed when the scan is done."
					 : "computing the space...";

	cv_cells_elide(out, 1, a.y + 1, a.w - 1, c->space.state == CV_JOB_FAILED ? CV_INK_ERROR : CV_INK_TEXT, text);
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	uint32_t repository = cv_space_repository(c);
	int pane = cv_pane_height(c, CV_VIEW_SPACE);
	struct totals t;

	if (!c->space.space || repository >= c->space.space->repository_count) {
		draw_nothing(c, out, a);
		return;
	}
	t = totals_of(c, repository);
	draw_figures(c, out, a.y, repository, &t);
	draw_rows(c, out, draw_bars(c, out, a.y + 1, &t), a.y + a.h - pane);
	if (pane && selected(c))
		cv_draw_pane(c, out, 0, (struct cv_area){ a.x, a.y + a.h - pane, a.w, pane });
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	uint32_t repository = cv_space_repository(c);

	if (repository != UINT32_MAX) {
		cv_text_escape(out, cv_bytes_of(c->snap.repositories[repository]->path));
		cv_text_add(out, ": ");
	}
	cv_text_add(out, "space");
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_space_line *line = selected(c);

	if (!c->space.space) {
		cv_text_add(out, c->space.state == CV_JOB_FAILED ? "" : "computing the space...");
		return;
	}
	if (!line || cv_pane_height(c, CV_VIEW_SPACE)) {
		cv_text_addf(out, "Sizes are exact counts of blocks, not estimates; %zu image%s not counted.",
			     c->space.space->unknown, cv_plural(c->space.space->unknown));
		return;
	}
	cv_space_why(c, line, out);
	cv_text_add(out, "; ");
	cv_space_cure(c, line, out);
}

static size_t places(const struct cv_console *c)
{
	return c->space.lines.len;
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_space_line *line = &c->space.lines.at[place];

	cv_text_addf(out, "%s ", cv_space_kind_name(line->kind));
	cv_image_name(out, &c->snap.graph->images[line->image]);
	cv_text_add(out, " ");
	cv_space_why(c, line, out);
}

static size_t place_now(const struct cv_console *c)
{
	return c->view[CV_VIEW_SPACE].list.cursor;
}

const struct cv_view cv_view_space = {
	.name = "space",
	.rebuild = rebuild,
	.panes = panes,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.places = places,
	.place_text = place_text,
	.place_now = place_now,
	.place_go = cv_list_go,
};
