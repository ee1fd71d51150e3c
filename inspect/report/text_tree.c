/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tree as text: a head line for each repository, aligned columns, lines that join children to parents.
 * The walk is here because the order of lines is the order of the walk; what is true about an image is not.
 */
#include <chainview/vec.h>

#include "inspect/report/columns.h"
#include "inspect/report/words.h"

#define NAME_COLUMN 2
#define WIDEST_NAME 100
#define LEAST_NAME 16
#define TROUBLES_SHOWN 5

struct node {
	uint32_t image, next;        /* next: number of the child to visit next */
	bool more;                   /* siblings follow */
};
CV_VEC(node_vec, struct node);

struct walk {
	const struct cv_graph *g;
	struct cv_page *out;
	uint32_t repository;
	struct node_vec stack;
	bool *seen, *is_root;        /* by image */
	size_t levels;               /* at most so many levels are drawn */
	size_t name_width, width[CV_COLUMNS];
	bool hidden[CV_COLUMNS];
	void (*visit)(struct walk *w, uint32_t image);
	struct cv_text scratch;
	uint64_t allocated;
	size_t trees;
	bool flag_seen[32];
};

static void walk_fini(struct walk *w)
{
	free(w->stack.at);
	free(w->seen);
	free(w->is_root);
	cv_text_fini(&w->scratch);
}

/* The number of the next child at or behind n that is drawn in this tree. */
static uint32_t next_child(const struct walk *w, const struct cv_image *m, uint32_t n)
{
	while (n < m->child_count) {
		uint32_t child = cv_graph_child(w->g, m, n);

		if (w->g->images[child].repository == w->repository && !w->seen[child])
			break;
		n++;
	}
	return n;
}

static bool enter(struct walk *w, uint32_t image, bool more)
{
	struct node n = { .image = image, .more = more };

	w->seen[image] = true;
	if (!node_vec_push(&w->stack, n))
		return w->out->ok = false;
	w->visit(w, image);
	return w->out->ok;
}

static bool walk_tree(struct walk *w, uint32_t root)
{
	w->stack.len = 0;
	if (!enter(w, root, false))
		return false;
	while (w->stack.len) {
		struct node *top = &w->stack.at[w->stack.len - 1];
		const struct cv_image *m = &w->g->images[top->image];
		uint32_t n = next_child(w, m, top->next);

		if (n >= m->child_count) {
			w->stack.len--;
			continue;
		}
		top->next = n + 1;
		if (!enter(w, cv_graph_child(w->g, m, n), next_child(w, m, n + 1) < m->child_count))
			return false;
	}
	return true;
}

static bool starts_tree(const struct walk *w, size_t image)
{
	const struct cv_image *m = &w->g->images[image];

	return w->is_root[image] || m->parent == CV_NO_IMAGE || w->g->images[m->parent].repository != w->repository;
}

/* Visits every image of the repository once, parents before children. */
static bool walk_repository(struct walk *w, void (*visit)(struct walk *w, uint32_t image))
{
	size_t first, end = cv_words_images_of(w->g, w->repository, &first);

	w->visit = visit;
	w->trees = 0;
	for (size_t i = first; i < end; i++)
		w->seen[i] = false;
	/* The second round finds what no root leads to; a sound graph leaves it nothing. */
	for (int round = 0; round < 2; round++)
		for (size_t i = first; i < end; i++) {
			if (w->seen[i] || (!round && !starts_tree(w, i)))
				continue;
			w->trees++;
			if (!walk_tree(w, (uint32_t)i))
				return false;
		}
	return true;
}

/* Columns that the lines left of the newest node take. */
static size_t prefix_columns(const struct walk *w)
{
	size_t level = w->stack.len - 1;

	if (!level)
		return 0;
	return level > w->levels ? 2 + 2 * w->levels + 1 : 2 * level + 1;
}

static void widen(size_t *width, size_t to)
{
	if (to > *width)
		*width = to;
}

static size_t folder_bytes(const char *id)
{
	const char *slash = strrchr(id, '/');

	return slash ? (size_t)(slash - id) + 1 : 0;
}

void cv_tree_name(const struct cv_graph *g, uint32_t image, uint32_t above, struct cv_text *out)
{
	const char *id = g->images[image].id, *other = above == CV_NO_IMAGE ? NULL : g->images[above].id;
	size_t folder = folder_bytes(id);

	if (other && folder_bytes(other) == folder && !memcmp(id, other, folder))
		id += folder;
	else if (other && !folder)
		cv_text_add(out, "./");
	cv_text_escape(out, cv_bytes_of(id));
}

