/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The images of an operation, as its PREPARE record holds them. */
#include "repair/operation/work.h"

enum { LAYOUT = 1, MOST = 100000 };

static void pack_text(struct cv_pack *p, const char *text)
{
	cv_pack_bytes(p, text ? text : "", text ? strlen(text) : 0);
}

bool cv_items_pack(struct cv_pack *p, const char *command, const struct cv_plan_item *items, size_t count)
{
	cv_pack_number(p, LAYOUT);
	pack_text(p, command);
	cv_pack_number(p, count);
	for (size_t i = 0; i < count; i++) {
		const struct cv_plan_item *m = &items[i];

		pack_text(p, m->path);
		cv_pack_number(p, m->device);
		cv_pack_number(p, m->inode);
		cv_pack_number(p, m->size);
		cv_pack_number(p, m->allocated);
		cv_pack_number(p, (uint64_t)m->mtime_ns);
		cv_pack_bytes(p, m->uuid, sizeof m->uuid);
		pack_text(p, m->parent);
		cv_pack_number(p, m->parent_inode);
		cv_pack_number(p, m->parent_size);
		cv_pack_number(p, (uint64_t)m->parent_mtime_ns);
		cv_pack_bytes(p, m->from, sizeof m->from);
		cv_pack_number(p, m->from_index);
	}
	return !p->failed;
}

/* A path that leads nowhere but down: no empty, "." or ".." part, no NUL. */
static bool is_inside(struct cv_bytes path)
{
	size_t at = 0;

	if (memchr(path.at, '\0', path.len))
		return false;
	while (at <= path.len) {
		const char *slash = at < path.len ? memchr(path.at + at, '/', path.len - at) : NULL;
		size_t len = slash ? (size_t)(slash - path.at) - at : path.len - at;

		if (!len || (path.at[at] == '.' && (len == 1 || (len == 2 && path.at[at + 1] == '.'))))
			return false;
		at += len + 1;
	}
	return true;
}

static const char *path_of(struct cv_unpack *u, struct cv_arena *arena, bool needed)
{
	struct cv_bytes path = cv_unpack_bytes(u);
	const char *copy = NULL;

	if (path.len || needed) {
		u->failed |= !is_inside(path);
		copy = u->failed ? NULL : cv_arena_dup(arena, path.at, path.len);
		u->no_memory |= !u->failed && !copy;
		u->failed |= !copy;
	}
	return copy;
}

static void unpack_item(struct cv_unpack *u, struct cv_arena *arena, struct cv_plan_item *m)
{
	m->path = path_of(u, arena, true);
	m->device = cv_unpack_number(u);
	m->inode = cv_unpack_number(u);
	m->size = cv_unpack_number(u);
	m->allocated = cv_unpack_number(u);
	m->mtime_ns = (int64_t)cv_unpack_number(u);
	cv_unpack_into(u, m->uuid, sizeof m->uuid);
	m->parent = path_of(u, arena, false);
	m->parent_inode = cv_unpack_number(u);
	m->parent_size = cv_unpack_number(u);
	m->parent_mtime_ns = (int64_t)cv_unpack_number(u);
	cv_unpack_into(u, m->from, sizeof m->from);
	m->from_index = (uint32_t)cv_unpack_number(u);
}

bool cv_items_unpack(struct cv_arena *arena, const struct cv_record *prepare, const char **command,
		     const struct cv_plan_item **items, size_t *count, struct cv_err *err)
{
	struct cv_unpack u = { .at = prepare->payload, .left = prepare->len };
	uint64_t layout = cv_unpack_number(&u), n;
	struct cv_bytes line = cv_unpack_bytes(&u);
	struct cv_plan_item *list;

	n = cv_unpack_number(&u);
	if (u.failed || layout != LAYOUT || n > MOST)
		return cv_fail(err, CV_EFORMAT, "its PREPARE record is of layout %" PRIu64 ", %" PRIu64 " images", layout, n);
	*command = cv_arena_dup(arena, line.at, line.len);
	list = cv_arena_alloc(arena, (size_t)(n + 1) * sizeof *list);
	if (!*command || !list)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t i = 0; i < n && !u.failed; i++)
		unpack_item(&u, arena, &list[i]);
	if (u.no_memory)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (u.failed)
		return cv_fail(err, CV_EFORMAT, "its PREPARE record names images that cannot be");
	*items = list;
	*count = (size_t)n;
	return true;
}

struct cv_bytes cv_items_more(const struct cv_record *prepare)
{
	struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_unpack u = { .at = prepare->payload, .left = prepare->len };
	struct cv_plan_item item;
	uint64_t n;

	cv_unpack_number(&u);
	cv_unpack_bytes(&u);
	n = cv_unpack_number(&u);
	for (uint64_t i = 0; arena && i < n && !u.failed; i++)
		unpack_item(&u, arena, &item);
	cv_arena_free(arena);
	return arena && !u.failed ? (struct cv_bytes){ (const char *)u.at, u.left } : (struct cv_bytes){ NULL, 0 };
}

void cv_link_pack(struct cv_pack *p, const struct cv_plan_link *l)
{
	cv_pack_number(p, l->format);
	pack_text(p, l->folder);
	pack_text(p, l->path);
	pack_text(p, l->former);
	cv_pack_bytes(p, l->uuid, sizeof l->uuid);
	cv_pack_number(p, (uint64_t)l->time);
}

/* An absolute path. */
static const char *text_of(struct cv_unpack *u, struct cv_arena *arena)
{
	struct cv_bytes text = cv_unpack_bytes(u);
	const char *copy = NULL;

	if (text.len) {
		u->failed |= text.at[0] != '/' || memchr(text.at, '\0', text.len);
		copy = u->failed ? NULL : cv_arena_dup(arena, text.at, text.len);
		u->failed |= !copy;
	}
	return copy;
}

bool cv_link_unpack(struct cv_arena *arena, struct cv_unpack *u, struct cv_plan_link *l)
{
	*l = (struct cv_plan_link){ .format = (enum cv_format_id)cv_unpack_number(u) };
	l->folder = text_of(u, arena);
	l->path = text_of(u, arena);
	l->former = text_of(u, arena);
	cv_unpack_into(u, l->uuid, sizeof l->uuid);
	l->time = (int64_t)cv_unpack_number(u);
	return !u->failed && l->folder && (l->path || l->format == CV_FORMAT_NONE);
}

void cv_source_pack(struct cv_pack *p, const struct cv_plan_source *s)
{
	pack_text(p, s->path);
	cv_pack_number(p, s->device);
	cv_pack_number(p, s->inode);
	cv_pack_number(p, s->size);
	cv_pack_number(p, (uint64_t)s->mtime_ns);
}

bool cv_source_unpack(struct cv_arena *arena, struct cv_unpack *u, struct cv_plan_source *s)
{
	*s = (struct cv_plan_source){ .path = text_of(u, arena) };
	s->device = cv_unpack_number(u);
	s->inode = cv_unpack_number(u);
	s->size = cv_unpack_number(u);
	s->mtime_ns = (int64_t)cv_unpack_number(u);
	return !u->failed && s->path;
}
