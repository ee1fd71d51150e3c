/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The findings, worst first, with the explanation of the selected one below. What is found is not decided
 * here.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

#define HEAD 2

/* What can be searched for: code, name and title. */
static void add_problem(struct cv_text *out, const struct cv_finding *f, const struct cv_problem *problem)
{
	if (problem)
		cv_text_addf(out, " %s %s ", problem->code, problem->name);
	cv_finding_title(out, f);
}

static bool fits(struct cv_console *c, const struct cv_finding *f, struct cv_text *name)
{
	const struct cv_filter *filter = &c->view[CV_VIEW_FINDINGS].filter;
	struct cv_filter_subject s = { .graph = c->snap.graph, .image = cv_image_at(c, f->image), .finding = f };
	const struct cv_problem *problem = cv_problem_by_id(f->id);

	if (!filter->count)
		return true;
	cv_text_clear(name);
	if (s.image)
		cv_image_name(name, s.image);
	add_problem(name, f, problem);
	s.name = cv_text_str(name);
	return cv_filter_fits(filter, &s);
}

static bool rebuild(struct cv_console *c)
{
	struct cv_text name = { 0 };
	bool ok = true;

	c->finding_rows.len = 0;
	for (int severity = CV_ERROR; c->shown && severity >= CV_INFO; severity--)
		for (size_t i = 0; ok && i < c->snap.graph->finding_count; i++) {
			const struct cv_finding *f = &c->snap.graph->findings[i];

			if ((int)f->severity == severity && fits(c, f, &name))
				ok = cv_numbers_push(&c->finding_rows, (uint32_t)i);
		}
	c->view[CV_VIEW_FINDINGS].list.count = c->finding_rows.len;
	cv_text_fini(&name);
	return ok;
}

static const struct cv_finding *finding_at(const struct cv_console *c, size_t row)
{
	return row < c->finding_rows.len ? &c->snap.graph->findings[c->finding_rows.at[row]] : NULL;
}

static const struct cv_finding *selected(const struct cv_console *c)
{
	return finding_at(c, c->view[CV_VIEW_FINDINGS].list.cursor);
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	const struct cv_finding *f = finding_at(c, row);
	const struct cv_image *image = cv_image_at(c, f->image);
	struct cv_ident id = image ? cv_image_ident(image) : (struct cv_ident){ f->repository, 0, 0 };

	id.c = (uint64_t)f->id << 32 ^ f->where.off ^ 3;
	return id;
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_FINDINGS, HEAD);
}

static void write_evidence(const struct cv_console *c, const struct cv_finding *f, struct cv_paper *p)
{
	const struct cv_image *image = cv_image_at(c, f->image);
	struct cv_text t = { 0 };

	cv_finding_words(&t, f);
	cv_paper_text(p, cv_severity_ink(f->severity), cv_text_str(&t));
	cv_text_clear(&t);
	if (image && image->file && image->file->path)
		cv_text_escape(&t, cv_bytes_of(image->file->path));
	else if (f->repository < c->snap.repository_count)
		cv_text_escape(&t, cv_bytes_of(c->snap.repositories[f->repository]->path));
	cv_paper_field(p, 7, "Where", CV_INK_TEXT, cv_text_str(&t));
	if (f->has_where)
		cv_paper_fieldf(p, 7, "Bytes", CV_INK_TEXT, "%" PRIu64 " at offset %" PRIu64 " (0x%" PRIx64 ")",
				f->where.len, f->where.off, f->where.off);
	if (f->bytes)
		cv_paper_field(p, 7, "Space", CV_INK_TEXT, cv_size_full(f->bytes).s);
	cv_text_fini(&t);
}

