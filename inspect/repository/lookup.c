/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What lies under a path that an image names: first by memory, then by a look below the root of a repository.
 * Nothing is opened for reading here, and nothing outside the repositories is touched.
 */
#include "inspect/repository/lookup.h"
#include "inspect/repository/scanning.h"
#include <sys/stat.h>

/* So many links with absolute targets are followed in one name; the kernel follows relative ones itself. */
#define MOST_HOPS 8
/* So many ".." behind names are taken out of one name; nobody writes more. */
#define MOST_CLIMBS 64

/* True if text alone says where the link leads: ".." may only stand at its beginning, behind a name that might
 * be a link itself it means something else to the kernel. */
static bool is_plain_target(const char *target)
{
	bool named = false;

	for (const char *at = target; *at; at += strcspn(at, "/"), at += strspn(at, "/")) {
		bool up = at[0] == '.' && at[1] == '.' && (!at[2] || at[2] == '/');

		if (up && named)
			return false;
		named |= !up && !(at[0] == '.' && (!at[1] || at[1] == '/'));
	}
	return *target;
}

/* The length of the first part of rel that is a symbolic link; 0 if none is. */
static size_t find_link(const struct cv_root *root, const char *rel)
{
	CV_AUTO(cv_text_fini) struct cv_text part = { 0 };

	for (size_t len = strcspn(rel, "/"); len; len += rel[len] ? 1 + strcspn(rel + len + 1, "/") : 0) {
		struct cv_entry entry;

		cv_text_clear(&part);
		cv_text_add_bytes(&part, rel, len);
		if (part.failed)
			return 0;
		entry = cv_root_stat(root, part.at);
		if (entry.kind == CV_ENTRY_SYMLINK && !entry.os_errno)
			return len;
		if (!rel[len] || entry.kind != CV_ENTRY_DIRECTORY)
			return 0;
	}
	return 0;
}

/* Replaces the first link in rel by what it says. False if there is none or it leads out of the root. */
static bool unfold_link(const struct cv_root *root, struct cv_text *rel)
{
	CV_AUTO(cv_text_fini) struct cv_text target = { 0 }, directory = { 0 }, path = { 0 };
	size_t len = find_link(root, cv_text_str(rel)), end = len;
	struct cv_err err = { 0 };
	const char *below;

	if (!len)
		return false;
	cv_text_add_bytes(&directory, rel->at, len);
	if (directory.failed || !cv_root_readlink(root, directory.at, &target, &err) ||
	    !is_plain_target(cv_text_str(&target)))
		return false;
	while (end && rel->at[end - 1] != '/')
		end--;
	cv_text_clear(&directory);
	cv_text_addf(&directory, "%s/", root->real);
	cv_text_add_bytes(&directory, rel->at, end);
	cv_text_add(&target, rel->at + len);
	if (directory.failed || target.failed || !cv_path_join(&path, directory.at, cv_bytes_of(target.at)))
		return false;
	below = cv_path_below(path.at, root->real);
	if (!below)
		below = cv_path_below(path.at, root->path);
	if (!below)
		return false;
	cv_text_clear(rel);
	cv_text_add(rel, *below ? below : ".");
	return !rel->failed;
}

struct cv_entry cv_territory_resolve(const struct cv_territory *t, const char *rel)
{
	CV_AUTO(cv_text_fini) struct cv_text now = { 0 };
	struct cv_entry entry = cv_root_follow(&t->root, rel);

	if (entry.kind != CV_ENTRY_OUTSIDE)
		return entry;
	cv_text_add(&now, rel);
	for (int hops = 0; hops < MOST_HOPS && entry.kind == CV_ENTRY_OUTSIDE && unfold_link(&t->root, &now); hops++)
		entry = cv_root_follow(&t->root, now.at);
	return entry;
}

/* Where the first ".." begins; SIZE_MAX if there is none. */
static size_t find_climb(const char *rel)
{
	for (const char *at = rel; *at; at += strcspn(at, "/"), at += *at == '/')
		if (at[0] == '.' && at[1] == '.' && (!at[2] || at[2] == '/'))
			return (size_t)(at - rel);
	return SIZE_MAX;
}

/* The kind of what lies under directory, which loses its links on the way. */
static enum cv_entry_kind unfold_directory(const struct cv_root *root, struct cv_text *directory)
{
	enum cv_entry_kind kind = cv_root_stat(root, directory->at).kind;

