/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The public way into a repository for those who write. */
#include "repair/operation/work.h"
#include <signal.h>
#include <unistd.h>

/* Whoever can rename things there could make us rename others. */
static bool is_trusted(int root, const char *repository, struct cv_err *err)
{
	struct stat st;

	if (cv_io_real.fstat(&cv_io_real, root, &st) != 0)
		return cv_io_fail(err, "look at", repository);
	if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
		return cv_fail(err, CV_EREFUSED, "everybody may write to this repository (mode %04o): chmod o-w it first",
			       st.st_mode & 07777);
	return true;
}

int cv_repository_open(const char *repository, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	int fd;

	cv_text_addf(&path, "%s/.", repository);
	fd = path.failed ? -1 : cv_io_real.openat(&cv_io_real, AT_FDCWD, cv_text_str(&path), O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		cv_io_fail(err, "open the repository", repository);
	return fd;
}

/* A lease that somebody wants to have back is announced by a signal, which would end the process. */
static void hold_lease_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

struct cv_writing *cv_writing_begin(const char *repository, struct cv_err *err)
{
	struct cv_writing *w = calloc(1, sizeof *w);
	struct cv_host host;
	int root = w ? cv_repository_open(repository, err) : -1;

	hold_lease_signals();
	if (root >= 0 && is_trusted(root, repository, err) && cv_host_here(&host, true, err) &&
	    cv_writing_open(w, &cv_io_real, &host, root, err))
		return w;
	if (!w)
		cv_fail(err, CV_ENOMEM, "out of memory");
	cv_auto_close(&root);
	free(w);
	return NULL;
}

void cv_writing_end(struct cv_writing *w)
{
	if (!w)
		return;
	cv_store_close(&w->store);
	cv_auto_close(&w->root);
	free(w);
}

bool cv_operation_run(struct cv_writing *w, const struct cv_plan *plan, const char *command,
		      const struct cv_monitor *monitor, struct cv_operation_result *result, struct cv_err *err)
{
	return cv_work_run(w, plan, command, monitor, result, err);
}

bool cv_recover(struct cv_writing *w, const struct cv_recover_options *options, size_t *settled, struct cv_err *err)
{
	bool ok;

	w->monitor = options ? options->monitor : NULL;
	w->give_up = options && options->give_up;
	ok = cv_recover_all(w, options && options->adopt, settled, err);
	w->monitor = NULL;
	w->give_up = false;
	return ok;
}
