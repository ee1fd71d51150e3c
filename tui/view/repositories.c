/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The list of repositories: space, counts, state of each; a box about the selected one and, on tall
 * terminals, its worst findings.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

enum { LABEL_W = 8, HEAD = 1 };

static bool rebuild(struct cv_console *c)
{
	c->view[CV_VIEW_REPOSITORIES].list.count = c->shown ? c->snap.repository_count : 0;
	return true;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	return cv_repository_ident(c->snap.repositories[row]);
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_REPOSITORIES, HEAD);
}

static const struct cv_repository *selected(const struct cv_console *c, const struct cv_repository_sum **sum)
{
	size_t i = c->view[CV_VIEW_REPOSITORIES].list.cursor;

	if (!c->shown || i >= c->snap.repository_count)
		return NULL;
	*sum = &c->index.repositories[i];
	return c->snap.repositories[i];
}

static const char *sign(const struct cv_console *c)
{
	return c->snap.graph->partial ? ">" : "";
}

static const char *scan_state(const struct cv_console *c, const struct cv_repository *r)
{
	if (r->complete)
		return "complete";
	if (!c->snap.graph->partial)
		return "NOT complete";
	return c->scanning ? "still running" : "stopped";
}

static void write_images(const struct cv_console *c, const struct cv_repository_sum *s, struct cv_paper *p)
{
	struct cv_text t = { 0 };

	cv_text_addf(&t, "%s%zu in %zu tree%s: %zu lea%s, %zu base%s, %zu orphan%s", sign(c), s->images, s->trees,
		     cv_plural(s->trees), s->leaves, s->leaves == 1 ? "f" : "ves", s->bases, cv_plural(s->bases),
		     s->orphans, cv_plural(s->orphans));
	if (s->unread)
		cv_text_addf(&t, "; %zu %s", s->unread, !c->snap.graph->partial ? "could not be read" :
			     c->scanning ? "not read yet" : "not read");
	cv_paper_field(p, LABEL_W, "Images", CV_INK_TEXT, cv_text_str(&t));
	cv_text_clear(&t);
	for (int id = 0; id < CV_FORMAT_COUNT; id++)
		if (s->formats[id])
			cv_text_addf(&t, "%s%zu %s", t.len ? ", " : "", s->formats[id],
				     cv_format_name((enum cv_format_id)id));
	cv_paper_field(p, LABEL_W, "Formats", CV_INK_TEXT, t.len ? cv_text_str(&t) : "none");
	cv_text_fini(&t);
}

static void write_references(const struct cv_console *c, struct cv_paper *p)
{
	const struct cv_references *refs = c->snap.graph->refs;
	struct cv_text t = { 0 };

	if (!refs)
		cv_text_add(&t, "asked when the scan is done");
	else if (refs->none)
		cv_text_add(&t, "none: only the disks count");
	for (size_t i = 0; refs && i < refs->source_count; i++) {
		const struct cv_claim_source *s = &refs->sources[i];

		if (t.len)
			cv_text_add(&t, "; ");
		cv_text_escape(&t, cv_bytes_of(s->name));
		cv_text_addf(&t, ": %zu%s", s->claims, s->complete ? "" : " (not complete)");
		if (s->trouble)
			cv_text_addf(&t, " %s", s->trouble);
	}
	cv_paper_field(p, LABEL_W, "Refs", CV_INK_TEXT, t.len ? cv_text_str(&t) : "no source found on this host");
	cv_text_fini(&t);
}

static void write_troubles(const struct cv_console *c, size_t repository, struct cv_paper *p)
{
	size_t shown = 0;

	for (size_t i = 0; i < c->snap.trouble_count && shown < 5; i++) {
		const struct cv_trouble *trouble = c->snap.troubles[i];
		struct cv_text t = { 0 };

		if (trouble->repository != repository)
			continue;
		cv_text_escape(&t, cv_bytes_of(trouble->path));
		cv_text_addf(&t, ": %s", trouble->text);
		cv_paper_field(p, LABEL_W, shown++ ? "" : "Trouble", CV_INK_ERROR, cv_text_str(&t));
		cv_text_fini(&t);
	}
}

