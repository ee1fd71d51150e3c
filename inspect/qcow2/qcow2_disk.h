/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * QCOW2 as it lies in the file, all big-endian (specification: QEMU's docs/interop/qcow2). Layout and the
 * numbers that belong to it only; what they mean is decoded elsewhere.
 *
 *   0            header_length      end of area         offsets given by the header, cluster-aligned
 *   | header ... | extensions ... | backing file name | L1 | refcount table | snapshots | bitmap directory ...
 *   |<------------------ first cluster -------------->|
 */
#ifndef CV_INSPECT_QCOW2_DISK_H
#define CV_INSPECT_QCOW2_DISK_H

#include <chainview/bytes.h>

#define QCOW2_MAGIC 0x514649fbu              /* "QFI\xfb" */
#define QCOW2_V2_HEADER 72u                  /* bytes; version 3 says itself how many it has */
#define QCOW2_V3_HEADER 104u

struct cv_qcow2_header_disk {
	cv_be32 magic, version;              /*   0 */
	cv_be64 backing_off;                 /*   8  0 = no backing file */
	cv_be32 backing_len;                 /*  16  bytes, no NUL */
	cv_be32 cluster_bits;                /*  20 */
	cv_be64 size;                        /*  24  bytes */
	cv_be32 crypt_method, l1_entries;    /*  32 */
	cv_be64 l1_off;                      /*  40 */
	cv_be64 refcount_off;                /*  48 */
	cv_be32 refcount_clusters;           /*  56 */
	cv_be32 snapshot_count;              /*  60 */
	cv_be64 snapshot_off;                /*  64 */
	/* version 3 */
	cv_be64 incompatible;                /*  72 */
	cv_be64 compatible;                  /*  80 */
	cv_be64 autoclear;                   /*  88 */
	cv_be32 refcount_order;              /*  96  a counter has 1 << order bits */
	cv_be32 header_length;               /* 100 */
	uint8_t compression_type, pad[7];    /* 104  only if header_length reaches past it */
};
_Static_assert(sizeof(struct cv_qcow2_header_disk) == 112, "QCOW2 header size");
_Static_assert(offsetof(struct cv_qcow2_header_disk, size) == 24, "virtual size offset");
_Static_assert(offsetof(struct cv_qcow2_header_disk, refcount_off) == 48, "refcount table offset");
_Static_assert(offsetof(struct cv_qcow2_header_disk, incompatible) == QCOW2_V2_HEADER, "version 2 ends here");
_Static_assert(offsetof(struct cv_qcow2_header_disk, header_length) == 100, "header length offset");
_Static_assert(offsetof(struct cv_qcow2_header_disk, compression_type) == QCOW2_V3_HEADER, "first optional field");

enum {
	QCOW2_INCOMPATIBLE_DIRTY = 1 << 0, QCOW2_INCOMPATIBLE_CORRUPT = 1 << 1, QCOW2_INCOMPATIBLE_DATA_FILE = 1 << 2,
	QCOW2_INCOMPATIBLE_COMPRESSION = 1 << 3, QCOW2_INCOMPATIBLE_EXTENDED_L2 = 1 << 4,
	QCOW2_INCOMPATIBLE_KNOWN = 0x1f,
	QCOW2_COMPATIBLE_LAZY_REFCOUNTS = 1 << 0, QCOW2_COMPATIBLE_KNOWN = 0x1,
	QCOW2_AUTOCLEAR_BITMAPS = 1 << 0, QCOW2_AUTOCLEAR_RAW_DATA = 1 << 1, QCOW2_AUTOCLEAR_KNOWN = 0x3,
};
enum { QCOW2_CRYPT_NONE, QCOW2_CRYPT_AES, QCOW2_CRYPT_LUKS, QCOW2_CRYPT_COUNT };
enum { QCOW2_COMPRESSION_ZLIB, QCOW2_COMPRESSION_ZSTD, QCOW2_COMPRESSION_COUNT };

struct cv_qcow2_extension_disk {             /* data follows, padded to 8 bytes */
	cv_be32 type;                        /*   0 */
	cv_be32 length;                      /*   4 */
};
_Static_assert(sizeof(struct cv_qcow2_extension_disk) == 8, "extension header size");

#define QCOW2_EXTENSION_END 0x00000000u
#define QCOW2_EXTENSION_FORMAT 0xe2792acau
#define QCOW2_EXTENSION_FEATURES 0x6803f857u
#define QCOW2_EXTENSION_BITMAPS 0x23852875u
#define QCOW2_EXTENSION_LUKS 0x0537be77u
#define QCOW2_EXTENSION_DATA_FILE 0x44415441u
#define QCOW2_EXTENSION_MARK 0x76617465u     /* XCP-ng: 8 bytes, the first is 1 when the node is hidden */

struct cv_qcow2_feature_disk {
	uint8_t kind, bit;                   /*   0  0 incompatible, 1 compatible, 2 autoclear */
	char name[46];                       /*   2  padded with NUL */
};
_Static_assert(sizeof(struct cv_qcow2_feature_disk) == 48, "feature name record size");

struct cv_qcow2_bitmaps_disk {
	cv_be32 count, reserved;             /*   0 */
	cv_be64 directory_size;              /*   8  bytes */
	cv_be64 directory_off;               /*  16 */
};
_Static_assert(sizeof(struct cv_qcow2_bitmaps_disk) == 24, "bitmaps extension size");

struct cv_qcow2_luks_disk {
	cv_be64 off, length;                 /*   0 */
};
_Static_assert(sizeof(struct cv_qcow2_luks_disk) == 16, "LUKS pointer size");

struct cv_qcow2_snapshot_disk {              /* extra data, id and name follow; records start at multiples of 8 */
	cv_be64 l1_off;                      /*   0 */
	cv_be32 l1_entries;                  /*   8 */
	cv_be16 id_len, name_len;            /*  12 */
	cv_be32 seconds, nanoseconds;        /*  16 */
	cv_be64 vm_clock;                    /*  24  nanoseconds */
	cv_be32 vm_state_size;               /*  32 */
	cv_be32 extra_len;                   /*  36 */
};
_Static_assert(sizeof(struct cv_qcow2_snapshot_disk) == 40, "snapshot record size");
_Static_assert(offsetof(struct cv_qcow2_snapshot_disk, vm_state_size) == 32, "VM state size offset");

struct cv_qcow2_snapshot_extra_disk {        /* as much of it as extra_len says */
	cv_be64 vm_state_size;               /*   0 */
	cv_be64 disk_size;                   /*   8 */
	cv_be64 icount;                      /*  16 */
};
_Static_assert(sizeof(struct cv_qcow2_snapshot_extra_disk) == 24, "snapshot extra data size");
_Static_assert(offsetof(struct cv_qcow2_snapshot_extra_disk, disk_size) == 8, "snapshot disk size offset");

struct cv_qcow2_bitmap_disk {                /* extra data and name follow; entries start at multiples of 8 */
	cv_be64 table_off;                   /*   0 */
	cv_be32 table_entries;               /*   8 */
	cv_be32 flags;                       /*  12  bit 0 in use, 1 auto, 2 extra data may be ignored */
	uint8_t type, granularity_bits;      /*  16 */
	cv_be16 name_len;                    /*  18 */
	cv_be32 extra_len;                   /*  20 */
};
_Static_assert(sizeof(struct cv_qcow2_bitmap_disk) == 24, "bitmap directory entry size");
_Static_assert(offsetof(struct cv_qcow2_bitmap_disk, name_len) == 18, "bitmap name length offset");

/* What QEMU 7.2 accepts; images beyond it cannot be opened by it. */
#define QCOW2_MIN_CLUSTER_BITS 9
#define QCOW2_MAX_CLUSTER_BITS 21
#define QCOW2_MIN_EXTENDED_CLUSTER_BITS 14
#define QCOW2_MAX_L1_ENTRIES (32u << 20 >> 3)
#define QCOW2_MAX_REFCOUNT_TABLE (8u << 20)
#define QCOW2_MAX_REFCOUNT_ORDER 6
#define QCOW2_MAX_SNAPSHOTS 65536u
#define QCOW2_MAX_SNAPSHOT_EXTRA 1024u
#define QCOW2_MAX_BITMAPS 65535u
#define QCOW2_MAX_BITMAP_DIRECTORY (65535u * 1024)
#define QCOW2_MAX_BITMAP_NAME 1023u
#define QCOW2_BITMAP_DIRTY 1u
#define QCOW2_BITMAP_IN_USE 1u
#define QCOW2_BITMAP_FLAGS 3u                /* that QEMU knows */
#define QCOW2_MIN_GRANULARITY_BITS 9
#define QCOW2_MAX_GRANULARITY_BITS 31
#define QCOW2_MAX_FORMAT_NAME 15u
#define QCOW2_LUKS_VERSION 1u

#endif
