/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What management programs say about images in files beside them. Read are the .meta files of oVirt file domains:
 * whose parent is who (PUUID), and whether an operation left the volume marked (LEGALITY).
 */
#include "inspect/check/check.h"

#define NO_PARENT "00000000-0000-0000-0000-000000000000"

struct volume {
	struct cv_build *b;
	uint32_t image;
	const struct cv_node *meta;
	const char *name;            /* of the .meta file, without its folder */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct cv_bytes value(const struct volume *v, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(cv_own_facts(v->meta), id, 0);

	return a ? a->text : (struct cv_bytes){ NULL, 0 };
}

/* What lies in the folder of the metadata under another name; CV_NO_IMAGE if it is no image. */
static uint32_t sibling(const struct cv_build *b, const char *path, struct cv_bytes name)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 }, full = { 0 };
	struct cv_lookup l;

	cv_text_add_bytes(&folder, path, (size_t)(base_name(path) - path));
	if (folder.failed || !name.len || memchr(name.at, '/', name.len) ||
	    !cv_path_join(&full, cv_text_str(&folder), name))
		return CV_NO_IMAGE;
	l = cv_scan_lookup(b->scan, cv_text_str(&full));
	return l.found == CV_FOUND_FILE && l.file < b->node_count ? b->nodes[l.file].image : CV_NO_IMAGE;
}

static bool is_called(const struct cv_file *f, struct cv_bytes name)
{
	for (uint32_t i = 0; i <= f->alias_count; i++)
		if (cv_bytes_equal(cv_bytes_of(base_name(i ? f->aliases[i - 1] : f->path)), name))
			return true;
	return false;
}

/* By the parent that was found, or by any recorded name. */
static bool image_agrees(const struct volume *v, struct cv_bytes parent)
{
	const struct cv_image *image = &v->b->g->images[v->image];

	if (cv_bytes_equal(parent, cv_bytes_of(NO_PARENT)))
		return !cv_has(image->facts, CV_FACT_PARENT);
	if (image->parent != CV_NO_IMAGE && is_called(v->b->g->images[image->parent].file, parent))
		return true;
	for (uint32_t i = 0; i < image->facts->name_count; i++)
		if (image->facts->names[i].source != CV_NAME_DATA_FILE &&
		    cv_bytes_equal(cv_name_last(&image->facts->names[i]), parent))
			return true;
	return false;
}

static struct cv_arg says_of_image(struct cv_build *b, const struct cv_image *image)
{
	struct cv_text text = { 0 };

	if (!cv_has(image->facts, CV_FACT_PARENT))
		return cv_arg_text("that it has none");
	if (image->parent_name)
		cv_text_add_bytes(&text, image->parent_name->text.at, image->parent_name->text.len);
	else
		cv_text_add(&text, "something else");
	return cv_arg_kept(b, &text);
}

/* Both links count: whom the metadata names is needed, too. */
static void link_disagrees(struct volume *v)
{
	struct cv_finding f = cv_finding_of(CV_REF_METADATA_LINK_DISAGREES);
	struct cv_bytes parent = value(v, CV_ATTR_OVIRT_PARENT);
	const struct cv_image *image = &v->b->g->images[v->image];
	uint32_t named = sibling(v->b, v->meta->file->path, parent);
	bool none = cv_bytes_equal(parent, cv_bytes_of(NO_PARENT));

	if (image->file->state != CV_FILE_READ || cv_has(image->facts, CV_FACT_PARENT_UNREADABLE) ||
	    image_agrees(v, parent))
		return;
	f.arg[0] = cv_arg_text(v->name);
	f.arg[1] = none ? cv_arg_text("none") : cv_arg_bytes(parent);
	f.arg[2] = says_of_image(v->b, image);
	cv_found(v->b, v->image, f);
	v->b->notes[v->image].foreign = true;
	if (named != CV_NO_IMAGE && named != v->image)
		v->b->notes[named].namer = v->image;
}

/* oVirt marks a volume before it works on it, and takes the mark away at the end. */
static void marked(struct volume *v)
{
	static const char base[] = "if a merge into this volume was interrupted, it holds a mixture, and the volume above it is "
				   "still whole: repeat the merge, which does no harm; or have it marked LEGAL if the merge had "
				   "not begun";
	static const char leaf[] = "if nothing stands on it and no chain holds it, its merge is done and only its deletion is "
				   "missing; if a chain still ends in it, have it marked LEGAL";
	struct cv_finding f = cv_finding_of(CV_GEN_FOREIGN_OPERATION_PENDING);
	struct cv_bytes legality = value(v, CV_ATTR_OVIRT_LEGALITY);
	struct cv_text text = { 0 };

	if (cv_bytes_equal(legality, cv_bytes_of("LEGAL")))
		return;
	cv_text_add(&text, "oVirt marked the volume ");
	cv_text_add_bytes(&text, legality.at, legality.len);
	cv_text_add(&text, ", and has not taken the mark away: a merge, a copy or a deletion was not finished");
	f.arg[0] = cv_arg_text(v->name);
	f.arg[1] = cv_arg_kept(v->b, &text);
	f.arg[2] = cv_arg_text(v->b->g->images[v->image].child_count ? base : leaf);
	cv_found(v->b, v->image, f);
	v->b->notes[v->image].foreign = true;
}

void cv_check_metadata(struct cv_build *b)
{
	static const char suffix[] = ".meta";

	for (uint32_t i = 0; i < b->node_count && !b->failed && !b->g->partial; i++) {
		struct volume v = { .b = b, .meta = &b->nodes[i], .name = base_name(b->nodes[i].file->path) };
		size_t len = strlen(v.name);

		if (!cv_own_facts(v.meta) || !value(&v, CV_ATTR_OVIRT_PARENT).len || len < sizeof suffix ||
		    strcmp(v.name + len - strlen(suffix), suffix) != 0)
			continue;
		v.image = sibling(b, v.meta->file->path, (struct cv_bytes){ v.name, len - strlen(suffix) });
		if (v.image == CV_NO_IMAGE)
			continue;
		link_disagrees(&v);
		marked(&v);
	}
}
