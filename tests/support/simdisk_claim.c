/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See simdisk_claim.h. Rules as in the kernel's fs/locks.c, for one other program. */
#include "tests/support/simdisk_claim.h"

static bool overlap(const struct sim_hold *h, uint64_t off, uint64_t len)
{
	return off < h->off + h->len && h->off < off + len;
}

static void hold(struct sim *s, struct sim_hold h)
{
	if (!sim_holds_push(&s->holds, h))
		abort();
}

/* Those of one open file (0: the other program's) on one inode go; kind < 0: all. */
static void drop(struct sim *s, uint64_t open, uint32_t inode, int kind)
{
	size_t left = 0;

	for (size_t i = 0; i < s->holds.len; i++) {
		const struct sim_hold *h = &s->holds.at[i];

		if (h->open != open || h->inode != inode || (kind >= 0 && h->kind != (enum sim_hold_kind)kind))
			s->holds.at[left++] = *h;
	}
	s->holds.len = left;
}

static struct sim_hold *lease_of(const struct sim *s, uint64_t open)
{
	for (size_t i = 0; i < s->holds.len; i++)
		if (s->holds.at[i].kind == SIM_LEASE && s->holds.at[i].open == open)
			return &s->holds.at[i];
	return NULL;
}

/* The first lock of somebody else that one of this type cannot stand beside. */
static const struct sim_hold *conflict(const struct sim *s, uint64_t open, uint32_t inode, short type, uint64_t off,
				       uint64_t len)
{
	for (size_t i = 0; i < s->holds.len; i++) {
		const struct sim_hold *h = &s->holds.at[i];

		if (h->kind == SIM_LOCK && h->inode == inode && h->open != open && overlap(h, off, len) &&
		    (type == F_WRLCK || h->type == F_WRLCK))
			return h;
	}
	return NULL;
}

void sim_hold_drop(struct sim *s, uint64_t open)
{
	size_t left = 0;

	for (size_t i = 0; i < s->holds.len; i++)
		if (s->holds.at[i].open != open)
			s->holds.at[left++] = s->holds.at[i];
	s->holds.len = left;
}

int sim_hold_lock(struct sim *s, int fd, short type, uint64_t off, uint64_t len)
{
	const struct sim_fd *f = &s->fds.at[fd];
	size_t left = 0;

	if (type == F_WRLCK && (f->flags & O_ACCMODE) == O_RDONLY) {
		errno = EBADF;
		return -1;
	}
	if (type != F_UNLCK && conflict(s, f->open, f->inode, type, off, len)) {
		errno = EAGAIN;
		return -1;
	}
	for (size_t i = 0; i < s->holds.len; i++) {
		const struct sim_hold *h = &s->holds.at[i];

		if (h->kind != SIM_LOCK || h->open != f->open || h->off < off || h->off + h->len > off + len)
			s->holds.at[left++] = *h;
	}
	s->holds.len = left;
	if (type != F_UNLCK)
		hold(s, (struct sim_hold){ SIM_LOCK, f->inode, f->open, type, type, off, len });
	return 0;
}

int sim_hold_locked(const struct sim *s, int fd, uint64_t off, uint64_t len)
{
	const struct sim_fd *f = &s->fds.at[fd];
	const struct sim_hold *h = conflict(s, f->open, f->inode, F_WRLCK, off, len);

	return h ? h->type : F_UNLCK;
}

/* Somebody but this open file has it open, for writing or at all. */
static bool is_open(const struct sim *s, uint32_t inode, uint64_t open, bool writing)
{
	for (size_t i = 0; i < s->holds.len; i++)
		if (s->holds.at[i].kind == SIM_OPENED && s->holds.at[i].inode == inode &&
		    (!writing || s->holds.at[i].type == F_WRLCK))
			return true;
	for (size_t i = 0; i < s->fds.len; i++)
		if (s->fds.at[i].inode == inode && (writing ? (s->fds.at[i].flags & O_ACCMODE) != O_RDONLY
							    : s->fds.at[i].open != open))
			return true;
	return false;
}

int sim_hold_lease(struct sim *s, int fd, int type)
{
	const struct sim_fd *f = &s->fds.at[fd];

	if (type != F_UNLCK && s->lease_errno) {
		errno = s->lease_errno;
		return -1;
	}
	if (type != F_UNLCK && is_open(s, f->inode, f->open, type == F_RDLCK)) {
		errno = EAGAIN;
		return -1;
	}
	drop(s, f->open, f->inode, SIM_LEASE);
	if (type != F_UNLCK)
		hold(s, (struct sim_hold){ SIM_LEASE, f->inode, f->open, (short)type, (short)type, 0, 0 });
	return 0;
}

int sim_hold_lease_state(const struct sim *s, int fd)
{
	const struct sim_hold *h = lease_of(s, s->fds.at[fd].open);

	return h ? h->to : F_UNLCK;
}

bool sim_other_opens(struct sim *s, const char *path, bool writes)
{
	uint32_t inode = sim_lookup(s, path);

	for (size_t i = 0; i < s->holds.len; i++) {
		struct sim_hold *h = &s->holds.at[i];

		if (h->kind == SIM_LEASE && h->inode == inode && (writes || h->type == F_WRLCK))
			h->to = writes ? F_UNLCK : F_RDLCK;
	}
	hold(s, (struct sim_hold){ SIM_OPENED, inode, 0, writes ? F_WRLCK : F_RDLCK, 0, 0, 0 });
	return sim_other_waits(s, path);
}

bool sim_other_waits(const struct sim *s, const char *path)
{
	uint32_t inode = sim_lookup(s, path);

	for (size_t i = 0; i < s->holds.len; i++)
		if (s->holds.at[i].kind == SIM_LEASE && s->holds.at[i].inode == inode && s->holds.at[i].to != s->holds.at[i].type)
			return true;
	return false;
}

void sim_other_locks(struct sim *s, const char *path, short type, uint64_t off, uint64_t len)
{
	hold(s, (struct sim_hold){ SIM_LOCK, sim_lookup(s, path), 0, type, type, off, len });
}

bool sim_other_could_lock(const struct sim *s, const char *path, short type, uint64_t off)
{
	return !conflict(s, 0, sim_lookup(s, path), type, off, 1);
}

void sim_other_closes(struct sim *s, const char *path)
{
	drop(s, 0, sim_lookup(s, path), -1);
}

size_t sim_held(const struct sim *s)
{
	size_t held = 0;

	for (size_t i = 0; i < s->holds.len; i++)
		held += s->holds.at[i].open != 0;
	return held;
}
