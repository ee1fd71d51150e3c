/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Compressing one cluster as QEMU does it: raw deflate with a window of 4 KiB, or zstd. Knows nothing of files. */
#ifndef CV_REPAIR_QCOW2_SQUEEZE_H
#define CV_REPAIR_QCOW2_SQUEEZE_H

#include <chainview/error.h>

struct cv_qcow2_squeezer;

struct cv_qcow2_squeezer *cv_qcow2_squeezer_new(size_t cluster, bool zstd, struct cv_err *err);
/* The compressed bytes of a whole cluster, the squeezer's until it is asked again; *len 0 if they are not fewer. */
bool cv_qcow2_squeeze(struct cv_qcow2_squeezer *s, const void *bytes, const uint8_t **out, size_t *len,
		      struct cv_err *err);
/* NULL is fine. */
void cv_qcow2_squeezer_free(struct cv_qcow2_squeezer *s);

#endif
