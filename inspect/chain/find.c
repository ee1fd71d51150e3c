/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The image that a user means by what was typed. Ways to mean an image are rows, the surest first; the first
 * way that anything answers to decides, and two answers to it are one too many.
 */
#include "inspect/chain/build.h"
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was typed, prepared once. */
struct wish {
	const struct cv_graph *g;
	const char *raw;            /* as typed */
	const char *plain;          /* with escapes turned back into bytes */
	char *absolute;             /* plain from the current directory, cleaned; NULL if that is impossible */
	size_t len;                 /* of raw */
	bool is_uuid, is_prefix;
	uint8_t uuid[16];
	uint64_t device, inode;     /* of the file of that name, if has_inode */
	bool has_inode;
};
typedef bool way(const struct wish *w, const struct cv_image *image);

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_either(const struct wish *w, const char *name)
{
	return !strcmp(name, w->raw) || !strcmp(name, w->plain);
}

static bool by_path(const struct wish *w, const struct cv_image *image)
{
	const struct cv_file *f = image->file;

	for (uint32_t i = 0; i <= f->alias_count; i++) {
		const char *path = i ? f->aliases[i - 1] : f->path;

		if (is_either(w, path) || (w->absolute && !strcmp(path, w->absolute)))
			return true;
	}
	return false;
}

static bool by_id(const struct wish *w, const struct cv_image *image)
{
	return is_either(w, image->id);
}

static bool by_inode(const struct wish *w, const struct cv_image *image)
{
	return w->has_inode && image->file->device == w->device && image->file->inode == w->inode;
}

/* "REPO/name" with the repository spelled as its last component. */
static bool by_repository(const struct wish *w, const struct cv_image *image)
{
	const struct cv_repository *r = cv_scan_repository(w->g->scan, image->repository);
	const char *name = r ? base_name(r->path) : "";
	size_t len = strlen(name);

	return len && !strncmp(w->plain, name, len) && w->plain[len] == '/' && !strcmp(w->plain + len + 1, image->id);
}

static bool by_file_name(const struct wish *w, const struct cv_image *image)
{
	for (uint32_t i = 0; i <= image->file->alias_count; i++)
		if (is_either(w, base_name(i ? image->file->aliases[i - 1] : image->file->path)))
			return true;
	return false;
}

static bool by_uuid(const struct wish *w, const struct cv_image *image)
{
	return w->is_uuid && cv_has(image->facts, CV_FACT_UUID) && !memcmp(image->facts->uuid, w->uuid, 16);
}

/* The name without its extensions: how XenServer / XCP-ng names disks. */
static bool by_stem(const struct wish *w, const struct cv_image *image)
{
	const char *name = base_name(image->file->path);
	size_t stem = strcspn(name, ".");

	return stem == strlen(w->plain) && !strncasecmp(name, w->plain, stem);
}

static bool by_prefix(const struct wish *w, const struct cv_image *image)
{
	return w->is_prefix && cv_has(image->facts, CV_FACT_UUID) &&
	       !strncasecmp(cv_uuid_str(image->facts->uuid).s, w->raw, w->len);
}

static bool by_stem_prefix(const struct wish *w, const struct cv_image *image)
{
	const char *name = base_name(image->file->path);
	uint8_t uuid[16];

	return w->is_prefix && cv_uuid_read(name, strcspn(name, "."), uuid) && !strncasecmp(name, w->raw, w->len);
}

static way *const ways[] = {
	by_path, by_id, by_inode, by_repository, by_file_name, by_uuid, by_stem, by_prefix, by_stem_prefix,
};

#define SHOWN_CANDIDATES 4

static void add_candidate(struct cv_text *t, const struct cv_image *image, size_t number)
{
	if (number < SHOWN_CANDIDATES) {
		cv_text_add(t, number ? ", " : "");
		cv_text_escape(t, cv_bytes_of(image->file->path));
	} else if (number == SHOWN_CANDIDATES) {
		cv_text_add(t, ", ...");
	}
}

/* How many images answer to one way; the first of them, and all of them as text. */
static size_t ask(const struct wish *w, way *matches, uint32_t *image, struct cv_text *candidates)
{
	size_t count = 0;

	for (uint32_t i = 0; i < w->g->image_count; i++) {
		if (!matches(w, &w->g->images[i]))
			continue;
		if (!count)
			*image = i;
		add_candidate(candidates, &w->g->images[i], count++);
	}
	return count;
}

static bool ask_all(const struct wish *w, uint32_t *image, struct cv_err *err)
{
	struct cv_text candidates = { 0 }, shown = { 0 };
	size_t count = 0;

	for (size_t k = 0; k < CV_COUNT(ways) && !count; k++)
		count = ask(w, ways[k], image, &candidates);
	cv_text_escape(&shown, cv_bytes_of(w->plain));
	if (!count)
		cv_fail(err, CV_EUSAGE, "no image \"%s\" in the repositories", cv_text_str(&shown));
	else if (count > 1)
		cv_fail(err, CV_EUSAGE, "\"%s\" means %zu images: %s", cv_text_str(&shown), count,
			cv_text_str(&candidates));
	cv_text_fini(&candidates);
	cv_text_fini(&shown);
	return count == 1;
}

static char *absolute_path(const char *plain)
{
	CV_AUTO(cv_auto_free) char *here = getcwd(NULL, 0);
	struct cv_text path = { 0 };

	if ((here || plain[0] == '/') && cv_path_join(&path, here ? here : "/", cv_bytes_of(plain)))
		return path.at;
	cv_text_fini(&path);
	return NULL;
}

static void prepare(struct wish *w, const char *what)
{
	struct stat st;

	w->raw = what;
	w->len = strlen(what);
	w->absolute = absolute_path(w->plain);
	w->is_uuid = cv_uuid_read(what, w->len, w->uuid);
	w->is_prefix = w->len >= 4 && strspn(what, "0123456789abcdefABCDEF-") == w->len;
	w->has_inode = !stat(w->plain, &st);
	if (w->has_inode) {
		w->device = st.st_dev;
		w->inode = st.st_ino;
	}
}

bool cv_graph_find(const struct cv_graph *g, const char *what, uint32_t *image, struct cv_err *err)
{
	struct cv_text plain = { 0 };
	struct wish w = { .g = g };
	bool ok = false;

	cv_text_unescape(&plain, cv_bytes_of(what));
	if (plain.failed) {
		cv_fail(err, CV_ENOMEM, "not enough memory to look for an image");
	} else if (!plain.len) {
		cv_fail(err, CV_EUSAGE, "no image is named");
	} else {
		w.plain = cv_text_str(&plain);
		prepare(&w, what);
		ok = ask_all(&w, image, err);
	}
	free(w.absolute);
	cv_text_fini(&plain);
	return ok;
}
