/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tree view, rows and actions: which images are shown, in which order, what is folded. Rows are made
 * once per change; drawing is in tree_draw.c.
 */
#include "tui/console_model.h"
#include "tui/view/tree.h"

const char *const cv_tree_sorts[CV_SORT_COUNT + 1] = {
	[CV_SORT_NAME] = "name", [CV_SORT_SIZE] = "size", [CV_SORT_DEPTH] = "depth",
	[CV_SORT_FINDINGS] = "findings", [CV_SORT_MODIFIED] = "modified",
};

/* Sorting needs the console; qsort_r hands it over. Greater sums come first; ties go by the graph's order. */
static int compare_images(const void *left, const void *right, void *context)
{
	const struct cv_console *c = context;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	const struct cv_image_sum *x = &c->index.images[a], *y = &c->index.images[b];
	int order = 0;

	switch ((enum cv_sort)c->view[CV_VIEW_TREE].sort) {
	case CV_SORT_SIZE: order = (x->allocated < y->allocated) - (x->allocated > y->allocated); break;
	case CV_SORT_DEPTH: order = (x->deepest < y->deepest) - (x->deepest > y->deepest); break;
	case CV_SORT_MODIFIED: order = (x->newest < y->newest) - (x->newest > y->newest); break;
	case CV_SORT_FINDINGS:
		order = (x->worst < y->worst) - (x->worst > y->worst);
		order = order ? order : (x->findings < y->findings) - (x->findings > y->findings);
		break;
	case CV_SORT_NAME:
	case CV_SORT_COUNT: break;
	}
	return order ? order : (a > b) - (a < b);
}

static uint32_t scope_repository(const struct cv_console *c)
{
	for (size_t i = 0; c->scoped && i < c->snap.repository_count; i++)
		if (cv_ident_equal(cv_repository_ident(c->snap.repositories[i]), c->scope))
			return (uint32_t)i;
	return UINT32_MAX;
}

static bool is_here(const struct cv_console *c, const struct cv_image *image, uint32_t repository)
{
	if (repository != UINT32_MAX)
		return image->repository == repository;
	return image->repository >= c->snap.repository_count || !c->snap.repositories[image->repository]->other;
}

static bool fits(struct cv_console *c, const struct cv_image *image, struct cv_text *name)
{
	const struct cv_filter *filter = &c->view[CV_VIEW_TREE].filter;
	struct cv_filter_subject subject = { .graph = c->snap.graph, .image = image };

	if (!filter->count)
		return true;
	cv_text_clear(name);
	cv_image_name(name, image);
	subject.name = cv_text_str(name);
	return cv_filter_fits(filter, &subject);
}

enum { SHOW_NOT, SHOW_CONTEXT, SHOW_MATCH };

#define LARGE_TREE 12 /* images below its root */

/* What is shown of each image: matches, and what they stand on. A tree is shown whole if any part is here. */
static void choose(struct cv_console *c, uint8_t *show)
{
	uint32_t repository = scope_repository(c);
	struct cv_text name = { 0 };

	for (size_t i = 0; i < c->index.order_len; i++)
		c->index.images[c->index.order[i]].here =
			is_here(c, &c->snap.graph->images[c->index.order[i]], repository);
	for (size_t i = c->index.order_len; i-- > 0;) {
		struct cv_image_sum *sum = &c->index.images[c->index.order[i]];

		if (sum->up != CV_NO_IMAGE)
			c->index.images[sum->up].here |= sum->here;
	}
	for (size_t i = 0; i < c->index.order_len; i++) {
		struct cv_image_sum *sum = &c->index.images[c->index.order[i]];

		if (sum->up != CV_NO_IMAGE)
			sum->here = c->index.images[sum->up].here;
		c->tree_total += sum->here;
		if (sum->here && fits(c, &c->snap.graph->images[c->index.order[i]], &name))
			show[c->index.order[i]] = SHOW_MATCH;
		c->tree_matches += show[c->index.order[i]] == SHOW_MATCH;
	}
	for (size_t i = c->index.order_len; i-- > 0;) {
		uint32_t image = c->index.order[i], up = c->index.images[image].up;

		if (show[image] && up != CV_NO_IMAGE && !show[up])
			show[up] = SHOW_CONTEXT;
	}
	cv_text_fini(&name);
}

