/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of tables: what a scan does not read. A scan looks at headers and names, which is quick; a check goes
 * through every table of every image (block tables, bitmaps, refcounts, logs), as fsck does. It never stops at the
 * first thing that is wrong.
 *
 * It runs in processes that can do nothing but read what they were given, several images at a time, and is advanced
 * in steps like a scan. Its findings become part of the graph that is built with it.
 */
#ifndef CHAINVIEW_CHECK_H
#define CHAINVIEW_CHECK_H

#include <chainview/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was found out about the tables of one file. */
struct cv_checked {
	bool done;               /* gone through to the end; false with trouble: why not */
	const char *trouble;     /* one escaped line, or NULL */
	const struct cv_facts *facts;   /* of the check: findings, and its counts as attributes; NULL when there are none */
	uint64_t corruptions;    /* things that are wrong, as qemu-img check counts them for QCOW2 */
	uint64_t leaked_bytes;   /* of the image file, that nothing in it points to */
};

struct cv_check_options {
	unsigned workers;        /* processes; 0 = one for each processor, at most 8 */
	const bool *wanted;      /* by the index of the file in the scan: only these; NULL: all */
};

struct cv_check_progress {
	size_t images, images_done;
	uint64_t bytes, bytes_done;     /* of tables, as far as they are known */
	bool done, cancelled;
	const char *current;            /* path of an image that is being looked at, raw bytes; may be NULL */
};

struct cv_check;

/* For every image of a scan that is done, but those of other places (--with). The scan must outlive it. False
 * only when no process can be started. */
CV_API struct cv_check *cv_check_new(const struct cv_scan *scan, const struct cv_check_options *options,
				     struct cv_err *err);
CV_API void cv_check_free(struct cv_check *check);
/* Waits up to timeout_ms (-1: as long as it takes) for something to happen. True while there is more to come. */
CV_API bool cv_check_step(struct cv_check *check, int timeout_ms);
CV_API int cv_check_poll_fd(const struct cv_check *check);
CV_API struct cv_check_progress cv_check_progress(const struct cv_check *check);
/* Ends the processes; images that were not gone through stay so. */
CV_API void cv_check_cancel(struct cv_check *check);
/* By the index of the file in the scan; NULL if its tables are not looked at (no image, another place). */
CV_API const struct cv_checked *cv_check_of(const struct cv_check *check, size_t file);

#ifdef __cplusplus
}
#endif
#endif
