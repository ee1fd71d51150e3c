/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the files of the writer share. */
#ifndef CV_REPAIR_QCOW2_INTERNAL_H
#define CV_REPAIR_QCOW2_INTERNAL_H

#include "repair/qcow2/writer.h"

/* writer.c: count new clusters at the end of the file, each referred to once. */
bool cv_qcow2_allocate(struct cv_qcow2_writer *w, uint64_t count, uint64_t *first, struct cv_err *err);
static inline uint64_t cv_qcow2_clusters_for(const struct cv_qcow2_writer *w, uint64_t bytes)
{
	return cv_qcow2_whole_clusters(&w->image, bytes);
}

/* tables.c */
bool cv_qcow2_write_mapping(struct cv_qcow2_writer *w, struct cv_err *err);
bool cv_qcow2_write_snapshots(struct cv_qcow2_writer *w, struct cv_err *err);
bool cv_qcow2_write_bitmaps(struct cv_qcow2_writer *w, struct cv_err *err);
/* refcounts.c */
bool cv_qcow2_write_refcounts(struct cv_qcow2_writer *w, struct cv_err *err);

#endif
