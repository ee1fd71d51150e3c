/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From scanned files to images: which files are images, in which order, under which id. An image is what has
 * a known format, what is named as one, and what another image stands on.
 */
#include "inspect/chain/build.h"
#include <strings.h>

static const char *const extensions[] = { ".vhd", ".avhd", ".vhdx", ".avhdx", ".qcow2", ".qcow", ".raw" };

const char *cv_image_extension(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

	for (size_t i = 0; dot && i < CV_COUNT(extensions); i++)
		if (!strcasecmp(dot, extensions[i]))
			return dot;
	return NULL;
}

/* A file named .raw has no format to be recognised by. */
static bool is_plain_raw(const struct cv_node *n)
{
	const char *extension = cv_image_extension(n->file->path);

	return n->file->state == CV_FILE_READ && n->facts && n->facts->format == CV_FORMAT_NONE && n->file->size &&
	       extension && !strcasecmp(extension, ".raw");
}

bool cv_nodes_make(struct cv_build *b)
{
	size_t count = cv_scan_file_count(b->scan);

	if (count >= CV_NO_FILE)
		return false;
	b->nodes = calloc(count ? count : 1, sizeof *b->nodes);
	if (!b->nodes)
		return false;
	b->node_count = (uint32_t)count;
	for (uint32_t i = 0; i < b->node_count; i++) {
		struct cv_node *n = &b->nodes[i];

		n->file = cv_scan_file(b->scan, i);
		n->facts = n->file->state == CV_FILE_WAITING ? NULL : n->file->facts;
		n->parent = n->data = CV_NO_FILE;
		n->name = CV_NO_NAME;
		n->image = CV_NO_IMAGE;
		if (is_plain_raw(n))
			n->standing = CV_AS_RAW;
	}
	return true;
}

static bool is_given(const struct cv_build *b, const struct cv_file *file)
{
	const struct cv_repository *r = cv_scan_repository(b->scan, file->repository);

	return r && r->kind == CV_REPOSITORY_IMAGE && !strcmp(r->path, file->path);
}

bool cv_is_image(const struct cv_build *b, const struct cv_node *n)
{
	if (n->standing == CV_AS_RAW)
		return true;
	if (n->facts && (n->facts->format != CV_FORMAT_NONE || (n->facts->flags & CV_FACT_PARENT_UNREADABLE)))
		return true;
	return n->file->state != CV_FILE_WAITING && (cv_image_extension(n->file->path) || is_given(b, n->file));
}

/* The path below the repository's; the last component if the file is the repository. */
static const char *id_of(const struct cv_build *b, const struct cv_file *file)
{
	const struct cv_repository *r = cv_scan_repository(b->scan, file->repository);
	const char *slash = strrchr(file->path, '/');
	size_t len = r ? strlen(r->path) : 0;

	while (len && r->path[len - 1] == '/')
		len--;
	if (r && !strncmp(file->path, r->path, len) && file->path[len] == '/' && file->path[len + 1])
		return file->path + len + 1;
	return r && slash && !strcmp(file->path, r->path) ? slash + 1 : file->path;
}

struct entry {
	uint32_t repository, node;
	const char *id;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order;

	if (x->repository != y->repository)
		return x->repository < y->repository ? -1 : 1;
	order = strcmp(x->id, y->id);
	return order ? order : (x->node > y->node) - (x->node < y->node);
}

/* Facts for an image of which nothing could be read. */
static const struct cv_facts no_facts;

static void fill_image(struct cv_build *b, uint32_t i, const struct entry *e)
{
	struct cv_node *n = &b->nodes[e->node];
	struct cv_image *image = &b->g->images[i];

	n->image = i;
	b->notes[i] = (struct cv_note){
		.node = e->node, .namer = CV_NO_IMAGE, .perhaps = CV_NO_IMAGE, .data_of = CV_NO_IMAGE,
		.busy = CV_NO_IMAGE,
	};
	*image = (struct cv_image){
		.file = n->file, .facts = n->facts ? n->facts : &no_facts, .repository = e->repository, .id = e->id,
		.parent = CV_NO_IMAGE, .root = i, .coalesce.into = CV_NO_IMAGE, .deletable.into = CV_NO_IMAGE,
	};
	image->format = image->facts->format;
	image->variant = image->facts->variant;
	image->mark = image->facts->mark;
	image->size_known = image->facts->flags & CV_FACT_SIZE;
	image->virtual_size = image->size_known ? image->facts->virtual_size : 0;
}

/* Edges from nodes to images. */
static void link_image(struct cv_build *b, struct cv_image *image, const struct cv_node *n)
{
	image->status = n->status;
	image->basis = n->basis;
	if (n->parent != CV_NO_FILE && (n->status == CV_PARENT_FOUND || n->status == CV_PARENT_MISMATCH))
		image->parent = b->nodes[n->parent].image;
	if (n->name != CV_NO_NAME)
		image->parent_name = &n->facts->names[n->name];
}

static size_t collect(const struct cv_build *b, struct entry *entries)
{
	size_t count = 0;

	for (uint32_t i = 0; i < b->node_count; i++)
		if (b->nodes[i].chosen || cv_is_image(b, &b->nodes[i]))
			entries[count++] =
				(struct entry){ b->nodes[i].file->repository, i, id_of(b, b->nodes[i].file) };
	qsort(entries, count, sizeof *entries, compare_entries);
	return count;
}

bool cv_images_make(struct cv_build *b)
{
	CV_AUTO(cv_auto_free) struct entry *entries = calloc((size_t)b->node_count + 1, sizeof *entries);
	struct cv_graph *g = b->g;

	if (!entries)
		return false;
	g->image_count = collect(b, entries);
	g->images = calloc(g->image_count + 1, sizeof *g->images);
	b->notes = calloc(g->image_count + 1, sizeof *b->notes);
	if (!g->images || !b->notes)
		return false;
	for (uint32_t i = 0; i < g->image_count; i++)
		fill_image(b, i, &entries[i]);
	for (uint32_t i = 0; i < g->image_count; i++)
		link_image(b, &g->images[i], cv_node_of(b, i));
	return true;
}

const char *cv_image_label(const struct cv_graph *g, uint32_t repository, uint32_t image)
{
	const struct cv_image *i = &g->images[image];

	return i->repository == repository ? i->id : i->file->path;
}