static void write_repository(struct cv_console *c, const struct cv_repository *r, const struct cv_repository_sum *s)
{
	struct cv_paper *p = &c->pane[0].paper;
	struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(r->path));
	cv_pane_title(&c->pane[0], cv_text_str(&t));
	cv_paper_field(p, LABEL_W, "Path", CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
	cv_paper_fieldf(p, LABEL_W, "Kind", CV_INK_TEXT, "%s%s", cv_repository_kind_name(r->kind),
			r->other ? ", only searched for parents and children" : "");
	cv_paper_fieldf(p, LABEL_W, "Space", CV_INK_TEXT, "images %s%s; file system %s, %s free", sign(c),
			cv_size_short(s->allocated).s, cv_size_short(r->size_bytes).s, cv_size_short(r->free_bytes).s);
	write_images(c, s, p);
	write_references(c, p);
	cv_paper_fieldf(p, LABEL_W, "Scan", CV_INK_TEXT, "metadata only, %s%s%s", scan_state(c, r),
			c->snap.sandbox ? "; " : "", c->snap.sandbox ? c->snap.sandbox : "");
	write_troubles(c, c->view[CV_VIEW_REPOSITORIES].list.cursor, p);
}

/* Worst first, as many as the pane has rows. */
static void write_worst(struct cv_console *c, size_t repository)
{
	const struct cv_graph *g = c->snap.graph;
	struct cv_paper *p = &c->pane[1].paper;
	size_t rows = (size_t)cv_second_pane_height(c, CV_VIEW_REPOSITORIES) - 2, left = rows;

	cv_pane_title(&c->pane[1], "worst findings");
	for (int severity = CV_ERROR; severity >= CV_INFO; severity--)
		for (size_t i = 0; i < g->finding_count && left; i++) {
			const struct cv_finding *f = &g->findings[i];
			struct cv_text t = { 0 };

			if ((int)f->severity != severity || f->repository != repository)
				continue;
			cv_text_addf(&t, "%c ", cv_severity_letter(f->severity));
			if (f->image < g->image_count) {
				cv_image_name(&t, &g->images[f->image]);
				cv_text_add(&t, ": ");
			}
			cv_finding_words(&t, f);
			cv_paper_field(p, 0, NULL, cv_severity_ink(f->severity), cv_text_str(&t));
			cv_text_fini(&t);
			left--;
		}
	if (left == rows)
		cv_paper_text(p, CV_INK_GOOD, "none");
}

static void panes(struct cv_console *c)
{
	const struct cv_repository_sum *sum = NULL;
	const struct cv_repository *r = selected(c, &sum);

	if (!r)
		return;
	write_repository(c, r, sum);
	if (cv_second_pane_height(c, CV_VIEW_REPOSITORIES))
		write_worst(c, c->view[CV_VIEW_REPOSITORIES].list.cursor);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	const struct cv_repository_sum *sum = NULL;
	const struct cv_repository *r = selected(c, &sum);

	(void)fx;
	if ((action != CV_ACT_OPEN_REPOSITORY && action != CV_ACT_TREE) || !r)
		return false;
	c->scoped = true;
	c->scope = cv_repository_ident(r);
	cv_touch(c, 1u << CV_VIEW_TREE);
	cv_push_view(c, CV_VIEW_TREE);
	return true;
}

static uint32_t limit(const struct cv_console *c)
{
	return c->options.policy.depth_limit ? c->options.policy.depth_limit : 30;
}

static char state_of(const struct cv_console *c, size_t i)
{
	const struct cv_repository_sum *s = &c->index.repositories[i];

	if (c->scanning && c->snap.graph->partial && !c->snap.repositories[i]->complete)
		return '~';
	if (s->count[CV_ERROR])
		return 'X';
	return s->count[CV_WARNING] ? '!' : c->snap.repositories[i]->complete ? '=' : '?';
}

static void draw_numbers(const struct cv_console *c, struct cv_cells *out, size_t i, int x, int y)
{
	const struct cv_repository_sum *s = &c->index.repositories[i];
	char text[32];

	snprintf(text, sizeof text, "%s%zu", sign(c), s->images);
	cv_cells_right(out, x, y, 6, CV_INK_TEXT, text);
	snprintf(text, sizeof text, "%s%s", sign(c), cv_size_short(s->allocated).s);
	cv_cells_right(out, x + 6, y, 7, CV_INK_TEXT, text);
	snprintf(text, sizeof text, "%u/%u", s->longest, limit(c));
	cv_cells_right(out, x + 13, y, 6, s->longest > limit(c) ? CV_INK_WARNING : CV_INK_TEXT, text);
	snprintf(text, sizeof text, "%zuE", s->count[CV_ERROR]);
	cv_cells_right(out, x + 19, y, 5, s->count[CV_ERROR] ? CV_INK_ERROR : CV_INK_TEXT, text);
	snprintf(text, sizeof text, "%zuW", s->count[CV_WARNING]);
	cv_cells_right(out, x + 24, y, 5, s->count[CV_WARNING] ? CV_INK_WARNING : CV_INK_TEXT, text);
}