/* A stack of images still to be visited, with the row of the image each hangs on. */
struct pending {
	uint32_t image, up, level;
	bool shown;              /* not inside a fold */
};
CV_VEC(pending_vec, struct pending);

/* Pushes the shown ones of a sorted group, last first, so that the first is visited next. */
static bool push_group(struct cv_console *c, struct pending_vec *stack, uint32_t *group, size_t n, struct pending as,
		       const uint8_t *show)
{
	if (n > 1 && c->view[CV_VIEW_TREE].sort != CV_SORT_NAME)
		qsort_r(group, n, sizeof *group, compare_images, c);
	while (n-- > 0) {
		as.image = group[n];
		if (show[group[n]] && !pending_vec_push(stack, as))
			return false;
	}
	return true;
}

/* The images hanging on one in the walk (a cycle's last edge is not among them). */
static bool children_of(const struct cv_console *c, uint32_t image, struct cv_numbers *out)
{
	const struct cv_image *it = &c->snap.graph->images[image];

	out->len = 0;
	for (uint32_t i = 0; i < it->child_count; i++) {
		uint32_t child = cv_graph_child(c->snap.graph, it, i);

		if (child < c->snap.graph->image_count && c->index.images[child].up == image &&
		    !cv_numbers_push(out, child))
			return false;
	}
	return true;
}

static bool visit(struct cv_console *c, struct pending_vec *stack, struct cv_numbers *group, const uint8_t *show)
{
	struct pending p = stack->at[--stack->len];
	bool filtered = c->view[CV_VIEW_TREE].filter.count > 0, folded;
	struct pending below = { .up = UINT32_MAX, .level = p.level + 1 };

	if (!cv_numbers_push(&c->tree_order, p.image) || !children_of(c, p.image, group))
		return false;
	folded = group->len && !filtered &&
		 cv_ident_set_has(&c->folded, cv_image_ident(&c->snap.graph->images[p.image]));
	if (p.shown) {
		struct cv_tree_row row = { .image = p.image, .level = p.level, .up = p.up, .folded = folded,
					   .context = show[p.image] == SHOW_CONTEXT };

		below.up = (uint32_t)c->tree_rows.len;
		if (!cv_tree_rows_push(&c->tree_rows, row))
			return false;
	}
	below.shown = p.shown && !folded;
	return push_group(c, stack, group->at, group->len, below, show);
}

/* From the bottom up, the first child met of each parent is the last one on the screen. */
static bool mark_last(struct cv_console *c)
{
	CV_AUTO(cv_auto_free) bool *met = calloc(c->tree_rows.len + 1, sizeof *met);

	if (!met)
		return false;
	for (size_t i = c->tree_rows.len; i-- > 0;) {
		struct cv_tree_row *row = &c->tree_rows.at[i];

		row->last = row->up == UINT32_MAX || !met[row->up];
		if (row->up != UINT32_MAX)
			met[row->up] = true;
	}
	return true;
}

static bool walk(struct cv_console *c, const uint8_t *show)
{
	struct pending_vec stack = { 0 };
	struct cv_numbers group = { 0 };
	struct pending root = { .up = UINT32_MAX, .shown = true };
	bool ok = true;

	for (size_t i = 0; ok && i < c->index.order_len; i++)
		if (c->index.images[c->index.order[i]].up == CV_NO_IMAGE)
			ok = cv_numbers_push(&group, c->index.order[i]);
	ok = ok && push_group(c, &stack, group.at, group.len, root, show);
	while (ok && stack.len)
		ok = visit(c, &stack, &group, show);
	free(stack.at);
	free(group.at);
	return ok && mark_last(c);
}