	for (int hops = 0; hops < MOST_HOPS && kind == CV_ENTRY_SYMLINK && unfold_link(root, directory); hops++)
		kind = cv_root_stat(root, directory->at).kind;
	return kind == CV_ENTRY_SYMLINK ? CV_ENTRY_OUTSIDE : kind;
}

/*
 * Takes every ".." out of a name as the kernel does, which follows what stands before one. Gives the kind of what
 * stands in the way, or CV_ENTRY_DIRECTORY if nothing does.
 */
static enum cv_entry_kind straighten(const struct cv_root *root, struct cv_text *rel)
{
	size_t at = find_climb(cv_text_str(rel));

	for (int climbs = 0; at != SIZE_MAX; climbs++, at = find_climb(cv_text_str(rel))) {
		CV_AUTO(cv_text_fini) struct cv_text directory = { 0 };
		enum cv_entry_kind kind;
		const char *rest = rel->at + at + 2, *slash;

		if (!at || climbs == MOST_CLIMBS)
			return CV_ENTRY_OUTSIDE;
		cv_text_add_bytes(&directory, rel->at, at - 1);
		kind = directory.failed ? CV_ENTRY_FAILED : unfold_directory(root, &directory);
		if (kind != CV_ENTRY_DIRECTORY)
			return kind <= CV_ENTRY_CHARACTER ? CV_ENTRY_MISSING : kind;
		if (!strcmp(directory.at, "."))
			return CV_ENTRY_OUTSIDE;
		slash = strrchr(directory.at, '/');
		directory.len = slash ? (size_t)(slash - directory.at) : 0;
		directory.at[directory.len] = '\0';
		cv_text_add(&directory, directory.len ? rest : rest + (*rest == '/'));
		if (directory.failed)
			return CV_ENTRY_FAILED;
		cv_text_clear(rel);
		cv_text_add(rel, directory.at);
	}
	return rel->failed ? CV_ENTRY_FAILED : CV_ENTRY_DIRECTORY;
}

static bool enters_own_folder(const char *rel)
{
	size_t len = strlen(CV_OWN_FOLDER);

	for (const char *at = rel; *at; at += strcspn(at, "/"), at += *at == '/')
		if (!strncmp(at, CV_OWN_FOLDER, len) && (!at[len] || at[len] == '/'))
			return true;
	return false;
}

/* The innermost directory of the scan in which the path lies, by text; what is below it in *rel. */
static const struct cv_territory *find_territory(const struct cv_scan *s, const char *path, const char **rel)
{
	const struct cv_territory *best = NULL;

	for (size_t i = 0; i < s->territory_count; i++) {
		const struct cv_territory *t = &s->territories[i];
		const char *below;

		if (!t->is_directory)
			continue;
		below = cv_path_below(path, t->root.path);
		if (!below)
			below = cv_path_below(path, t->root.real);
		if (below && (!best || strlen(below) < strlen(*rel))) {
			best = t;
			*rel = below;
		}
	}
	return best;
}

/* What a kind of entry is to somebody who looks for an image. */
static enum cv_found found_of(enum cv_entry_kind kind)
{
	static const enum cv_found rows[CV_ENTRY_KIND_COUNT] = {
		/* A regular file that was not scanned: it is newer than the scan, or the scan was cancelled. */
		[CV_ENTRY_REGULAR] = CV_FOUND_UNREADABLE, [CV_ENTRY_BLOCK] = CV_FOUND_NOT_REGULAR,
		[CV_ENTRY_DIRECTORY] = CV_FOUND_NOT_REGULAR, [CV_ENTRY_FIFO] = CV_FOUND_NOT_REGULAR,
		[CV_ENTRY_SOCKET] = CV_FOUND_NOT_REGULAR, [CV_ENTRY_CHARACTER] = CV_FOUND_NOT_REGULAR,
		[CV_ENTRY_SYMLINK] = CV_FOUND_UNREADABLE, [CV_ENTRY_MISSING] = CV_FOUND_MISSING,
		[CV_ENTRY_OUTSIDE] = CV_FOUND_OUTSIDE, [CV_ENTRY_OTHER_FS] = CV_FOUND_OUTSIDE,
		[CV_ENTRY_DENIED] = CV_FOUND_UNREADABLE, [CV_ENTRY_FAILED] = CV_FOUND_UNREADABLE,
	};

	return rows[kind];
}

