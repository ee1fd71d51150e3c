/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the files of repair/qcow2 share. */
#ifndef CV_REPAIR_QCOW2_INTERNAL_H
#define CV_REPAIR_QCOW2_INTERNAL_H

#include "inspect/qcow2/qcow2_disk.h"
#include "repair/qcow2/writer.h"

#define QCOW2_ENTRY_COPIED (UINT64_C(1) << 63)
#define QCOW2_ENTRY_ZERO   UINT64_C(1)
#define QCOW2_ENTRY_OFFSET UINT64_C(0x00fffffffffffe00)

/* writer.c: count new clusters at the end of the file, each referred to once. */
bool cv_qcow2_allocate(struct cv_qcow2_writer *w, uint64_t count, uint64_t *first, struct cv_err *err);
static inline uint64_t cv_qcow2_clusters_for(const struct cv_qcow2_writer *w, uint64_t bytes)
{
	return bytes / w->cluster_size + (bytes % w->cluster_size != 0);
}

/* tables.c */
bool cv_qcow2_write_mapping(struct cv_qcow2_writer *w, struct cv_err *err);
bool cv_qcow2_write_snapshots(struct cv_qcow2_writer *w, struct cv_err *err);
bool cv_qcow2_write_bitmaps(struct cv_qcow2_writer *w, struct cv_err *err);
/* refcounts.c */
bool cv_qcow2_write_refcounts(struct cv_qcow2_writer *w, struct cv_err *err);
/* header.c */
bool cv_qcow2_write_header(struct cv_qcow2_writer *w, struct cv_err *err);

#endif
