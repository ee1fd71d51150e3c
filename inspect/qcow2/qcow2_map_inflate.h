/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Compressed clusters of QCOW v1 and QCOW2. Knows nothing of tables: it is told where the bytes lie. */
#ifndef CV_INSPECT_QCOW2_MAP_INFLATE_H
#define CV_INSPECT_QCOW2_MAP_INFLATE_H

#include <chainview/source.h>

struct cv_qcow_inflater;

/* cluster: bytes of an inflated cluster. NULL with err when memory is short. */
struct cv_qcow_inflater *cv_qcow_inflater_new(size_t cluster, bool zstd, struct cv_err *err);
void cv_qcow_inflater_free(struct cv_qcow_inflater *f);

/*
 * The inflated cluster whose compressed bytes lie in this range, at most two clusters of them; the part of the
 * range that the file does not have is left out. Borrowed until the next call; the last one is kept. NULL on error.
 */
const uint8_t *cv_qcow_inflate(struct cv_qcow_inflater *f, struct cv_source *source, struct cv_range packed,
			       struct cv_err *err);

#endif
