/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The system calls of a simulated disk: each changes what is seen now and notes what is pending. */
#include "tests/support/simdisk_io.h"
#include <stdio.h>

static struct sim *sim_of(const struct cv_io *io)
{
	return (struct sim *)(uintptr_t)io;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

/* True if this call is to fail; errno is set. */
static bool fault(struct sim *s)
{
	s->calls++;
	if (!s->fail_at || s->fail_short || s->calls < s->fail_at || (s->calls > s->fail_at && !s->fail_persistent))
		return false;
	s->failed = true;
	errno = s->fail_errno;
	return true;
}

static void announce(struct sim *s, const char *what)
{
	if (s->before)
		s->before(s, s->before_ctx, what);
}

/* The inode of a descriptor; 0 with errno set if it is none. */
static uint32_t inode_of(const struct sim *s, int fd)
{
	if (fd < 0 || (size_t)fd >= s->fds.len || !s->fds.at[fd].inode) {
		errno = EBADF;
		return 0;
	}
	return s->fds.at[fd].inode;
}

static uint32_t directory_of(const struct sim *s, int fd)
{
	uint32_t inode = inode_of(s, fd);

	if (inode && !s->inodes.at[inode].directory) {
		errno = ENOTDIR;
		return 0;
	}
	return inode;
}

static int new_fd(struct sim *s, uint32_t inode, int flags, uint64_t open)
{
	struct sim_fd fd = { inode, flags, open };

	for (size_t i = 3; i < s->fds.len; i++)
		if (!s->fds.at[i].inode) {
			s->fds.at[i] = fd;
			return (int)i;
		}
	while (s->fds.len < 3)
		if (!sim_fds_push(&s->fds, (struct sim_fd){ 0 }))
			abort();
	if (!sim_fds_push(&s->fds, fd))
		abort();
	return (int)s->fds.len - 1;
}

int sim_root(struct sim *s)
{
	return new_fd(s, 1, O_RDONLY | O_DIRECTORY, ++s->opened);
}

static struct sim_entry entry(uint32_t dir, const char *name, uint32_t inode)
{
	struct sim_entry e = { .dir = dir, .inode = inode };

