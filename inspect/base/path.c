/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Paths as text: joining and cleaning a name from an image. Touches no file system. */
#include <chainview/scan.h>
#include <limits.h>

/* Removes the last component; the text holds an absolute path without a trailing slash, "" meaning "/". */
static void drop_component(struct cv_text *t, size_t start)
{
	while (t->len > start && t->at[t->len - 1] != '/')
		t->len--;
	if (t->len > start)
		t->len--;
	if (t->at)
		t->at[t->len] = '\0';
}

static void add_components(struct cv_text *t, size_t start, struct cv_bytes path)
{
	for (size_t pos = 0; pos < path.len;) {
		const char *slash = memchr(path.at + pos, '/', path.len - pos);
		size_t len = slash ? (size_t)(slash - path.at) - pos : path.len - pos;
		struct cv_bytes part = { path.at + pos, len };

		if (cv_bytes_equal(part, cv_bytes_of(".."))) {
			drop_component(t, start);
		} else if (len && !cv_bytes_equal(part, cv_bytes_of("."))) {
			cv_text_add(t, "/");
			cv_text_add_bytes(t, part.at, part.len);
		}
		pos += len + 1;
	}
}

bool cv_path_join(struct cv_text *out, const char *base_directory, struct cv_bytes name)
{
	size_t start = out->len;

	if (name.len && memchr(name.at, '\0', name.len))
		return false;
	if (!name.len || name.at[0] != '/')
		add_components(out, start, cv_bytes_of(base_directory));
	add_components(out, start, name);
	if (out->len == start)
		cv_text_add(out, "/");
	return !out->failed && out->len - start < PATH_MAX;
}
