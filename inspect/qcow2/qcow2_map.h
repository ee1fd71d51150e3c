/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * QCOW2 at block level: what its parts know of an opened image, the bits of its table entries (specification:
 * QEMU's docs/interop/qcow2), and internal snapshots as layers of their own.
 */
#ifndef CV_INSPECT_QCOW2_MAP_H
#define CV_INSPECT_QCOW2_MAP_H

#include "inspect/qcow2/qcow2_map_inflate.h"
#include "inspect/qcow2/qcow2_map_tables.h"

/* Both levels; bit 63 says that the reference count is exactly one. */
#define QCOW2_ENTRY_OFFSET UINT64_C(0x00fffffffffffe00)
#define QCOW2_ENTRY_COPIED (UINT64_C(1) << 63)
#define QCOW2_L1_RESERVED UINT64_C(0x7f000000000001ff)
#define QCOW2_L2_COMPRESSED (UINT64_C(1) << 62)
#define QCOW2_L2_ZERO UINT64_C(1)            /* version 3 without subclusters; else reserved */
#define QCOW2_L2_RESERVED UINT64_C(0x3f000000000001fe)
#define QCOW2_SUBCLUSTERS 32u                /* second word: low half allocated, high half reads as zeros */

struct cv_qcow2_map {
	struct cv_qcow_tables tables;
	uint64_t cluster;            /* bytes */
	uint64_t limit;              /* length of the file in which guest data lie */
	uint64_t reserved;           /* bits that a standard L2 entry of this image must not have */
	bool data_file, zstd;
	struct cv_qcow_inflater *inflater;   /* made for the first compressed cluster that is read */
};

struct cv_qcow2_reading;
struct cv_qcow2_header;

/* Why nothing can be mapped; NULL if it can. */
const char *cv_qcow2_unusable(const struct cv_qcow2_reading *r);
/* What the tables of an image with this header are; they are not opened. */
void cv_qcow2_map_set(struct cv_qcow2_map *m, const struct cv_qcow2_header *h, struct cv_source *source);

/* The L2 entries without and with subclusters; format is a struct cv_qcow2_map. */
cv_qcow_add cv_qcow2_add_standard, cv_qcow2_add_extended;

/* Where the compressed bytes of a cluster lie, from its L2 entry. */
struct cv_range cv_qcow2_packed(const struct cv_qcow2_map *m, uint64_t entry);

/* qcow2_map_describe.c: the L1 and L2 entries for a guest offset. */
bool cv_qcow2_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err);

/* Where the record of the internal snapshot with this index says that its L1 table is. */
bool cv_qcow2_snapshot_table(struct cv_source *source, uint32_t index, struct cv_range *l1, struct cv_err *err);

/*
 * The disk as the internal snapshot with this index (from 0) holds it. Takes *source. The layer is like any other;
 * what the snapshot does not hold is in the parent of the image.
 */
struct cv_layer *cv_qcow2_snapshot_open(struct cv_source **source, uint32_t index, struct cv_err *err);

#endif
