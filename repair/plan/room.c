/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whether there is room for what a plan needs: on the file system, and by the quotas of whoever pays for it. */
#include "inspect/space/room.h"
#include "repair/operation/work.h"
#include "repair/plan/make.h"

/* A file system that writes to new places needs new nodes of its trees for that, too. */
enum { NODES_SHARE = 64 };

static int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

void cv_plan_charge(struct cv_plan_maker *m, const char *path)
{
	m->charged = cv_plan_keep(m, path);
}

/* Something in the repository, or the folder that it would be in; -1: neither is there. */
static int open_place(const struct cv_plan_maker *m, const char *path, bool or_folder)
{
	struct cv_err ignored = { .code = CV_OK };
	struct cv_writing w = { .io = &cv_io_real };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(m->plan->repository, &ignored), dir = -1;
	const char *base;
	int fd;

	w.root = root;
	if (root < 0 || !path)
		return path ? -1 : take_fd(&root);
	dir = cv_place_open(&w, path, &base, &ignored);
	fd = dir < 0 ? -1 : w.io->openat(w.io, dir, base, O_RDONLY | O_NONBLOCK, 0);
	return fd < 0 && or_folder ? take_fd(&dir) : fd;
}

static void add_whose(const struct cv_quota *q, struct cv_text *out)
{
	/* level/number, as btrfs(8) writes it */
	if (!strcmp(q->kind, "subvolume"))
		cv_text_addf(out, "the limit of qgroup %" PRIu64 "/%" PRIu64, q->id >> 48, q->id & 0xffffffffffff);
	else
		cv_text_addf(out, "the quota of %s %" PRIu64, q->kind, q->id);
}

static void check_quota(struct cv_plan_maker *m, const struct cv_quota *q)
{
	CV_AUTO(cv_text_fini) struct cv_text whose = { 0 };
	struct cv_plan_space *s = &m->plan->space;

	add_whose(q, &whose);
	s->quota = true;
	s->quota_left = cv_quota_left(q);
	if (cv_plan_quota_fits(s))
		cv_plan_check(m, "quota", true, "%s leaves %" PRIu64 " bytes (%s), which is enough", cv_text_str(&whose),
			      s->quota_left, cv_size_short(s->quota_left).s);
	else
		cv_plan_check(m, "quota", false,
			      "%s leaves %" PRIu64 " bytes (%s), and %" PRIu64 " (%s) more are needed: it has to be raised, or room made "
			      "below it", cv_text_str(&whose), s->quota_left, cv_size_short(s->quota_left).s,
			      s->peak - s->quota_left, cv_size_short(s->peak - s->quota_left).s);
	m->failed |= whose.failed;
}

void cv_plan_room(struct cv_plan_maker *m)
{
	CV_AUTO(cv_auto_close) int fd = open_place(m, m->charged, true);
	struct cv_plan_space *s = &m->plan->space;
	struct cv_quota quota;
	struct statvfs vfs;

	/* what a scan said may be old, and for a project less than for another */
	if (fd >= 0 && cv_io_real.fstatvfs(&cv_io_real, fd, &vfs) == 0)
		s->free_now = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	s->lowest_free = s->free_now > s->peak ? s->free_now - s->peak : 0;
	s->fits = s->free_now >= s->peak && s->lowest_free >= s->reserve;
	m->plan->refused |= !s->fits;
	if (fd >= 0 && cv_room_quota(fd, &quota) && cv_quota_left(&quota) <= s->free_now)
		check_quota(m, &quota);
}

uint64_t cv_plan_shared(const struct cv_plan_maker *m, const char *path)
{
	CV_AUTO(cv_auto_close) int fd = open_place(m, path, false);

	return fd < 0 ? 0 : cv_room_shared(fd);
}

uint64_t cv_plan_rewrite(const struct cv_plan_maker *m, const char *path, uint64_t bytes)
{
	CV_AUTO(cv_auto_close) int fd = open_place(m, path, false);
	uint64_t shared;

	if (fd < 0 || !bytes)
		return 0;
	if (!cv_room_writes_over(fd))
		return bytes + bytes / NODES_SHARE;
	shared = cv_room_shared(fd);
	return shared < bytes ? shared : bytes;
}

bool cv_plan_can_share(const struct cv_plan_maker *m, const char *path, uint64_t *device, uint64_t *block)
{
	CV_AUTO(cv_auto_close) int fd = open_place(m, path, true);
	const struct cv_io *io = &cv_io_real;
	struct statvfs vfs;
	struct stat st;

	if (fd < 0 || !cv_room_can_share(fd) || io->fstat(io, fd, &st) != 0 || io->fstatvfs(io, fd, &vfs) != 0)
		return false;
	*device = st.st_dev;
	*block = vfs.f_bsize;
	return *block >= 512;
}
