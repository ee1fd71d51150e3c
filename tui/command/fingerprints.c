/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The file of fingerprints: read as if anybody had written it, replaced in one step. No link is followed. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/command/fingerprints.h"
#include "tui/command/new_file.h"
#include "tui/command/state.h"

#define LOCK_FILE "fingerprints.lock"
#define LARGEST ((off_t)256 << 20)
/* What nobody has seen for so long is forgotten. */
#define FORGET_SECONDS ((int64_t)400 * 24 * 3600)

static bool fail_name(struct cv_err *err, const char *name, const char *why)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(cv_state_folder()));
	if (name)
		cv_text_addf(&t, "/%s", name);
	return cv_fail(err, CV_EREFUSED, "%s: %s", cv_text_str(&t), why);
}

/* Others could put anything in its place, or into it. */
static bool is_ours(const struct stat *st)
{
	return (st->st_uid == geteuid() || !st->st_uid) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Nobody asked for a folder that is not there, or that this user may not use: then there is none. */
static bool is_not_for_us(int number)
{
	return number == ENOENT || ((number == EACCES || number == EROFS) && !getenv("CHAINVIEW_STATE_DIR"));
}

static int dup_cloexec(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* The folder, or -1: without an error if there is none. */
static int open_folder(struct cv_err *err)
{
	const char *path = cv_state_folder();
	CV_AUTO(cv_auto_close) int fd = -1;
	struct stat st;

	if (!path)
		return -1;
	if (getenv("CHAINVIEW_STATE_DIR"))
		mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && !is_not_for_us(errno))
		cv_fail_errno(err, "cannot open the state folder");
	else if (fd >= 0 && (fstat(fd, &st) || !is_ours(&st)))
		fail_name(err, NULL, "others can write to it, so what it holds is not believed");
	return err->code || fd < 0 ? -1 : dup_cloexec(fd);
}

static bool read_file(int fd, struct cv_text *t, struct cv_err *err)
{
	struct stat st;
	char buf[65536];
	ssize_t n;

	if (fstat(fd, &st))
		return fail_name(err, CV_FINGERPRINT_FILE, strerror(errno));
	if (!S_ISREG(st.st_mode) || !is_ours(&st))
		return fail_name(err, CV_FINGERPRINT_FILE, "it is no usual file of ours");
	if (st.st_size > LARGEST)
		return fail_name(err, CV_FINGERPRINT_FILE, "it is too large");
	while ((n = read(fd, buf, sizeof buf)) > 0 && t->len <= (size_t)LARGEST)
		cv_text_add_bytes(t, buf, (size_t)n);
	if (n < 0)
		return fail_name(err, CV_FINGERPRINT_FILE, strerror(errno));
	return !t->failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static struct cv_fingerprints *load_from(int folder, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int fd = openat(folder, CV_FINGERPRINT_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	struct cv_fingerprints *set = NULL;

	if (fd < 0 && !is_not_for_us(errno))
		fail_name(err, CV_FINGERPRINT_FILE, strerror(errno));
	if (fd < 0 || !read_file(fd, &text, err))
		return NULL;
	set = cv_fingerprints_read((struct cv_bytes){ cv_text_str(&text), text.len }, err);
	if (!set) {
		cv_text_clear(&text);
		cv_text_escape(&text, cv_bytes_of(cv_state_folder()));
		cv_wrap(err, "%s/" CV_FINGERPRINT_FILE, cv_text_str(&text));
	}
	return set;
}

struct cv_fingerprints *cv_fingerprints_load(bool *usable, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int folder = open_folder(err);

	*usable = folder >= 0;
	return folder >= 0 ? load_from(folder, err) : NULL;
}

static bool put(const struct cv_sink *sink, void *ctx)
{
	return cv_fingerprints_write(ctx, sink);
}

bool cv_fingerprints_store(const struct cv_fingerprints *now, int64_t seconds, struct cv_err *err)
{
	CV_AUTO(cv_auto_close) int folder = open_folder(err);
	CV_AUTO(cv_auto_close) int lock = -1;
	struct cv_fingerprints *kept, *all;
	struct cv_err damaged = { .code = CV_OK };
	bool ok;

	if (folder < 0)
		return err->code == CV_OK;
	lock = openat(folder, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (lock < 0 && is_not_for_us(errno))
		return true;
	if (lock < 0 || flock(lock, LOCK_EX))
		return cv_fail_errno(err, "cannot lock the fingerprints");
	/* Somebody else may have added to it since it was read. What is damaged was said then, and is put aside. */
	kept = load_from(folder, &damaged);
	if (damaged.code)
		renameat(folder, CV_FINGERPRINT_FILE, folder, CV_FINGERPRINT_FILE ".damaged");
	all = cv_fingerprints_merge(kept, now, seconds, FORGET_SECONDS, err);
	ok = all && cv_replace_file_at(folder, CV_FINGERPRINT_FILE, 0600, (struct cv_report_call){ put, all }, err);
	cv_fingerprints_free(kept);
	cv_fingerprints_free(all);
	return ok;
}
