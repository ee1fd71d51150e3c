/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The journals of XenServer / XCP-ng in repositories of files, by the rules of its collector: a merge is begun anew, relinking is
 * gone on with, and a leaf coalesce is taken back as long as the parent or the former leaf has the name that it got, else it is
 * finished. At each step in between the state is one that these rules know, so the journal goes last.
 */
#include "repair/plan/foreign.h"
#include <uuid/uuid.h>

#define UUID_TEXT 36u
static const char *const extensions[] = { ".vhd", ".qcow2", ".raw" };

/* The UUID behind the prefix of the journal's name. */
static struct cv_bytes uuid_of(const struct cv_foreign *f)
{
	const char *slash = strrchr(f->path, '/'), *name = slash ? slash + 1 : f->path, *mark = strchr(name, '_');

	return mark ? (struct cv_bytes){ mark + 1, strnlen(mark + 1, UUID_TEXT) } : (struct cv_bytes){ name, 0 };
}

/* The image that is called so; CV_NO_IMAGE if none is, or several are. */
static uint32_t image_called(struct cv_foreign *f, const char *before, struct cv_bytes uuid)
{
	uint32_t found = CV_NO_IMAGE;

	for (size_t i = 0; i < CV_COUNT(extensions); i++) {
		const char *path = cv_foreign_beside(f, before, uuid, extensions[i]);
		uint32_t image = cv_foreign_image(f, path);

		if (image != CV_NO_IMAGE && found != CV_NO_IMAGE) {
			cv_foreign_refuse(f, "there are two images called %s", cv_foreign_name(f, image));
			return CV_NO_IMAGE;
		}
		found = image != CV_NO_IMAGE ? image : found;
	}
	return found;
}

/* --- coalesce_ -------------------------------------------------------------------------------------------- */

void cv_foreign_coalesce(struct cv_foreign *f)
{
	uint32_t image = image_called(f, "", uuid_of(f));
	const struct cv_image *m = image == CV_NO_IMAGE ? NULL : &f->g->images[image];

	if (f->refused)
		return;
	if (!m)
		return cv_foreign_say(f, "no image here is called so: the merge is over, and its marker is dropped as the collector does");
	if (m->status == CV_PARENT_NONE)
		return cv_foreign_say(f, "%s has no parent to be merged into: its marker is dropped as the collector does",
				      cv_foreign_name(f, image));
	if (m->parent == CV_NO_IMAGE)
		return cv_foreign_refuse(f, "the parent of %s was not found: that comes first", cv_foreign_name(f, image));
	if (!cv_foreign_stands_alone(f, image, m->parent))
		return;
	cv_foreign_say(f, "dropped, as the collector does, and the merge can begin anew (chainview coalesce): what %s holds of %s is read "
		       "by nobody else", cv_foreign_name(f, m->parent), cv_foreign_name(f, image));
}

/* --- relink_ ---------------------------------------------------------------------------------------------- */

static const char *children_of(struct cv_foreign *f, uint32_t image)
{
	const struct cv_image *m = &f->g->images[image];
	const char *first = cv_foreign_name(f, cv_graph_child(f->g, m, 0));
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_add(&t, first);
	if (m->child_count > 1)
		cv_text_addf(&t, " and %" PRIu32 " more", m->child_count - 1);
	f->failed |= t.failed;
	first = cv_arena_dup(f->arena, cv_text_str(&t), t.len);
	f->failed |= !first;
	return first ? first : "";
}

void cv_foreign_relink(struct cv_foreign *f)
{
	uint32_t image = image_called(f, "", uuid_of(f));
	const struct cv_image *m = image == CV_NO_IMAGE ? NULL : &f->g->images[image];
	const char *name = m ? cv_foreign_name(f, image) : "";

	if (f->refused)
		return;
	if (!m)
		return cv_foreign_refuse(f, "the image that was merged is not here: whether all its children have their new parent "
					 "cannot be told");
	if (m->status != CV_PARENT_FOUND)
		return cv_foreign_refuse(f, "the parent of %s, which its children are to stand on, was not found", name);
	if (m->child_count)
		return cv_foreign_refuse(f, "%s still %s on %s: chainview rebase IMAGE --onto %s for each goes on with it (and compares what "
					 "they read), then this again", children_of(f, image), m->child_count > 1 ? "stand" : "stands", name,
					 cv_foreign_name(f, m->parent));
	if (f->g->images[m->parent].child_count < 2)
		return cv_foreign_refuse(f, "nothing stands on %s, and nothing on its parent besides: where its children are is not known",
					 name);
	cv_foreign_say(f, "finished: all that stood on %s stand on %s, and it is garbage then (chainview gc)", name,
		       cv_foreign_name(f, m->parent));
}

/* --- leaf_ ------------------------------------------------------------------------------------------------ */

/* What is called so, of what there should be. */
struct leaf {
	struct cv_bytes child, parent;       /* the UUIDs */
	uint32_t by_child, by_parent, old;   /* the images that have these names */
};

