/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Another parent for an image: every image that could be it, and below them the others with the reason why not. Whether
 * the image would read the same on it is compared for the plan.
 */
#include "tui/console_model.h"
#include "tui/view/list.h"

#define HEAD 2

static bool rebuild(struct cv_console *c)
{
	c->view[CV_VIEW_PARENTS].list.count = c->parents.good.len + c->parents.bad.len;
	return true;
}

static const struct cv_image *image_at(const struct cv_console *c, size_t row)
{
	const struct cv_candidate *it = cv_parents_row(&c->parents, row);

	return it ? cv_image_at(c, it->image) : NULL;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	const struct cv_image *image = image_at(c, row);

	return image ? cv_image_ident(image) : (struct cv_ident){ row, 0, 11 };
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_PARENTS, HEAD);
}

/* The row for no parent at all. */
static bool is_none(const struct cv_console *c, size_t row)
{
	const struct cv_candidate *it = cv_parents_row(&c->parents, row);

	return it && it->image == CV_NO_IMAGE;
}

/* As it is called in the repository of the image; by its path if it is in another. it: NULL, and there is to be none. */
static void add_name(const struct cv_console *c, const struct cv_image *it, struct cv_text *out)
{
	const struct cv_image *image = cv_image_at(c, c->parents.image);

	if (!it)
		cv_text_add(out, "none: flatten");
	else if (image && it->file && it->repository != image->repository)
		cv_text_escape(out, cv_bytes_of(it->file->path));
	else
		cv_image_name(out, it);
}

static struct cv_wish *wish_of(const struct cv_console *c, const struct cv_image *image, const struct cv_image *onto)
{
	struct cv_wish *wish = cv_wish_new(c->snap.repositories[image->repository]->path);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!wish || !(wish->words[0] = strdup(image->id)) || (onto && !(wish->words[1] = strdup(onto->id)))) {
		cv_wish_free(wish);
		return NULL;
	}
	wish->rebase = (struct cv_rebase_call){ .image = cv_image_word_of(wish->words[0], image), .flatten = !onto };
	if (onto)
		wish->rebase.onto = cv_image_word_of(wish->words[1], onto);
	wish->call = cv_rebase_call_of(&wish->rebase);
	cv_text_add(&t, onto ? "rebase " : "flatten ");
	cv_image_name(&t, image);
	if (onto) {
		cv_text_add(&t, " onto ");
		add_name(c, onto, &t);
	}
	cv_copy_text(wish->title, sizeof wish->title, cv_text_str(&t));
	return wish;
}

static void choose(struct cv_console *c)
{
	size_t row = c->view[CV_VIEW_PARENTS].list.cursor;
	const struct cv_candidate *it = cv_parents_row(&c->parents, row);
	const struct cv_image *image = cv_image_at(c, c->parents.image), *onto = image_at(c, row);

	if (!image || (!onto && !is_none(c, row)))
		cv_console_say(c, "no image is selected");
	else if (it->reason)
		cv_console_say(c, "%s", it->reason);
	else
		cv_plan_view_show(c, wish_of(c, image, onto));
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	(void)fx;
	if (action != CV_ACT_CHOOSE)
		return false;
	choose(c);
	return true;
}

/* Where the columns begin; 0: not shown. */
struct columns {
	int format, size, depth, note;
};

static struct columns columns_of(int w)
{
	if (w < CV_WIDE_W)
		return (struct columns){ .format = w / 2 - 8, .size = w / 2 - 1, .note = w / 2 + 7 };
	return (struct columns){ .format = w / 2 - 16, .size = w / 2 - 9, .depth = w / 2 - 2, .note = w / 2 + 4 };
}

