/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where recorded names lead: each name of an image, tried from each of its paths, is looked up among the
 * scanned files. What follows from that is decided in resolve.c.
 */
#include "inspect/chain/build.h"

static struct cv_bytes directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct cv_bytes){ path, slash ? (size_t)(slash - path) : 0 };
}

/* The part behind the last separator of either kind; empty if it cannot name a file. */
static struct cv_bytes last_component(const struct cv_name *name)
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

/* The path that the name means from a directory. False if it means none, is longer than a path can be, or (then
 * out->failed is set) memory is short. */
static bool path_from(struct cv_bytes directory, const struct cv_name *name, struct cv_text *out)
{
	struct cv_bytes what = cv_name_is_path(name) ? name->path : last_component(name);
	struct cv_text base = { 0 };
	bool ok;

	if (!what.len || (!cv_name_is_path(name) && !cv_name_is_hint(name)))
		return false;
	cv_text_add_bytes(&base, directory.at, directory.len);
	out->failed |= base.failed;
	ok = !base.failed && cv_path_join(out, cv_text_str(&base), what);
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
