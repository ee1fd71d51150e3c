/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where recorded names lead: each name of an image, tried from each of its paths, is looked up among the
 * scanned files. What follows from that is decided in resolve.c.
 */
#include "inspect/chain/build.h"
#include <limits.h>

static struct cv_bytes directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct cv_bytes){ path, slash ? (size_t)(slash - path) : 0 };
}

struct cv_bytes cv_name_last(const struct cv_name *name)
{
	struct cv_bytes whole = name->path.len ? name->path : name->text, last;
	size_t start = whole.len;

	while (start && whole.at[start - 1] != '/' && whole.at[start - 1] != '\\')
		start--;
	last = (struct cv_bytes){ whole.at + start, whole.len - start };
	if (cv_bytes_equal(last, cv_bytes_of(".")) || cv_bytes_equal(last, cv_bytes_of("..")))
		last.len = 0;
	return last;
}

/* The component at *pos, which may be empty; moves *pos behind it and its slash. */
static struct cv_bytes next_component(struct cv_bytes path, size_t *pos)
{
	const char *at = path.at + *pos, *slash = memchr(at, '/', path.len - *pos);
	struct cv_bytes part = { at, slash ? (size_t)(slash - at) : path.len - *pos };

	*pos += part.len + (slash != NULL);
	return part;
}

static bool is_dots(struct cv_bytes part)
{
	return !part.len || cv_bytes_equal(part, cv_bytes_of(".")) || cv_bytes_equal(part, cv_bytes_of(".."));
}

/* Where the first component stands that is a name; the length of the path if there is none. */
static size_t first_named(struct cv_bytes path)
{
	size_t pos = 0, start = 0;

	while (pos < path.len && is_dots(next_component(path, &pos)))
		start = pos;
	return start;
}

/*
 * Joins as cv_path_join() does, but a ".." behind a component with a name stays: if that component is a link,
 * ".." leads to where the link's target lies, which only a look can tell. The directory of an image was reached
 * without links, so that ".." at the beginning of a name is what it seems to be.
 */
static bool join(struct cv_text *out, const char *directory, struct cv_bytes name)
{
	size_t pos = first_named(name);
	bool ok = !memchr(name.at, '\0', name.len) &&
		  cv_path_join(out, directory, (struct cv_bytes){ name.at, pos });

	if (out->len == 1)
		cv_text_clear(out);
	while (ok && pos < name.len) {
		struct cv_bytes part = next_component(name, &pos);

		if (!part.len || cv_bytes_equal(part, cv_bytes_of(".")))
			continue;
		cv_text_add(out, "/");
		cv_text_add_bytes(out, part.at, part.len);
	}
	if (!out->len)
		cv_text_add(out, "/");
	return ok && !out->failed && out->len < PATH_MAX;
}

/* The path that the name means from a directory. False if it means none, is longer than a path can be, or (then
 * out->failed is set) memory is short. */
static bool path_from(struct cv_bytes directory, const struct cv_name *name, struct cv_text *out)
{
	struct cv_bytes what = cv_name_is_path(name) ? name->path : cv_name_last(name);
	struct cv_text base = { 0 };
	bool ok;

	if (!what.len || (!cv_name_is_path(name) && !cv_name_is_hint(name)))
		return false;
	cv_text_add_bytes(&base, directory.at, directory.len);
	out->failed |= base.failed;
	ok = !base.failed && join(out, cv_text_str(&base), what);
	cv_text_fini(&base);
	return ok;
}

bool cv_name_path(const struct cv_node *n, const struct cv_name *name, struct cv_text *out)
{
	return path_from(directory_of(n->file->path), name, out);
}

/* The last path that was looked up and its answer: the locators of a VHD usually say the same thing. */
struct memory {
	struct cv_text path;
	struct cv_lookup answer;
};

static struct cv_lookup look_up(struct cv_build *b, struct memory *m, struct cv_text *path)
{
	if (strcmp(cv_text_str(path), cv_text_str(&m->path)) != 0) {
		struct cv_text old = m->path;

		m->answer = cv_scan_lookup(b->scan, cv_text_str(path));
		m->path = *path;
		*path = old;
	}
	return m->answer;
}

static void follow_name(struct cv_build *b, struct cv_node *n, struct memory *m, struct cv_target t,
			struct cv_bytes directory)
{
	const struct cv_name *name = &n->facts->names[t.name];
	struct cv_text path = { 0 };

	t.file = CV_NO_FILE;
	t.hint = cv_name_is_hint(name);
	t.data = name->source == CV_NAME_DATA_FILE;
	if (path_from(directory, name, &path)) {
		struct cv_lookup l = look_up(b, m, &path);

		t.found = l.found;
		t.what = l.what;
		if (l.found == CV_FOUND_FILE && l.file < b->node_count)
			t.file = (uint32_t)l.file;
		else if (l.found == CV_FOUND_FILE)
			t.found = CV_FOUND_MISSING;
	} else {
		t.found = CV_FOUND_MISSING;
	}
	n->has_paths |= cv_name_is_path(name) && !t.data;
	b->failed |= path.failed;
	if (cv_name_is_path(name) || t.hint)
		b->failed |= !cv_target_vec_push(&b->targets, t);
	cv_text_fini(&path);
}

static void follow_node(struct cv_build *b, struct cv_node *n, struct memory *m)
{
	struct cv_bytes previous = { NULL, 0 };

	n->first_target = (uint32_t)b->targets.len;
	for (uint32_t p = 0; p <= n->file->alias_count; p++) {
		struct cv_bytes directory = directory_of(p ? n->file->aliases[p - 1] : n->file->path);

		if (p && cv_bytes_equal(directory, previous))
			continue;               /* another name in the same directory leads to the same places */
		previous = directory;
		for (uint32_t i = 0; i < n->facts->name_count; i++)
			if (!p || n->facts->names[i].kind != CV_NAME_ABSOLUTE)
				follow_name(b, n, m, (struct cv_target){ .name = i, .path = p }, directory);
	}
	n->target_count = (uint32_t)(b->targets.len - n->first_target);
}

void cv_names_follow(struct cv_build *b)
{
	struct memory m = { .answer = { .found = CV_FOUND_MISSING } };

	for (uint32_t i = 0; i < b->node_count && !b->failed; i++)
		if (b->nodes[i].facts && b->nodes[i].facts->format != CV_FORMAT_NONE)
			follow_node(b, &b->nodes[i], &m);
	cv_text_fini(&m.path);
}
