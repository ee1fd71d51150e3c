/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a file was before it was merged into: a file of its own, so that taking the merge back can give it back byte for byte.
 * Where the file system shares extents it holds a clone of all of it. Elsewhere it holds each page that is about to be written, as it
 * was: a record for each run of pages, on disk before the first byte of these is touched.
 *
 *   page 0     head: which operation, how long the file was; whether it is a clone, and where that begins
 *   records    a page that says what follows, then the bytes; or the clone
 *
 * A record that a crash has cut off was never on disk for sure: what it was to hold has not been touched, and is kept anew.
 */
#ifndef CV_REPAIR_MERGE_KEEP_H
#define CV_REPAIR_MERGE_KEEP_H

#include "repair/io/io.h"
#include <chainview/base.h>

#define CV_KEEP_NAME "former"        /* in the folder of the operation in the trash */

struct cv_keep {
	struct cv_file_out out;      /* fd -1: none */
	uint64_t former;             /* the file's length before the operation began */
	bool whole;                  /* it is a clone */
	uint64_t clone;              /* that begins here */
	uint64_t end, number;        /* behind the last record; how many there are */
	uint64_t bytes;              /* kept: those of the file, if they were copied */
	uint8_t *kept, *wanted;      /* a bit for each page of the file: it is kept, it will be */
	uint64_t pages;              /* wanted and not kept */
	uint64_t next;               /* page that cv_keep_wanted() goes on from */
	bool dirty;                  /* something is not on disk for sure */
};

/* Makes it in that folder, for a file as it is; on disk when it returns, but for the name of the folder. A clone if that can be. */
bool cv_keep_make(struct cv_keep *k, const struct cv_io *io, int dir, const uint8_t op[16], const struct cv_file_out *file,
		  uint64_t former, struct cv_err *err);
/* Opens what an operation has made. CV_EUSAGE: there is none, or it was never whole; CV_EFORMAT: it is not of this operation. */
bool cv_keep_open(struct cv_keep *k, const struct cv_io *io, int dir, const uint8_t op[16], struct cv_err *err);
/* What was opened is about to be added to: what a crash has cut off goes. */
bool cv_keep_go_on(struct cv_keep *k, struct cv_err *err);
void cv_keep_close(struct cv_keep *k);

/* These bytes of the file will be written: cv_keep_wanted() keeps them all at once. */
void cv_keep_want(struct cv_keep *k, uint64_t off, uint64_t len);
/* Up to most bytes of what is wanted; *more: that was not all. Sure after cv_keep_sync(). */
bool cv_keep_wanted(struct cv_keep *k, const struct cv_file_out *file, uint64_t most, bool *more, struct cv_err *err);
/* These bytes are about to be written. Sure after cv_keep_sync(), or when the second returns. */
bool cv_keep_add(struct cv_keep *k, const struct cv_file_out *file, uint64_t off, uint64_t len, struct cv_err *err);
bool cv_keep_before(struct cv_keep *k, const struct cv_file_out *file, uint64_t off, uint64_t len, struct cv_err *err);
bool cv_keep_sync(struct cv_keep *k, struct cv_err *err);

/*
 * The file becomes what it was, on disk when it returns; as often as need be. And whether it is: *same.
 * tick: done of total bytes; false with err set stops. May be NULL.
 */
struct cv_keep_tick {
	bool (*call)(void *ctx, uint64_t done, uint64_t total, struct cv_err *err);
	void *ctx;
};
bool cv_keep_restore(struct cv_keep *k, const struct cv_file_out *file, const struct cv_keep_tick *tick, struct cv_err *err);
bool cv_keep_compare(struct cv_keep *k, const struct cv_file_out *file, const struct cv_keep_tick *tick, bool *same, struct cv_err *err);

#endif
