/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes sure that nobody uses an image, and keeps it so. Two witnesses, and both must say so: a write lease, which the
 * kernel gives only when nobody else has the file open or mapped, in whatever name space; and the bytes that QEMU locks
 * (its block/file-posix.c: 100 and on for what is done, 200 and on for what is not shared). What cannot be found out is
 * in use.
 */
#include "repair/operation/work.h"

static const struct { uint64_t off, len; } qemu_bytes[] = { { 100, 4 }, { 200, 4 } };

static bool refuse(struct cv_err *err, const struct cv_plan_item *item, const char *why)
{
	struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(item->path));
	cv_fail(err, CV_EREFUSED, "%s %s", cv_text_str(&t), why);
	cv_text_fini(&t);
	return false;
}

/* The very file that the plan saw, and not written to since. */
static bool is_as_planned(const struct cv_writing *w, int fd, const struct cv_plan_item *item, struct cv_err *err)
{
	struct stat st;

	if (w->io->fstat(w->io, fd, &st) != 0)
		return cv_io_fail(err, "look at", item->path);
	if (!S_ISREG(st.st_mode))
		return refuse(err, item, "is not a regular file");
	if (st.st_dev != item->device || st.st_ino != item->inode)
		return refuse(err, item, "is another file than when the plan was made");
	if ((uint64_t)st.st_size != item->size ||
	    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != item->mtime_ns)
		return refuse(err, item, "was written to since the plan was made");
	if (st.st_nlink != 1)
		return refuse(err, item, "has another name elsewhere (a hard link)");
	return true;
}

static bool is_free(const struct cv_writing *w, int fd, const struct cv_plan_item *item, struct cv_err *err)
{
	if (w->io->lease(w->io, fd, F_WRLCK) != 0)
		return refuse(err, item, errno == EAGAIN ? "is in use: somebody has it open"
							 : "may be in use: the file system cannot say (no write lease)");
	for (size_t i = 0; i < CV_COUNT(qemu_bytes); i++)
		if (w->io->lock(w->io, fd, F_WRLCK, qemu_bytes[i].off, qemu_bytes[i].len) != 0)
			return refuse(err, item, errno == EAGAIN || errno == EACCES ? "is in use: QEMU holds its lock"
										    : "may be in use: it cannot be locked");
	return true;
}

int cv_claim_item(const struct cv_writing *w, const struct cv_plan_item *item, struct cv_err *err)
{
	const char *base;
	int dir = cv_place_open(w, item->path, &base, err), fd;

	if (dir < 0)
		return -1;
	fd = w->io->openat(w->io, dir, base, O_RDWR | O_NONBLOCK, 0);
	if (fd < 0)
		cv_io_fail(err, "open", item->path);
	w->io->close(w->io, dir);
	if (fd >= 0 && is_as_planned(w, fd, item, err) && is_free(w, fd, item, err))
		return fd;
	if (fd >= 0)
		w->io->close(w->io, fd);
	return -1;
}