static struct cv_lookup look(const struct cv_scan *s, const struct cv_territory *t, const char *name)
{
	CV_AUTO(cv_text_fini) struct cv_text rel = { 0 };
	struct cv_entry entry = { 0 };
	struct cv_lookup l;

	cv_text_add(&rel, name);
	entry.kind = straighten(&t->root, &rel);
	if (entry.kind == CV_ENTRY_DIRECTORY && enters_own_folder(cv_text_str(&rel)))
		entry.kind = CV_ENTRY_OUTSIDE;
	if (entry.kind == CV_ENTRY_DIRECTORY)
		entry = cv_territory_resolve(t, rel.len ? rel.at : ".");
	l = (struct cv_lookup){ .found = found_of(entry.kind), .file = SIZE_MAX };
	if (entry.kind == CV_ENTRY_REGULAR || entry.kind == CV_ENTRY_BLOCK)
		l.file = cv_files_by_inode(&s->files, entry.device, entry.inode);
	if (l.file != SIZE_MAX)
		l.found = CV_FOUND_FILE;
	if (l.found == CV_FOUND_NOT_REGULAR)
		l.what = cv_entry_kind_name(entry.kind);
	return l;
}

/* A name that climbs out of the root leads to where the root really lies; from there it may lead back. */
static bool climb_out(const struct cv_territory *t, const char *rel, struct cv_text *path)
{
	size_t len = strlen(t->root.real);

	while (rel[0] == '.' && rel[1] == '.' && (!rel[2] || rel[2] == '/')) {
		while (len && t->root.real[len - 1] != '/')
			len--;
		len -= len > 0;
		rel += rel[2] ? 3 : 2;
	}
	cv_text_add_bytes(path, t->root.real, len);
	cv_text_add(path, "/");
	cv_text_add(path, rel);
	return !path->failed && *rel;
}

/* So often a name may leave a repository and come back, or be another name of a place by a mount. */
#define MOST_TURNS 4

/* Where else the path leads, by the kernel's rules and without a look outside; false if nowhere that is known. */
static bool turn(const struct cv_scan *s, const char *path, struct cv_text *next)
{
	CV_AUTO(cv_text_fini) struct cv_text rel = { 0 };
	const char *below = "";
	const struct cv_territory *t = find_territory(s, path, &below);

	if (!t)
		return cv_mounts_translate(s, path, next);
	cv_text_add(&rel, below);
	return straighten(&t->root, &rel) == CV_ENTRY_OUTSIDE && !strncmp(cv_text_str(&rel), "..", 2) &&
	       climb_out(t, rel.at, next);
}

static struct cv_lookup look_at(const struct cv_scan *s, const char *path)
{
	size_t known = cv_files_by_path(&s->files, path);
	const struct cv_territory *t;
	const char *rel = "";

	if (known != SIZE_MAX)
		return (struct cv_lookup){ .found = CV_FOUND_FILE, .file = known };
	t = find_territory(s, path, &rel);
	if (!t)
		return (struct cv_lookup){ .found = CV_FOUND_OUTSIDE, .file = SIZE_MAX };
	return look(s, t, rel);
}

struct cv_lookup cv_scan_lookup(const struct cv_scan *s, const char *path)
{
	struct cv_lookup l = look_at(s, path);
	CV_AUTO(cv_text_fini) struct cv_text now = { 0 };

	for (int turns = 0; l.found == CV_FOUND_OUTSIDE && turns < MOST_TURNS; turns++) {
		CV_AUTO(cv_text_fini) struct cv_text next = { 0 };

		if (!turn(s, turns ? now.at : path, &next))
			break;
		cv_text_clear(&now);
		cv_text_add(&now, next.at);
		if (now.failed)
			break;
		l = look_at(s, now.at);
	}
	return l;
}

static bool is_name_of(const char *path, const struct cv_file *file)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == file->device && st.st_ino == file->inode;
}

/* Some of the paths are symbolic links, which are no names of the file itself. */
uint32_t cv_scan_links_elsewhere(const struct cv_scan *s, const struct cv_file *file)
{
	uint32_t known = 0;

	(void)s;
	if (file->links < 2 || file->block_device)
		return 0;
	for (uint32_t i = 0; i <= file->alias_count; i++)
		known += is_name_of(i ? file->aliases[i - 1] : file->path, file);
	return file->links > known ? file->links - known : 0;
}

size_t cv_scan_by_inode(const struct cv_scan *s, uint64_t device, uint64_t inode)
{
	return cv_files_by_inode(&s->files, device, inode);
}