enum { NUMBERS_W = 29, FREE_W = 7, PERCENT_W = 5 };

/* The bar with the per cent behind it; none on narrow screens. */
static int used_width(int w)
{
	return w >= CV_WIDE_W ? 27 : w >= 76 ? 14 : 0;
}

static void draw_used(struct cv_cells *out, int x, int y, int w, uint64_t used, uint64_t size)
{
	if (!w || !size)
		return;
	cv_cells_bar(out, x, y, w - PERCENT_W, used, size);
	cv_cells_putf(out, x + w - PERCENT_W, y, PERCENT_W, CV_INK_TEXT, "%4.0f%%",
		      100.0 * (double)used / (double)size);
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t i, int y)
{
	const struct cv_repository *r = c->snap.repositories[i];
	uint64_t used = r->size_bytes > r->free_bytes ? r->size_bytes - r->free_bytes : 0;
	int bar = used_width(out->w), x = out->w - NUMBERS_W - FREE_W - bar;
	char state[2] = { state_of(c, i), '\0' };
	const char *slash = strrchr(r->path, '/');
	struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(slash && slash[1] ? slash + 1 : r->path));
	cv_cells_put(out, 1, y, 1, cv_state_ink(state[0]), state);
	cv_cells_elide(out, 3, y, x - 15, CV_INK_TEXT, cv_text_str(&t));
	cv_cells_put(out, x - 12, y, 11, CV_INK_QUIET, r->other ? "other" : cv_repository_kind_name(r->kind));
	draw_used(out, x, y, bar, used, r->size_bytes);
	cv_cells_right(out, x + bar, y, FREE_W, CV_INK_TEXT, cv_size_short(r->free_bytes).s);
	draw_numbers(c, out, i, x + bar + FREE_W, y);
	cv_text_fini(&t);
}

static void draw_heading(struct cv_cells *out, int y)
{
	int bar = used_width(out->w), x = out->w - NUMBERS_W - FREE_W - bar;

	cv_cells_put(out, 3, y, out->w, CV_INK_COLUMNS, "REPOSITORY");
	cv_cells_put(out, x - 12, y, 11, CV_INK_COLUMNS, "TYPE");
	cv_cells_put(out, x, y, bar, CV_INK_COLUMNS, "USED");
	cv_cells_put(out, x + bar, y, out->w, CV_INK_COLUMNS, "   FREE   IMG  ALLOC  DEEP  ERR WARN");
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	draw_heading(out, a.y);
	cv_list_draw(c, out, a, CV_VIEW_REPOSITORIES, HEAD, draw_row);
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	size_t images = 0;

	if (c->options.title)
		cv_text_escape(out, cv_bytes_of(c->options.title));
	else
		cv_text_add(out, "repositories");
	for (size_t i = 0; c->shown && i < c->snap.repository_count; i++)
		images += c->index.repositories[i].images;
	if (c->shown)
		cv_text_addf(out, "  %zu repositor%s, %s%zu images", c->snap.repository_count,
			     c->snap.repository_count == 1 ? "y" : "ies", sign(c), images);
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_repository_sum *s = NULL;

	if (!selected(c, &s)) {
		cv_text_add(out, "Nothing to show.");
		return;
	}
	if (s->count[CV_ERROR] + s->count[CV_WARNING] == 0)
		cv_text_add(out, "No errors, no warnings. Enter opens the trees.");
	else
		cv_text_addf(out, "%zu error%s, %zu warning%s. Press f to list them.", s->count[CV_ERROR],
			     cv_plural(s->count[CV_ERROR]), s->count[CV_WARNING], cv_plural(s->count[CV_WARNING]));
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	cv_text_escape(out, cv_bytes_of(c->snap.repositories[place]->path));
}

const struct cv_view cv_view_repositories = {
	.name = "repositories",
	.rebuild = rebuild,
	.panes = panes,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.place_text = place_text,
	CV_LIST_SEARCH,
};
