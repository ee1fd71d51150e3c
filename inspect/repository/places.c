/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The places that the user named: opened, made absolute, freed of doubles, and folded into each other where one
 * lies inside another. Lists nothing.
 */
#include "inspect/repository/scanning.h"
#include <limits.h>
#include <sys/statfs.h>
#include <unistd.h>

/* A place before it is known whether it becomes a repository of its own. */
struct claim {
	const struct cv_place *place;
	struct cv_root root;
	char *path, *real;          /* absolute; as the user wrote it, and without links */
	bool is_directory;
	uint64_t device;
	size_t into;                /* the claim that it is folded into, or itself */
	bool twin;                  /* folded because it is the same place once more */
	uint32_t territory;
};

int cv_path_order(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

const char *cv_path_below(const char *path, const char *base)
{
	size_t len = strlen(base);

	while (len && base[len - 1] == '/')
		len--;
	if (strncmp(path, base, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len + 1 : path + len;
}

static bool fail_name(struct cv_err *err, const char *path, const char *why)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };

	cv_text_escape(&shown, cv_bytes_of(path));
	return cv_fail(err, CV_EUSAGE, "cannot open %s: %s", cv_text_str(&shown), why);
}

static bool fail_errno(struct cv_err *err, const char *path, int number)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };

	cv_text_escape(&shown, cv_bytes_of(path));
	errno = number;
	return cv_fail_errno(err, "cannot open %s", cv_text_str(&shown));
}

static bool fail_kind(struct cv_err *err, const char *path, enum cv_entry_kind kind)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	cv_text_addf(&why, "it is %s, not a directory, an image file or a block device", cv_entry_kind_name(kind));
	return fail_name(err, path, cv_text_str(&why));
}

static bool has_component(const char *path, const char *what)
{
	size_t len = strlen(what);

	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (!strncmp(at, what, len) && (!at[len] || at[len] == '/'))
			return true;
	}
	return false;
}

/*
 * The name as the user wrote it, absolute and clean. ".." cannot be taken out of a name by text when links may
 * stand before it; then the real path is the better name.
 */
static bool name_file(struct claim *c, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	char here[PATH_MAX];

	c->real = realpath(c->place->path, NULL);
	if (!c->real)
		return fail_errno(err, c->place->path, errno);
	if (has_component(c->place->path, "..") || !getcwd(here, sizeof here))
		c->path = strdup(c->real);
	else if (cv_path_join(&path, here, cv_bytes_of(c->place->path)))
		c->path = strdup(path.at);
	else
		return fail_name(err, c->place->path, "the name is longer than a path can be");
	return c->path || cv_fail(err, CV_ENOMEM, "not enough memory for the list of places");
}

static bool open_directory(struct claim *c, bool cross_file_systems, struct cv_err *err)
{
	struct cv_err refused = { 0 };
	struct cv_entry entry;
	int fd;

	if (c->place->offset)
		return fail_name(err, c->place->path, "it is a directory, and an offset is for files and devices");
	if (!cv_root_open(c->place->path, cross_file_systems, &c->root, err))
		return false;
	/* Having a directory is not being allowed to list it: better said now than by an empty result. */
	fd = cv_root_open_directory(&c->root, ".", &entry, &refused);
	if (fd < 0)
		return fail_errno(err, c->place->path, entry.os_errno);
	close(fd);
	c->is_directory = true;
	c->device = c->root.device;
	c->path = strdup(c->root.path);
	c->real = strdup(c->root.real);
	return (c->path && c->real) || cv_fail(err, CV_ENOMEM, "not enough memory for the list of places");
}

static bool open_place(struct claim *c, bool cross_file_systems, struct cv_err *err)
{
	struct cv_entry entry = cv_named_stat(c->place->path);

	if (entry.os_errno)
		return fail_errno(err, c->place->path, entry.os_errno);
	if (entry.kind == CV_ENTRY_DIRECTORY)
		return open_directory(c, cross_file_systems, err);
	if (entry.kind != CV_ENTRY_REGULAR && entry.kind != CV_ENTRY_BLOCK)
		return fail_kind(err, c->place->path, entry.kind);
	if (entry.kind == CV_ENTRY_REGULAR && c->place->offset && c->place->offset >= entry.size)
		return fail_name(err, c->place->path, "the offset lies behind its end");
	c->device = entry.device;
	return name_file(c, err);
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = *(struct claim *const *)a, *y = *(struct claim *const *)b;
	int order = cv_path_order(x->real, y->real);

	if (order)
		return order;
	if (x->place->offset != y->place->offset)
		return x->place->offset < y->place->offset ? -1 : 1;
	if (x->place->other != y->place->other)
		return x->place->other ? 1 : -1;
	return (x > y) - (x < y);
}

/* True if the inner place can be reached from the outer one, and what is found there may count as the outer's. */
static bool is_covered(const struct claim *inner, const struct claim *outer)
{
	const char *below = cv_path_below(inner->real, outer->real);
	struct cv_entry entry;

	if (!below || inner->place->offset || inner->device != outer->device || has_component(below, CV_OWN_FOLDER) ||
	    (outer->place->other && !inner->place->other))
		return false;
	entry = cv_root_stat(&outer->root, below);
	return entry.kind == (inner->is_directory ? CV_ENTRY_DIRECTORY : CV_ENTRY_REGULAR);
}

