/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What is copied: the extents of a disk as a guest reads it, one behind the other, and the files that hold their bytes.
 * The real one asks a confined process, which alone looks into the images; this side only copies bytes from places that
 * it was told, and from no other files than those of the chain.
 */
#ifndef CV_REPAIR_CONVERT_FEED_H
#define CV_REPAIR_CONVERT_FEED_H

#include "repair/io/io.h"
#include <chainview/extent.h>
#include <chainview/graph.h>
#include <chainview/salvage.h>

struct cv_feed_file {
	int fd;
	struct cv_range part;        /* of the file: where the image, or its data, lie; extents count from its start */
	const char *name;            /* for messages, raw bytes */
};

struct cv_feed {
	/* The next extents, ascending, without gaps; a compressed one is the last of its list. count 0: the end. */
	bool (*next)(struct cv_feed *f, const struct cv_extent **extents, size_t *count, struct cv_err *err);
	/* The guest bytes of the compressed extent that next() gave last. */
	bool (*inflate)(struct cv_feed *f, const struct cv_extent *e, uint8_t *buf, struct cv_err *err);
	void (*close)(struct cv_feed *f);
	const struct cv_feed_file *files;    /* by layer */
	size_t count;
	const int *claimable;        /* descriptors of all files, in the order of the plan's sources; borrowed */
	size_t claimable_count;
};

/* The chain of an image, its files opened anew; closed by cv_feed_close(). Refused if the chain is not whole, unless it is for
 * salvage: then what is not there is BAD. */
struct cv_feed *cv_feed_open(const struct cv_graph *g, uint32_t image, bool salvage, struct cv_err *err);
/* NULL is fine. */
void cv_feed_close(struct cv_feed *f);

/* A new image, in the first length bytes of fd (borrowed). */
struct cv_feed_made {
	int fd;
	uint64_t length;
};
/* Whether a guest reads the same from the chain behind the feed and from the new one (the image first, then its parents), told by a confined process that reads both; from the disk, not from memory, where the system can be asked
 * for that. salvaged: what of the chain is zeros in the new one, as it cannot be read; NULL: nothing. tick: now and then, with the
 * bytes compared so far; false ends it. */
struct cv_feed_watch {
	bool (*tick)(void *ctx, uint64_t done, struct cv_err *err);
	void *ctx;
};
bool cv_feed_compare(const struct cv_graph *g, uint32_t image, const struct cv_feed_made *made, size_t count,
		     enum cv_format_id format, const struct cv_salvage *salvaged, const struct cv_feed_watch *watch,
		     struct cv_err *err);
/* What libvhdi or libqcow read from an image in the first length bytes of fd against what our own reader does; false also
 * when the library does not get through. compared: bytes that were; the others are what it is known to read wrongly.
 * Formats that no library reads (raw) are compared by nobody: 0. */
bool cv_feed_second(int fd, uint64_t length, enum cv_format_id format, const struct cv_feed_watch *watch,
		    uint64_t *compared, struct cv_err *err);

#endif
