/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A byte source: where an image's bytes come from. It can be read and it knows its size, and that is all:
 * there is no way to write through it. Format code sees sources only, never names or descriptors.
 *
 * Kinds: an open file, memory, a list of extents of another source (a range inside a bigger file, a logical
 * volume), and a cache of the first and last bytes of another source, which is what format code gets: most
 * images are then understood with two or three reads.
 */
#ifndef CHAINVIEW_SOURCE_H
#define CHAINVIEW_SOURCE_H

#include <chainview/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_source;

struct cv_source_ops {
	/* Reads up to len bytes; returns how many, 0 at or behind the end, -1 with errno. May be short. */
	ssize_t (*pread)(struct cv_source *self, void *buf, size_t len, uint64_t off);
	void (*close)(struct cv_source *self);
	/* Finds the next bytes at or behind off (which is before the end) that are more than a hole that reads as
	 * zeros; both at the end if there are none. False if that cannot be known: then everything is data, as it
	 * is where this is NULL. */
	bool (*hole)(struct cv_source *self, uint64_t off, uint64_t *start_of_data, uint64_t *end_of_data);
	/* These bytes will be asked for soon: the system may fetch them meanwhile. May be NULL. */
	void (*expect)(struct cv_source *self, uint64_t off, uint64_t len);
};

/* Embedded as the first member in each kind. size is in bytes and does not change while it is open. */
struct cv_source {
	const struct cv_source_ops *ops;
	uint64_t size;
};

/* Takes the descriptor: cv_source_close() closes it. size as found by fstat or the device's ioctl. */
CV_API struct cv_source *cv_source_fd_adopt(int fd, uint64_t size, struct cv_err *err);

/* Borrows the bytes, which must outlive the source. */
CV_API struct cv_source *cv_source_memory(const void *bytes, size_t len, struct cv_err *err);

/* len bytes at off of the underlying source. */
struct cv_source_extent {
	uint64_t off, len;
};

/*
 * The bytes of the extents one after the other. Takes *under (sets it to NULL) and closes it in the end,
 * also when this fails. Refuses extents that leave the underlying source or whose total wraps.
 */
CV_API struct cv_source *cv_source_extents(struct cv_source **under, const struct cv_source_extent *extents,
					   size_t count, struct cv_err *err);

/*
 * Keeps the first head and the last tail bytes of *under in memory (read at once; a read error there is
 * kept and given when those bytes are asked for). Takes *under as above.
 */
CV_API struct cv_source *cv_source_cached(struct cv_source **under, size_t head, size_t tail, struct cv_err *err);

/* Reads from an owner that must outlive it; closing it leaves that open. For several readers of one file. */
CV_API struct cv_source *cv_source_borrow(struct cv_source *owner, struct cv_err *err);

/* Reads exactly len bytes at off. False with the offset in the text if they cannot be had. */
CV_API bool cv_source_read(struct cv_source *s, void *buf, size_t len, uint64_t off, struct cv_err *err);

/* Says that these bytes will be read soon. Changes nothing but how long that takes. */
CV_API void cv_source_expect(struct cv_source *s, uint64_t off, uint64_t len);

/* NULL is fine. */
CV_API void cv_source_close(struct cv_source *s);
static inline void cv_auto_source(struct cv_source **s)
{
	cv_source_close(*s);
}

#ifdef __cplusplus
}
#endif
#endif
