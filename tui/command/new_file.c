/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Writes a report into a new file: one that exists is never touched, whatever it is. Or into the place of one that is
 * ours, in one step.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/command/exit.h"
#include "tui/command/new_file.h"

static int complain(const char *what, const char *path, const struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_add(&t, what);
	cv_text_escape(&t, cv_bytes_of(path));
	cv_text_addf(&t, ": %s", err->text);
	cv_complain(cv_text_str(&t));
	return cv_exit_of(err);
}

int cv_new_file(const char *path, struct cv_report_call call, int status)
{
	struct cv_err err = { .code = CV_OK };
	int fd;

	if (!strcmp(path, "-"))
		return cv_output_report(call, status);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0) {
		cv_fail_errno(&err, "cannot make it");
		if (err.os_errno == EEXIST)
			err.code = CV_EREFUSED;
		return status | complain("", path, &err);
	}
	if (!cv_output_into(fd, call, &err)) {
		unlink(path);
		status |= complain("cannot write ", path, &err);
	}
	cv_auto_close(&fd);
	return status;
}

#define TEMPORARY ".chainview-%016" PRIx64   /* no collector of metrics reads what begins with a dot */
#define TRIES 100

/* A file of a name that nobody has. */
static int open_temporary(int folder, char name[32])
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t number;
		int fd;

		if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
			return -1;
		snprintf(name, 32, TEMPORARY, number);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/* File systems that cannot do this for folders say EINVAL. */
static bool sync_folder(int folder)
{
	return !fsync(folder) || errno == EINVAL;
}

bool cv_replace_file_at(int folder, const char *name, mode_t mode, struct cv_report_call call, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };
	char temporary[32];
	CV_AUTO(cv_auto_close) int fd = open_temporary(folder, temporary);
	bool written;

	cv_text_escape(&shown, cv_bytes_of(name));
	if (fd < 0)
		return cv_fail_errno(err, "cannot write beside %s", cv_text_str(&shown));
	written = (!fchmod(fd, mode) || cv_fail_errno(err, "cannot set its mode")) && cv_output_into(fd, call, err);
	if (!written)
		cv_wrap(err, "cannot write %s", cv_text_str(&shown));
	else if (renameat(folder, temporary, folder, name))
		written = cv_fail_errno(err, "cannot put %s in its place", cv_text_str(&shown));
	else
		return sync_folder(folder) ||
		       cv_fail_errno(err, "cannot bring the folder of %s to the disk", cv_text_str(&shown));
	unlinkat(folder, temporary, 0);
	return written;
}

bool cv_replace_file(const char *path, mode_t mode, struct cv_report_call call, struct cv_err *err)
{
	const char *slash = strrchr(path, '/');
	CV_AUTO(cv_auto_free) char *parent =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	CV_AUTO(cv_auto_close) int folder = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };

	if (!parent)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_text_escape(&shown, cv_bytes_of(parent));
	if (folder < 0)
		return cv_fail_errno(err, "cannot open the folder %s", cv_text_str(&shown));
	return cv_replace_file_at(folder, slash ? slash + 1 : path, mode, call, err) ||
	       (slash && cv_wrap(err, "in %s", cv_text_str(&shown)));
}

/* Whether the file begins so, or is empty. */
static bool begins_with(const char *path, const char *beginning)
{
	CV_AUTO(cv_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t len = strlen(beginning);
	char buf[64];
	ssize_t n = fd < 0 || len > sizeof buf ? -1 : read(fd, buf, len);

	return !n || (n == (ssize_t)len && !memcmp(buf, beginning, len));
}

bool cv_replace_own_file(const char *path, const char *beginning, struct cv_report_call call, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };
	struct stat st;

	cv_text_escape(&shown, cv_bytes_of(path));
	if (lstat(path, &st))
		return cv_replace_file(path, 0644, call, err);
	if (!S_ISREG(st.st_mode))
		return cv_fail(err, CV_EREFUSED, "%s is no regular file and is not replaced", cv_text_str(&shown));
	if (!begins_with(path, beginning))
		return cv_fail(err, CV_EREFUSED, "%s is not what chainview wrote there before and is not written over",
			       cv_text_str(&shown));
	return cv_replace_file(path, 0644, call, err);
}