static const char *name_of(struct walk *w, uint32_t image)
{
	cv_text_clear(&w->scratch);
	cv_tree_name(w->g, image, w->stack.len > 1 ? w->stack.at[w->stack.len - 2].image : CV_NO_IMAGE, &w->scratch);
	return cv_text_str(&w->scratch);
}

static void measure(struct walk *w, uint32_t image)
{
	const struct cv_image *m = &w->g->images[image];

	widen(&w->name_width, prefix_columns(w) + cv_page_columns(w->out, cv_bytes_of(name_of(w, image))));
	for (size_t i = 0; i < CV_COLUMNS; i++)
		widen(&w->width[i], strlen(cv_columns[i].text(w->g, m, &w->out->style).s));
	for (size_t i = 0; i < cv_flag_count; i++)
		w->flag_seen[i] = w->flag_seen[i] || cv_flag_rows[i].applies(w->g, m);
	w->allocated += m->file->allocated;
}

static size_t columns_taken(const struct walk *w)
{
	size_t taken = NAME_COLUMN;

	for (size_t i = 0; i < CV_COLUMNS; i++)
		taken += w->hidden[i] ? 0 : 2 + w->width[i];
	return taken;
}

/* Makes everything fit: a name gives way down to LEAST_NAME, then columns go. */
static void fit(struct walk *w)
{
	size_t width = w->out->style.width, want = w->name_width < LEAST_NAME ? w->name_width : LEAST_NAME;

	if (!width) {
		w->name_width = w->name_width > WIDEST_NAME ? WIDEST_NAME : w->name_width;
		return;
	}
	for (size_t i = 0; i < CV_COLUMNS && columns_taken(w) + want > width; i++)
		w->hidden[cv_columns_drop[i]] = true;
	if (columns_taken(w) + w->name_width > width)
		w->name_width = width - columns_taken(w);
}

static void draw_columns(struct walk *w, const struct cv_image *m)
{
	/* A name that was too long for its column, and was not cut, moves the rest of its line. */
	size_t name_end = NAME_COLUMN + w->name_width, at = w->out->column > name_end ? w->out->column : name_end;
	enum cv_paint paint = m ? CV_PAINT_PLAIN : CV_PAINT_DIM;

	for (size_t i = 0; i < CV_COLUMNS; i++) {
		struct cv_cell c = { "" };

		if (w->hidden[i])
			continue;
		at += 2;
		if (m)
			c = cv_columns[i].text(w->g, m, &w->out->style);
		else
			c = cv_cell_text(cv_columns[i].title);
		if (cv_columns[i].right)
			cv_page_right(w->out, paint, c.s, at + w->width[i]);
		else
			cv_page_to(w->out, at);
		if (!cv_columns[i].right)
			cv_page_str(w->out, paint, c.s);
		at += w->width[i];
	}
}

static void draw_prefix(struct walk *w)
{
	size_t level = w->stack.len - 1, from = 1;
	bool ascii = w->out->style.ascii;
	struct cv_text *t = &w->scratch;

	if (!level)
		return;
	cv_text_clear(t);
	if (level > w->levels) {
		from = level - w->levels + 1;
		cv_text_add(t, ascii ? ".." : "‥ ");
	}
	for (size_t i = from; i < level; i++)
		cv_text_add(t, !w->stack.at[i].more ? "  " : ascii ? "| " : "│ ");
	if (ascii)
		cv_text_add(t, w->stack.at[level].more ? "|- " : "`- ");
	else
		cv_text_add(t, w->stack.at[level].more ? "├─ " : "└─ ");
	cv_page_add(w->out, CV_PAINT_DIM, (struct cv_bytes){ t->at, t->len });
}

/* "<- parent NAME missing" at the end of the line, or below it; only the name is cut to fit. */
static void draw_note(struct walk *w, enum cv_paint paint, const char *before, const char *name, const char *after)
{
	struct cv_page *o = w->out;
	size_t plain = strlen(before) + strlen(after), indent = NAME_COLUMN + 2, left;

	if (2 + plain + cv_page_columns(o, cv_bytes_of(name)) > cv_page_left(o)) {
		cv_page_end(o);
		cv_page_to(o, indent + prefix_columns(w) < o->style.width / 2 ? indent + prefix_columns(w) : indent);
	} else {
		cv_page_str(o, paint, "  ");
	}
	left = cv_page_left(o);
	cv_page_elided(o, paint, cv_bytes_of(before), left);
	cv_page_elided(o, paint, cv_bytes_of(name), left == SIZE_MAX ? left : left > plain + 1 ? left - plain : 1);
	cv_page_elided(o, paint, cv_bytes_of(after), cv_page_left(o));
}

