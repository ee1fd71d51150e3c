/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Copies what a feed tells into a target. Parts that the file system can share are shared; the rest is read and written
 * in pieces, several at a time; runs of zeros stay away. A piece is read by any thread, then in the order of the disk it
 * is given its place, then written by any thread.
 */
#ifndef CV_REPAIR_CONVERT_COPY_H
#define CV_REPAIR_CONVERT_COPY_H

#include "repair/convert/feed.h"
#include "repair/target/target.h"
#include <chainview/salvage.h>

struct cv_copy_options {
	unsigned threads;            /* 0: one thing after the other */
	bool keep_zeros;             /* zeros that are there are copied, not looked for; the kernel may copy then */
	bool no_sharing;
	struct cv_salvage *salvage;  /* what cannot be read goes there, and is zeros in the target; NULL: it ends the copy */
	bool overwrite;              /* the target is no new file: what is not data is made zero, too */
};

struct cv_copied {
	uint64_t done;               /* guest bytes that were looked after so far, of those that some image holds */
	uint64_t shared, written, zeros;
};

/* Called between pieces. */
struct cv_copy_watch {
	bool (*batch)(void *ctx, uint64_t done, struct cv_err *err);
	void *ctx;
};

/* Into a target with a parent goes what the feed says is the image's own (own.h).
 * Everything is in the file, but not behind a barrier, when this returns; cv_target_end() comes next. Fails on what cannot
 * be read, naming the layer's file and the offsets. */
bool cv_copy(struct cv_feed *feed, struct cv_target *target, const struct cv_copy_options *options,
	     const struct cv_copy_watch *watch, struct cv_copied *copied, struct cv_err *err);

#endif