static const char *note_of(const struct cv_console *c, const struct cv_candidate *it)
{
	const struct cv_image *image = cv_image_at(c, c->parents.image);

	return it->reason                                ? it->reason
	       : it->image == CV_NO_IMAGE            ? "it gets all that it reads"
	       : image && image->parent == it->image ? "its parent now"
						     : "";
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t row, int y)
{
	const struct cv_candidate *it = cv_parents_row(&c->parents, row);
	const struct cv_image *image = image_at(c, row);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct columns x = columns_of(out->w);
	enum cv_ink ink;

	if (!image && !is_none(c, row))
		return;
	ink = it->reason ? CV_INK_QUIET : CV_INK_TEXT;
	add_name(c, image, &t);
	cv_cells_put(out, 2, y, 1, CV_INK_GOOD, it->reason ? "-" : " ");
	cv_cells_elide(out, 4, y, x.format - 5, ink, cv_text_str(&t));
	if (image) {
		cv_cells_put(out, x.format, y, 6, ink, cv_format_name(image->format));
		cv_cells_right(out, x.size, y, 6, ink, image->size_known ? cv_size_short(image->virtual_size).s : "?");
	}
	if (image && x.depth)
		cv_cells_putf(out, x.depth, y, 5, ink, "%4" PRIu32, image->depth);
	cv_cells_words(out, x.note, y, out->w - x.note, ink, note_of(c, it));
}

static void draw_heading(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_parents_view *v = &c->parents;
	struct columns x = columns_of(a.w);
	size_t good = v->good.len;

	for (size_t i = 0; i < v->good.len; i++)
		good -= v->good.at[i].image == CV_NO_IMAGE;
	if (v->state == CV_JOB_DONE)
		cv_cells_putf(out, 1, a.y, a.w - 1, CV_INK_QUIET,
			      "%zu image%s could be the parent; the plan compares them",
			      good, cv_plural(good));
	else
		cv_cells_putf(out, 1, a.y, a.w - 1, CV_INK_INFO, "looking at %zu of %zu images", v->next, v->count);
	cv_cells_put(out, 4, a.y + 1, a.w, CV_INK_COLUMNS, "IMAGE");
	cv_cells_put(out, x.format, a.y + 1, a.w, CV_INK_COLUMNS, "FORMAT");
	cv_cells_right(out, x.size, a.y + 1, 6, CV_INK_COLUMNS, "VIRT");
	if (x.depth)
		cv_cells_put(out, x.depth + 1, a.y + 1, a.w, CV_INK_COLUMNS, "DEP");
	cv_cells_put(out, x.note, a.y + 1, a.w, CV_INK_COLUMNS, "NOTE");
}

/* Why there is no list. */
static void draw_why(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	struct cv_paper p = { 0 };

	cv_paper_begin(&p, a.w, out->ascii);
	cv_paper_text(&p, CV_INK_TEXT, c->parents.why);
	cv_paper_draw(&p, out, a, 0);
	cv_paper_fini(&p);
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	if (c->parents.state == CV_JOB_FAILED) {
		draw_why(c, out, a);
		return;
	}
	draw_heading(c, out, a);
	cv_list_draw(c, out, a, CV_VIEW_PARENTS, HEAD, draw_row);
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_image *image = cv_image_at(c, c->parents.image);

	cv_text_add(out, "another parent");
	if (image) {
		cv_text_add(out, " for ");
		cv_image_name(out, image);
	}
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_candidate *it = cv_parents_row(&c->parents, c->view[CV_VIEW_PARENTS].list.cursor);
	const struct cv_image *image = cv_image_at(c, c->parents.image);

	if (it && it->reason)
		cv_text_add(out, it->reason);
	else if (it && image && image->parent == it->image)
		cv_text_add(out, "The parent that it has: Enter plans to mend the path to it.");
	else if (it && it->image == CV_NO_IMAGE)
		cv_text_add(out, "Enter plans to copy all that it reads into it, so that it stands alone.");
	else if (it)
		cv_text_add(out, "Enter compares both parents and shows the plan; / finds an image.");
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_image *image = image_at(c, place);

	if (image || is_none(c, place))
		add_name(c, image, out);
}

static void want(struct cv_console *c)
{
	if (!cv_parents_begin(c))
		return;
	c->view[CV_VIEW_PARENTS].list = (struct cv_list){ 0 };
	cv_drop_view(c, CV_VIEW_PARENTS);
	cv_push_view(c, CV_VIEW_PARENTS);
}

const struct cv_view cv_view_parents = {
	.name = "another parent",
	.rebuild = rebuild,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.place_text = place_text,
	.want = want,
	.work = cv_parents_tick,
	.forget = cv_parents_forget,
	.end = cv_parents_end,
	CV_LIST_SEARCH,
};