static bool value_of(struct cv_foreign *f, struct cv_bytes *uuid)
{
	const struct cv_attr *value = f->file->facts ? cv_facts_attr(f->file->facts, CV_ATTR_JOURNAL_VALUE, 0) : NULL;

	if (!value || cv_facts_attr(f->file->facts, CV_ATTR_JOURNAL_VALUE, 1)) {
		cv_foreign_refuse(f, "it does not say which parent it was merged into");
		return false;
	}
	*uuid = value->text;
	return true;
}

/* What must be so of the two whichever names they have. */
static bool are_a_pair(struct cv_foreign *f, uint32_t leaf, uint32_t parent)
{
	if (f->g->images[leaf].child_count) {
		cv_foreign_refuse(f, "images stand on %s, which was a leaf", cv_foreign_name(f, leaf));
		return false;
	}
	return cv_foreign_stands_alone(f, leaf, parent);
}

static const char *extension_of(const struct cv_foreign *f, uint32_t image)
{
	const char *dot = strrchr(f->g->images[image].id, '.');

	return dot ? dot : "";
}

/* The mark of a VHD can be changed; of others it must be so already. */
static bool mark(struct cv_foreign *f, uint32_t image, bool hidden)
{
	const struct cv_image *m = &f->g->images[image];

	if (m->format == CV_FORMAT_RAW || (m->mark == CV_MARK_HIDDEN) == hidden)
		return true;
	if (m->format != CV_FORMAT_VHD) {
		cv_foreign_refuse(f, "%s is to be marked %s, which is not done for its format here", cv_foreign_name(f, image),
				  hidden ? "hidden" : "visible");
		return false;
	}
	cv_foreign_add(f, hidden ? CV_FOREIGN_HIDE : CV_FOREIGN_SHOW, image, NULL,
		       hidden ? "marked hidden again: it is a base copy" : "marked visible again: it is the disk");
	return true;
}

/* Names that go back: first the parent's, which the leaf's may be waiting for. */
static void undo(struct cv_foreign *f, const struct leaf *l, uint32_t leaf, uint32_t parent)
{
	if (!are_a_pair(f, leaf, parent) || !mark(f, leaf, false) || !mark(f, parent, true))
		return;
	cv_foreign_add(f, CV_FOREIGN_HOLD, leaf, NULL, NULL);
	cv_foreign_add(f, CV_FOREIGN_HOLD, parent, NULL, NULL);
	if (parent == l->by_child)
		cv_foreign_add(f, CV_FOREIGN_RENAME, parent, cv_foreign_beside(f, "", l->parent, extension_of(f, parent)),
			       "the parent gets its own name back");
	if (leaf == l->old)
		cv_foreign_add(f, CV_FOREIGN_RENAME, leaf, cv_foreign_beside(f, "", l->child, extension_of(f, leaf)),
			       "the leaf gets its name back");
	cv_foreign_say(f, "undone, as the next scan of XenServer / XCP-ng would: %s and its parent %s get their names and marks back; what the "
		       "parent holds of the leaf is read by nobody else", cv_foreign_name(f, leaf), cv_foreign_name(f, parent));
}

static void finish(struct cv_foreign *f, uint32_t image)
{
	const struct cv_image *m = &f->g->images[image];

	if (m->status != CV_PARENT_NONE && m->status != CV_PARENT_FOUND)
		return cv_foreign_refuse(f, "%s misses its own parent: it may be the leaf that was to be merged, and not what it was merged into",
					 cv_foreign_name(f, image));
	if (m->mark == CV_MARK_HIDDEN)
		return cv_foreign_refuse(f, "%s has the name of the disk, and is hidden", cv_foreign_name(f, image));
	cv_foreign_say(f, "finished: %s is the merged disk, and neither its former parent nor the former leaf is here any more",
		       cv_foreign_name(f, image));
}

void cv_foreign_leaf(struct cv_foreign *f)
{
	struct leaf l = { .child = uuid_of(f) };
	enum { CHILD = 1, PARENT = 2, OLD = 4 };
	unsigned there;

	if (!value_of(f, &l.parent))
		return;
	l.by_child = image_called(f, "", l.child);
	l.by_parent = image_called(f, "", l.parent);
	l.old = image_called(f, "OLD_", l.child);
	if (f->refused)
		return;
	there = (l.by_child != CV_NO_IMAGE ? CHILD : 0u) | (l.by_parent != CV_NO_IMAGE ? PARENT : 0u) |
		(l.old != CV_NO_IMAGE ? OLD : 0u);
	switch (there) {
	case CHILD | PARENT:
		return undo(f, &l, l.by_child, l.by_parent);
	case PARENT | OLD:
		return undo(f, &l, l.old, l.by_parent);
	case CHILD | OLD:
		return undo(f, &l, l.old, l.by_child);
	case CHILD:
		return finish(f, l.by_child);
	case CHILD | PARENT | OLD:
		return cv_foreign_refuse(f, "the leaf, its parent and OLD_ are all here, which no step of it leaves");
	default:
		return cv_foreign_refuse(f, "%s: which no step of it leaves",
					 there == PARENT ? "its parent is here, and the leaf under neither of its names"
					 : there == OLD  ? "only OLD_ is here: the parent that the leaf stands on is not"
							 : "neither the leaf nor its parent is here");
	}
}
