/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Space as text: totals with bars, what could be freed and how, the plan, and with -v the classes of each image.
 */
#include "inspect/report/words.h"
#include <chainview/space.h>

#define BAR 24u

static void draw_bar(struct cv_page *o, const char *name, uint64_t bytes, uint64_t all, const char *note)
{
	unsigned full = all ? (unsigned)((double)bytes / (double)all * BAR + 0.5) : 0;

	full = full > BAR ? BAR : full;
	cv_page_addf(o, CV_PAINT_PLAIN, " %-14s", name);
	cv_page_right(o, CV_PAINT_BOLD, cv_size_short(bytes).s, 22);
	cv_page_str(o, CV_PAINT_DIM, " [");
	for (unsigned i = 0; i < BAR; i++)
		cv_page_str(o, i < full ? CV_PAINT_BOLD : CV_PAINT_DIM, i < full ? "#" : ".");
	cv_page_str(o, CV_PAINT_DIM, "] ");
	cv_page_str(o, CV_PAINT_PLAIN, note);
	cv_page_end(o);
}

static void draw_totals(struct cv_page *o, const struct cv_space *s, uint32_t repository,
			const struct cv_space_totals *t)
{
	static const struct { enum cv_space_class class; const char *name, *note; } rows[] = {
		{ CV_SPACE_LIVE, "live", "some leaf or needed image reads it" },
		{ CV_SPACE_SHADOWED, "shadowed", "overwritten in nearer images" },
		{ CV_SPACE_ORPHANED, "orphaned", "only orphans read it" },
		{ CV_SPACE_SNAPSHOT, "snapshots", "only internal snapshots hold it" },
		{ CV_SPACE_LEAKED, "leaked", "nothing points to it" },
		{ CV_SPACE_METADATA, "metadata", "tables and headers" },
		{ CV_SPACE_SLACK, "slack", "padding, free clusters, tails" },
	};
	const struct cv_space_plan *p = &s->plans[repository];
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	uint64_t freed = p->net_bytes > 0 ? (uint64_t)p->net_bytes : 0;

	cv_text_escape(&path, cv_bytes_of(cv_scan_repository(s->graph->scan, repository)->path));
	cv_page_elided(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&path)), cv_page_left(o));
	cv_page_end(o);
	cv_page_addf(o, CV_PAINT_PLAIN, "used %s  reclaimable %s  ", cv_size_short(t->allocated).s,
		     cv_size_short(freed).s);
	cv_page_addf(o, CV_PAINT_PLAIN, "free %s -> %s if all of the plan is done", cv_size_short(p->free_now).s,
		     cv_size_short(p->free_now + freed).s);
	cv_page_end(o);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		draw_bar(o, rows[i].name, t->bytes[rows[i].class], t->allocated, rows[i].note);
}

static void draw_row(struct cv_page *o, const struct cv_space *s, uint32_t repository, const struct cv_space_row *r)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, text = { 0 };

	cv_words_image(&name, s->graph, r->image, repository);
	cv_page_right(o, CV_PAINT_PLAIN, cv_size_short(r->bytes).s, 8);
	cv_page_addf(o, CV_PAINT_PLAIN, " %-9s ", cv_space_kind_name(r->kind));
	cv_page_elided(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&name)), 24);
	cv_page_to(o, 44);
	cv_space_row_why(&text, s, r);
	cv_text_add(&text, "; ");
	cv_space_row_cure(&text, s, r);
	cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&text)), 44);
	cv_page_end(o);
}

static void draw_rows(struct cv_page *o, const struct cv_space *s, uint32_t repository)
{
	struct cv_space_row *rows;
	size_t count;

	o->ok = cv_space_rows(s, repository, &rows, &count) && o->ok;
	if (count) {
		cv_page_end(o);
		cv_page_str(o, CV_PAINT_BOLD, "    SIZE KIND      IMAGE");
		cv_page_to(o, 44);
		cv_page_str(o, CV_PAINT_BOLD, "WHY; WHAT FREES IT");
		cv_page_end(o);
	}
	for (size_t i = 0; i < count && o->ok; i++)
		draw_row(o, s, repository, &rows[i]);
	free(rows);
}

static void draw_step(struct cv_page *o, const struct cv_space *s, uint32_t repository, size_t n)
{
	const struct cv_space_step *step = &s->plans[repository].steps[n];
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "%zu ", n + 1);
	cv_text_add(&t, step->action == CV_SPACE_DELETE ? "delete " : "coalesce ");
	cv_words_image(&t, s->graph, step->image, repository);
	if (step->into != CV_NO_IMAGE) {
		cv_text_add(&t, " into ");
		cv_words_image(&t, s->graph, step->into, repository);
	}
	cv_text_addf(&t, ": net %s%s, peak %s", step->net_bytes < 0 ? "-" : "",
		     cv_size_short(step->net_bytes < 0 ? -(uint64_t)step->net_bytes : (uint64_t)step->net_bytes).s,
		     cv_size_short(step->peak_bytes).s);
	cv_text_addf(&t, ", then free %s", cv_size_short(step->free_after).s);
	cv_page_to(o, 2);
	cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&t)), 6);
	cv_page_end(o);
}

