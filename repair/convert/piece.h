/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A piece of a disk on its way: read, then placed, then written. */
#ifndef CV_REPAIR_CONVERT_PIECE_H
#define CV_REPAIR_CONVERT_PIECE_H

#include "repair/convert/crew.h"
#include "repair/convert/feed.h"
#include "repair/target/target.h"
#include <chainview/salvage.h>
#include <chainview/vec.h>

#define CV_PIECE_BYTES ((uint64_t)2 << 20)

/* Bytes of the piece from at on, and where they go. */
struct cv_piece_part { uint64_t at, len, host; };
CV_VEC(cv_piece_parts, struct cv_piece_part);

struct cv_piece {
	struct cv_job job;           /* first */
	const struct cv_file_out *out;
	const struct cv_feed_file *file;
	uint64_t host;               /* in the file it comes from */
	struct cv_range guest;
	uint8_t *buf;                /* CV_PIECE_BYTES */
	struct cv_piece_parts parts;
	bool placed;                 /* it had its place, placed_at, before it was read */
	bool whole;                  /* zeros in it are written, too */
	uint64_t placed_at, to_write;
	bool salvage;                /* what cannot be read is zeros, and listed */
	uint32_t layer;
	struct cv_lost_list lost;
	struct cv_err err;           /* what went wrong in a thread */
};

bool cv_piece_init(struct cv_piece *p, const struct cv_file_out *out);
void cv_piece_fini(struct cv_piece *p);
/* guest.len bytes from host of the file, by the crew. */
void cv_piece_read(struct cv_piece *p, const struct cv_feed_file *file, uint64_t host, struct cv_range guest,
		   struct cv_crew *crew);
/* The caller fills buf. */
void cv_piece_hold(struct cv_piece *p, struct cv_range guest);
/* Finds out where its bytes go. Units of the target that are all zero go nowhere (in a target with a parent: are made zero),
 * unless zeros are kept. */
bool cv_piece_place(struct cv_piece *p, struct cv_target *target, bool keep_zeros, struct cv_err *err);
/* Collects whole units for targets that compress: a unit may come in several pieces. */
struct cv_packer {
	struct cv_target *target;
	uint8_t *buf;                /* one unit; NULL: not used */
	uint64_t unit;               /* the number of the unit that is in it; UINT64_MAX: none */
	bool zero;                   /* nothing but zeros was put there */
};
bool cv_packer_init(struct cv_packer *k, struct cv_target *target);
void cv_packer_fini(struct cv_packer *k);
/* Instead of cv_piece_place(). */
bool cv_piece_pack(struct cv_piece *p, struct cv_packer *k, struct cv_err *err);
/* What is still held: at the end, and before something else is placed. */
bool cv_packer_flush(struct cv_packer *k, struct cv_err *err);
/* By the crew. */
void cv_piece_write(struct cv_piece *p, struct cv_crew *crew);

#endif