static void panes(struct cv_console *c)
{
	const struct cv_finding *f = selected(c);
	const struct cv_problem *problem = f ? cv_problem_by_id(f->id) : NULL;
	struct cv_paper *p = &c->pane[0].paper;

	if (!f)
		return;
	snprintf(c->pane[0].title, sizeof c->pane[0].title, "%s %s", problem ? problem->code : "?",
		 problem ? problem->name : "");
	write_evidence(c, f, p);
	if (problem && problem->explanation) {
		cv_paper_blank(p);
		cv_paper_text(p, CV_INK_TEXT, problem->explanation);
	}
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	const struct cv_finding *f = selected(c);

	(void)fx;
	if (action != CV_ACT_GO_TO_IMAGE && action != CV_ACT_TREE)
		return false;
	if (f && f->image < c->snap.graph->image_count)
		cv_open_in_tree(c, f->image);
	else if (action == CV_ACT_TREE)
		cv_push_view(c, CV_VIEW_TREE);
	else if (f)
		cv_console_say(c, "this finding is about no single image");
	return true;
}

static int image_width(int w)
{
	return w >= CV_WIDE_W ? 36 : w >= 76 ? 22 : 16;
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t row, int y)
{
	const struct cv_finding *f = finding_at(c, row);
	const struct cv_problem *problem = cv_problem_by_id(f->id);
	const struct cv_image *image = cv_image_at(c, f->image);
	int image_w = image_width(out->w), size_w = out->w >= CV_WIDE_W ? 7 : 0, x = 17 + image_w;
	struct cv_text t = { 0 };

	cv_cells_putf(out, 2, y, 1, cv_severity_ink(f->severity), "%c", cv_severity_letter(f->severity));
	cv_cells_put(out, 4, y, 12, CV_INK_TEXT, problem ? problem->code : "?");
	if (image)
		cv_image_name(&t, image);
	cv_cells_elide(out, 17, y, image_w - 1, CV_INK_TEXT, image ? cv_text_str(&t) : "-");
	cv_text_clear(&t);
	cv_finding_words(&t, f);
	cv_cells_elide(out, x, y, out->w - x - size_w, CV_INK_TEXT, cv_text_str(&t));
	if (size_w)
		cv_cells_right(out, out->w - 6, y, 6, CV_INK_TEXT, f->bytes ? cv_size_short(f->bytes).s : "-");
	cv_text_fini(&t);
}

static void draw_heading(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_view_state *state = &c->view[CV_VIEW_FINDINGS];
	size_t count[3] = { 0 };

	for (size_t i = 0; c->shown && i < c->snap.repository_count; i++)
		for (int severity = CV_INFO; severity <= CV_ERROR; severity++)
			count[severity] += c->index.repositories[i].count[severity];
	cv_cells_putf(out, 1, a.y, a.w - 1, CV_INK_QUIET, "Filter: %s   %zu error%s  %zu warning%s  %zu info%s",
		      state->filter_text[0] ? state->filter_text : "(none)", count[CV_ERROR],
		      cv_plural(count[CV_ERROR]), count[CV_WARNING], cv_plural(count[CV_WARNING]), count[CV_INFO],
		      c->shown && c->snap.graph->partial ? "   (scan not done: more may come)" : "");
	cv_cells_put(out, 2, a.y + 1, a.w, CV_INK_COLUMNS, "S CODE         IMAGE");
	cv_cells_put(out, 17 + image_width(a.w), a.y + 1, a.w, CV_INK_COLUMNS, "WHAT");
	if (a.w >= CV_WIDE_W)
		cv_cells_right(out, a.w - 6, a.y + 1, 6, CV_INK_COLUMNS, "SIZE");
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	draw_heading(c, out, a);
	cv_list_draw(c, out, a, CV_VIEW_FINDINGS, HEAD, draw_row);
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	(void)c;
	cv_text_add(out, "findings");
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_finding *f = selected(c);

	if (!f)
		cv_text_add(out, c->view[CV_VIEW_FINDINGS].filter.count ? "Nothing fits the filter; \\ changes it."
									: "No findings.");
	else
		cv_finding_words(out, f);
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_finding *f = finding_at(c, place);
	const struct cv_problem *problem = cv_problem_by_id(f->id);
	const struct cv_image *image = cv_image_at(c, f->image);

	if (image)
		cv_image_name(out, image);
	add_problem(out, f, problem);
}

const struct cv_view cv_view_findings = {
	.name = "findings",
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