	snprintf(e.name, sizeof e.name, "%s", name);
	return e;
}

static void change_names(struct sim *s, struct sim_rename r)
{
	r.op = ++s->ops;
	r.unsynced[0] = r.set[0].dir;
	r.unsynced[1] = r.count > 1 && r.set[1].dir != r.set[0].dir ? r.set[1].dir : 0;
	for (unsigned i = 0; i < r.count; i++)
		sim_entries_set(&s->now, &r.set[i]);
	if (!sim_renames_push(&s->renames, r))
		abort();
}

static uint32_t new_inode(struct sim *s, bool directory, mode_t mode)
{
	struct sim_inode inode = { .directory = directory, .number = s->inodes.len,
				   .mode = mode | (directory ? S_IFDIR : S_IFREG) };

	if (!sim_inodes_push(&s->inodes, inode))
		abort();
	return (uint32_t)s->inodes.len - 1;
}

static void resize(struct sim *s, uint32_t inode, uint64_t size)
{
	s->inodes.at[inode].now.size = size;
	if (!sim_resizes_push(&s->resizes, (struct sim_resize){ inode, size, s->ops }))
		abort();
}

static void set_sector(struct sim *s, uint32_t inode, uint64_t sector, uint32_t version)
{
	sim_content_set(&s->inodes.at[inode].now, sector, version);
	if (!sim_writes_push(&s->writes, (struct sim_write){ inode, version, sector, s->ops }))
		abort();
}

static uint32_t sector_at(const struct sim_content *c, uint64_t sector)
{
	return sector < c->count ? c->sector[sector] : SIM_HOLE;
}

/* With O_EXCL a device is for one only. */
static bool is_taken(const struct sim *s, uint32_t inode)
{
	for (size_t i = 0; i < s->fds.len; i++)
		if (s->fds.at[i].inode == inode && s->fds.at[i].flags & O_EXCL)
			return true;
	return false;
}

/* A device, or something that is only read, by its path from the root. */
static int open_path(struct sim *s, const char *path, int flags)
{
	uint32_t inode = *path == '/' ? sim_lookup(s, path + 1) : 0;

	if (!inode || (!s->inodes.at[inode].device && (flags & O_ACCMODE) != O_RDONLY))
		return fail(ENOENT);
	return flags & O_EXCL && is_taken(s, inode) ? fail(EBUSY) : new_fd(s, inode, flags, ++s->opened);
}

static int sim_openat(const struct cv_io *io, int dir, const char *name, int flags, mode_t mode)
{
	struct sim *s = sim_of(io);
	uint32_t parent = dir == AT_FDCWD ? 0 : directory_of(s, dir), inode;

	if (fault(s) || (!parent && dir != AT_FDCWD))
		return -1;
	if (dir == AT_FDCWD)
		return open_path(s, name, flags);
	inode = strcmp(name, ".") ? sim_entry_inode(&s->now, parent, name) : parent;
	if (!inode && !(flags & O_CREAT))
		return fail(ENOENT);
	if (inode && flags & O_CREAT && flags & O_EXCL)
		return fail(EEXIST);
	if (inode && flags & O_DIRECTORY && !s->inodes.at[inode].directory)
		return fail(ENOTDIR);
	if (!inode) {
		announce(s, "create");
		inode = new_inode(s, false, mode);
		change_names(s, (struct sim_rename){ .set = { entry(parent, name, inode) }, .count = 1 });
	}
	return new_fd(s, inode, flags, ++s->opened);
}

static int sim_close(const struct cv_io *io, int fd)
{
	struct sim *s = sim_of(io);
	bool shared = false;

	if (!inode_of(s, fd))
		return -1;
	s->fds.at[fd].inode = 0;
	for (size_t i = 0; i < s->fds.len; i++)
		shared |= s->fds.at[i].inode && s->fds.at[i].open == s->fds.at[fd].open;
	if (!shared)
		sim_hold_drop(s, s->fds.at[fd].open);
	return fault(s) ? -1 : 0;
}

static int sim_dup(const struct cv_io *io, int fd)
{
	struct sim *s = sim_of(io);

	return fault(s) || !inode_of(s, fd) ? -1 : new_fd(s, s->fds.at[fd].inode, s->fds.at[fd].flags, s->fds.at[fd].open);
}

/* Reads as much as there is; holes read as zeros. */
static ssize_t read_now(const struct sim *s, uint32_t inode, uint8_t *buf, size_t len, uint64_t off)
{
	const struct sim_content *c = &s->inodes.at[inode].now;
	size_t done = 0;

	if (off >= c->size)
		return 0;
	if (len > c->size - off)
		len = (size_t)(c->size - off);
	while (done < len) {
		uint64_t at = off + done;
		size_t from = (size_t)(at % SIM_SECTOR), part = SIM_SECTOR - from;

		if (part > len - done)
			part = len - done;
		memcpy(buf + done, sim_bytes(s->pool, sector_at(c, at / SIM_SECTOR)) + from, part);
		done += part;
	}
	return (ssize_t)len;
}

static ssize_t sim_pread(const struct cv_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);

	return fault(s) || !inode ? -1 : read_now(s, inode, buf, len, off);
}

static bool is_full(const struct sim *s, uint32_t inode, uint64_t sector)
{
	if (s->inodes.at[inode].device)
		return sector >= s->inodes.at[inode].now.size / SIM_SECTOR;
	return s->room && sector_at(&s->inodes.at[inode].now, sector) == SIM_HOLE && sim_used(s) >= s->room;
}

static ssize_t write_now(struct sim *s, uint32_t inode, const uint8_t *buf, size_t len, uint64_t off)
{
	uint8_t sector[SIM_SECTOR];
	size_t done = 0;

	s->ops++;
	while (done < len) {
		uint64_t at = off + done;
		size_t from = (size_t)(at % SIM_SECTOR), part = SIM_SECTOR - from;

		if (is_full(s, inode, at / SIM_SECTOR))
			break;
		if (part > len - done)
			part = len - done;
		memcpy(sector, sim_bytes(s->pool, sector_at(&s->inodes.at[inode].now, at / SIM_SECTOR)), SIM_SECTOR);
		memcpy(sector + from, buf + done, part);
		set_sector(s, inode, at / SIM_SECTOR, sim_intern(s->pool, sector));
		done += part;
	}
	if (off + done > s->inodes.at[inode].now.size && done)
		resize(s, inode, off + done);
	s->inodes.at[inode].mtime.tv_nsec++;
	return done || !len ? (ssize_t)done : fail(ENOSPC);
}

