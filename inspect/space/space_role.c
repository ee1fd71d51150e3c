/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who is needed by itself, who stands on whom, and which merges belong together: what can be said of images
 * without looking at their blocks.
 */
#include "inspect/space/space.h"

static bool is_unread(const struct cv_image *m)
{
	if (m->format == CV_FORMAT_RAW)
		return false;
	if (m->file->state == CV_FILE_FAILED)
		return true;
	if (m->format == CV_FORMAT_NONE)
		return m->file->size != 0;
	return m->facts->flags & CV_FACT_PARENT_UNREADABLE && m->parent == CV_NO_IMAGE;
}

/* Where marks are used, one without is somebody's disk. */
static bool is_visible(const struct cv_graph *g, const struct cv_image *m)
{
	return m->mark == CV_MARK_VISIBLE ||
	       (m->mark == CV_MARK_NONE &&
		cv_scan_repository(g->scan, m->repository)->kind == CV_REPOSITORY_XEN_FILE_SR);
}

/* The file that a recorded name leads to, seen from an image; SIZE_MAX if it leads to none that was scanned. */
static size_t file_of_name(const struct cv_graph *g, const struct cv_image *m, const struct cv_name *n)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 }, folder = { 0 };
	const char *slash = strrchr(m->file->path, '/');
	struct cv_lookup found;

	if (!n->path.len || !slash)
		return SIZE_MAX;
	cv_text_add_bytes(&folder, m->file->path, slash == m->file->path ? 1 : (size_t)(slash - m->file->path));
	if (!cv_path_join(&path, cv_text_str(&folder), n->path) || path.failed)
		return SIZE_MAX;
	found = cv_scan_lookup(g->scan, cv_text_str(&path));
	return found.found == CV_FOUND_FILE ? found.file : SIZE_MAX;
}

/* An image that is named as a parent, but is not the one that was taken for it, counts as needed all the same. */
static void note_names(const struct cv_graph *g, struct cv_space_role *roles, uint32_t i)
{
	const struct cv_image *m = &g->images[i];

	for (uint32_t k = 0; k < m->facts->name_count; k++) {
		const struct cv_name *n = &m->facts->names[k];
		size_t file = file_of_name(g, m, n);
		uint32_t named = file == SIZE_MAX ? CV_NO_IMAGE : cv_graph_by_file(g, cv_scan_file(g->scan, file));

		if (n->source == CV_NAME_DATA_FILE && file != SIZE_MAX) {
			roles[i].data_file = file;
			roles[i].data = named;
			if (named != CV_NO_IMAGE)
				roles[named].data_of = i;
		}
		if (named != CV_NO_IMAGE && named != i && named != roles[i].parent)
			roles[named].need |= CV_NEED_LIVE;
	}
	if (roles[i].parent == CV_NO_IMAGE && m->parent != CV_NO_IMAGE)
		roles[m->parent].need |= CV_NEED_LIVE;
	for (uint32_t k = 0; m->status == CV_PARENT_AMBIGUOUS && k < g->image_count; k++)
		if (m->facts->flags & CV_FACT_PARENT_UUID && g->images[k].facts->flags & CV_FACT_UUID &&
		    !memcmp(g->images[k].facts->uuid, m->facts->parent_uuid, sizeof m->facts->uuid))
			roles[k].need |= CV_NEED_LIVE;
}

static void note_need(const struct cv_graph *g, struct cv_space_role *role, const struct cv_image *m, bool unread)
{
	if (m->reference_count || m->role == CV_ROLE_LEAF || is_visible(g, m) || m->status == CV_PARENT_CYCLE)
		role->need |= CV_NEED_LIVE;
	else if (m->role == CV_ROLE_ORPHAN)
		role->need |= CV_NEED_ORPHAN;
	else if (unread)
		role->need |= CV_NEED_LIVE;
}

/* As --all would take it: hidden, or known to be referred to by nobody. */
static bool is_planned(const struct cv_graph *g, const struct cv_image *m)
{
	bool complete = g->refs && g->refs->complete && !g->refs->none;

	return m->coalesce.possible && m->child_count && (m->mark == CV_MARK_HIDDEN || complete);
}

static void note_place(const struct cv_graph *g, struct cv_space_role *roles, uint32_t i)
{
	uint32_t at = i, level = 0;

	while (roles[at].parent != CV_NO_IMAGE && level < g->image_count) {
		at = roles[at].parent;
		level++;
	}
	roles[i].tree = at;
	roles[i].level = level;
	if (!is_planned(g, &g->images[i]) || roles[i].parent == CV_NO_IMAGE)
		return;
	at = roles[i].parent;
	while (is_planned(g, &g->images[at]) && roles[at].parent != CV_NO_IMAGE)
		at = roles[at].parent;
	roles[i].base = at;
}

struct cv_space_role *cv_space_roles(const struct cv_graph *g)
{
	struct cv_space_role *roles = calloc(g->image_count + 1, sizeof *roles);
	bool unread = false;

	for (uint32_t i = 0; roles && i < g->image_count; i++) {
		const struct cv_image *m = &g->images[i];

		roles[i] = (struct cv_space_role){ .base = CV_NO_IMAGE, .data = CV_NO_IMAGE, .data_of = CV_NO_IMAGE,
						   .data_file = SIZE_MAX };
		roles[i].parent = m->status == CV_PARENT_FOUND ? m->parent : CV_NO_IMAGE;
		unread |= is_unread(m);
	}
	for (uint32_t i = 0; roles && i < g->image_count; i++) {
		note_names(g, roles, i);
		note_need(g, &roles[i], &g->images[i], unread);
		note_place(g, roles, i);
	}
	return roles;
}
