/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What changing an image (relinking.c) and settling it after a crash (relinking_settle.c) have in common. */
#ifndef CV_REPAIR_OPERATION_RELINKING_WRITE_H
#define CV_REPAIR_OPERATION_RELINKING_WRITE_H

#include "repair/operation/relinking.h"

/* The present state of a page. */
struct cv_relinking_look {
	uint8_t now[CV_RELINK_PAGE];
	bool torn[CV_RELINK_SECTORS];        /* a sector that changes, and is neither old nor new */
	bool any_torn, all_new;
	bool kept, changed;                  /* a sector that does not change is as it was; is not */
	bool telling, told;                  /* one of those that could not be so by chance; and is as it was */
	bool filled;                         /* all that do not change are of one byte: zeros, or ones */
};

/* Which sectors are written. Without looks all of them. */
struct cv_relinking_choice {
	const struct cv_relinking_look *looks;
	bool new;                            /* as they will be, or as they were */
	bool leave_torn;                     /* those are somebody else's */
	bool keep_size;                      /* so is the length of the file */
	bool anyway;                         /* also what looks right: after a barrier that failed it may only look so */
};

bool cv_relinking_barrier(const struct cv_relinking *b, struct cv_err *err);
/* What lies behind the end of the file is zeros: where that moves the page has bytes on one side only. */
bool cv_relinking_read(const struct cv_relinking *b, const struct cv_page *page, uint8_t *now, struct cv_err *err);
/* Layer by layer; the way back is the other way round. */
bool cv_relinking_write(const struct cv_relinking *b, const struct cv_relinking_choice *c, struct cv_err *err);
/* Which image it is about comes first, if there may be others. */
void cv_relinking_pack(const struct cv_relinking *b, struct cv_pack *p);
/* The last record of this type about this image; what comes behind the number of the image is in *u. */
const struct cv_record *cv_relinking_last(const struct cv_relinking *b, const struct cv_journal_log *log,
					  enum cv_record_type type, struct cv_unpack *u);
/* 1: the parser finds the new parent; -1: the former one; 0: neither. */
int cv_relinking_says(const struct cv_relinking *b);

#endif
