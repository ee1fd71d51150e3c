/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the system says about a file, before it is read and afterwards. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "inspect/dump/dump.h"
#include "inspect/repository/reopen.h"

static struct cv_dump_time time_of(const struct statx *x, const struct statx_timestamp *t, uint32_t mask)
{
	return (struct cv_dump_time){ (x->stx_mask & mask) != 0, t->tv_sec, t->tv_nsec };
}

static void take(struct cv_dump_stat *s, const struct statx *x)
{
	s->mode = x->stx_mode;
	s->owner = x->stx_uid;
	s->group = x->stx_gid;
	s->links = x->stx_nlink;
	s->dev_major = x->stx_dev_major;
	s->dev_minor = x->stx_dev_minor;
	s->inode = x->stx_ino;
	s->size = x->stx_size;
	s->blocks = x->stx_blocks;
	s->atime = time_of(x, &x->stx_atime, STATX_ATIME);
	s->mtime = time_of(x, &x->stx_mtime, STATX_MTIME);
	s->ctime = time_of(x, &x->stx_ctime, STATX_CTIME);
	s->btime = time_of(x, &x->stx_btime, STATX_BTIME);
	s->block_device = S_ISBLK(x->stx_mode);
	s->known = true;
}

bool cv_dump_look_at(const struct cv_scan *scan, const struct cv_file *file, struct cv_dump_stat *s, uint64_t *offset,
		     struct cv_err *err)
{
	struct cv_range part = { 0 };
	CV_AUTO(cv_auto_close) int fd = cv_scan_reopen(scan, file, &part, err);
	struct statx x;
	int read_only = 0;

	*s = (struct cv_dump_stat){ 0 };
	if (fd < 0)
		return false;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
		return cv_fail_errno(err, "cannot find out about the file");
	take(s, &x);
	s->no_atime = fcntl(fd, F_GETFL) & O_NOATIME;
	if (s->block_device) {
		s->size = part.off + part.len;
		s->read_only_device = ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
	}
	*offset = part.off;
	return true;
}

static bool same_time(const struct cv_dump_time *a, const struct cv_dump_time *b)
{
	return a->known == b->known && (!a->known || (a->seconds == b->seconds && a->ns == b->ns));
}

bool cv_dump_same(const struct cv_dump_stat *a, const struct cv_dump_stat *b)
{
	/* The blocks that it takes up are not compared: they are counted late, when what was written long ago is put in
	 * its place. */
	return a->known && b->known && a->mode == b->mode && a->owner == b->owner && a->group == b->group &&
	       a->links == b->links && a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && a->size == b->size && same_time(&a->atime, &b->atime) &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}
