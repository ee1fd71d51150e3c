/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The same folder under another path: mounts of one file system at several places (bind mounts). The kernel's table
 * says where; what lies there is the repository once more, not something outside of it.
 */
#include "inspect/repository/lookup.h"
#include "inspect/repository/scanning.h"
#include <ctype.h>

#define LARGEST_TABLE ((size_t)16 << 20)

struct mount {
	struct cv_bytes device;      /* "254:0" */
	char *root, *at;             /* in the file system; in the tree of names */
};
CV_VEC(mount_vec, struct mount);

/* A word in which "\040" stands for a blank. */
static char *unescaped(struct cv_bytes word)
{
	char *out = malloc(word.len + 1), *to = out;

	for (size_t i = 0; out && i < word.len; i++) {
		const char *c = word.at + i;

		if (*c == '\\' && word.len - i > 3 && isdigit((unsigned char)c[1])) {
			*to++ = (char)((c[1] - '0') * 64 + (c[2] - '0') * 8 + (c[3] - '0'));
			i += 3;
		} else {
			*to++ = *c;
		}
	}
	if (out)
		*to = '\0';
	return out;
}

static struct cv_bytes next_word(const char **at, const char *end)
{
	const char *start = *at, *blank = memchr(start, ' ', (size_t)(end - start));
	struct cv_bytes word = { start, (size_t)((blank ? blank : end) - start) };

	*at = blank ? blank + 1 : end;
	return word;
}

/* "36 35 98:0 /mnt1 /mnt2 rw ...": device, root and mount point are words 3 to 5. */
static bool read_line(struct mount_vec *v, const char *at, const char *end)
{
	struct cv_bytes words[5];
	struct mount m;

	for (size_t i = 0; i < CV_COUNT(words); i++)
		words[i] = next_word(&at, end);
	if (!words[4].len)
		return true;
	m = (struct mount){ words[2], unescaped(words[3]), unescaped(words[4]) };
	if (m.root && m.at && mount_vec_push(v, m))
		return true;
	free(m.root);
	free(m.at);
	return false;
}

/* The mount in which a real path lies: of those whose place it lies below, the deepest, and of these the last. */
static const struct mount *home_of(const struct mount_vec *v, const char *real)
{
	const struct mount *best = NULL;

	for (size_t i = 0; i < v->len; i++)
		if (cv_path_below(real, v->at[i].at) && (!best || strlen(v->at[i].at) >= strlen(best->at)))
			best = &v->at[i];
	return best;
}

static bool join(struct cv_text *t, const char *base, const char *below)
{
	cv_text_clear(t);
	cv_text_add(t, base);
	if (*below && (!t->len || t->at[t->len - 1] != '/'))
		cv_text_add(t, "/");
	cv_text_add(t, below);
	return !t->failed;
}

/* Adds the other path, unless something else lies there by now. rel: the part of the repository that it shows. */
static bool add_alias(struct cv_scan *s, struct cv_territory *t, const char *path, const char *rel)
{
	struct cv_entry there = cv_named_stat(path), here = cv_root_stat(&t->root, *rel ? rel : ".");
	struct cv_elsewhere e;

	if (there.os_errno || here.os_errno || there.device != here.device || there.inode != here.inode)
		return true;
	e = (struct cv_elsewhere){ cv_files_text(&s->files, path), cv_files_text(&s->files, rel) };
	return e.path && e.rel && cv_elsewhere_vec_push(&t->elsewhere, e);
}

static bool find_aliases(struct cv_scan *s, struct cv_territory *t, const struct mount_vec *v)
{
	const struct mount *home = home_of(v, t->root.real);
	CV_AUTO(cv_text_fini) struct cv_text inside = { 0 }, path = { 0 };
	bool ok = true;

	if (!home || !join(&inside, home->root, cv_path_below(t->root.real, home->at)))
		return home == NULL;
	for (size_t i = 0; i < v->len && ok; i++) {
		const struct mount *m = &v->at[i];
		const char *all = cv_path_below(inside.at, m->root), *part = cv_path_below(m->root, inside.at);

		if (m == home || !strcmp(m->at, home->at) || !cv_bytes_equal(m->device, home->device))
			continue;
		if (all)
			ok = join(&path, m->at, all) && add_alias(s, t, path.at, "");
		else if (part)
			ok = add_alias(s, t, m->at, part);
	}
	return ok;
}

void cv_mounts_note(struct cv_scan *s)
{
	CV_AUTO(cv_text_fini) struct cv_text table = { 0 };
	struct mount_vec v = { 0 };
	struct cv_err err = { 0 };
	bool ok = cv_system_read_all("/proc/self/mountinfo", LARGEST_TABLE, &table, &err);

	for (const char *at = cv_text_str(&table), *end; ok && (end = strchr(at, '\n')); at = end + 1)
		ok = read_line(&v, at, end);
	for (size_t i = 0; i < s->territory_count && ok; i++)
		if (s->territories[i].is_directory)
			ok = find_aliases(s, &s->territories[i], &v);
	for (size_t i = 0; i < v.len; i++) {
		free(v.at[i].root);
		free(v.at[i].at);
	}
	free(v.at);
}

bool cv_mounts_translate(const struct cv_scan *s, const char *path, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };

	for (size_t i = 0; i < s->territory_count; i++) {
		const struct cv_territory *t = &s->territories[i];

		for (size_t k = 0; k < t->elsewhere.len; k++) {
			const char *below = cv_path_below(path, t->elsewhere.at[k].path);

			if (below)
				return join(&folder, t->root.real, t->elsewhere.at[k].rel) && join(out, folder.at, below);
		}
	}
	return false;
}

const char *cv_scan_mounted_elsewhere(const struct cv_scan *s, const struct cv_file *file)
{
	const struct cv_territory *t = &s->territories[file->repository];

	const char *rel = t->is_directory ? cv_path_below(file->path, t->root.path) : NULL;

	for (size_t k = 0; rel && k < t->elsewhere.len; k++)
		if (!*t->elsewhere.at[k].rel || cv_path_below(rel, t->elsewhere.at[k].rel))
			return t->elsewhere.at[k].path;
	return NULL;
}
