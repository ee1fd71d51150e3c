/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The space of one repository: totals with bars, and below what could be freed, with marks. Where the rows come from
 * is in space_job.c, what they say in the library.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

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
	return cv_repository_by_ident(c, c->space.repository);
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
	bool ok = cv_space_list(c);

	c->view[CV_VIEW_SPACE].list.count = c->space.count;
	return ok;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	struct cv_ident id = cv_image_ident(&c->snap.graph->images[c->space.rows[row].image]);

	id.c = (uint64_t)c->space.rows[row].kind << 8 ^ 6;
	return id;
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_SPACE, head_rows(c->h));
}

static const struct cv_space_row *selected(const struct cv_console *c)
{
	size_t row = c->view[CV_VIEW_SPACE].list.cursor;

	return row < c->space.count ? &c->space.rows[row] : NULL;
}

static void panes(struct cv_console *c)
{
	const struct cv_space_row *row = selected(c);
	struct cv_paper *p = &c->pane[0].paper;
	struct cv_text t = { 0 };

	if (!row)
		return;
	cv_image_name(&t, &c->snap.graph->images[row->image]);
	cv_pane_title(&c->pane[0], cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_row_why(&t, c->space.space, row);
	cv_paper_field(p, 9, "Why", CV_INK_TEXT, cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_row_cure(&t, c->space.space, row);
	cv_paper_field(p, 9, "Remedy", CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

static void neighbour(struct cv_console *c, int direction)
{
	if (!cv_next_repository(c, &c->space.repository, direction))
		return;
	c->view[CV_VIEW_SPACE].list = (struct cv_list){ 0 };
	cv_touch(c, 1u << CV_VIEW_SPACE);
}

static void mark(struct cv_console *c)
{
	size_t row = c->view[CV_VIEW_SPACE].list.cursor;

	if (row < c->space.count)
		cv_list_mark(c, &c->space.marked, ident(c, row));
}

/* What the remedies of all marked rows would free, one after the other. */
static void marks(const struct cv_console *c, struct cv_text *out)
{
	uint64_t bytes = 0, most = 0;
	size_t count = 0;

	for (size_t i = 0; c->space.marked.len && i < c->space.count; i++) {
		const struct cv_space_row *r = &c->space.rows[i];

		if (!cv_ident_set_has(&c->space.marked, ident(c, i)))
			continue;
		count++;
		bytes += r->known && r->net_bytes > 0 ? (uint64_t)r->net_bytes : r->known ? 0 : r->bytes;
		most = r->known && r->peak_bytes > most ? r->peak_bytes : most;
	}
	if (count)
		cv_text_addf(out, "%zu marked: %s, peak %s   ", count, cv_size_short(bytes).s, cv_size_short(most).s);
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
	case CV_ACT_MARK:
		mark(c);
		return true;
	case CV_ACT_UNMARK:
		cv_ident_set_clear(&c->space.marked);
		return true;
	case CV_ACT_STOP:
		cv_space_stop(c);
		return !c->scanning;
	default:
		return false;
	}
}

static void draw_figures(const struct cv_console *c, struct cv_cells *out, int y, uint32_t repository,
			 const struct cv_space_totals *t)
{
	const struct cv_space_plan *p = &c->space.space->plans[repository];
	uint64_t freed = p->net_bytes > 0 ? (uint64_t)p->net_bytes : 0;
	struct cv_text text = { 0 };

	cv_text_addf(&text, "used %s  reclaimable %s (%.1f%%)  free %s -> %s if all is done",
		     cv_size_short(t->allocated).s, cv_size_short(freed).s,
		     t->allocated ? 100.0 * (double)freed / (double)t->allocated : 0.0, cv_size_short(p->free_now).s,
		     cv_size_short(p->free_now + freed).s);
	cv_cells_words(out, 0, y, out->w, CV_INK_TEXT, cv_text_str(&text));
	cv_text_fini(&text);
}

static int draw_bars(const struct cv_console *c, struct cv_cells *out, int y, const struct cv_space_totals *t)
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
		cv_cells_words(out, 20 + bar, y, out->w - 20 - bar, CV_INK_QUIET, classes[i].note);
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

	x.why = x.image + (w >= CV_WIDE_W ? 36 : w >= 76 ? 19 : 15);
	x.cure = w >= CV_WIDE_W ? x.why + 34 : w >= 76 ? x.why + 24 : w;
	return x;
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t i, int y)
{
	const struct cv_space_row *row = &c->space.rows[i];
	struct columns x = columns_of(out->w);
	struct cv_text t = { 0 };

	if (cv_ident_set_has(&c->space.marked, ident(c, i)))
		cv_cells_put(out, 1, y, 1, CV_INK_MARK, "*");
	cv_cells_right(out, 2, y, 7, CV_INK_TEXT, cv_size_short(row->bytes).s);
	cv_cells_put(out, 10, y, 9, CV_INK_TEXT, cv_space_kind_name(row->kind));
	cv_image_name(&t, &c->snap.graph->images[row->image]);
	cv_cells_elide(out, x.image, y, x.why - x.image - 1, CV_INK_TEXT, cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_row_why(&t, c->space.space, row);
	cv_cells_words(out, x.why, y, (x.cure < out->w ? x.cure : out->w + 1) - x.why - 1, CV_INK_TEXT,
		       cv_text_str(&t));
	cv_text_clear(&t);
	cv_space_row_cure(&t, c->space.space, row);
	if (cv_text_columns(cv_text_str(&t), out->ascii) > out->w - x.cure) {
		cv_text_clear(&t);
		cv_space_row_cure_short(&t, c->space.space, row);
	}
	if (x.cure < out->w)
		cv_cells_words(out, x.cure, y, out->w - x.cure, CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

static void draw_heading(const struct cv_console *c, struct cv_cells *out, int y)
{
	struct columns x = columns_of(out->w);

	cv_cells_put(out, 5, y, out->w, CV_INK_COLUMNS, "SIZE KIND");
	cv_cells_put(out, x.image, y, out->w, CV_INK_COLUMNS, "IMAGE");
	cv_cells_put(out, x.why, y, out->w, CV_INK_COLUMNS, "WHY");
	cv_cells_put(out, x.cure, y, out->w, CV_INK_COLUMNS, "WHAT FREES IT");
	if (!c->space.count)
		cv_cells_put(out, 2, y + 1, out->w, CV_INK_GOOD, "Nothing could be freed here.");
}

static void add_progress(const struct cv_console *c, struct cv_text *t)
{
	struct cv_survey_progress p;

	cv_text_add(t, "computing the space");
	if (!c->space.survey) {
		cv_text_add(t, "...");
		return;
	}
	p = cv_survey_progress(c->space.survey);
	cv_text_addf(t, ": %u%%, %zu of %zu trees, %zu of %zu images  z:Stop", p.permille / 10, p.trees_done, p.trees,
		     p.images_done, p.images);
}

static void draw_nothing(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	bool failed = c->space.state == CV_JOB_FAILED;
	struct cv_text t = { 0 };

	if (failed)
		cv_text_add(&t, c->space.why);
	else if (c->scanning)
		cv_text_add(&t, "The space is computed when the scan is done.");
	else
		add_progress(c, &t);
	cv_cells_elide(out, 1, a.y + 1, a.w - 1, failed ? CV_INK_ERROR : CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	uint32_t repository = cv_space_repository(c);
	struct cv_space_totals t;

	if (!c->space.space || repository >= c->space.space->repository_count) {
		draw_nothing(c, out, a);
		return;
	}
	t = cv_space_totals_of(c->space.space, repository);
	draw_figures(c, out, a.y, repository, &t);
	draw_heading(c, out, draw_bars(c, out, a.y + 1, &t));
	cv_list_draw(c, out, a, CV_VIEW_SPACE, head_rows(c->h), draw_row);
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
	const struct cv_space_row *row = selected(c);

	if (!c->space.space)
		return;
	if (!row || cv_pane_height(c, CV_VIEW_SPACE)) {
		cv_text_addf(out, "Sizes are exact counts of blocks, not estimates; %zu image%s not counted.",
			     c->space.space->unknown, cv_plural(c->space.space->unknown));
		return;
	}
	cv_space_row_why(out, c->space.space, row);
	cv_text_add(out, "; ");
	cv_space_row_cure(out, c->space.space, row);
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_space_row *row = &c->space.rows[place];

	cv_text_addf(out, "%s ", cv_space_kind_name(row->kind));
	cv_image_name(out, &c->snap.graph->images[row->image]);
	cv_text_add(out, " ");
	cv_space_row_why(out, c->space.space, row);
}

static const char *const sorts[] = { "size", "freed", "name", "what it is", "peak", NULL };

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
	.sorts = sorts,
	.marks = marks,
	.place_text = place_text,
	.want = cv_space_want,
	.work = cv_space_tick,
	.forget = cv_space_forget,
	.end = cv_space_end,
	CV_LIST_SEARCH,
};
