/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See swap.h. */
#include "repair/operation/swap.h"

enum { IMAGE, PARENT, BOTH };

/* The folders of the two, of the image in the trash, and the names there. */
struct folders {
	const struct cv_io *io;
	int dir[BOTH], trash;
	const char *base[BOTH];
	struct cv_trash_name name;
};

static void folders_close(struct folders *f)
{
	const int all[] = { f->dir[IMAGE], f->dir[PARENT], f->trash };

	for (size_t i = 0; i < CV_COUNT(all); i++)
		if (all[i] >= 0)
			f->io->close(f->io, all[i]);
}

static bool folders_open(struct folders *f, const struct cv_work *work, bool make, struct cv_err *err)
{
	*f = (struct folders){ .io = work->w->io, .dir = { -1, -1 }, .trash = -1,
			       .name = cv_trash_name(IMAGE, work->items[IMAGE].path) };
	for (size_t i = 0; i < BOTH; i++) {
		f->dir[i] = cv_place_open(work->w, work->items[i].path, &f->base[i], err);
		if (f->dir[i] < 0)
			return false;
	}
	f->trash = cv_place_trash(work->w, work->journal.op, make, err);
	return f->trash >= 0;
}

/* --- what there is --------------------------------------------------------------------------------------- */

enum found { FOUND_NOTHING, FOUND_IMAGE, FOUND_PARENT, FOUND_OTHER, FOUND_UNKNOWN };

static enum found under(const struct cv_work *work, int dir, const char *name, struct cv_err *err)
{
	for (size_t i = 0; i < BOTH; i++) {
		int found = cv_place_look(work->w, dir, name, &work->items[i], err);

		if (found <= 0)
			return found < 0 ? FOUND_UNKNOWN : FOUND_NOTHING;
		if (found == 1)
			return i == IMAGE ? FOUND_IMAGE : FOUND_PARENT;
	}
	return FOUND_OTHER;
}

static enum found at_home(const struct cv_work *work, size_t item, struct cv_err *err)
{
	const char *base;
	int dir = cv_place_open(work->w, work->items[item].path, &base, err);
	enum found found = dir < 0 ? FOUND_UNKNOWN : under(work, dir, base, err);

	if (dir >= 0)
		work->w->io->close(work->w->io, dir);
	return found;
}

/* A folder in the trash that was never made holds nothing. */
static enum found in_trash(const struct cv_work *work, struct cv_err *err)
{
	int dir = cv_place_trash(work->w, work->journal.op, false, err);
	enum found found;

	if (dir < 0 && err->code == CV_EUSAGE) {
		cv_err_clear(err);
		return FOUND_NOTHING;
	}
	if (dir < 0)
		return FOUND_UNKNOWN;
	found = under(work, dir, cv_trash_name(IMAGE, work->items[IMAGE].path).s, err);
	work->w->io->close(work->w->io, dir);
	return found;
}

enum cv_swapped cv_swap_find(const struct cv_work *work, struct cv_err *err)
{
	static const struct { enum found image, parent, trash; enum cv_swapped is; } rows[] = {
		{ FOUND_IMAGE, FOUND_PARENT, FOUND_NOTHING, CV_SWAP_BEFORE },
		{ FOUND_IMAGE, FOUND_PARENT, FOUND_IMAGE, CV_SWAP_LINKED },
		{ FOUND_PARENT, FOUND_NOTHING, FOUND_IMAGE, CV_SWAP_DONE },
		{ FOUND_PARENT, FOUND_PARENT, FOUND_IMAGE, CV_SWAP_BACK },
	};
	enum found image = at_home(work, IMAGE, err), parent = image == FOUND_UNKNOWN ? FOUND_UNKNOWN : at_home(work, PARENT, err);
	enum found trash = parent == FOUND_UNKNOWN ? FOUND_UNKNOWN : in_trash(work, err);

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].image == image && rows[i].parent == parent && rows[i].trash == trash)
			return rows[i].is;
	return trash == FOUND_UNKNOWN ? CV_SWAP_UNKNOWN : CV_SWAP_FOREIGN;
}

