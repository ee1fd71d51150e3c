/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * QCOW2 structures as bytes: the first cluster, counters, and how many clusters of counters a file needs. Encoding
 * only; files are made by writer.h (guest clusters in any order, snapshots) and stream.h (in ascending order).
 */
#ifndef CV_REPAIR_QCOW2_ENCODE_H
#define CV_REPAIR_QCOW2_ENCODE_H

#include "inspect/qcow2/qcow2_disk.h"
#include "repair/io/io.h"
#include <chainview/facts.h>

#define QCOW2_ENTRY_COPIED     (UINT64_C(1) << 63)
#define QCOW2_ENTRY_COMPRESSED (UINT64_C(1) << 62)
#define QCOW2_ENTRY_ZERO       UINT64_C(1)
#define QCOW2_ENTRY_OFFSET     UINT64_C(0x00fffffffffffe00)

struct cv_qcow2_bitmap_new {
	struct cv_bytes name;
	uint8_t granularity_bits;
	uint32_t flags;
};

/* What the header says. All-zero members have the meaning that QEMU gives to them. */
struct cv_qcow2_image {
	unsigned version;                             /* 2 or 3 */
	unsigned cluster_bits;                        /* 9 to 21 */
	unsigned refcount_order;                      /* 0 to 6; version 2: 4 */
	uint64_t size;                                /* bytes, a multiple of 512 */
	struct cv_bytes backing;                      /* empty: none */
	struct cv_bytes backing_format;               /* empty: not recorded */
	struct cv_bytes data_file;                    /* empty: guest data lies here */
	uint64_t incompatible, compatible, autoclear; /* further feature bits */
	bool zstd;                                    /* compressed clusters are zstd's; version 3 */
	enum cv_mark mark;                            /* NONE: no XCP-ng extension */
	bool no_feature_names;
	const struct cv_qcow2_bitmap_new *bitmaps;
	size_t bitmap_count;
	uint64_t vm_state_room; /* bytes of VM state that the L1 table must have room for */
};

/* False with the reason if there can be no such image. */
bool cv_qcow2_image_is_possible(const struct cv_qcow2_image *image, struct cv_err *err);

/* Where the tables lie in the file, bytes; 0: not there. */
struct cv_qcow2_tables {
	uint64_t l1_off, refcount_off, snapshot_off, directory_off, directory_bytes;
	uint32_t l1_entries, refcount_clusters, snapshot_count;
};

/* Writes the first cluster: header, extensions, backing file name. Says where extensions and name begin. */
bool cv_qcow2_write_head(const struct cv_file_out *out, const struct cv_qcow2_image *image,
			 const struct cv_qcow2_tables *tables, uint64_t *extension_off, uint64_t *name_off,
			 struct cv_err *err);

/* refcounts.c */
/* One counter of 1 << order bits; narrow ones fill a byte from its lowest bit, wide ones are big-endian. False if
 * the number does not fit. */
bool cv_qcow2_put_count(uint8_t *block, uint64_t index, unsigned order, uint32_t count);

struct cv_qcow2_refcounts {
	uint64_t per_block; /* counters */
	uint64_t blocks;
	uint64_t table; /* clusters */
};
/* For a file of so many other clusters: blocks and table count themselves too. */
struct cv_qcow2_refcounts cv_qcow2_refcounts_for(const struct cv_qcow2_image *image, uint64_t clusters);

static inline uint64_t cv_qcow2_whole_clusters(const struct cv_qcow2_image *image, uint64_t bytes)
{
	return (bytes >> image->cluster_bits) + ((bytes & ((UINT64_C(1) << image->cluster_bits) - 1)) != 0);
}

#endif
