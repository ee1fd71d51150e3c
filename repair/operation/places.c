/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where images are: at home in the repository, or in the trash. Everything goes by open folders and single names, so
 * that no link can lead out. An image is known by its inode: a name alone proves nothing. */
#include "repair/merge/keep.h"
#include "repair/operation/work.h"
#include <stdio.h>

/* What is not there may have been made by somebody who was killed before it was sure. */
static int open_or_make(const struct cv_io *io, int dir, const char *name, struct cv_err *err)
{
	if ((io->mkdirat(io, dir, name, 0777) != 0 && errno != EEXIST) || !cv_store_sync(io, dir, "the folder of a new folder", err))
		return -1;
	return io->openat(io, dir, name, O_RDONLY | O_DIRECTORY, 0);
}

static int open_folder(const struct cv_writing *w, const char *path, bool make, const char **base, struct cv_err *err)
{
	int dir = w->io->openat(w->io, w->root, ".", O_RDONLY | O_DIRECTORY, 0);
	const char *slash;
	char part[256];

	while (dir >= 0 && (slash = strchr(path, '/'))) {
		int next = -1, saved;

		if ((size_t)(slash - path) < sizeof part) {
			memcpy(part, path, (size_t)(slash - path));
			part[slash - path] = '\0';
			next = make ? open_or_make(w->io, dir, part, err)
				    : w->io->openat(w->io, dir, part, O_RDONLY | O_DIRECTORY, 0);
		} else {
			errno = ENAMETOOLONG;
		}
		saved = errno;
		w->io->close(w->io, dir);
		errno = saved;
		dir = next;
		path = slash + 1;
	}
	if (dir < 0 && !err->code)
		cv_io_fail(err, "open the folder of", path);
	*base = path;
	return dir;
}

int cv_place_open(const struct cv_writing *w, const char *path, const char **base, struct cv_err *err)
{
	return open_folder(w, path, false, base, err);
}

int cv_place_make(const struct cv_writing *w, const char *path, const char **base, struct cv_err *err)
{
	return open_folder(w, path, true, base, err);
}

bool cv_place_stat(const struct cv_writing *w, const char *path, struct stat *st)
{
	struct cv_err err = { .code = CV_OK };
	const char *base;
	int dir = cv_place_open(w, path, &base, &err);
	bool there = dir >= 0 && w->io->fstatat(w->io, dir, base, st) == 0;

	if (dir >= 0)
		w->io->close(w->io, dir);
	return there;
}

int cv_place_trash(const struct cv_writing *w, const uint8_t op[16], bool make, struct cv_err *err)
{
	return cv_store_folder(w->io, w->store.trash, cv_uuid_str(op).s, make, err);
}

struct cv_trash_name cv_trash_name(uint32_t index, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct cv_trash_name name;

	snprintf(name.s, sizeof name.s, "%" PRIu32 "-%.200s", index, slash ? slash + 1 : path);
	return name;
}

bool cv_place_same(const struct cv_writing *w, const struct stat *st, uint64_t device, uint64_t inode)
{
	struct stat root;

	return st->st_ino == inode &&
	       (st->st_dev == device || (w->io->fstat(w->io, w->root, &root) == 0 && root.st_dev == st->st_dev));
}

int cv_place_look(const struct cv_writing *w, int dir, const char *name, const struct cv_plan_item *item, struct cv_err *err)
{
	struct stat st;

	if (w->io->fstatat(w->io, dir, name, &st) == 0)
		return cv_place_same(w, &st, item->device, item->inode) ? 1 : 2;
	if (errno == ENOENT)
		return 0;
	cv_io_fail(err, "look at", name);
	return -1;
}

static int look_home(const struct cv_writing *w, const struct cv_plan_item *item, struct cv_err *err)
{
	const char *base;
	int dir, found;

	dir = cv_place_open(w, item->path, &base, err);
	if (dir < 0 && err->os_errno == ENOENT) {
		cv_err_clear(err);
		return 0;
	}
	if (dir < 0)
		return -1;
	found = cv_place_look(w, dir, base, item, err);
	w->io->close(w->io, dir);
	return found;
}

static int look_trash(const struct cv_writing *w, const uint8_t op[16], uint32_t index, const struct cv_plan_item *item,
		      struct cv_err *err)
{
	int dir = cv_place_trash(w, op, false, err), found;

	if (dir < 0 && err->code == CV_EUSAGE) {
		cv_err_clear(err);
		return 0;
	}
	if (dir < 0)
		return -1;
	found = cv_place_look(w, dir, cv_trash_name(index, item->path).s, item, err);
	w->io->close(w->io, dir);
	return found;
}

