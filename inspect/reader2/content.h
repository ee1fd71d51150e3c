/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The guest-visible bytes of a chain as a stream of pieces, for those who go over all of a disk. Long runs of
 * zeros are told and not written out. Runs in a task's process.
 */
#ifndef CV_INSPECT_READER2_CONTENT_H
#define CV_INSPECT_READER2_CONTENT_H

#include <chainview/salvage.h>
#include "inspect/sandbox/task.h"

#define CV_CONTENT_PIECE ((size_t)1 << 20)
/* So many zeros at least are a piece of their own. */
#define CV_CONTENT_ZEROS ((size_t)64 << 10)

/* CV_CONTENT_PIECE zeros. */
extern const uint8_t cv_content_zeros[CV_CONTENT_PIECE];

struct cv_content {
	const struct cv_chain *chain;
	struct cv_extents list;
	size_t at;               /* the extent of pos */
	uint64_t pos, end;
	uint8_t *buf;            /* CV_CONTENT_PIECE bytes */
	const struct cv_lost *lost;      /* ranges that read as zeros, whatever is there; ascending */
	size_t lost_count, lost_at;
};

struct cv_content_piece {
	uint64_t len;            /* 0: the end of the disk */
	const uint8_t *bytes;    /* until the next call; NULL: zeros, as many as there are */
};

/* The layers of a chain as far as they can be opened: false only if the image itself cannot be. A parent that cannot be
 * ends the chain, which is incomplete then, and why says it (code CV_OK if all of them are open). */
bool cv_content_open_found(struct cv_chain *chain, struct cv_source **sources, struct cv_source **data,
			   const struct cv_task_image *images, size_t count, struct cv_err *why, struct cv_err *err);
/* What the last of them stands on is not here, says who opened the files; unless it says itself that there is nothing. */
void cv_content_ends_early(struct cv_chain *chain);
bool cv_content_init(struct cv_content *c, const struct cv_chain *chain, struct cv_err *err);
void cv_content_fini(struct cv_content *c);
bool cv_content_next(struct cv_content *c, struct cv_content_piece *piece, struct cv_err *err);

/* The bytes of an extent that cv_chain_extents() gave, or of a part of it. BAD ones fail. */
bool cv_content_read(const struct cv_chain *chain, const struct cv_extent *e, void *buf, struct cv_err *err);
/* The part [off, off + len) of an extent, which must lie in it. */
struct cv_extent cv_content_part(const struct cv_extent *e, uint64_t off, uint64_t len);

/* The layers of a chain from what a task is given; takes the sources. layers has room for count. */
bool cv_content_open(struct cv_chain *chain, struct cv_source **sources, struct cv_source **data,
		     const struct cv_task_image *images, size_t count, struct cv_err *err);
void cv_content_close(struct cv_chain *chain);

#endif
