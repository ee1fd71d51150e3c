/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes sure that nobody uses an image in a way that does not go with what we do, and that we notice when somebody begins
 * to. Two witnesses, and both must say so: a lease, which the kernel gives only when nobody else has the file open or
 * mapped (to be read: to write to it), in whatever name space, and which lets us know who comes; and the bytes that QEMU
 * locks (its block/file-posix.c: 100 + i for permission i being used, 200 + i for it not being shared; 0 consistent
 * read, 1 write, 2 write unchanged, 3 resize). What cannot be found out is in use.
 */
#include "repair/operation/work.h"

struct bytes {
	uint64_t off, len;
};

/* What is locked, and what nobody else may have locked. */
struct claim_way {
	short lease;
	short type;
	struct bytes lock[3], clear[3];
	size_t locks, clears;
};

/* Nobody else at all. A write lock is refused where any other is, so there is nothing to look at. */
static const struct claim_way for_writing = { F_WRLCK, F_WRLCK, { { 100, 4 }, { 200, 4 } }, { { 0, 0 } }, 2, 0 };
/* As QEMU's own readers do it: they go together, writers do not, nor who does not share consistent reading. */
static const struct claim_way for_reading = {
	F_RDLCK, F_RDLCK, { { 100, 1 }, { 201, 1 }, { 203, 1 } }, { { 101, 1 }, { 103, 1 }, { 200, 1 } }, 3, 3,
};
/* A read lock is all that a descriptor for reading can have, but each of them is one that QEMU does not stand beside. */
static const struct claim_way for_reading_alone = {
	F_RDLCK, F_RDLCK, { { 100, 4 }, { 200, 4 } }, { { 100, 4 }, { 200, 4 } }, 2, 2,
};

struct subject {
	const struct cv_io *io;
	int fd;
	const struct cv_plan_source *file;
	bool only_name;              /* it has no other */
};

static bool refuse(struct cv_err *err, const struct subject *s, const char *why)
{
	struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(s->file->path));
	cv_fail(err, CV_EREFUSED, "%s %s", cv_text_str(&t), why);
	cv_text_fini(&t);
	return false;
}

static bool refuse_used(struct cv_err *err, const struct subject *s, const char *how, bool writers)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	cv_text_addf(&why, "is %s by ", how);
	s->io->holder(s->io, s->fd, writers, &why);
	return refuse(err, s, cv_text_str(&why));
}

/* The very file that the plan saw, and not written to since. */
static bool is_as_planned(const struct subject *s, struct cv_err *err)
{
	struct stat st;

	if (s->io->fstat(s->io, s->fd, &st) != 0)
		return cv_io_fail(err, "look at", s->file->path);
	if (!S_ISREG(st.st_mode))
		return refuse(err, s, "is not a regular file: who uses it cannot be made sure of");
	if (st.st_dev != s->file->device || st.st_ino != s->file->inode)
		return refuse(err, s, "is another file than when the plan was made");
	if ((uint64_t)st.st_size != s->file->size ||
	    cv_stat_mtime(&st) != s->file->mtime_ns)
		return refuse(err, s, "was written to since the plan was made");
	if (s->only_name && st.st_nlink != 1)
		return refuse(err, s, "has another name elsewhere (a hard link)");
	return true;
}

static bool take_lease(const struct subject *s, const struct claim_way *way, struct cv_err *err)
{
	bool writers = way->lease == F_RDLCK;

	if (s->io->lease(s->io, s->fd, way->lease) == 0)
		return true;
	if (errno == EAGAIN)
		return refuse_used(err, s, writers ? "open for writing" : "in use", writers);
	if (errno == EACCES || errno == EPERM)
		return refuse(err, s, "is not yours: only its owner and root can make sure that nobody uses it");
	return refuse(err, s, "may be in use: its file system cannot say (it gives no leases)");
}

static bool take_bytes(const struct subject *s, const struct claim_way *way, struct cv_err *err)
{
	for (size_t i = 0; i < way->locks; i++)
		if (s->io->lock(s->io, s->fd, way->type, way->lock[i].off, way->lock[i].len) != 0)
			return errno == EAGAIN || errno == EACCES ? refuse_used(err, s, "locked", false)
								  : refuse(err, s, "may be in use: it cannot be locked");
	for (size_t i = 0; i < way->clears; i++) {
		int type = s->io->locked(s->io, s->fd, way->clear[i].off, way->clear[i].len);

		if (type < 0)
			return refuse(err, s, "may be in use: its locks cannot be looked at");
		if (type != F_UNLCK)
			return refuse_used(err, s, "locked", false);
	}
	return true;
}

/* Looked at before, so that nothing else is locked, and when nobody can change it any more unnoticed. */
static bool claim(const struct subject *s, const struct claim_way *way, struct cv_err *err)
{
	if (is_as_planned(s, err) && take_lease(s, way, err) && take_bytes(s, way, err) && is_as_planned(s, err))
		return true;
	cv_claim_drop(s->io, s->fd);
	return false;
}

void cv_claim_drop(const struct cv_io *io, int fd)
{
	static const struct bytes all[] = { { 100, 4 }, { 200, 4 } };

	for (size_t i = 0; i < CV_COUNT(all); i++)
		io->lock(io, fd, F_UNLCK, all[i].off, all[i].len);
	io->lease(io, fd, F_UNLCK);
}

bool cv_claim_reader(const struct cv_io *io, int fd, const struct cv_plan_source *source, bool exclusive,
		     struct cv_err *err)
{
	return claim(&(struct subject){ io, fd, source, false }, exclusive ? &for_reading_alone : &for_reading, err);
}

bool cv_claim_device(const struct cv_io *io, int fd, const char *path, struct cv_err *err)
{
	const struct cv_plan_source file = { .path = path };
	const struct subject s = { io, fd, &file, false };
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	if (!take_bytes(&s, &for_writing, err))
		return false;
	cv_text_add(&why, "is in use by ");
	return !io->holder(io, fd, false, &why) || refuse(err, &s, cv_text_str(&why));
}

int cv_claim_item(const struct cv_writing *w, const struct cv_plan_item *item, struct cv_err *err)
{
	struct cv_plan_source file = { item->path, item->device, item->inode, item->size, item->mtime_ns };
	const char *base;
	int dir = cv_place_open(w, item->path, &base, err), fd;
	struct stat st;

	if (dir < 0)
		return -1;
	fd = w->io->openat(w->io, dir, base, O_RDWR | O_NONBLOCK, 0);
	if (fd < 0)
		cv_io_fail(err, "open", item->path);
	w->io->close(w->io, dir);
	if (fd >= 0 && w->io->fstat(w->io, fd, &st) == 0 && cv_place_same(w, &st, file.device, file.inode))
		file.device = st.st_dev;
	if (fd >= 0 && claim(&(struct subject){ w->io, fd, &file, true }, &for_writing, err))
		return fd;
	if (fd >= 0)
		w->io->close(w->io, fd);
	return -1;
}

int cv_claim_as_it_is(const struct cv_writing *w, const struct cv_plan_item *item, struct cv_err *err)
{
	struct cv_plan_item now = *item;
	const char *base;
	int dir = cv_place_open(w, item->path, &base, err);
	struct stat st;
	bool there;

	if (dir < 0)
		return -1;
	there = w->io->fstatat(w->io, dir, base, &st) == 0 || cv_io_fail(err, "look at", item->path);
	w->io->close(w->io, dir);
	if (!there)
		return -1;
	now.size = (uint64_t)st.st_size;
	now.mtime_ns = cv_stat_mtime(&st);
	return cv_claim_item(w, &now, err);
}