static uint32_t children_elsewhere(const struct walk *w, const struct cv_image *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->child_count; i++)
		n += w->g->images[cv_graph_child(w->g, m, i)].repository != w->repository;
	return n;
}

static void draw_parent_note(struct walk *w, uint32_t image)
{
	const struct cv_image *m = &w->g->images[image];
	const char *trouble = cv_words_trouble(m->status);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, after = { 0 };
	bool elsewhere = m->parent != CV_NO_IMAGE && w->g->images[m->parent].repository != m->repository;

	if (cv_words_parent_unknown(m)) {
		draw_note(w, CV_PAINT_ERROR, "<- parent fields unreadable", "", "");
		return;
	}
	if (!trouble && !elsewhere)
		return;
	cv_words_parent(&name, w->g, image);
	cv_text_addf(&after, "%s%s", trouble ? " " : "", trouble ? trouble : "");
	draw_note(w, trouble ? CV_PAINT_ERROR : CV_PAINT_DIM, "<- parent ", cv_text_str(&name), cv_text_str(&after));
}

static void draw_notes(struct walk *w, uint32_t image)
{
	CV_AUTO(cv_text_fini) struct cv_text number = { 0 };
	uint32_t elsewhere = children_elsewhere(w, &w->g->images[image]);

	draw_parent_note(w, image);
	if (elsewhere) {
		cv_words_number(&number, elsewhere, "child", "children");
		draw_note(w, CV_PAINT_DIM, "-> ", cv_text_str(&number), " in another repository");
	}
}

static void draw(struct walk *w, uint32_t image)
{
	const struct cv_image *m = &w->g->images[image];
	struct cv_page *o = w->out;
	size_t end = NAME_COLUMN + w->name_width;

	if (m->any_finding) {
		enum cv_paint paint = cv_words_paint(m->worst);

		cv_page_add(o, paint, (struct cv_bytes){ (char[]){ cv_severity_letter(m->worst) }, 1 });
	}
	cv_page_to(o, NAME_COLUMN);
	draw_prefix(w);
	cv_page_elided(o, CV_PAINT_PLAIN, cv_bytes_of(name_of(w, image)),
		       !o->style.width ? SIZE_MAX : end > o->column ? end - o->column : 1);
	draw_columns(w, m);
	draw_notes(w, image);
	cv_page_end(o);
}

static void draw_head(struct walk *w, const struct cv_repository *r, size_t images)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 }, what = { 0 };
	struct cv_page *o = w->out;
	size_t what_columns;

	cv_text_escape(&path, cv_bytes_of(r->path));
	cv_text_addf(&what, "%s, ", cv_repository_kind_name(r->kind));
	cv_words_number(&what, images, "image", "images");
	cv_text_add(&what, " in ");
	cv_words_number(&what, w->trees, "tree", "trees");
	cv_text_addf(&what, ", %s allocated", cv_cell_size(&o->style, w->allocated).s);
	if (r->size_bytes)
		cv_text_addf(&what, "; %s of %s free", cv_cell_size(&o->style, r->free_bytes).s,
			     cv_cell_size(&o->style, r->size_bytes).s);
	what_columns = 2 + what.len;
	if (cv_page_left(o) > what_columns + LEAST_NAME) {
		cv_page_elided(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&path)), cv_page_left(o) - what_columns);
	} else {
		cv_page_elided(o, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&path)), cv_page_left(o));
		cv_page_end(o);
	}
	cv_page_to(o, o->column + 2);
	cv_page_wrapped(o, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&what)), 2);
	cv_page_end(o);
	if (!r->complete) {
		cv_page_str(o, CV_PAINT_WARNING, "  not everything in it was looked at");
		cv_page_end(o);
	}
}