static ssize_t sim_pwrite(const struct cv_io *io, int fd, const void *buf, size_t len, uint64_t off)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);

	if (fault(s) || !inode)
		return -1;
	if ((s->fds.at[fd].flags & O_ACCMODE) == O_RDONLY)
		return fail(EBADF);
	if (s->fail_short && s->calls == s->fail_at && len > 1) {
		s->failed = true;
		len = len > SIM_SECTOR ? SIM_SECTOR - 1 : len / 2;
	}
	return write_now(s, inode, buf, len, off);
}

static int sim_ftruncate(const struct cv_io *io, int fd, uint64_t size)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);
	struct sim_content *c;

	if (fault(s) || !inode)
		return -1;
	if (s->inodes.at[inode].device)
		return fail(EINVAL);
	c = &s->inodes.at[inode].now;
	s->ops++;
	if (size < c->size && size % SIM_SECTOR && sector_at(c, size / SIM_SECTOR) > SIM_ZERO) {
		uint8_t sector[SIM_SECTOR] = { 0 };

		memcpy(sector, sim_bytes(s->pool, sector_at(c, size / SIM_SECTOR)), size % SIM_SECTOR);
		set_sector(s, inode, size / SIM_SECTOR, sim_intern(s->pool, sector));
	}
	for (uint64_t k = (size + SIM_SECTOR - 1) / SIM_SECTOR; k < c->count; k++)
		c->sector[k] = SIM_HOLE;
	resize(s, inode, size);
	return 0;
}

static void zero_part(struct sim *s, uint32_t inode, uint64_t sector, size_t from, size_t len, uint32_t all)
{
	uint8_t bytes[SIM_SECTOR];

	memcpy(bytes, sim_bytes(s->pool, sector_at(&s->inodes.at[inode].now, sector)), SIM_SECTOR);
	memset(bytes + from, 0, len);
	set_sector(s, inode, sector, len == SIM_SECTOR ? all : sim_intern(s->pool, bytes));
}

/* A hole gets space, and reads as zeros before and after: nothing is written, but in the page that the file ended within. */
static void give_space(struct sim *s, uint32_t inode, uint64_t sector)
{
	struct sim_inode *i = &s->inodes.at[inode];
	uint64_t end = i->now.size;

	if (end % 4096 && sector / 8 == end / 4096) {
		set_sector(s, inode, sector, SIM_ZERO);
		return;
	}
	sim_content_set(&i->now, sector, SIM_ZERO);
	if (sector_at(&i->sure, sector) == SIM_HOLE)
		sim_content_set(&i->sure, sector, SIM_ZERO);
}

static int sim_fallocate(const struct cv_io *io, int fd, int mode, uint64_t off, uint64_t len)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);
	bool clears = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);

	if (fault(s) || !inode)
		return -1;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return fail(EOPNOTSUPP);
	if (s->inodes.at[inode].device && (!clears || (off | len) % SIM_SECTOR || off + len > s->inodes.at[inode].now.size))
		return fail(clears ? EINVAL : EOPNOTSUPP);
	s->ops++;
	for (uint64_t at = off; at < off + len;) {
		uint64_t sector = at / SIM_SECTOR;
		size_t from = (size_t)(at % SIM_SECTOR), part = SIM_SECTOR - from;

		if (part > off + len - at)
			part = (size_t)(off + len - at);
		if (!(mode & FALLOC_FL_PUNCH_HOLE) && is_full(s, inode, sector))
			return fail(ENOSPC);
		if (clears)
			zero_part(s, inode, sector, from, part, mode & FALLOC_FL_PUNCH_HOLE ? SIM_HOLE : SIM_ZERO);
		else if (sector_at(&s->inodes.at[inode].now, sector) == SIM_HOLE)
			give_space(s, inode, sector);
		at += part;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > s->inodes.at[inode].now.size)
		resize(s, inode, off + len);
	return 0;
}