/*
 * Goes through the claims as a tree is listed, with the directories around the current one on a stack. What
 * lies inside another place is folded into it or, when it stays on its own, left out by its walk.
 */
static void fold(struct claim *claims, struct claim **sorted, size_t count, struct claim **stack, struct cv_scan *s)
{
	size_t depth = 0;

	for (size_t i = 0; i < count; i++) {
		struct claim *c = sorted[i];

		struct claim *before = i ? sorted[i - 1] : NULL;

		if (before && !strcmp(c->real, before->real) && c->place->offset == before->place->offset) {
			c->into = before->into;
			c->twin = true;
			continue;
		}
		while (depth && !cv_path_below(c->real, stack[depth - 1]->real))
			depth--;
		if (depth && c->is_directory)
			s->enclaves[s->enclave_count++] = strdup(c->real);
		if (depth && is_covered(c, stack[depth - 1]))
			c->into = (size_t)(stack[depth - 1] - claims);
		else if (c->is_directory)
			stack[depth++] = c;
	}
}

static void measure(struct cv_repository *r, const struct claim *c)
{
	struct statfs fs;

	if ((c->is_directory ? fstatfs(c->root.dirfd, &fs) : statfs(c->path, &fs)) < 0)
		return;
	r->size_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_frsize;
	r->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
}

static bool make_territory(struct cv_scan *s, struct claim *c)
{
	struct cv_territory *t = &s->territories[s->territory_count];

	t->is_directory = c->is_directory;
	t->pub = (struct cv_repository){
		.path = cv_files_text(&s->files, c->path), .other = c->place->other, .offset = c->place->offset,
		.device = c->device,
		.kind = c->is_directory ? cv_kind_by_path(c->real) : CV_REPOSITORY_IMAGE,
	};
	measure(&t->pub, c);
	t->root = c->root;
	c->root = (struct cv_root){ .dirfd = -1 };
	c->territory = (uint32_t)s->territory_count++;
	return t->pub.path;
}

static bool add_errand(struct cv_scan *s, const struct claim *c, const struct claim *holder)
{
	struct cv_errand e = { .territory = holder->territory, .kind = CV_ERRAND_FILE };

	if (c->is_directory)
		e.kind = CV_ERRAND_DIRECTORY;
	if (c != holder) {
		e.rel = strdup(cv_path_below(c->real, holder->real));
		if (!e.rel)
			return false;
	}
	if (cv_errand_vec_push(&s->todo, e))
		return true;
	free(e.rel);
	return false;
}

/* Images that start at an offset come last and so, the list being a stack, are looked at before the directories
 * in which the same file may lie as something else. */
static bool settle(struct cv_scan *s, struct claim *claims, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++)
		if (claims[i].into == i)
			ok = make_territory(s, &claims[i]);
	for (size_t i = count; i-- > 0 && ok;)
		if (!claims[i].twin && !claims[i].place->offset)
			ok = add_errand(s, &claims[i], &claims[claims[i].into]);
	for (size_t i = count; i-- > 0 && ok;)
		if (!claims[i].twin && claims[i].place->offset)
			ok = add_errand(s, &claims[i], &claims[claims[i].into]);
	for (size_t i = 0; i < s->enclave_count && ok; i++)
		ok = s->enclaves[i];
	return ok;
}

static bool arrange(struct cv_scan *s, struct claim *claims, size_t count, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct claim **sorted = calloc(count, sizeof(void *));
	CV_AUTO(cv_auto_free) struct claim **stack = calloc(count, sizeof(void *));

	s->territories = calloc(count, sizeof *s->territories);
	s->enclaves = calloc(count, sizeof *s->enclaves);
	if (sorted && stack && s->territories && s->enclaves) {
		for (size_t i = 0; i < count; i++)
			sorted[i] = &claims[i];
		qsort(sorted, count, sizeof *sorted, compare_claims);
		fold(claims, sorted, count, stack, s);
		if (settle(s, claims, count))
			return true;
	}
	return cv_fail(err, CV_ENOMEM, "not enough memory for the list of places");
}

bool cv_places_open(struct cv_scan *s, const struct cv_scan_options *options, struct cv_err *err)
{
	size_t count = options->place_count;
	struct claim *claims = calloc(count ? count : 1, sizeof *claims);
	bool ok = claims || cv_fail(err, CV_ENOMEM, "not enough memory for the list of places");

	if (ok && !count)
		ok = cv_fail(err, CV_EUSAGE, "no place to look at");
	for (size_t i = 0; ok && i < count; i++) {
		claims[i] = (struct claim){ .place = &options->places[i], .root.dirfd = -1, .into = i };
		ok = open_place(&claims[i], options->cross_file_systems, err);
	}
	ok = ok && arrange(s, claims, count, err);
	for (size_t i = 0; claims && i < count; i++) {
		if (claims[i].root.path)
			cv_root_close(&claims[i].root);
		free(claims[i].path);
		free(claims[i].real);
	}
	free(claims);
	return ok;
}
