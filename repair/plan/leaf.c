/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See leaf.h. */
#include "repair/plan/leaf.h"
#include "inspect/repository/reopen.h"
#include "repair/relink/relink.h"
#include <sys/xattr.h>
#include <unistd.h>

/* Whoever opens the name expects the format that it has now. */
static const char *against_formats(const struct cv_image *image, const struct cv_image *parent)
{
	if (parent->format == CV_FORMAT_VHDX)
		return "its parent is a VHDX, which cannot take the name and the identity of another image yet. chainview rebase --flatten "
		       "makes the image stand alone, chainview convert makes a new one";
	if (image->format == parent->format)
		return NULL;
	if (parent->format == CV_FORMAT_RAW)
		return "its parent is a raw disk: under the name of the image that would be taken for another format. chainview rebase "
		       "--flatten makes the image stand alone, chainview convert makes a new one";
	return "its parent is of another format, which would have the name of the image then. chainview rebase --flatten makes the "
	       "image stand alone, chainview convert makes a new one";
}

static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

/* Names that start from the folder of the parent would start from that of the image. */
static const char *against_names(const struct cv_image *image, const struct cv_image *parent)
{
	size_t len = folder_len(image->file->path);

	if (len == folder_len(parent->file->path) && !memcmp(image->file->path, parent->file->path, len))
		return NULL;
	for (uint32_t i = 0; i < parent->facts->name_count; i++)
		if (parent->facts->names[i].kind == CV_NAME_RELATIVE)
			return "its parent lies in another folder, and names its own parent by a path that starts there: chainview "
			       "rebase --flatten makes the image stand alone instead";
	return NULL;
}

/* --- the files ------------------------------------------------------------------------------------------- */

/* An access list, up to a size that none has; its length, or 0. */
static size_t access_list(int fd, uint8_t *list, size_t size)
{
	ssize_t n = fgetxattr(fd, "system.posix_acl_access", list, size);

	return n > 0 ? (size_t)n : 0;
}

/* The parent gets owner and mode of the image. */
static const char *against_access(int image, int parent)
{
	uint8_t own[4096], other[4096];
	size_t len = access_list(image, own, sizeof own), other_len = access_list(parent, other, sizeof other);
	struct stat a, b;

	if (fstat(image, &a) != 0 || fstat(parent, &b) != 0)
		return "who may open it cannot be found out";
	if (len != other_len || memcmp(own, other, len) != 0)
		return "its access list is another than that of its parent, which will have its name: make them the same first (getfacl, "
		       "setfacl)";
	if ((a.st_uid != b.st_uid || a.st_gid != b.st_gid) && geteuid() != 0)
		return "it belongs to somebody else than its parent, which will have its name: only root can change that";
	return NULL;
}

/* As the operation will do it, but on nothing. */
static bool check_own(struct cv_plan_maker *m, const struct cv_image *image, struct cv_source *source, struct cv_err *err)
{
	const struct cv_relink_own own = { cv_uuid_is_null(image->facts->uuid) ? NULL : image->facts->uuid };
	struct cv_relink r = { 0 };
	struct cv_err why = { .code = CV_OK };
	bool ok = cv_relink_own(&r, source, &own, &why);

	cv_relink_fini(&r);
	if (!ok && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_plan_check(m, "takes-identity", ok, "its parent: %s", ok ? "what it says about itself can be changed" : why.text);
	return true;
}

static bool check_files(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const struct cv_image *parent,
			struct cv_err *err)
{
	struct cv_range part;
	CV_AUTO(cv_auto_close) int fd = cv_scan_reopen(g->scan, image->file, &part, err);
	int parent_fd = fd < 0 ? -1 : cv_scan_reopen(g->scan, parent->file, &part, err);
	CV_AUTO(cv_auto_source) struct cv_source *source = parent_fd < 0 ? NULL : cv_source_fd_adopt(parent_fd, parent->file->size, err);
	const char *reason;

	if (!source)
		return false;
	reason = against_access(fd, parent_fd);
	cv_plan_check(m, "same-access", !reason, "%s", reason ? reason : "whoever may open it may open what will have its name");
	return check_own(m, image, source, err);
}

bool cv_plan_check_leaf(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image,
			const struct cv_image *parent, struct cv_err *err)
{
	const char *formats = against_formats(image, parent), *names = against_names(image, parent);

	cv_plan_check(m, "same-format", !formats, "%s", formats ? formats : "its parent is of the same format");
	cv_plan_check(m, "names-stay-right", !names, "%s",
		      names ? names : "what its parent says about its own parent is right under the other name, too");
	return m->plan->refused || check_files(m, g, image, parent, err);
}

void cv_plan_leaf_steps(struct cv_plan_maker *m, const struct cv_image *image, const struct cv_image *parent)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, why = { 0 };
	uint64_t own = image->file->allocated;
	bool identity = !cv_uuid_is_null(image->facts->uuid);

	cv_text_escape(&name, cv_bytes_of(parent->id));
	cv_text_addf(&why, "what it has of its own goes into %s", cv_text_str(&name));
	cv_plan_step(m, "merge", image->id, own, cv_text_str(&why));
	cv_plan_step(m, "move", image->id, own, "to the trash: chainview trash purge frees it");
	cv_text_clear(&why);
	cv_text_clear(&name);
	cv_text_escape(&name, cv_bytes_of(image->id));
	cv_text_addf(&why, "at that moment its name becomes %s%s%s", cv_text_str(&name), identity ? ", then its identity that of the leaf" : "",
		     parent->mark == CV_MARK_HIDDEN ? "; it is not hidden any more" : "");
	cv_plan_step(m, "rename", parent->id, 0, cv_text_str(&why));
	m->failed |= why.failed || name.failed;
}