static ssize_t copy_now(struct sim *s, uint32_t from, uint64_t from_off, uint32_t to, uint64_t to_off, uint64_t len)
{
	uint8_t buffer[8 * SIM_SECTOR];
	size_t part = len < sizeof buffer ? (size_t)len : sizeof buffer;
	ssize_t n = read_now(s, from, buffer, part, from_off);

	return n <= 0 ? n : write_now(s, to, buffer, (size_t)n, to_off);
}

static ssize_t sim_copy_range(const struct cv_io *io, int from, uint64_t from_off, int to, uint64_t to_off, size_t len)
{
	struct sim *s = sim_of(io);
	uint32_t source = inode_of(s, from), target = inode_of(s, to);

	if (fault(s) || !source || !target)
		return -1;
	if (s->inodes.at[source].device || s->inodes.at[target].device)
		return fail(EINVAL);
	return copy_now(s, source, from_off, target, to_off, len);
}

static int sim_clone_range(const struct cv_io *io, int from, uint64_t from_off, int to, uint64_t to_off, uint64_t len)
{
	struct sim *s = sim_of(io);
	uint32_t source = inode_of(s, from), target = inode_of(s, to);

	if (fault(s) || !source || !target)
		return -1;
	if (!s->reflink)
		return fail(EOPNOTSUPP);
	if (s->inodes.at[source].device || s->inodes.at[target].device || from_off % 4096 || to_off % 4096 || (len % 4096 && from_off + len != s->inodes.at[source].now.size))
		return fail(EINVAL);
	while (len) {
		ssize_t n = copy_now(s, source, from_off, target, to_off, len);

		if (n <= 0)
			return n ? -1 : fail(EINVAL);
		from_off += (uint64_t)n;
		to_off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int64_t sim_seek(const struct cv_io *io, int fd, uint64_t off, int whence)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);
	const struct sim_content *c;
	uint64_t at = off;

	if (fault(s) || !inode)
		return -1;
	c = &s->inodes.at[inode].now;
	if (off >= c->size)
		return fail(ENXIO);
	while (at < c->size && (sector_at(c, at / SIM_SECTOR) == SIM_HOLE) == (whence == SEEK_DATA))
		at = (at / SIM_SECTOR + 1) * SIM_SECTOR;
	if (at < c->size)
		return (int64_t)at;
	return whence == SEEK_DATA ? fail(ENXIO) : (int64_t)c->size;
}

static bool share_entry(const struct sim_rename *a, const struct sim_rename *b)
{
	for (unsigned i = 0; i < a->count; i++)
		for (unsigned k = 0; k < b->count; k++)
			if (a->set[i].dir == b->set[k].dir && !strcmp(a->set[i].name, b->set[k].name))
				return true;
	return false;
}

/* What is complete becomes sure, and with it all that went before it on the same names. */
static void settle_names(struct sim *s, uint32_t dir)
{
	struct sim_renames left = { 0 };

	for (size_t i = 0; i < s->renames.len; i++)
		for (unsigned k = 0; k < 2; k++)
			if (s->renames.at[i].unsynced[k] == dir)
				s->renames.at[i].unsynced[k] = 0;
	for (size_t i = s->renames.len; i-- > 0;) {
		struct sim_rename *r = &s->renames.at[i];

		for (size_t k = 0; k < i && !r->unsynced[0] && !r->unsynced[1]; k++)
			if (share_entry(r, &s->renames.at[k]))
				s->renames.at[k].unsynced[0] = s->renames.at[k].unsynced[1] = 0;
	}
	for (size_t i = 0; i < s->renames.len; i++) {
		const struct sim_rename *r = &s->renames.at[i];

		if (r->unsynced[0] || r->unsynced[1]) {
			if (!sim_renames_push(&left, *r))
				abort();
			continue;
		}
		for (unsigned k = 0; k < r->count; k++)
			sim_entries_set(&s->sure, &r->set[k]);
	}
	free(s->renames.at);
	s->renames = left;
}

