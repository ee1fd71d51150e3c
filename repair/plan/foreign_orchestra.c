/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The state of a merge of Xen Orchestra: blocks of the children were being copied into the parent (then what was copied is read by
 * nobody, and it can begin anew), or that was done, and the parent was about to get the name of the last child (then it gets it).
 */
#include "inspect/repository/reopen.h"
#include "repair/plan/foreign.h"
#include <chainview/extent.h>

enum { MOST_CHILDREN = 256 };

struct merge {
	uint32_t parent;             /* CV_NO_IMAGE: it is not there any more */
	const char *parent_path;     /* its name, when it is */
	uint32_t children[MOST_CHILDREN];    /* in their order; CV_NO_IMAGE: not there */
	struct cv_bytes names[MOST_CHILDREN];
	size_t count;
};

/* ".NAME.merge.json"; NAME may lack its extension. */
static void find_parent(struct cv_foreign *f, struct merge *m)
{
	static const char before[] = ".", behind[] = ".merge.json";
	const char *slash = strrchr(f->path, '/'), *name = (slash ? slash + 1 : f->path) + strlen(before);
	struct cv_bytes stem = { name, strlen(name) - strlen(behind) };

	m->parent_path = cv_foreign_beside(f, "", stem, "");
	m->parent = cv_foreign_image(f, m->parent_path);
	if (m->parent == CV_NO_IMAGE && (stem.len < 4 || memcmp(stem.at + stem.len - 4, ".vhd", 4) != 0)) {
		m->parent_path = cv_foreign_beside(f, "", stem, ".vhd");
		m->parent = cv_foreign_image(f, m->parent_path);
	}
}

static bool is_known(const struct merge *m, struct cv_bytes name)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->names[i].len == name.len && !memcmp(m->names[i].at, name.at, name.len))
			return true;
	return false;
}

/* False: refused. */
static bool find_children(struct cv_foreign *f, struct merge *m)
{
	const struct cv_attr *a;

	for (uint32_t i = 0; f->file->facts && (a = cv_facts_attr(f->file->facts, CV_ATTR_MERGE_IMAGE, i)); i++) {
		const char *path = cv_foreign_beside(f, "", a->text, "");

		if (a->text.len && memchr(a->text.at, '/', a->text.len)) {
			cv_foreign_refuse(f, "it names images in other folders");
			return false;
		}
		if (!strcmp(path, m->parent_path) || is_known(m, a->text) || m->count == MOST_CHILDREN)
			continue;
		m->names[m->count] = a->text;
		m->children[m->count++] = cv_foreign_image(f, path);
	}
	if (m->count)
		return true;
	cv_foreign_refuse(f, "it does not say which images were being merged into %s", m->parent == CV_NO_IMAGE ? "its parent"
			  : cv_foreign_name(f, m->parent));
	return false;
}

/* --- blocks were being copied ----------------------------------------------------------------------------- */

static bool begins_inside(const struct cv_extents *list, uint64_t block, uint64_t size)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct cv_extent *e = &list->at[i];

		if (e->kind != CV_EXTENT_PARENT && (e->at.off % block || ((e->at.off + e->at.len) % block && e->at.off + e->at.len < size)))
			return true;
	}
	return false;
}

/* Whether what the image has is whole blocks. */
static bool look_at_blocks(struct cv_layer *layer, uint64_t block, bool *whole, struct cv_err *err)
{
	struct cv_extents list = { .max = 4096 };
	bool ok = true;

	*whole = block != 0;
	for (uint64_t at = 0; ok && *whole && at < layer->size; at = cv_extents_end(&list)) {
		ok = cv_layer_extents(layer, (struct cv_range){ at, layer->size - at }, &list, err);
		/* What is cut where the list is full is asked for once more from there. */
		if (ok && list.full && list.len > 1)
			list.len--;
		*whole = !ok || !begins_inside(&list, block, layer->size);
	}
	cv_extents_fini(&list);
	return ok;
}

static bool has_whole_blocks(struct cv_foreign *f, uint32_t image, bool *whole)
{
	const struct cv_image *m = &f->g->images[image];
	struct cv_err err = { .code = CV_OK };
	struct cv_range part;
	int fd = cv_scan_reopen(f->g->scan, m->file, &part, &err);
	struct cv_source *source = fd < 0 ? NULL : cv_source_fd_adopt(fd, m->file->size, &err), *none = NULL;
	struct cv_layer *layer = source ? cv_layer_open(&source, &none, m->format, &err) : NULL;
	bool ok = layer && look_at_blocks(layer, m->facts->block_size, whole, &err);

	cv_layer_close(layer);
	cv_source_close(source);
	f->failed |= err.code == CV_ENOMEM;
	if (!ok)
		cv_foreign_refuse(f, "%s cannot be read (%s)", cv_foreign_name(f, image), err.text);
	return ok;
}

