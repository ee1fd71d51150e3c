/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the parts of the walks over QCOW2 and QCOW v1 share. */
#ifndef CV_INSPECT_DUMP_QCOW_WALK_H
#define CV_INSPECT_DUMP_QCOW_WALK_H

#include "inspect/dump/work.h"
#include "inspect/qcow2/reading.h"

/* A table of 64-bit words that point to other tables, all of one size. */
struct cv_qcow_tables_of {
	struct cv_range table;
	uint64_t mask, each;                 /* the bits of an offset; bytes of what is pointed to */
	uint64_t counted;                    /* words with one of these bits are counted as COPIED; 0: there is no such bit */
	enum cv_dump_group group;
	bool has_index;
	uint32_t index;
};
/* Sends the table as the piece (if it is one), numbers about it, and the digest of what it points to. */
bool cv_dump_qcow_tables(struct cv_dumping *d, const struct cv_dump_piece *piece, const struct cv_qcow_tables_of *t,
			 struct cv_err *err);

bool cv_dump_qcow2_tables(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err);
bool cv_dump_qcow2_snapshots(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err);
bool cv_dump_qcow2_bitmaps(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err);
bool cv_dump_qcow2_luks(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err);

#endif
