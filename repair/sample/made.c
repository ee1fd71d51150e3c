/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a recipe has made so far, by name, and where the structures of the images lie. Carries out no verb. */
#include "repair/sample/maker.h"
#include <chainview/scan.h>
#include <stdarg.h>
#include <stdio.h>

enum { MINUTE = 60 };

struct cv_made *cv_made_find(struct cv_maker *m, const char *name)
{
	for (size_t i = 0; i < m->made.len; i++)
		if (!strcmp(m->made.at[i].name, name))
			return &m->made.at[i];
	return NULL;
}

struct cv_made *cv_made_file(struct cv_maker *m, const char *name, struct cv_err *err)
{
	struct cv_made *made = cv_made_find(m, name);

	if (made && made->kind == CV_MADE_FILE)
		return made;
	cv_fail(err, CV_EUSAGE, "%s has not been made, or is not a file", name);
	return NULL;
}

/* The reason why recipes cannot reach outside of their directory. */
static bool is_inside(const char *name)
{
	for (const char *at = name;; at++) {
		size_t len = strcspn(at, "/");

		if (!len || (len == 1 && at[0] == '.') || (len == 2 && !strncmp(at, "..", 2)))
			return false;
		at += len;
		if (!*at)
			return true;
	}
}

bool cv_made_inside(const char *name, struct cv_err *err)
{
	return is_inside(name) || cv_fail(err, CV_EUSAGE, "%s is not a plain name below the sample's directory", name);
}

struct cv_made *cv_made_add(struct cv_maker *m, const char *name, enum cv_made_kind kind, struct cv_err *err)
{
	struct cv_made made = { .kind = kind, .mtime = m->clock };

	if (!cv_made_inside(name, err))
		return NULL;
	if (cv_made_find(m, name)) {
		cv_fail(err, CV_EUSAGE, "%s is there already", name);
		return NULL;
	}
	made.name = cv_arena_dup(m->arena, name, strlen(name));
	if (!made.name || !cv_made_vec_push(&m->made, made)) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	m->clock += MINUTE;
	return &m->made.at[m->made.len - 1];
}

struct cv_made *cv_made_create(struct cv_maker *m, const char *name, struct cv_file_out *out, struct cv_err *err)
{
	struct cv_made *made = cv_made_add(m, name, CV_MADE_FILE, err);

	if (!made)
		return NULL;
	if (!cv_out_create(out, m->io, m->root, made->name, err)) {
		m->made.len--; /* it is not ours: it must not be removed */
		return NULL;
	}
	return made;
}

bool cv_made_open(struct cv_maker *m, const char *name, struct cv_file_out *out, struct cv_err *err)
{
	const struct cv_made *made = cv_made_file(m, name, err);

	return made && cv_out_open(out, m->io, m->root, made->name, err);
}

const char *cv_made_text(struct cv_maker *m, struct cv_err *err, const char *fmt, ...)
{
	char text[1024];
	const char *copy;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof text) {
		cv_fail(err, CV_EUSAGE, "a name is longer than %zu bytes", sizeof text - 1);
		return NULL;
	}
	copy = cv_arena_dup(m->arena, text, (size_t)len);
	if (!copy)
		cv_fail(err, CV_ENOMEM, "out of memory");
	return copy;
}

bool cv_made_spot(struct cv_maker *m, struct cv_made *made, const char *name, uint64_t off, uint64_t len,
		  struct cv_err *err)
{
	struct cv_spot spot = { .off = off, .len = len, .name = cv_arena_dup(m->arena, name, strlen(name)) };

	return (spot.name && cv_spot_vec_push(&made->spots, spot)) || cv_fail(err, CV_ENOMEM, "out of memory");
}

const struct cv_spot *cv_spot_find(const struct cv_made *made, const char *name)
{
	for (size_t i = 0; i < made->spots.len; i++)
		if (!strcmp(made->spots.at[i].name, name))
			return &made->spots.at[i];
	return NULL;
}

const char *cv_made_resolve(struct cv_maker *m, const char *image, const char *path, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text directory = { 0 }, joined = { 0 };
	const char *slash = strrchr(image, '/');

	cv_text_add(&directory, "/");
	if (slash)
		cv_text_add_bytes(&directory, image, (size_t)(slash - image));
	if (directory.failed || !cv_path_join(&joined, cv_text_str(&directory), cv_bytes_of(path))) {
		cv_fail(err, CV_EUSAGE, "%s cannot be the path of a parent", path);
		return NULL;
	}
	return cv_made_text(m, err, "%s", cv_text_str(&joined) + 1);
}
