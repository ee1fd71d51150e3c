/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parent of a merge was before (merge/keep.h), in the folder of the operation in the trash. It is there as long as the image
 * is: who takes the last image out of that folder removes it with the folder (cv_place_tidy()).
 */
#ifndef CV_REPAIR_OPERATION_FORMER_H
#define CV_REPAIR_OPERATION_FORMER_H

#include "repair/merge/keep.h"
#include "repair/operation/work.h"

/*
 * Before anything is written to the item: makes it, and notes in the journal that it is there. before: the journal as it was read,
 * NULL if the operation is a new one; what was made then is opened. Where that is not there any more out.fd is -1, and nothing is
 * kept. cv_keep_close() it in any case.
 */
bool cv_former_begin(struct cv_work *work, size_t item, const struct cv_journal_log *before, struct cv_keep *k, struct cv_err *err);
/* That of an operation. CV_EUSAGE: there is none. cv_keep_close() it in any case. */
bool cv_former_open(const struct cv_writing *w, const uint8_t op[16], struct cv_keep *k, struct cv_err *err);
/* Bytes that it takes up; 0: there is none. */
uint64_t cv_former_allocated(const struct cv_writing *w, const uint8_t op[16]);

#endif