/* --- what is done ---------------------------------------------------------------------------------------- */

static bool link_image(const struct folders *f, struct cv_err *err)
{
	return f->io->linkat(f->io, f->dir[IMAGE], f->base[IMAGE], f->trash, f->name.s) == 0 ||
	       (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK
			? cv_fail(err, CV_EREFUSED, "its file system has no hard links: there would be a moment in which nothing has the "
						    "name of the image; chainview rebase --flatten makes it stand alone instead")
			: cv_io_fail(err, "link", f->base[IMAGE]));
}

static bool unlink_image(const struct folders *f, struct cv_err *err)
{
	return f->io->unlinkat(f->io, f->trash, f->name.s, 0) == 0 || cv_io_fail(err, "remove", f->name.s);
}

static bool rename_over(const struct folders *f, int from, const char *old, struct cv_err *err)
{
	return f->io->renameat(f->io, from, old, f->dir[IMAGE], f->base[IMAGE], 0) == 0 || cv_io_fail(err, "rename", old);
}

bool cv_swap_begin(const struct cv_work *work, struct cv_err *err)
{
	struct folders f;
	bool ok = folders_open(&f, work, true, err) && cv_store_sync(f.io, work->w->store.trash, "the trash", err) &&
		  link_image(&f, err) && unlink_image(&f, err);

	folders_close(&f);
	return ok;
}

bool cv_swap_do(const struct cv_work *work, struct cv_err *err)
{
	struct folders f;
	bool ok = folders_open(&f, work, false, err) && link_image(&f, err) && cv_store_sync(f.io, f.trash, "the trash", err) &&
		  rename_over(&f, f.dir[PARENT], f.base[PARENT], err);

	folders_close(&f);
	return ok;
}

/* The parent must have its own name for sure before the other one goes. */
static bool name_parent(const struct cv_work *work, const struct folders *f, struct cv_err *err)
{
	return (f->io->linkat(f->io, f->dir[IMAGE], f->base[IMAGE], f->dir[PARENT], f->base[PARENT]) == 0 || errno == EEXIST ||
		cv_io_fail(err, "link", f->base[PARENT])) &&
	       cv_place_sync_homes(work->w, work->items, BOTH, err);
}

bool cv_swap_back(const struct cv_work *work, struct cv_err *err)
{
	struct folders f;
	bool ok = folders_open(&f, work, false, err) && name_parent(work, &f, err) && rename_over(&f, f.trash, f.name.s, err) &&
		  cv_place_sync_homes(work->w, work->items, BOTH, err) && cv_store_sync(f.io, f.trash, "the trash", err);

	folders_close(&f);
	return ok;
}

bool cv_swap_forward(const struct cv_work *work, struct cv_err *err)
{
	struct folders f;
	bool ok = folders_open(&f, work, false, err) && (f.io->unlinkat(f.io, f.dir[PARENT], f.base[PARENT], 0) == 0 ||
							 cv_io_fail(err, "remove", f.base[PARENT]));

	folders_close(&f);
	return ok;
}

bool cv_swap_stat(const struct cv_work *work, struct stat *st, struct cv_err *err)
{
	struct folders f;
	bool ok = folders_open(&f, work, false, err) &&
		  (f.io->fstatat(f.io, f.trash, f.name.s, st) == 0 || cv_io_fail(err, "look at", f.name.s));

	folders_close(&f);
	return ok;
}

bool cv_swap_unlink(const struct cv_work *work, struct cv_err *err)
{
	struct folders f;
	bool ok = folders_open(&f, work, false, err) && unlink_image(&f, err) && cv_store_sync(f.io, f.trash, "the trash", err);

	folders_close(&f);
	return ok;
}