/* The pending data of a file is forgotten; with sure it is there to stay. */
static void settle_data(struct sim *s, uint32_t inode, bool sure)
{
	struct sim_inode *i = &s->inodes.at[inode];
	size_t writes = 0, resizes = 0;

	for (size_t k = 0; k < s->writes.len; k++) {
		if (s->writes.at[k].inode != inode)
			s->writes.at[writes++] = s->writes.at[k];
		else if (sure)
			sim_content_set(&i->sure, s->writes.at[k].sector, s->writes.at[k].version);
	}
	for (size_t k = 0; k < s->resizes.len; k++)
		if (s->resizes.at[k].inode != inode)
			s->resizes.at[resizes++] = s->resizes.at[k];
	s->writes.len = writes;
	s->resizes.len = resizes;
	if (!sure)
		return;
	i->sure.size = i->now.size;
	for (size_t k = 0; k < i->sure.count; k++)
		i->sure.sector[k] = sector_at(&i->now, k);
}

/* What is read is what a program sees in any case. */
static int sim_forget(const struct cv_io *io, int fd, uint64_t off, uint64_t len)
{
	(void)io;
	(void)fd;
	(void)off;
	(void)len;
	return 0;
}

static int sim_write_over(const struct cv_io *io, int fd)
{
	(void)io;
	(void)fd;
	errno = EOPNOTSUPP;
	return -1;
}

/* A barrier that fails leaves the data in memory, where it is never written from again. */
static int sim_fsync(const struct cv_io *io, int fd)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);

	if (!inode)
		return -1;
	announce(s, s->inodes.at[inode].directory ? "fsync of a directory" : "fsync");
	if (fault(s)) {
		settle_data(s, inode, false);
		return -1;
	}
	if (++s->barriers == s->drop_barrier)
		return 0;
	if (s->inodes.at[inode].directory)
		settle_names(s, inode);
	else
		settle_data(s, inode, true);
	return 0;
}

static void fill_stat(const struct sim *s, uint32_t inode, struct stat *st)
{
	const struct sim_inode *i = &s->inodes.at[inode];

	*st = (struct stat){ .st_dev = s->device, .st_ino = i->number, .st_mode = i->mode, .st_mtim = i->mtime,
			     .st_rdev = i->device, .st_size = i->device ? 0 : (off_t)i->now.size, .st_blksize = 4096, .st_nlink = i->directory ? 2 : 0 };
	for (size_t k = 0; k < s->now.len && !i->directory; k++)
		st->st_nlink += s->now.at[k].inode == inode;
	for (size_t k = 0; k < i->now.count && !i->device; k++)
		st->st_blocks += i->now.sector[k] != SIM_HOLE;
}

static int sim_fstat(const struct cv_io *io, int fd, struct stat *st)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);

	if (fault(s) || !inode)
		return -1;
	fill_stat(s, inode, st);
	return 0;
}

static int sim_fstatat(const struct cv_io *io, int dir, const char *name, struct stat *st)
{
	struct sim *s = sim_of(io);
	uint32_t parent = directory_of(s, dir), inode;

	if (fault(s) || !parent)
		return -1;
	inode = sim_entry_inode(&s->now, parent, name);
	if (!inode)
		return fail(ENOENT);
	fill_stat(s, inode, st);
	return 0;
}

static int sim_fstatvfs(const struct cv_io *io, int fd, struct statvfs *st)
{
	struct sim *s = sim_of(io);
	uint64_t used = sim_used(s), all = s->room ? s->room : used + 1000000;

	if (fault(s) || !inode_of(s, fd))
		return -1;
	*st = (struct statvfs){ .f_bsize = SIM_SECTOR, .f_frsize = SIM_SECTOR, .f_blocks = all,
				.f_bfree = all - used, .f_bavail = all - used, .f_files = 1000, .f_ffree = 900,
				.f_favail = 900 };
	return 0;
}

static int sim_mkdirat(const struct cv_io *io, int dir, const char *name, mode_t mode)
{
	struct sim *s = sim_of(io);
	uint32_t parent = directory_of(s, dir);

	if (fault(s) || !parent)
		return -1;
	if (sim_entry_inode(&s->now, parent, name))
		return fail(EEXIST);
	announce(s, "mkdir");
	change_names(s, (struct sim_rename){ .set = { entry(parent, name, new_inode(s, true, mode)) }, .count = 1 });
	return 0;
}

