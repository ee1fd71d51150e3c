/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What it means to do what the log of a VHDX asks for ([MS-VHDX] 2.3.3): the file gets the length that it must have, the pages
 * that differ get their bytes, and when all of that is on disk the headers say that the log is empty. Until the first of them is
 * on disk the log is read through as before, so every moment is as good as the one before; done twice it comes out the same.
 *
 * What the guest reads does not change, and neither does DataWriteGuid: those that stand on the disk go on naming it.
 */
#ifndef CV_REPAIR_VHDX_REPLAY_H
#define CV_REPAIR_VHDX_REPLAY_H

#include "inspect/vhdx/vhdx.h"

struct cv_vhdx_replay {
	struct cv_source *before, *after;    /* borrowed; reads as the file will but for its headers */
	uint64_t size;                       /* of the file then */
	struct {
		uint64_t off;
		struct cv_vhdx_header_disk disk;
	} headers[2];                        /* in the order in which they are written, a barrier before each */
};

/* Refused (CV_EREFUSED) if the log is empty, or not to be relied on. cv_vhdx_replay_fini() it also on failure. */
bool cv_vhdx_replay_open(struct cv_vhdx_replay *r, struct cv_source *source, struct cv_err *err);
/* Every page that is not as it will be, in ascending order. False: write said so, or it cannot be read. */
bool cv_vhdx_replay_pages(const struct cv_vhdx_replay *r,
			  bool (*write)(void *ctx, uint64_t off, const uint8_t *page, struct cv_err *err), void *ctx,
			  struct cv_err *err);
void cv_vhdx_replay_fini(struct cv_vhdx_replay *r);

#endif
