/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Who has a file open, so that a refusal can say whom to ask. */
#include "inspect/reference/holders.h"
#include "inspect/source/open.h"
#include "repair/io/io.h"

struct sought {
	uint64_t device, inode, number;
	bool block_device, writers;
	unsigned holds;              /* of the one that is named */
	size_t count;
	struct cv_text who;
};

static size_t by_inode(void *ctx, uint64_t device, uint64_t inode)
{
	const struct sought *s = ctx;

	return s->device == device && s->inode == inode ? 0 : SIZE_MAX;
}

static size_t by_device(void *ctx, uint64_t number)
{
	const struct sought *s = ctx;

	return s->block_device && s->number == number ? 0 : SIZE_MAX;
}

static size_t by_path(void *ctx, const char *path, uint64_t inode)
{
	const struct sought *s = ctx;
	struct cv_entry entry;

	if (inode && inode != s->inode)
		return SIZE_MAX;
	entry = cv_named_stat(path);
	return entry.os_errno ? SIZE_MAX : by_inode(ctx, entry.device, entry.inode);
}

/* A mapping may be written to, for all that is known of it. */
static bool may_write(unsigned holds)
{
	return holds & (CV_HOLD_WRITING | CV_HOLD_OPEN_WRITE) || holds == CV_HOLD_MAPPED;
}

/* The one that does most with it is named. */
static bool hold(void *ctx, size_t file, const struct cv_holder *holder)
{
	struct sought *s = ctx;

	(void)file;
	if (s->writers && !may_write(holder->holds))
		return true;
	s->count++;
	if (s->count > 1 && holder->holds <= s->holds)
		return true;
	s->holds = holder->holds;
	cv_text_clear(&s->who);
	if (holder->loop)
		cv_text_add(&s->who, "the loop device /dev/");
	cv_text_escape(&s->who, cv_bytes_of(holder->loop ? holder->loop : holder->command));
	if (holder->pid)
		cv_text_addf(&s->who, " (pid %ld)", holder->pid);
	else if (!holder->loop)
		cv_text_add(&s->who, "a process that cannot be seen from here");
	return !s->who.failed;
}

bool cv_holder_seen(const struct cv_io *io, int fd, bool writers, struct cv_text *who)
{
	struct cv_looked looked = { 0 };
	struct sought s = { .writers = writers };
	const struct cv_wanted wanted = { &s, by_inode, by_device, by_path, hold };
	bool asked = false;
	struct stat st;

	if (io->fstat(io, fd, &st) == 0) {
		s.device = st.st_dev;
		s.inode = st.st_ino;
		s.number = st.st_rdev;
		s.block_device = S_ISBLK(st.st_mode);
		asked = cv_holders_find(&wanted, &looked);
	}
	if (s.count)
		cv_text_add(who, cv_text_str(&s.who));
	else
		cv_looked_words(&looked, who);
	if (s.count > 1)
		cv_text_addf(who, " and %zu more", s.count - 1);
	cv_text_fini(&s.who);
	return s.count || !asked;
}

bool cv_holder_find(const struct cv_io *io, int fd, bool writers, struct cv_text *who)
{
	CV_AUTO(cv_text_fini) struct cv_text found = { 0 };
	bool seen = cv_holder_seen(io, fd, writers, &found);

	if (seen && found.len)
		cv_text_add(who, cv_text_str(&found));
	else
		cv_text_addf(who, found.len ? "somebody who cannot be seen from here (%s)"
					    : "somebody who cannot be seen from here%s", cv_text_str(&found));
	return seen;
}
