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

static bool claim_path(struct cv_gather *g, const struct cv_claim *like, const char *path)
{
	struct cv_claim claim = *like;

	claim.text = cv_bytes_of(path);
	return cv_gather_claim(g, claim);
}

/*
 * A name without "/" at its beginning may be meant from the current directory or from inside a repository. What
 * both could mean is needed twice; what neither means is kept, so that it is missed.
 */
static bool claim_relative(struct cv_gather *g, const struct cv_claim *claim, struct cv_bytes line)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct cv_claim inside = *claim;
	char here[PATH_MAX];
	size_t file = SIZE_MAX;
	bool usable = getcwd(here, sizeof here) && cv_path_join(&path, here, line);
	bool scanned = usable && is_scanned(g, path.at, &file);
	bool another = names_another(g, line, file);

	inside.text = line;
	if (!scanned && !another && usable)
		scanned = cv_named_stat(path.at).os_errno == 0;
	if (scanned && !claim_path(g, claim, path.at))
		return false;
	return (scanned && !another) || cv_gather_claim(g, inside);
}

static bool claim_line(struct cv_gather *g, struct cv_bytes line, size_t number)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	char who[40];
	struct cv_claim claim = { .kind = CV_CLAIM_PATH, .confidence = CV_DEFINITE };

	claim.who = (struct cv_bytes){ who, (size_t)snprintf(who, sizeof who, "line %zu", number) };
	if (read_uuid(line, claim.uuid)) {
		claim.kind = CV_CLAIM_UUID;
		claim.text = line;
		return cv_gather_claim(g, claim);
	}
	if (line.at[0] != '/')
		return claim_relative(g, &claim, line);
	if (cv_path_join(&path, "/", line))
		return claim_path(g, &claim, path.at);
	claim.text = line;              /* no path can be like that: it will be missed */
	return cv_gather_claim(g, claim);
}

/* The lines of the list; *claims counts those that say something. */
static bool claim_lines(struct cv_gather *g, struct cv_bytes all, size_t *claims)
{
	size_t number = 0;

	for (size_t pos = 0; pos < all.len; number++) {
		const char *at = all.at + pos, *end = memchr(at, '\n', all.len - pos);
		size_t len = end ? (size_t)(end - at) : all.len - pos;

		pos += len + 1;
		if (len && at[len - 1] == '\r')
			len--;
		if (!len || at[0] == '#')
			continue;
		++*claims;
		if (!claim_line(g, (struct cv_bytes){ at, len }, number + 1))
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
	if (!claim_lines(g, (struct cv_bytes){ cv_text_str(&text), text.len }, &claims))
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