enum cv_whereabouts cv_place_find(const struct cv_writing *w, const uint8_t op[16], uint32_t index,
				  const struct cv_plan_item *item, bool *home_taken, struct cv_err *err)
{
	int home = look_home(w, item, err), trash = home < 0 ? -1 : look_trash(w, op, index, item, err);

	*home_taken = home > 0;
	if (home < 0 || trash < 0)
		return CV_UNKNOWN;
	if (home == 1)
		return CV_AT_HOME;
	if (trash == 1)
		return CV_IN_TRASH;
	return home == 2 ? CV_REPLACED : CV_GONE;
}

static bool move(const struct cv_writing *w, int from, const char *old, int to, const char *new, struct cv_err *err)
{
	return w->io->renameat(w->io, from, old, to, new, RENAME_NOREPLACE) == 0 || cv_io_fail(err, "move", old);
}

/* Opens both folders and moves one way or the other. */
static bool move_item(const struct cv_writing *w, const uint8_t op[16], uint32_t index, const struct cv_plan_item *item,
		      bool to_trash, struct cv_err *err)
{
	struct cv_trash_name name = cv_trash_name(index, item->path);
	const char *base;
	int home = cv_place_open(w, item->path, &base, err);
	int trash = home < 0 ? -1 : cv_place_trash(w, op, to_trash, err);
	bool ok = trash >= 0 && (to_trash ? move(w, home, base, trash, name.s, err) : move(w, trash, name.s, home, base, err));

	if (trash >= 0)
		w->io->close(w->io, trash);
	if (home >= 0)
		w->io->close(w->io, home);
	return ok;
}

bool cv_place_to_trash(const struct cv_writing *w, const uint8_t op[16], uint32_t index, const struct cv_plan_item *item,
		       struct cv_err *err)
{
	return move_item(w, op, index, item, true, err);
}

bool cv_place_to_home(const struct cv_writing *w, const uint8_t op[16], uint32_t index, const struct cv_plan_item *item,
		      struct cv_err *err)
{
	return move_item(w, op, index, item, false, err);
}

/* True if an item before this one lies in the same folder. */
static bool same_folder_before(const struct cv_plan_item *items, size_t i)
{
	const char *slash = strrchr(items[i].path, '/');
	size_t len = slash ? (size_t)(slash - items[i].path) + 1 : 0;

	for (size_t k = 0; k < i; k++)
		if (!strncmp(items[k].path, items[i].path, len) && !strchr(items[k].path + len, '/'))
			return true;
	return false;
}

bool cv_place_sync_trash(const struct cv_writing *w, const uint8_t op[16], struct cv_err *err)
{
	int dir = cv_place_trash(w, op, false, err);
	bool ok = dir >= 0 && cv_store_sync(w->io, dir, "the trash", err);

	if (dir >= 0)
		w->io->close(w->io, dir);
	return ok;
}

bool cv_place_sync_homes(const struct cv_writing *w, const struct cv_plan_item *items, size_t count, struct cv_err *err)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++) {
		const char *base;
		int dir;

		if (same_folder_before(items, i))
			continue;
		dir = cv_place_open(w, items[i].path, &base, err);
		ok = dir >= 0 && cv_store_sync(w->io, dir, items[i].path, err);
		if (dir >= 0)
			w->io->close(w->io, dir);
	}
	return ok;
}

struct content {
	bool former, other;
};

static bool see(void *ctx, const char *name)
{
	struct content *c = ctx;

	if (strcmp(name, CV_KEEP_NAME) != 0)
		c->other = true;
	else
		c->former = true;
	return true;
}

/* What a parent was is of no use without the image: it is gone for sure when this returns. */
static bool drop_former(const struct cv_writing *w, const uint8_t op[16], struct cv_err *err)
{
	int dir = cv_place_trash(w, op, false, err);
	struct content c = { 0 };
	bool ok = dir >= 0 && (w->io->list(w->io, dir, see, &c) == 0 || cv_io_fail(err, "read", "the trash"));

	if (ok && c.former && !c.other)
		ok = (w->io->unlinkat(w->io, dir, CV_KEEP_NAME, 0) == 0 || cv_io_fail(err, "remove", CV_KEEP_NAME)) &&
		     cv_store_sync(w->io, dir, "the trash", err);
	if (dir >= 0)
		w->io->close(w->io, dir);
	return ok;
}

static bool remove_folder(const struct cv_writing *w, const uint8_t op[16], bool *full, struct cv_err *err)
{
	bool gone = w->io->unlinkat(w->io, w->store.trash, cv_uuid_str(op).s, AT_REMOVEDIR) == 0;

	*full = !gone && (errno == ENOTEMPTY || errno == EEXIST);
	return gone || *full || errno == ENOENT || cv_io_fail(err, "remove the folder of", cv_uuid_str(op).s);
}

bool cv_place_tidy(const struct cv_writing *w, const uint8_t op[16], struct cv_err *err)
{
	bool full;

	if (!remove_folder(w, op, &full, err) || !full)
		return !full && !err->code;
	return drop_former(w, op, err) && remove_folder(w, op, &full, err);
}