static int sim_unlinkat(const struct cv_io *io, int dir, const char *name, int flags)
{
	struct sim *s = sim_of(io);
	uint32_t parent = directory_of(s, dir), inode;

	if (fault(s) || !parent)
		return -1;
	inode = sim_entry_inode(&s->now, parent, name);
	if (!inode)
		return fail(ENOENT);
	if (s->inodes.at[inode].directory != !!(flags & AT_REMOVEDIR))
		return fail(s->inodes.at[inode].directory ? EISDIR : ENOTDIR);
	for (size_t k = 0; k < s->now.len; k++)
		if (s->now.at[k].dir == inode)
			return fail(ENOTEMPTY);
	announce(s, "unlink");
	change_names(s, (struct sim_rename){ .set = { entry(parent, name, 0) }, .count = 1 });
	return 0;
}

static int sim_renameat(const struct cv_io *io, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	struct sim *s = sim_of(io);
	uint32_t old_dir = directory_of(s, from_dir), new_dir = directory_of(s, to_dir), moved, there;
	struct sim_rename r = { .count = 2 };

	if (fault(s) || !old_dir || !new_dir)
		return -1;
	moved = sim_entry_inode(&s->now, old_dir, from);
	there = sim_entry_inode(&s->now, new_dir, to);
	if (!moved || (flags & RENAME_EXCHANGE && !there))
		return fail(ENOENT);
	if (there && flags & RENAME_NOREPLACE)
		return fail(EEXIST);
	announce(s, "rename");
	r.set[0] = entry(old_dir, from, flags & RENAME_EXCHANGE ? there : 0);
	r.set[1] = entry(new_dir, to, moved);
	if (moved != there)
		change_names(s, r);
	return 0;
}

static int sim_linkat(const struct cv_io *io, int from_dir, const char *from, int to_dir, const char *to)
{
	struct sim *s = sim_of(io);
	uint32_t old_dir = directory_of(s, from_dir), new_dir = directory_of(s, to_dir), inode;

	if (fault(s) || !old_dir || !new_dir)
		return -1;
	inode = sim_entry_inode(&s->now, old_dir, from);
	if (!inode)
		return fail(ENOENT);
	if (sim_entry_inode(&s->now, new_dir, to))
		return fail(EEXIST);
	announce(s, "link");
	change_names(s, (struct sim_rename){ .set = { entry(new_dir, to, inode) }, .count = 1 });
	return 0;
}

static int sim_symlinkat(const struct cv_io *io, const char *target, int dir, const char *name)
{
	(void)io, (void)target, (void)dir, (void)name;
	return fail(EPERM);
}

static int sim_mkfifoat(const struct cv_io *io, int dir, const char *name, mode_t mode)
{
	(void)io, (void)dir, (void)name, (void)mode;
	return fail(EPERM);
}

static int sim_fchmodat(const struct cv_io *io, int dir, const char *name, mode_t mode)
{
	struct sim *s = sim_of(io);
	uint32_t inode = sim_entry_inode(&s->now, directory_of(s, dir), name);

	if (fault(s))
		return -1;
	if (!inode)
		return fail(ENOENT);
	s->inodes.at[inode].mode = (s->inodes.at[inode].mode & S_IFMT) | mode;
	return 0;
}

static int sim_utimensat(const struct cv_io *io, int dir, const char *name, struct timespec when)
{
	struct sim *s = sim_of(io);
	uint32_t inode = sim_entry_inode(&s->now, directory_of(s, dir), name);

	if (fault(s))
		return -1;
	if (!inode)
		return fail(ENOENT);
	s->inodes.at[inode].mtime = when;
	return 0;
}

/* Everything belongs to the same user. */
static int sim_fchown(const struct cv_io *io, int fd, uid_t owner, gid_t group)
{
	struct sim *s = sim_of(io);

	(void)owner;
	(void)group;
	return !inode_of(s, fd) || fault(s) ? -1 : 0;
}

