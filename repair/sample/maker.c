/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* From a recipe to a directory: the loop over its lines, the times at the end, cleaning up after a failure. */
#include "repair/sample/expect.h"
#include "repair/sample/maker.h"
#include "repair/sample/recipes.h"
#include <fcntl.h>
#include <stdio.h>

/* When the first thing of every sample was made, unless it says otherwise: 2026-03-02 06:00 UTC, a Monday. */
#define FIRST_CLOCK INT64_C(1772431200)

static const struct cv_verb *const verb_lists[] = { cv_verbs_files, cv_verbs_images, cv_verbs_damage };

static const struct cv_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < CV_COUNT(verb_lists); i++)
		for (const struct cv_verb *v = verb_lists[i]; v->verb; v++)
			if (!strcmp(v->verb, name))
				return v;
	return NULL;
}

static bool run_line(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_verb *verb = find_verb(line->words[0]);

	if (!verb)
		return cv_fail(err, CV_EFORMAT, "unknown verb %s", line->words[0]);
	if (line->count < verb->least || (verb->most && line->count > verb->most))
		return cv_fail(err, CV_EFORMAT, "usage: %s", verb->usage);
	return verb->run(m, line, err);
}

/* Last of all, because every later line about a file would change its time again. */
static bool set_times(struct cv_maker *m, struct cv_err *err)
{
	for (size_t i = 0; i < m->made.len; i++) {
		const struct timespec when = { .tv_sec = m->made.at[i].mtime };

		if (m->io->utimensat(m->io, m->root, m->made.at[i].name, when) != 0)
			return cv_io_fail(err, "set the time of", m->made.at[i].name);
	}
	return true;
}

/* Contents before directories: the reverse of the order in which they were made. */
static void remove_made(struct cv_maker *m)
{
	for (size_t i = m->made.len; i--;) {
		bool directory = m->made.at[i].kind == CV_MADE_DIRECTORY;

		m->io->unlinkat(m->io, m->root, m->made.at[i].name, directory ? AT_REMOVEDIR : 0);
	}
}

static bool run_lines(struct cv_maker *m, struct cv_recipe *recipe, struct cv_err *err)
{
	struct cv_recipe_line line;

	for (;;) {
		if (!cv_recipe_next(recipe, &line, err))
			return false;
		if (!line.count)
			return set_times(m, err);
		if (!cv_expect_verb(line.words[0]) && !run_line(m, &line, err))
			return cv_recipe_wrap(recipe, err);
	}
}

bool cv_maker_run(const struct cv_io *io, int root, const char *name, const char *text, struct cv_err *err)
{
	CV_AUTO(cv_auto_arena) struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_maker m = { .io = io, .root = root, .arena = arena, .clock = FIRST_CLOCK };
	struct cv_recipe recipe = cv_recipe_open(name, text, arena);
	bool ok;

	if (!arena)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = run_lines(&m, &recipe, err);
	if (!ok)
		remove_made(&m);
	for (size_t i = 0; i < m.made.len; i++)
		free(m.made.at[i].spots.at);
	free(m.made.at);
	return ok;
}

/* Through "dir/.", so that a symbolic link to a directory is as good as the directory. */
static int open_directory(const struct cv_io *io, const char *directory, bool *created, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	int fd;

	*created = io->mkdirat(io, AT_FDCWD, directory, 0755) == 0;
	if (!*created && errno != EEXIST) {
		cv_io_fail(err, "create", directory);
		return -1;
	}
	cv_text_addf(&path, "%s/.", directory);
	if (path.failed) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return -1;
	}
	fd = io->openat(io, AT_FDCWD, cv_text_str(&path), O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		cv_io_fail(err, "open", directory);
	return fd;
}

/* Stops at the first name. */
static bool note_name(void *ctx, const char *name)
{
	(void)name;
	*(bool *)ctx = false;
	return false;
}

static bool build_in(const struct cv_io *io, int root, const char *name, const char *text, const char *directory,
		     struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };
	bool empty = true;

	if (io->list(io, root, note_name, &empty) != 0)
		return cv_io_fail(err, "read", directory);
	if (empty)
		return cv_maker_run(io, root, name, text, err);
	cv_text_escape(&shown, cv_bytes_of(directory));
	return cv_fail(err, CV_EREFUSED, "%s is not empty; a sample needs a directory of its own", cv_text_str(&shown));
}

bool cv_sample_build(const char *recipe_name, const char *directory, struct cv_err *err)
{
	const struct cv_io *io = &cv_io_real;
	const char *text = cv_recipe_find(recipe_name);
	bool created = false, ok;
	int root;

	if (!text)
		return cv_fail(err, CV_EUSAGE, "there is no recipe %s", recipe_name);
	root = open_directory(io, directory, &created, err);
	ok = root >= 0 && build_in(io, root, recipe_name, text, directory, err);
	if (root >= 0)
		io->close(io, root);
	if (!ok && created)
		io->unlinkat(io, AT_FDCWD, directory, AT_REMOVEDIR);
	return ok;
}