static void draw_troubles(struct walk *w)
{
	size_t shown = 0, limit = w->out->style.verbose ? SIZE_MAX : TROUBLES_SHOWN;

	for (size_t i = 0; i < cv_scan_trouble_count(w->g->scan) && w->out->ok; i++) {
		const struct cv_trouble *t = cv_scan_trouble(w->g->scan, i);

		if (t->repository != w->repository || ++shown > limit)
			continue;
		cv_text_clear(&w->scratch);
		cv_text_add(&w->scratch, "not looked at: ");
		cv_text_escape(&w->scratch, cv_bytes_of(t->path));
		cv_text_addf(&w->scratch, ": %s", t->text);
		cv_page_to(w->out, NAME_COLUMN);
		cv_page_elided(w->out, CV_PAINT_WARNING, cv_bytes_of(cv_text_str(&w->scratch)), cv_page_left(w->out));
		cv_page_end(w->out);
	}
	if (shown > limit) {
		cv_page_addf(w->out, CV_PAINT_WARNING, "  and %zu more places not looked at (-v lists them)",
			     shown - limit);
		cv_page_end(w->out);
	}
}

static void report_repository(struct walk *w, uint32_t repository)
{
	size_t first, images = cv_words_images_of(w->g, repository, &first) - 0;

	images -= first;
	w->repository = repository;
	w->name_width = strlen("IMAGE");
	w->allocated = 0;
	for (size_t i = 0; i < CV_COLUMNS; i++) {
		w->width[i] = strlen(cv_columns[i].title);
		w->hidden[i] = false;
	}
	if (!walk_repository(w, measure))
		return;
	fit(w);
	draw_head(w, cv_scan_repository(w->g->scan, repository), images);
	if (images) {
		cv_page_to(w->out, NAME_COLUMN);
		cv_page_str(w->out, CV_PAINT_DIM, "IMAGE");
		draw_columns(w, NULL);
		cv_page_end(w->out);
		walk_repository(w, draw);
	}
	draw_troubles(w);
}

static void draw_legend(struct walk *w)
{
	const char *gap = "";

	for (size_t i = 0; i < cv_flag_count; i++) {
		if (!w->flag_seen[i])
			continue;
		cv_text_clear(&w->scratch);
		cv_text_addf(&w->scratch, "%s%c %s", gap, cv_flag_rows[i].letter, cv_flag_rows[i].what);
		cv_page_wrapped(w->out, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&w->scratch)), 0);
		gap = *gap ? gap : ", ";
	}
	if (*gap)
		cv_page_end(w->out);
}

static void draw_summary(struct walk *w)
{
	struct cv_text *t = &w->scratch;

	cv_text_clear(t);
	cv_words_counts(t, cv_graph_count(w->g, UINT32_MAX, CV_ERROR), cv_graph_count(w->g, UINT32_MAX, CV_WARNING),
			cv_graph_count(w->g, UINT32_MAX, CV_INFO));
	if (cv_graph_count(w->g, UINT32_MAX, CV_ERROR) + cv_graph_count(w->g, UINT32_MAX, CV_WARNING))
		cv_text_add(t, " (chainview check lists them)");
	if (w->g->partial)
		cv_text_add(t, "; the scan was stopped, so this is not all");
	cv_page_wrapped(w->out, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(t)), 2);
	cv_page_end(w->out);
	cv_text_clear(t);
	cv_text_add(t, "References: ");
	cv_words_references(t, w->g);
	cv_page_wrapped(w->out, CV_PAINT_DIM, cv_bytes_of(cv_text_str(t)), 2);
	cv_page_end(w->out);
}

bool cv_report_tree(const struct cv_graph *g, const struct cv_style *style, const struct cv_sink *sink)
{
	struct cv_page out;
	CV_AUTO(walk_fini) struct walk w = { .g = g, .out = &out };
	bool first = true;

	cv_page_init(&out, style, sink);
	w.levels = out.style.width ? out.style.width / 6 : 40;
	w.seen = calloc(g->image_count + 1, sizeof *w.seen);
	w.is_root = calloc(g->image_count + 1, sizeof *w.is_root);
	out.ok = w.seen && w.is_root;
	for (size_t i = 0; i < g->root_count && out.ok; i++)
		w.is_root[g->roots[i]] = true;
	for (uint32_t r = 0; r < cv_scan_repository_count(g->scan) && out.ok; r++) {
		if (!cv_words_reported(g, r))
			continue;
		if (!first)
			cv_page_end(&out);
		first = false;
		report_repository(&w, r);
	}
	if (out.ok) {
		cv_page_end(&out);
		draw_legend(&w);
		draw_summary(&w);
	}
	return cv_page_fini(&out);
}