static void draw_plan(struct cv_page *o, const struct cv_space *s, uint32_t repository)
{
	const struct cv_space_plan *p = &s->plans[repository];
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!p->count && !p->left_out)
		return;
	cv_page_end(o);
	cv_page_str(o, CV_PAINT_BOLD,
		    "Plan, in this order; what is merged or deleted leaves the trash before the next step");
	cv_page_end(o);
	for (size_t i = 0; i < p->count && o->ok; i++)
		draw_step(o, s, repository, i);
	if (p->left_out) {
		cv_words_number(&t, p->left_out, "more merge does", "more merges do");
		if (p->missing_bytes)
			cv_text_add(&t, " not fit in any order: whichever begins needs more than there is, at least ");
		else
			cv_text_add(&t, " not fit in this order; by itself there would be room for ");
		cv_words_image(&t, s->graph, p->missing_for, repository);
		if (p->missing_bytes)
			cv_text_addf(&t, ", for which %" PRIu64 " B (%s) are missing", p->missing_bytes,
				     cv_size_short(p->missing_bytes).s);
		cv_page_to(o, 2);
		cv_page_wrapped(o, CV_PAINT_WARNING, cv_bytes_of(cv_text_str(&t)), 4);
		cv_page_end(o);
	}
}

static void add_classes(struct cv_text *t, const struct cv_space_image *m)
{
	const char *comma = "";

	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++) {
		if (!m->bytes[c])
			continue;
		cv_text_addf(t, "%s%s %s", comma, cv_space_class_name((enum cv_space_class)c),
			     cv_size_short(m->bytes[c]).s);
		comma = ", ";
	}
	if (m->zero_known)
		cv_text_addf(t, "; zeros %s", cv_size_short(m->zero_bytes).s);
	if (m->shared_known && m->shared_bytes)
		cv_text_addf(t, "; shared by reflinks %s", cv_size_short(m->shared_bytes).s);
	if (m->flatten.known)
		cv_text_addf(t, "; flattening adds %s, peak %s",
			     cv_size_short(m->flatten.net_bytes < 0 ? (uint64_t)-m->flatten.net_bytes : 0).s,
			     cv_size_short(m->flatten.peak_bytes).s);
}

/* With -v every image; without, those that could not be looked at. */
static void draw_images(struct cv_page *o, const struct cv_space *s, uint32_t repository)
{
	size_t first, end = cv_words_images_of(s->graph, repository, &first);

	if (o->style.verbose)
		cv_page_end(o);
	for (size_t i = first; i < end && o->ok; i++) {
		const struct cv_space_image *m = &s->images[i];
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		/* how many were not come to is said at the end */
		if (!o->style.verbose && (m->known || (s->cancelled && !strcmp(m->why, "cancelled"))))
			continue;
		cv_words_image(&t, s->graph, (uint32_t)i, repository);
		cv_text_addf(&t, ": %s", m->known ? "" : "not computed: ");
		if (m->known)
			add_classes(&t, m);
		else
			cv_text_add(&t, m->why);
		cv_page_to(o, 1);
		cv_page_wrapped(o, m->known ? CV_PAINT_PLAIN : CV_PAINT_WARNING, cv_bytes_of(cv_text_str(&t)), 4);
		cv_page_end(o);
	}
}

static void draw_end(struct cv_page *o, const struct cv_space *s)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_page_end(o);
	cv_text_add(&t, "Sizes are exact counts of blocks, not estimates; ");
	cv_words_number(&t, s->unknown, "image", "images");
	cv_text_add(&t, s->cancelled ? " not computed, because this was stopped" : " not computed");
	cv_page_wrapped(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&t)), 2);
	cv_page_end(o);
	cv_text_clear(&t);
	cv_text_add(&t, "References: ");
	cv_words_references(&t, s->graph);
	cv_page_wrapped(o, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&t)), 2);
	cv_page_end(o);
}

bool cv_report_space(const struct cv_space *s, const struct cv_style *style, const struct cv_sink *sink)
{
	struct cv_page out;
	bool any = false;

	cv_page_init(&out, style, sink);
	for (uint32_t r = 0; r < s->repository_count && out.ok; r++) {
		struct cv_space_totals t = cv_space_totals_of(s, r);

		if (!cv_words_reported(s->graph, r))
			continue;
		if (any)
			cv_page_end(&out);
		any = true;
		draw_totals(&out, s, r, &t);
		draw_rows(&out, s, r);
		draw_plan(&out, s, r);
		draw_images(&out, s, r);
	}
	draw_end(&out, s);
	return cv_page_fini(&out);
}
