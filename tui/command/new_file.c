/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Writes a report into a new file: one that exists is never touched, whatever it is. */
#include <fcntl.h>
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
