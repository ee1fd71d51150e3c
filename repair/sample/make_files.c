/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The verbs that make what is no image of a format: directories, links, raw files, copies; and names and times. */
#include "repair/sample/maker.h"
#include <fcntl.h>

/* What could not be made is not ours, and must not be removed when the recipe is given up. */
static bool made_or_forget(struct cv_maker *m, int result, struct cv_err *err)
{
	if (result == 0)
		return true;
	return cv_io_fail(err, "create", m->made.at[--m->made.len].name);
}

/* Makes the missing ones of "a", "a/b", "a/b/c". */
static bool make_directory(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const char *name = line->words[1];

	if (!cv_made_inside(name, err))
		return false;
	for (size_t len = strcspn(name, "/");; len += 1 + strcspn(name + len + 1, "/")) {
		const char *part = cv_made_text(m, err, "%.*s", (int)len, name);

		if (!part)
			return false;
		if (!cv_made_find(m, part)) {
			if (!cv_made_add(m, part, CV_MADE_DIRECTORY, err))
				return false;
			if (!made_or_forget(m, m->io->mkdirat(m->io, m->root, part, 0755), err))
				return false;
		}
		if (!name[len])
			return true;
	}
}

static bool make_file(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_file_out out;
	uint64_t at = 0;
	bool ok;

	if (!cv_made_create(m, line->words[1], &out, err))
		return false;
	ok = true;
	for (size_t i = 2; ok && i < line->count; i++) {
		ok = cv_out_write(&out, line->words[i], strlen(line->words[i]), at, err);
		at += strlen(line->words[i]);
		ok = ok && cv_out_write(&out, "\n", 1, at++, err);
	}
	return cv_out_close(&out, ok, err);
}

static bool make_link(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_made *from = cv_made_file(m, line->words[2], err);
	struct cv_made *made = from ? cv_made_add(m, line->words[1], CV_MADE_OTHER, err) : NULL;

	if (!made)
		return false;
	from = cv_made_find(m, line->words[2]);
	made->mtime = from->mtime; /* one file, one time */
	return made_or_forget(m, m->io->linkat(m->io, m->root, from->name, m->root, made->name), err);
}

static bool make_symlink(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_made *made = cv_made_add(m, line->words[1], CV_MADE_OTHER, err);

	return made && made_or_forget(m, m->io->symlinkat(m->io, line->words[2], m->root, made->name), err);
}

static bool make_fifo(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_made *made = cv_made_add(m, line->words[1], CV_MADE_OTHER, err);

	return made && made_or_forget(m, m->io->mkfifoat(m->io, m->root, made->name, 0644), err);
}

static bool copy_bytes(const struct cv_file_out *out, const struct cv_file_out *in, struct cv_err *err)
{
	enum { PIECE = 1 << 16 };
	CV_AUTO(cv_auto_free) uint8_t *buf = malloc(PIECE);
	uint64_t size;

	if (!buf)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_out_size(in, &size, err) || !cv_out_resize(out, size, err))
		return false;
	for (uint64_t at = 0; at < size; at += PIECE) {
		size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;

		if (!cv_out_read(in, buf, len, at, err) || !cv_out_write_sparse(out, buf, len, at, err))
			return false;
	}
	return true;
}

/* The copy is an image as its original is, with the same structures and the same identity. */
static bool copy_spots(struct cv_maker *m, struct cv_made *made, const struct cv_made *from, struct cv_err *err)
{
	made->format = from->format;
	made->size = from->size;
	memcpy(made->uuid, from->uuid, sizeof made->uuid);
	for (size_t i = 0; i < from->spots.len; i++)
		if (!cv_made_spot(m, made, from->spots.at[i].name, from->spots.at[i].off, from->spots.at[i].len, err))
			return false;
	return true;
}

static bool make_copy(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_file_out out = { .fd = -1 }, in = { .fd = -1 };
	bool ok = cv_made_open(m, line->words[2], &in, err) && cv_made_create(m, line->words[1], &out, err) &&
		  copy_bytes(&out, &in, err) &&
		  copy_spots(m, cv_made_find(m, line->words[1]), cv_made_find(m, line->words[2]), err);

	ok = cv_out_close(&out, ok, err);
	return cv_out_close(&in, ok, err);
}

static bool rename_file(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_made *from = cv_made_file(m, line->words[1], err);
	struct cv_made *to = from ? cv_made_add(m, line->words[2], CV_MADE_FILE, err) : NULL;
	const char *name;

	if (!to)
		return false;
	/* The new entry only reserved the name; what is known of the file stays with the old one. */
	name = to->name;
	m->made.len--;
	from = cv_made_find(m, line->words[1]);
	if (m->io->renameat(m->io, m->root, from->name, m->root, name, 0) != 0)
		return cv_io_fail(err, "rename", from->name);
	from->name = name;
	return true;
}

static bool remove_file(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_made *made = cv_made_file(m, line->words[1], err);

	if (!made)
		return false;
	if (m->io->unlinkat(m->io, m->root, made->name, 0) != 0)
		return cv_io_fail(err, "remove", made->name);
	free(made->spots.at);
	*made = m->made.at[--m->made.len];
	return true;
}

static bool set_mode(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_made *made = cv_made_find(m, line->words[1]);
	const char *digits = line->words[2];
	mode_t mode = (mode_t)strtoul(digits, NULL, 8);

	if (!made || strspn(digits, "01234567") != strlen(digits) || mode > 0777)
		return cv_fail(err, CV_EUSAGE, "no such file, or a mode that is not octal");
	return m->io->fchmodat(m->io, m->root, made->name, mode) == 0 ||
	       cv_io_fail(err, "change the mode of", made->name);
}

static bool set_mtime(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_made *made = cv_made_find(m, line->words[1]);

	if (!made || !cv_word_time(line->words[2], &made->mtime))
		return cv_fail(err, CV_EUSAGE, "no such file, or a time that is not like 2026-03-02T08:00:00Z");
	return true;
}

static bool set_clock(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	return cv_word_time(line->words[1], &m->clock) ||
	       cv_fail(err, CV_EUSAGE, "a time looks like 2026-03-02T08:00:00Z");
}

const struct cv_verb cv_verbs_files[] = {
	{ "dir", "dir NAME", 2, 2, make_directory },
	{ "file", "file NAME [LINE...]", 2, 0, make_file },
	{ "link", "link NAME EXISTING", 3, 3, make_link },
	{ "symlink", "symlink NAME TARGET", 3, 3, make_symlink },
	{ "fifo", "fifo NAME", 2, 2, make_fifo },
	{ "copy", "copy NAME EXISTING", 3, 3, make_copy },
	{ "rename", "rename NAME NEW-NAME", 3, 3, rename_file },
	{ "remove", "remove NAME", 2, 2, remove_file },
	{ "chmod", "chmod NAME MODE", 3, 3, set_mode },
	{ "mtime", "mtime NAME TIME", 3, 3, set_mtime },
	{ "clock", "clock TIME", 2, 2, set_clock },
	{ NULL, NULL, 0, 0, NULL },
};
