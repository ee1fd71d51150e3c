/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References from a list that the user keeps: one path, UUID or name inside the repository a line. The files
 * that it names are looked for, never opened.
 */
#include "inspect/reference/gather.h"
#include "inspect/source/open.h"
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define LARGEST_LIST ((size_t)64 << 20)

static bool read_uuid(struct cv_bytes line, uint8_t uuid[16])
{
	char text[37] = "";

	if (line.len != 36)
		return false;
	memcpy(text, line.at, 36);
	return uuid_parse(text, uuid) == 0;
}

static bool is_scanned(const struct cv_gather *g, const char *path, size_t *file)
{
	struct cv_lookup l = cv_scan_lookup(g->scan, path);

	*file = l.file;
	return l.found == CV_FOUND_FILE;
}

/* The path that a name inside a repository means; in one that is a single image it is that image's own name. */
static bool path_inside(const struct cv_repository *r, struct cv_bytes name, struct cv_text *path)
{
	const char *slash = r->kind == CV_REPOSITORY_IMAGE ? strrchr(r->path, '/') : NULL;
	CV_AUTO(cv_text_fini) struct cv_text base = { 0 };

	cv_text_clear(path);
	cv_text_add_bytes(&base, r->path, slash ? (size_t)(slash - r->path) : strlen(r->path));
	return !base.failed && cv_path_join(path, cv_text_str(&base), name);
}

/* True if some repository has a file of this name that is not the one that is known already. */
static bool names_another(const struct cv_gather *g, struct cv_bytes name, size_t known)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	size_t file;

	for (size_t i = 0; i < cv_scan_repository_count(g->scan); i++)
		if (path_inside(cv_scan_repository(g->scan, i), name, &path) && is_scanned(g, path.at, &file) &&
		    file != known)
			return true;
	return false;
}

/* What the system finds under a name that the user wrote, from here if it is relative. */
static struct cv_entry stat_line(struct cv_bytes line)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_add_bytes(&name, line.at, line.len);
	if (name.failed || memchr(line.at, '\0', line.len))
		return (struct cv_entry){ .kind = CV_ENTRY_FAILED, .os_errno = EINVAL };
	return cv_named_stat(name.at);
}

/*
 * The user wrote the path, no image did: so the system says what it leads to, through whatever links and mounts,
 * and that is claimed, known or not. What the system does not find may have been there when it was scanned.
 */
static bool claim_path(struct cv_gather *g, const struct cv_claim *like, const struct cv_entry *entry,
		       struct cv_bytes line)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct cv_claim claim = *like;
	char here[PATH_MAX];

	if (!getcwd(here, sizeof here))
		here[0] = '\0';
	claim.text = line;
	if (cv_path_join(&path, here, line))
		claim.text = (struct cv_bytes){ path.at, path.len };
	if (!entry->os_errno) {
		claim.kind = CV_CLAIM_INODE;
		claim.device = entry->device;
		claim.inode = entry->inode;
	}
	return cv_gather_claim(g, claim);
}

/*
 * A name without "/" at its beginning may be meant from the current directory or from inside a repository. What
 * both could mean is needed twice; what neither means is kept, so that it is missed.
 */
static bool claim_relative(struct cv_gather *g, const struct cv_claim *claim, struct cv_bytes line)
{
	struct cv_entry entry = stat_line(line);
	size_t file = entry.os_errno ? SIZE_MAX : cv_scan_by_inode(g->scan, entry.device, entry.inode);
	bool another = names_another(g, line, file);
	struct cv_claim inside = *claim;

	inside.text = line;
	if ((file != SIZE_MAX || (!another && !entry.os_errno)) && !claim_path(g, claim, &entry, line))
		return false;
	return (!another && !entry.os_errno) || cv_gather_claim(g, inside);
}

static bool claim_line(struct cv_gather *g, const char *file, struct cv_bytes line, size_t number)
{
	struct cv_claim claim = { .kind = CV_CLAIM_PATH, .confidence = CV_DEFINITE };
	CV_AUTO(cv_text_fini) struct cv_text who = { 0 };
	struct cv_entry entry;

	cv_text_addf(&who, "line %zu of %s", number, file);
	if (who.failed)
		return false;
	claim.who = (struct cv_bytes){ who.at, who.len };
	if (read_uuid(line, claim.uuid)) {
		claim.kind = CV_CLAIM_UUID;
		claim.text = line;
		return cv_gather_claim(g, claim);
	}
	if (line.at[0] != '/')
		return claim_relative(g, &claim, line);
	entry = stat_line(line);
	return claim_path(g, &claim, &entry, line);
}

static bool starts_with(struct cv_bytes line, const char *what)
{
	return line.len >= strlen(what) && !memcmp(line.at, what, strlen(what));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Without blanks around it, and without what other programs write before a path. */
static struct cv_bytes plain_line(struct cv_bytes line)
{
	static const char *const schemes[] = { "file://localhost/", "file:///", "file:/" };

	while (line.len && is_blank(line.at[line.len - 1]))
		line.len--;
	for (; line.len && is_blank(line.at[0]); line.len--)
		line.at++;
	for (size_t i = 0; i < CV_COUNT(schemes); i++)
		if (starts_with(line, schemes[i])) {
			size_t skip = strlen(schemes[i]) - 1;   /* the last slash begins the path */

			return (struct cv_bytes){ line.at + skip, line.len - skip };
		}
	return line;
}

/* The lines of the list; *claims counts those that say something. */
static bool claim_lines(struct cv_gather *g, const char *file, struct cv_bytes all, size_t *claims)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	size_t number = 0, pos = starts_with(all, byte_order_mark) ? strlen(byte_order_mark) : 0;

	for (; pos < all.len; number++) {
		const char *at = all.at + pos, *end = memchr(at, '\n', all.len - pos);
		size_t len = end ? (size_t)(end - at) : all.len - pos;
		struct cv_bytes line = plain_line((struct cv_bytes){ at, len });

		pos += len + 1;
		if (!line.len || line.at[0] == '#')
			continue;
		++*claims;
		if (!claim_line(g, file, line, number + 1))
			return false;
	}
	return true;
}

bool cv_list_read(struct cv_gather *g, const char *file, struct cv_claim_source *source, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 }, shown = { 0 };
	struct cv_err trouble = { 0 };
	size_t claims = 0;

	if (!cv_system_read_all(file, LARGEST_LIST, &text, &trouble)) {
		cv_text_escape(&shown, cv_bytes_of(trouble.text));
		cv_gather_trouble(g, source, cv_text_str(&shown));
		return true;
	}
	if (!claim_lines(g, file, (struct cv_bytes){ cv_text_str(&text), text.len }, &claims))
		return cv_fail(err, CV_ENOMEM, "not enough memory for the references");
	if (!claims) {
		cv_text_escape(&shown, cv_bytes_of(file));
		return cv_fail(err, CV_EUSAGE,
			       "the list of references %s is empty; --refs=none says that there are none",
			       cv_text_str(&shown));
	}
	source->read = source->complete = true;
	return true;
}
