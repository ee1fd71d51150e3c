/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * REPOSITORY/.chainview: where journals and the trash of a repository are, on the same file system as its images, so that a
 * rename moves them. Made by the first operation that writes, never by one that reads. Owned by who runs this, closed to
 * everybody else; anything else in its place (a link, another owner, wider permissions) is refused.
 *
 *   id         identity of the repository: 16 bytes
 *   lock       locked while an operation runs
 *   journal/   unfinished operations      done/   finished ones      trash/OPERATION/   what they took away
 *   stage/     new images that are not complete
 */
#ifndef CV_REPAIR_JOURNAL_STORE_H
#define CV_REPAIR_JOURNAL_STORE_H

#include "repair/journal/journal.h"

#define CV_STORE_NAME ".chainview"

struct cv_store {
	const struct cv_io *io;
	const struct cv_host *host;
	int root;                    /* of the repository; borrowed */
	int dir, journal, done, trash, lock;
	uint8_t id[16];
};

enum cv_store_mode { CV_STORE_READ, CV_STORE_MAKE };

/* Opens what is there; with MAKE, makes what is missing, on disk when this returns. READ: false with CV_EUSAGE if there is
 * none. root: an open directory. */
bool cv_store_open(struct cv_store *s, const struct cv_io *io, const struct cv_host *host, int root,
		   enum cv_store_mode mode, struct cv_err *err);
void cv_store_close(struct cv_store *s);
/* Held until it is closed; refused (CV_EREFUSED) if somebody else has it. */
bool cv_store_lock(struct cv_store *s, struct cv_err *err);

/* Opens a folder of ours; with make, makes it if it is not there (sure after a sync of dir). -1 with err set; CV_EUSAGE if
 * it is not there. */
int cv_store_folder(const struct cv_io *io, int dir, const char *name, bool make, struct cv_err *err);
/* fsync of a folder. */
bool cv_store_sync(const struct cv_io *io, int dir, const char *name, struct cv_err *err);

/* Names of unfinished journals ("....cvj"), in byte order; the caller frees the list and each name. Remains of journals
 * that never began (.tmp) are not listed. */
CV_VEC(cv_store_names, char *);
bool cv_store_list(const struct cv_store *s, int dir, struct cv_store_names *names, struct cv_err *err);
void cv_store_names_fini(struct cv_store_names *names);
/* Removes what journals that never began left; with the lock held. */
bool cv_store_sweep(const struct cv_store *s, struct cv_err *err);

#endif
