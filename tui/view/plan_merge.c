/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Merges: the wish for one, and from its plan to the depth map that shows what comes of it. */
#include "tui/console_model.h"

/* In the map, the merge that it shows; else the image at hand. */
static const struct cv_image *image_meant(const struct cv_console *c)
{
	const struct cv_map_job *job = &c->map;

	if (cv_top(c) == CV_VIEW_MAP && job->with_plan && job->plan < job->merge_count)
		return cv_image_at(c, job->layers[job->merges[job->plan]]);
	return cv_image_at(c, cv_current_image(c));
}

static struct cv_wish *wish_of(const struct cv_console *c, const struct cv_image *image)
{
	struct cv_wish *wish = cv_wish_new(c->snap.repositories[image->repository]->path);
	const struct cv_image *into = cv_image_at(c, image->parent);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!wish || !(wish->words[0] = strdup(image->id))) {
		cv_wish_free(wish);
		return NULL;
	}
	wish->coalesce.image = cv_image_word_of(wish->words[0], image);
	wish->coalesce.leaf = image->role == CV_ROLE_LEAF && image->status == CV_PARENT_FOUND;
	wish->call = cv_coalesce_call_of(&wish->coalesce);
	cv_text_add(&t, wish->coalesce.leaf ? "coalesce the leaf " : "coalesce ");
	cv_image_name(&t, image);
	if (into) {
		cv_text_add(&t, " into ");
		cv_image_name(&t, into);
	}
	cv_copy_text(wish->title, sizeof wish->title, cv_text_str(&t));
	return wish;
}

void cv_merge_want(struct cv_console *c)
{
	const struct cv_image *image = image_meant(c);

	if (!image || !image->file || image->repository >= c->snap.repository_count)
		cv_console_say(c, "no image is selected");
	else
		cv_plan_view_show(c, wish_of(c, image));
}

/* Somebody who reads through the image: what a merge changes is seen from there. */
static uint32_t reader_of(const struct cv_graph *g, uint32_t image)
{
	for (uint32_t left = g->image_count; left && g->images[image].child_count; left--)
		image = cv_graph_child(g, &g->images[image], 0);
	return image;
}

void cv_merge_show_map(struct cv_console *c)
{
	const struct cv_plan_view *v = &c->plan;
	const struct cv_image_word *word = v->wish ? &v->wish->coalesce.image : NULL;
	struct cv_ident ident = { 0 };
	uint32_t image;

	if (word && word->by_inode)
		ident = (struct cv_ident){ word->device, word->inode, 0 };
	image = word && word->by_inode ? cv_image_by_ident(c, ident) : CV_NO_IMAGE;
	if (image == CV_NO_IMAGE) {
		cv_console_say(c, "only the plan of a merge can be shown in the depth map");
	} else if (!c->snap.graph->images[image].coalesce.possible && !c->snap.graph->images[image].coalesce.leaf) {
		cv_console_say(c, "it cannot be merged: there is nothing to show");
	} else {
		cv_map_want(c, reader_of(c->snap.graph, image));
		c->map.planned = ident;
	}
}
