/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The details of one image: what it is, how it stands, and every decoded field. */
#include "tui/console_model.h"
#include "tui/view/scroll.h"

static bool rebuild(struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, c->details_image);
	struct cv_paper *p = &c->paper;

	cv_paper_begin(p, c->w, c->ascii);
	if (image) {
		cv_paper_open(p, "image");
		cv_write_image(&c->snap, c->details_image, p, true);
		cv_paper_close(p);
		cv_paper_open(p, "state");
		cv_write_state(&c->snap, c->details_image, p);
		cv_paper_close(p);
		if (image->facts && image->facts->attr_count + image->facts->name_count) {
			cv_paper_open(p, "fields");
			cv_write_attributes(image, p);
			cv_paper_close(p);
		}
	} else {
		cv_paper_text(p, CV_INK_TEXT,
			      c->has_details ? "The image is not there (any more, or not yet)." : "No image.");
	}
	c->view[CV_VIEW_DETAILS].list.count = p->lines.len;
	return !p->failed;
}

/* The neighbour in the order of the tree, folds or not. */
static void neighbour(struct cv_console *c, int direction)
{
	for (size_t i = 0; i < c->tree_order.len; i++) {
		if (c->tree_order.at[i] != c->details_image)
			continue;
		if (direction < 0 ? i > 0 : i + 1 < c->tree_order.len)
			cv_open_details(c, c->tree_order.at[direction < 0 ? i - 1 : i + 1]);
		return;
	}
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	const struct cv_image *image = cv_image_at(c, c->details_image);

	(void)fx;
	switch (action) {
	case CV_ACT_PREVIOUS:
	case CV_ACT_NEXT:
		/* opened from the findings, the order of the tree may be older than the data */
		if (!(c->dirty & 1u << CV_VIEW_TREE) || cv_view_tree.rebuild(c))
			neighbour(c, action == CV_ACT_NEXT ? 1 : -1);
		return true;
	case CV_ACT_PARENT:
		if (image && image->parent < c->snap.graph->image_count)
			cv_open_details(c, image->parent);
		else
			cv_console_say(c, "it has no parent here");
		return true;
	default:
		return false;
	}
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_image *image = cv_image_at(c, c->details_image);

	cv_text_add(out, "details");
	if (image) {
		cv_text_add(out, ": ");
		cv_image_name(out, image);
	}
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	cv_scroll_hint(c, out);
	cv_text_add(out, "Nothing was opened for writing.");
}

const struct cv_view cv_view_details = {
	.name = "details", CV_SCROLL_OPS, .rebuild = rebuild, .act = act, .title = title, .hint = hint,
};