static int sim_fchmod(const struct cv_io *io, int fd, mode_t mode)
{
	struct sim *s = sim_of(io);
	uint32_t inode = inode_of(s, fd);

	if (!inode || fault(s))
		return -1;
	s->inodes.at[inode].mode = (s->inodes.at[inode].mode & S_IFMT) | mode;
	return 0;
}

static int sim_lock(const struct cv_io *io, int fd, short type, uint64_t off, uint64_t len)
{
	struct sim *s = sim_of(io);

	return fault(s) || !inode_of(s, fd) ? -1 : sim_hold_lock(s, fd, type, off, len);
}

static int sim_locked(const struct cv_io *io, int fd, uint64_t off, uint64_t len)
{
	struct sim *s = sim_of(io);

	return fault(s) || !inode_of(s, fd) ? -1 : sim_hold_locked(s, fd, off, len);
}

static int sim_lease(const struct cv_io *io, int fd, int type)
{
	struct sim *s = sim_of(io);

	return fault(s) || !inode_of(s, fd) ? -1 : sim_hold_lease(s, fd, type);
}

static int sim_lease_state(const struct cv_io *io, int fd)
{
	struct sim *s = sim_of(io);

	return fault(s) || !inode_of(s, fd) ? -1 : sim_hold_lease_state(s, fd);
}

static bool sim_holder(const struct cv_io *io, int fd, bool writers, struct cv_text *who)
{
	const struct sim *s = sim_of(io);
	bool held = false;

	cv_text_add(who, SIM_OTHER);
	for (size_t i = 0; i < s->holds.len; i++)
		held |= s->holds.at[i].kind == SIM_OPENED && s->holds.at[i].inode == s->fds.at[fd].inode &&
			(!writers || s->holds.at[i].type == F_WRLCK);
	return held;
}

static uint64_t sim_clock_ms(const struct cv_io *io)
{
	return sim_of(io)->ms;
}

static void sim_nap(const struct cv_io *io, uint64_t ms)
{
	struct sim *s = sim_of(io);

	s->ms += ms;
	if (s->meanwhile)
		s->meanwhile(s, s->meanwhile_ctx);
}

static int sim_priority(const struct cv_io *io, int value)
{
	struct sim *s = sim_of(io);
	int before = s->priority;

	if (value >= 0)
		s->priority = value;
	return before;
}

/* Each may change the directory: it goes through the names as they were. */
static int sim_list(const struct cv_io *io, int dir, bool (*each)(void *ctx, const char *name), void *ctx)
{
	struct sim *s = sim_of(io);
	uint32_t parent = directory_of(s, dir);
	struct sim_entries names = { 0 };

	if (fault(s) || !parent)
		return -1;
	for (size_t i = 0; i < s->now.len; i++)
		if (s->now.at[i].dir == parent && !sim_entries_push(&names, s->now.at[i]))
			abort();
	for (size_t i = 0; i < names.len; i++)
		if (!each(ctx, names.at[i].name))
			break;
	free(names.at);
	return 0;
}

const struct cv_io sim_io_table = {
	.openat = sim_openat, .close = sim_close, .pread = sim_pread, .pwrite = sim_pwrite, .ftruncate = sim_ftruncate,
	.fallocate = sim_fallocate, .copy_range = sim_copy_range, .clone_range = sim_clone_range, .seek = sim_seek, .forget = sim_forget, .write_over = sim_write_over,
	.fsync = sim_fsync, .fdatasync = sim_fsync, .fstat = sim_fstat, .fstatat = sim_fstatat, .fstatvfs = sim_fstatvfs,
	.mkdirat = sim_mkdirat, .unlinkat = sim_unlinkat, .renameat = sim_renameat, .linkat = sim_linkat,
	.symlinkat = sim_symlinkat, .mkfifoat = sim_mkfifoat, .fchmodat = sim_fchmodat, .utimensat = sim_utimensat,
	.fchown = sim_fchown, .fchmod = sim_fchmod,
	.lock = sim_lock, .locked = sim_locked, .lease = sim_lease, .lease_state = sim_lease_state, .dup = sim_dup,
	.holder = sim_holder, .list = sim_list, .clock_ms = sim_clock_ms, .nap = sim_nap, .priority = sim_priority,
};