static bool rebuild(struct cv_console *c)
{
	CV_AUTO(cv_auto_free) uint8_t *show = NULL;

	c->tree_rows.len = c->tree_order.len = c->tree_total = c->tree_matches = 0;
	if (c->shown) {
		show = calloc(c->snap.graph->image_count + 1, 1);
		if (!show)
			return false;
		choose(c, show);
		if (!walk(c, show))
			return false;
	}
	c->view[CV_VIEW_TREE].list.count = c->tree_rows.len;
	return true;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	return cv_image_ident(&c->snap.graph->images[c->tree_rows.at[row].image]);
}

static const struct cv_tree_row *row_now(const struct cv_console *c)
{
	size_t cursor = c->view[CV_VIEW_TREE].list.cursor;

	return cursor < c->tree_rows.len ? &c->tree_rows.at[cursor] : NULL;
}

/* Folds or unfolds one image and keeps the cursor on the row it is on. */
static void set_fold(struct cv_console *c, uint32_t image, bool folded)
{
	struct cv_ident id = cv_image_ident(&c->snap.graph->images[image]);
	struct cv_list *l = &c->view[CV_VIEW_TREE].list;

	if (folded && !cv_ident_set_add(&c->folded, id))
		cv_console_say(c, "not enough memory");
	if (!folded)
		cv_ident_set_remove(&c->folded, id);
	if (l->cursor < c->tree_rows.len) {
		l->keyed = true;
		l->key = ident(c, l->cursor);
	}
	cv_touch(c, 1u << CV_VIEW_TREE);
}

static bool has_children(const struct cv_console *c, uint32_t image)
{
	return c->index.images[image].below > 0;
}

static void fold(struct cv_console *c, const struct cv_tree_row *row)
{
	if (has_children(c, row->image) && !row->folded && !c->view[CV_VIEW_TREE].filter.count)
		set_fold(c, row->image, true);
	else if (row->up != UINT32_MAX)
		cv_list_go(c, row->up);
}

static void unfold(struct cv_console *c, const struct cv_tree_row *row)
{
	if (row->folded)
		set_fold(c, row->image, false);
	else if (has_children(c, row->image))
		cv_list_go(c, c->view[CV_VIEW_TREE].list.cursor + 1);
}

/* Folding everything puts the cursor on the tree that it was in. */
static void fold_all(struct cv_console *c, bool folded)
{
	size_t cursor = c->view[CV_VIEW_TREE].list.cursor;

	while (folded && cursor < c->tree_rows.len && c->tree_rows.at[cursor].up != UINT32_MAX)
		cursor = c->tree_rows.at[cursor].up;
	cv_list_go(c, cursor);
	cv_ident_set_clear(&c->folded);
	for (size_t i = 0; folded && i < c->tree_order.len; i++) {
		uint32_t image = c->tree_order.at[i];

		if (has_children(c, image) &&
		    !cv_ident_set_add(&c->folded, cv_image_ident(&c->snap.graph->images[image])))
			cv_console_say(c, "not enough memory");
	}
	cv_touch(c, 1u << CV_VIEW_TREE);
}

void cv_tree_fold_large(struct cv_console *c)
{
	for (size_t i = 0; i < c->index.order_len; i++) {
		uint32_t image = c->index.order[i];
		const struct cv_image_sum *sum = &c->index.images[image];

		if (sum->up == CV_NO_IMAGE && sum->below >= LARGE_TREE &&
		    !cv_ident_set_add(&c->folded, cv_image_ident(&c->snap.graph->images[image])))
			cv_console_say(c, "not enough memory");
	}
}

static void next_tree(struct cv_console *c, int direction)
{
	size_t at = c->view[CV_VIEW_TREE].list.cursor;

	for (;;) {
		if (direction < 0 ? at == 0 : at + 1 >= c->tree_rows.len)
			return;
		at = direction < 0 ? at - 1 : at + 1;
		if (c->tree_rows.at[at].up == UINT32_MAX)
			break;
	}
	cv_list_go(c, at);
}

