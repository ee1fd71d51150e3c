/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * QCOW version 1 as it lies in the file, all big-endian (after QEMU's block/qcow.c). The header is followed
 * by the backing file name and the L1 table; nothing is aligned to clusters.
 */
#ifndef CV_INSPECT_QCOW_DISK_H
#define CV_INSPECT_QCOW_DISK_H

#include <chainview/bytes.h>

#define QCOW_MAGIC 0x514649fbu               /* "QFI\xfb" */
#define QCOW_VERSION 1u

struct cv_qcow_header_disk {
	cv_be32 magic, version;              /*   0 */
	cv_be64 backing_off;                 /*   8  0 = no backing file */
	cv_be32 backing_len;                 /*  16  bytes, no NUL */
	cv_be32 mtime;                       /*  20  Unix seconds, of the backing file; usually 0 */
	cv_be64 size;                        /*  24  bytes */
	uint8_t cluster_bits, l2_bits;       /*  32 */
	uint8_t pad[2];                      /*  34 */
	cv_be32 crypt_method;                /*  36 */
	cv_be64 l1_off;                      /*  40 */
};
_Static_assert(sizeof(struct cv_qcow_header_disk) == 48, "QCOW header size");
_Static_assert(offsetof(struct cv_qcow_header_disk, cluster_bits) == 32, "cluster bits offset");
_Static_assert(offsetof(struct cv_qcow_header_disk, l1_off) == 40, "L1 table offset");

/* What QEMU accepts: clusters of 512 B to 64 KiB, L2 tables of the same sizes with entries of 8 bytes. */
#define QCOW_MIN_CLUSTER_BITS 9
#define QCOW_MAX_CLUSTER_BITS 16
#define QCOW_MIN_L2_BITS 6
#define QCOW_MAX_L2_BITS 13
#define QCOW_MAX_CRYPT_METHOD 1u
#define QCOW_MAX_L1_ENTRIES (INT32_MAX / 8)

#endif
