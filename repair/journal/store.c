/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The folder of chainview in a repository. Every step of making it may be the last before a power cut: each leaves
 * something that the next attempt completes. */
#include "repair/journal/store.h"
#include <stdio.h>
#include <unistd.h>

bool cv_store_sync(const struct cv_io *io, int dir, const char *name, struct cv_err *err)
{
	return io->fsync(io, dir) == 0 || cv_io_fail(err, "sync", name);
}

/* Whoever else could write here could make us move files. */
static bool is_ours(const struct cv_io *io, int fd, const char *name, struct cv_err *err)
{
	struct stat st;

	if (io->fstat(io, fd, &st) != 0)
		return cv_io_fail(err, "look at", name);
	if (!S_ISDIR(st.st_mode))
		return cv_fail(err, CV_EREFUSED, "%s is no directory", name);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return cv_fail(err, CV_EREFUSED, "%s belongs to user %u", name, st.st_uid);
	if (st.st_mode & 077)
		return cv_fail(err, CV_EREFUSED, "%s is open to others (mode %04o, not 0700)", name, st.st_mode & 07777);
	return true;
}

int cv_store_folder(const struct cv_io *io, int dir, const char *name, bool make, struct cv_err *err)
{
	int fd = io->openat(io, dir, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 && errno == ENOENT && make) {
		if (io->mkdirat(io, dir, name, 0700) != 0 && errno != EEXIST) {
			cv_io_fail(err, "make the folder", name);
			return -1;
		}
		fd = io->openat(io, dir, name, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd < 0) {
		if (errno == ENOENT)
			cv_fail(err, CV_EUSAGE, "there is no %s", name);
		else
			cv_io_fail(err, "open", name);
		return -1;
	}
	if (!is_ours(io, fd, name, err)) {
		io->close(io, fd);
		return -1;
	}
	return fd;
}

/* Written under another name first, so that it is whole when it is there. */
static bool make_id(struct cv_store *s, struct cv_err *err)
{
	struct cv_file_out out;
	bool ok;

	if (!s->host->random(s->host, s->id, sizeof s->id))
		return cv_fail_errno(err, "cannot make an identity");
	if (s->io->unlinkat(s->io, s->dir, "id.tmp", 0) != 0 && errno != ENOENT)
		return cv_io_fail(err, "remove", "id.tmp");
	if (!cv_out_create(&out, s->io, s->dir, "id.tmp", err))
		return false;
	ok = cv_out_write(&out, s->id, sizeof s->id, 0, err) &&
	     (s->io->fsync(s->io, out.fd) == 0 || cv_io_fail(err, "sync", "id.tmp"));
	ok = cv_out_close(&out, ok, err);
	if (ok && s->io->renameat(s->io, s->dir, "id.tmp", s->dir, "id", RENAME_NOREPLACE) != 0)
		ok = cv_io_fail(err, "rename", "id.tmp");
	return ok;
}

static bool read_id(struct cv_store *s, bool make, struct cv_err *err)
{
	struct cv_file_out file = { s->io, s->io->openat(s->io, s->dir, "id", O_RDONLY | O_NONBLOCK, 0), "id" };
	bool ok;

	if (file.fd < 0 && errno == ENOENT && make)
		return make_id(s, err);
	if (file.fd < 0)
		return errno == ENOENT ? cv_fail(err, CV_EUSAGE, "%s has no identity", CV_STORE_NAME)
				       : cv_io_fail(err, "open", "id");
	ok = cv_out_read(&file, s->id, sizeof s->id, 0, err);
	s->io->close(s->io, file.fd);
	return ok;
}

bool cv_store_open(struct cv_store *s, const struct cv_io *io, const struct cv_host *host, int root,
		   enum cv_store_mode mode, struct cv_err *err)
{
	bool make = mode == CV_STORE_MAKE;
	struct { int *fd; const char *name; } folders[] = {
		{ &s->journal, "journal" }, { &s->done, "done" }, { &s->trash, "trash" },
	};

	*s = (struct cv_store){ .io = io, .host = host, .root = root, .dir = -1, .journal = -1, .done = -1, .trash = -1,
				.lock = -1 };
	s->dir = cv_store_folder(io, root, CV_STORE_NAME, make, err);
	if (s->dir < 0)
		return false;
	for (size_t i = 0; i < CV_COUNT(folders); i++) {
		*folders[i].fd = cv_store_folder(io, s->dir, folders[i].name, make, err);
		if (*folders[i].fd < 0)
			break;
	}
	/* Also what was there already: whoever made it may have been killed before it was sure. */
	if (!err->code && read_id(s, make, err) &&
	    (!make || (cv_store_sync(io, s->dir, CV_STORE_NAME, err) && cv_store_sync(io, root, "the repository", err))))
		return true;
	cv_wrap(err, "%s", CV_STORE_NAME);
	cv_store_close(s);
	return false;
}

void cv_store_close(struct cv_store *s)
{
	int *fds[] = { &s->lock, &s->trash, &s->done, &s->journal, &s->dir };

	for (size_t i = 0; i < CV_COUNT(fds); i++) {
		if (*fds[i] >= 0)
			s->io->close(s->io, *fds[i]);
		*fds[i] = -1;
	}
}

bool cv_store_lock(struct cv_store *s, struct cv_err *err)
{
	s->lock = s->io->openat(s->io, s->dir, "lock", O_RDWR | O_CREAT, 0600);
	if (s->lock < 0)
		return cv_io_fail(err, "open", "lock");
	if (s->io->lock(s->io, s->lock, F_WRLCK, 0, 1) == 0)
		return true;
	if (errno == EAGAIN || errno == EACCES)
		cv_fail(err, CV_EREFUSED, "another operation of chainview is at work in this repository");
	else
		cv_io_fail(err, "lock", "lock");
	s->io->close(s->io, s->lock);
	s->lock = -1;
	return false;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), part = strlen(suffix);

	return len > part && !strcmp(name + len - part, suffix);
}