/* What Xen Orchestra copies of a block that a child has in part destroys what the parent had beside it, and the child read. */
static bool nothing_is_lost(struct cv_foreign *f, const struct merge *m)
{
	for (size_t i = 0; i < m->count; i++) {
		bool whole;

		if (f->g->images[m->children[i]].format != CV_FORMAT_VHD) {
			cv_foreign_refuse(f, "%s is no VHD", cv_foreign_name(f, m->children[i]));
			return false;
		}
		if (!has_whole_blocks(f, m->children[i], &whole))
			return false;
		if (!whole) {
			cv_foreign_refuse(f, "%s has blocks in part, which Xen Orchestra copies as a whole: what its parent had there "
					  "may be overwritten; compare with another backup", cv_foreign_name(f, m->children[i]));
			return false;
		}
	}
	return true;
}

static void begin_anew(struct cv_foreign *f, const struct merge *m)
{
	uint32_t below = m->parent;

	for (size_t i = 0; i < m->count; below = m->children[i++]) {
		if (below == CV_NO_IMAGE || m->children[i] == CV_NO_IMAGE)
			return cv_foreign_refuse(f, "not all of the images that were being merged are here");
		if (!cv_foreign_stands_alone(f, m->children[i], below))
			return;
	}
	if (!nothing_is_lost(f, m))
		return;
	for (size_t i = 0; i < m->count; i++)
		cv_foreign_add(f, CV_FOREIGN_HOLD, m->children[i], NULL, NULL);
	cv_foreign_add(f, CV_FOREIGN_HOLD, m->parent, NULL, NULL);
	cv_foreign_say(f, "undone: %s holds blocks of %s, which nobody reads but through it; without this state the next backup job, or "
		       "chainview coalesce, merges from the beginning", cv_foreign_name(f, m->parent), cv_foreign_name(f, m->children[0]));
}

/* --- all blocks were copied ------------------------------------------------------------------------------- */

static bool is_same(const struct cv_image *a, const struct cv_image *b)
{
	return a->format == CV_FORMAT_VHD && b->format == CV_FORMAT_VHD && a->size_known && b->size_known &&
	       a->virtual_size == b->virtual_size && a->facts->flags & CV_FACT_UUID && b->facts->flags & CV_FACT_UUID &&
	       !memcmp(a->facts->uuid, b->facts->uuid, 16);
}

/* Of those in between only the next one may stand on it; renamed: the last one is what was merged, and stands on none of them. */
static bool drop_between(struct cv_foreign *f, const struct merge *m, bool renamed)
{
	for (size_t i = 0; i + 1 < m->count; i++) {
		const struct cv_image *image = m->children[i] == CV_NO_IMAGE ? NULL : &f->g->images[m->children[i]];

		if (!image)
			continue;
		if (image->child_count > 1 || (image->child_count && cv_graph_child(f->g, image, 0) != m->children[i + 1])) {
			cv_foreign_refuse(f, "others stand on %s, too", cv_foreign_name(f, m->children[i]));
			return false;
		}
		if (renamed && i + 2 == m->count && image->child_count) {
			cv_foreign_refuse(f, "the parent is not here, and %s, which should be what was merged, still stands on %s",
					  cv_foreign_name(f, m->children[i + 1]), cv_foreign_name(f, m->children[i]));
			return false;
		}
		cv_foreign_add(f, CV_FOREIGN_TRASH, m->children[i], NULL, "what it has was merged");
	}
	return true;
}

static void finish(struct cv_foreign *f, const struct merge *m)
{
	uint32_t last = m->children[m->count - 1];

	if (last == CV_NO_IMAGE)
		return cv_foreign_refuse(f, "the last of its images, whose name the parent gets, is not here");
	if (m->parent == CV_NO_IMAGE) {
		if (drop_between(f, m, true))
			cv_foreign_say(f, "finished: %s is what was merged", cv_foreign_name(f, last));
		return;
	}
	if (!is_same(&f->g->images[m->parent], &f->g->images[last]))
		return cv_foreign_refuse(f, "%s does not have the identity and the size of %s yet, which it gets when all is merged",
					 cv_foreign_name(f, m->parent), cv_foreign_name(f, last));
	if (!drop_between(f, m, false))
		return;
	cv_foreign_add(f, CV_FOREIGN_TRASH, last, NULL, "its parent has all that it has, and its identity");
	cv_foreign_add(f, CV_FOREIGN_RENAME, m->parent, cv_foreign_beside(f, "", m->names[m->count - 1], ""), "the merged image gets its name");
	cv_foreign_say(f, "finished: %s has all that %s has, and gets its name", cv_foreign_name(f, m->parent), cv_foreign_name(f, last));
}

void cv_foreign_merge(struct cv_foreign *f)
{
	static const struct { const char *step; void (*judge)(struct cv_foreign *, const struct merge *); } steps[] = {
		{ "mergeBlocks", begin_anew }, { "cleanupVhds", finish }, { "cleanup", finish },
	};
	const struct cv_attr *step = f->file->facts ? cv_facts_attr(f->file->facts, CV_ATTR_MERGE_STEP, 0) : NULL;
	struct merge m = { .count = 0 };

	find_parent(f, &m);
	if (!find_children(f, &m))
		return;
	/* Versions that had one step only wrote none. */
	if (!step)
		return begin_anew(f, &m);
	for (size_t i = 0; i < CV_COUNT(steps); i++)
		if (step->text.len == strlen(steps[i].step) && !memcmp(step->text.at, steps[i].step, step->text.len))
			return steps[i].judge(f, &m);
	cv_foreign_refuse(f, "it says that it had come to a step that is not known here");
}
