/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the forecast of a merge wants to know of a QCOW2 parent's tables. Private to inspect/space/. */
#ifndef CV_INSPECT_SPACE_QCOW2_H
#define CV_INSPECT_SPACE_QCOW2_H

#include "inspect/qcow2/qcow2_map.h"
#include "inspect/qcow2/qcow2_words.h"
#include "inspect/space/space_host.h"

struct cv_space_qcow2 {
	struct cv_qcow2_map *map;        /* the layer's */
	struct cv_qcow2_header h;
	struct cv_qcow2_extensions ext;
	uint8_t *block;                  /* the refcount block that is held, one cluster */
	uint64_t block_at;               /* its file offset; 0: none */
	uint64_t block_index;            /* its index; UINT64_MAX: none was looked up */
	uint64_t blocks, last_block;     /* refcount blocks that exist; index of the last plus one */
	uint64_t last_used;              /* clusters of the file up to the last one with a reference */
};

/* The refcount of a cluster of the file; 0 for what no block covers. */
bool cv_space_qcow2_refcount(struct cv_space_host *h, uint64_t cluster, uint64_t *count, struct cv_err *err);
/* How many clusters one refcount block counts. */
uint64_t cv_space_qcow2_covers(const struct cv_space_qcow2 *q);
/* The active L1 entry for a guest offset; 0 behind the table. */
bool cv_space_qcow2_l1(struct cv_space_host *h, uint64_t guest, uint64_t *entry, struct cv_err *err);

#endif
