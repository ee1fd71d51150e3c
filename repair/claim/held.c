/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The claims of an operation while it runs: taken all together or one by one, looked at, let go. Who opens an image that
 * is claimed waits in open() until the lease on it is let go (or the kernel takes it, after lease-break-time), so this is
 * looked for often, and answered at once.
 */
#include "repair/operation/work.h"

enum { SETTLE_MS = 3000, SETTLE_STEP_MS = 10 };

static int *no_descriptors(size_t count, struct cv_err *err)
{
	int *fds = calloc(count + 1, sizeof *fds);

	if (!fds)
		cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; fds && i < count; i++)
		fds[i] = -1;
	return fds;
}

bool cv_work_claim(struct cv_work *work, bool items, struct cv_err *err)
{
	work->claims = no_descriptors(work->item_count, err);
	work->readers = no_descriptors(work->source_count, err);
	if (!work->claims || !work->readers)
		return false;
	for (size_t i = work->elsewhere; items && i < work->item_count; i++) {
		work->claims[i] = cv_claim_item(work->w, &work->items[i], err);
		if (work->claims[i] < 0)
			return false;
	}
	return true;
}

bool cv_work_claim_from(struct cv_work *work, size_t first, struct cv_err *err)
{
	if (!cv_work_claim(work, false, err))
		return false;
	for (size_t i = first; i < work->item_count; i++) {
		work->claims[i] = cv_claim_as_it_is(work->w, &work->items[i], err);
		if (work->claims[i] < 0)
			return false;
	}
	return true;
}

bool cv_work_claim_reader(struct cv_work *work, int fd, size_t index, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	struct cv_plan_source source = work->sources[index];
	int own = io->dup(io, fd);
	struct stat st;

	if (own < 0)
		return cv_io_fail(err, "claim", source.path);
	/* A file system that was mounted anew has another number. What has the path, inode number, length and time of writing that it
	 * had, to the nanosecond, is the same file all the same. */
	if (!work->plan && io->fstat(io, own, &st) == 0)
		source.device = st.st_dev;
	if (!cv_claim_reader(io, own, &source, cv_work_is_exclusive(work), err)) {
		io->close(io, own);
		return false;
	}
	work->readers[index] = own;
	return true;
}

/* The locks first: who waits for the lease looks at them next. */
static void let_go(const struct cv_io *io, int *fd)
{
	if (*fd < 0)
		return;
	cv_claim_drop(io, *fd);
	io->close(io, *fd);
	*fd = -1;
}

void cv_work_release(struct cv_work *work)
{
	for (size_t i = 0; work->claims && i < work->item_count; i++)
		let_go(work->w->io, &work->claims[i]);
	for (size_t i = 0; work->readers && i < work->source_count; i++)
		let_go(work->w->io, &work->readers[i]);
	free(work->claims);
	free(work->readers);
	work->claims = work->readers = NULL;
}

static bool stop(struct cv_err *err, const char *before, const char *path, const char *behind)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_escape(&name, cv_bytes_of(path));
	return cv_fail(err, CV_ECANCELLED, "stopped%s %s%s", before, cv_text_str(&name), behind);
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Takes the lease back when the one who came has gone away again; false if it stays. */
static bool take_back(const struct cv_io *io, int fd, int lease)
{
	for (uint64_t until = io->clock_ms(io) + SETTLE_MS;;) {
		if (io->lease(io, fd, lease) == 0)
			return true;
		if (io->clock_ms(io) >= until)
			return false;
		io->nap(io, SETTLE_STEP_MS);
	}
}

/* Lets the one who waits in: the locks, which stay, turn QEMU away. Who does not ask for them gets the image. */
static bool turn_away(struct cv_work *work, int fd, int lease, const char *path, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	struct stat before, now;

	if (io->fstat(io, fd, &before) != 0)
		return cv_io_fail(err, "look at", path);
	io->lease(io, fd, F_UNLCK);
	if (!take_back(io, fd, lease)) {
		cv_text_add(&why, ", which was opened by ");
		io->holder(io, fd, lease == F_RDLCK, &why);
		cv_text_add(&why, ", who does not ask for QEMU's locks: resumable");
		return stop(err, ":", path, cv_text_str(&why));
	}
	if (io->fstat(io, fd, &now) != 0)
		return cv_io_fail(err, "look at", path);
	return same(&before, &now) || stop(err, ":", path, " was written to meanwhile");
}

/* What somebody waits for is given up, if it is only read: nothing that we have to put back is in it. A file that we
 * write to is let go when that is done. */
static bool look(struct cv_work *work, int *fd, int lease, const char *path, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	int state = io->lease_state(io, *fd);

	if (state == lease)
		return true;
	if (state < 0)
		return cv_io_fail(err, "look at the lease on", path);
	if (cv_work_is_exclusive(work))
		return turn_away(work, *fd, lease, path, err);
	if (lease == F_RDLCK)
		let_go(io, fd);
	return stop(err, " for a guest that opened", path, ": resumable");
}

bool cv_work_look(struct cv_work *work, struct cv_err *err)
{
	for (size_t i = 0; work->claims && i < work->item_count; i++)
		if (work->claims[i] >= 0 && !look(work, &work->claims[i], F_WRLCK, work->items[i].path, err))
			return false;
	for (size_t i = 0; work->readers && i < work->source_count; i++)
		if (work->readers[i] >= 0 && !look(work, &work->readers[i], F_RDLCK, work->sources[i].path, err))
			return false;
	return true;
}
