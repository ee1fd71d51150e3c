/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What every change to a VHDX in place needs: the header that says who wrote last, and the items of the metadata. */
#ifndef CV_REPAIR_VHDX_CHANGE_H
#define CV_REPAIR_VHDX_CHANGE_H

#include "inspect/vhdx/vhdx.h"

/* The header that counts, and where it lies; *facts: what the reader says of it, the caller's. Refused (CV_EREFUSED) where none
 * does. */
bool cv_vhdx_find_header(struct cv_source *source, struct cv_facts **facts, struct cv_vhdx_header_disk *h, uint64_t *off,
			 struct cv_err *err);
/* The same. Refused also where the log is not empty. */
bool cv_vhdx_current_header(struct cv_source *source, struct cv_vhdx_header_disk *h, uint64_t *off, struct cv_err *err);
/*
 * Whoever writes to a file gives it a new FileWriteGuid (of these bytes) before; that goes into the header that is not current,
 * which becomes the current one. h and off: those of the current one before, those of the new one after.
 */
void cv_vhdx_renew_header(struct cv_vhdx_header_disk *h, uint64_t *off, const uint8_t fresh[16]);

/* A page that is a header in order by itself. */
bool cv_vhdx_is_header(const uint8_t page[4096]);

/* The item of a table (CV_VHDX_TABLE_SIZE bytes) with this identity; NULL if there is none. */
const struct cv_vhdx_item_disk *cv_vhdx_find_item(const uint8_t *table, const char *guid);

#endif