static void mark(struct cv_console *c, const struct cv_tree_row *row)
{
	const struct cv_image *image = &c->snap.graph->images[row->image];
	struct cv_ident id = cv_image_ident(image);
	uint64_t bytes = image->file ? image->file->allocated : 0;

	if (cv_ident_set_has(&c->marked, id)) {
		cv_ident_set_remove(&c->marked, id);
		c->marked_bytes -= bytes;
	} else if (cv_ident_set_add(&c->marked, id)) {
		c->marked_bytes += bytes;
	}
	cv_list_go(c, c->view[CV_VIEW_TREE].list.cursor + 1);
}

static void open_image(struct cv_console *c, const struct cv_tree_row *row)
{
	if (has_children(c, row->image) && !c->view[CV_VIEW_TREE].filter.count)
		set_fold(c, row->image, !row->folded);
	else
		cv_open_details(c, row->image);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	const struct cv_tree_row *row = row_now(c);

	(void)fx;
	if (action == CV_ACT_UNMARK) {
		cv_ident_set_clear(&c->marked);
		c->marked_bytes = 0;
		return true;
	}
	if (!row)
		return action == CV_ACT_FOLD || action == CV_ACT_UNFOLD;
	switch (action) {
	case CV_ACT_FOLD: fold(c, row); return true;
	case CV_ACT_UNFOLD: unfold(c, row); return true;
	case CV_ACT_FOLD_ALL: fold_all(c, true); return true;
	case CV_ACT_UNFOLD_ALL: fold_all(c, false); return true;
	case CV_ACT_OPEN_IMAGE: open_image(c, row); return true;
	case CV_ACT_MARK: mark(c, row); return true;
	case CV_ACT_PREVIOUS: next_tree(c, -1); return true;
	case CV_ACT_NEXT: next_tree(c, 1); return true;
	case CV_ACT_PARENT:
		if (row->up != UINT32_MAX)
			cv_list_go(c, row->up);
		else
			cv_console_say(c, "it has no parent here");
		return true;
	default: return false;
	}
}

/* Unfolds everything that the image hangs on and puts the cursor on it. */
static void reveal(struct cv_console *c, uint32_t image)
{
	struct cv_list *l = &c->view[CV_VIEW_TREE].list;

	for (uint32_t up = c->index.images[image].up; up != CV_NO_IMAGE; up = c->index.images[up].up)
		cv_ident_set_remove(&c->folded, cv_image_ident(&c->snap.graph->images[up]));
	l->keyed = true;
	l->key = cv_image_ident(&c->snap.graph->images[image]);
	cv_touch(c, 1u << CV_VIEW_TREE);
}

void cv_open_in_tree(struct cv_console *c, uint32_t image)
{
	struct cv_view_state *state = &c->view[CV_VIEW_TREE];

	if (!cv_image_at(c, image)) {
		cv_console_say(c, "this finding is about no single image");
		return;
	}
	if (state->filter.count) {
		state->filter = (struct cv_filter){ 0 };
		state->filter_text[0] = '\0';
	}
	if (c->scoped && scope_repository(c) != c->snap.graph->images[image].repository)
		c->scoped = false;
	reveal(c, image);
	cv_push_view(c, CV_VIEW_TREE);
}

static size_t places(const struct cv_console *c)
{
	return c->tree_order.len;
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	const struct cv_image *image = &c->snap.graph->images[c->tree_order.at[place]];

	cv_image_name(out, image);
	if (image->facts && image->facts->flags & CV_FACT_UUID)
		cv_text_addf(out, " %s", cv_uuid_str(image->facts->uuid).s);
}

static size_t place_now(const struct cv_console *c)
{
	const struct cv_tree_row *row = row_now(c);

	for (size_t i = 0; row && i < c->tree_order.len; i++)
		if (c->tree_order.at[i] == row->image)
			return i;
	return 0;
}

static void place_go(struct cv_console *c, size_t place)
{
	reveal(c, c->tree_order.at[place]);
}

const struct cv_view cv_view_tree = {
	.name = "tree", .rebuild = rebuild, .panes = cv_tree_panes, .ident = ident, .page = cv_tree_page, .act = act,
	.draw = cv_tree_draw, .title = cv_tree_title, .hint = cv_tree_hint, .sorts = cv_tree_sorts,
	.places = places, .place_text = place_text, .place_now = place_now, .place_go = place_go,
};