struct listing {
	struct cv_store_names *names;
	const char *suffix;
	bool failed;
};

static bool take_name(void *ctx, const char *name)
{
	struct listing *l = ctx;
	char *copy;

	if (!ends_with(name, l->suffix))
		return true;
	copy = strdup(name);
	if (copy && cv_store_names_push(l->names, copy))
		return true;
	free(copy);
	l->failed = true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list(const struct cv_store *s, int dir, const char *suffix, struct cv_store_names *names, struct cv_err *err)
{
	struct listing l = { names, suffix, false };

	*names = (struct cv_store_names){ 0 };
	if (s->io->list(s->io, dir, take_name, &l) != 0 || l.failed) {
		cv_store_names_fini(names);
		return l.failed ? cv_fail(err, CV_ENOMEM, "out of memory") : cv_io_fail(err, "read", "the folder of journals");
	}
	if (names->len)
		qsort(names->at, names->len, sizeof *names->at, by_bytes);
	return true;
}

bool cv_store_list(const struct cv_store *s, int dir, struct cv_store_names *names, struct cv_err *err)
{
	return list(s, dir, ".cvj", names, err);
}

void cv_store_names_fini(struct cv_store_names *names)
{
	for (size_t i = 0; i < names->len; i++)
		free(names->at[i]);
	free(names->at);
	*names = (struct cv_store_names){ 0 };
}

bool cv_store_sweep(const struct cv_store *s, struct cv_err *err)
{
	struct cv_store_names names;
	bool ok;

	if (!list(s, s->journal, ".tmp", &names, err))
		return false;
	ok = true;
	for (size_t i = 0; i < names.len && ok; i++)
		ok = s->io->unlinkat(s->io, s->journal, names.at[i], 0) == 0 || cv_io_fail(err, "remove", names.at[i]);
	cv_store_names_fini(&names);
	return ok;
}
