/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX as it lies in the file, little-endian (Microsoft [MS-VHDX] v1):
 *
 *      0  file identifier "vhdxfile", creator
 *    64K  header 1     128K  header 2      current = the valid one with the higher sequence number
 *   192K  region table 1   256K  region table 2
 *   then, each aligned to 1 MiB and named by a region table or header: log, BAT, metadata, payload blocks
 */
#ifndef CV_INSPECT_VHDX_DISK_H
#define CV_INSPECT_VHDX_DISK_H

#include <chainview/bytes.h>

#define CV_VHDX_KIB 1024u
#define CV_VHDX_MIB (1024u * 1024u)
#define CV_VHDX_HEADER_OFFSET(n) ((uint64_t)(64 + 64 * (n)) * CV_VHDX_KIB)
#define CV_VHDX_REGION_OFFSET(n) ((uint64_t)(192 + 64 * (n)) * CV_VHDX_KIB)
#define CV_VHDX_TABLE_SIZE (64 * CV_VHDX_KIB)
#define CV_VHDX_ENTRIES_MAX 2047
#define CV_VHDX_SIZE_MAX (64ull << 40)

struct cv_guid_disk { uint8_t b[16]; };

struct cv_vhdx_file_id_disk {
	uint8_t signature[8];                /*   0  "vhdxfile" */
	uint8_t creator[512];                /*   8  UTF-16LE */
};

struct cv_vhdx_header_disk {
	uint8_t signature[4];                /*   0  "head" */
	cv_le32 checksum;                    /*   4  CRC-32C of 4 KiB, this field 0 */
	cv_le64 sequence;                    /*   8 */
	struct cv_guid_disk file_write, data_write, log;   /* 16 */
	cv_le16 log_version, version;        /*  64  0 and 1 */
	cv_le32 log_length;                  /*  68 */
	cv_le64 log_offset;                  /*  72 */
	uint8_t reserved[4016];              /*  80 */
};
_Static_assert(sizeof(struct cv_vhdx_header_disk) == 4096, "a VHDX header is 4 KiB");
_Static_assert(offsetof(struct cv_vhdx_header_disk, log_offset) == 72, "VHDX log offset");

struct cv_vhdx_table_disk {
	uint8_t signature[4];                /*   0  "regi" */
	cv_le32 checksum;                    /*   4  CRC-32C of 64 KiB, this field 0 */
	cv_le32 count, reserved;             /*   8 */
};

struct cv_vhdx_region_disk {
	struct cv_guid_disk id;              /*   0 */
	cv_le64 offset;                      /*  16 */
	cv_le32 length, required;            /*  24 */
};
_Static_assert(sizeof(struct cv_vhdx_region_disk) == 32, "a region entry is 32 bytes");

struct cv_vhdx_metadata_disk {
	uint8_t signature[8];                /*   0  "metadata" */
	cv_le16 reserved, count;             /*   8 */
	uint8_t reserved2[20];               /*  12 */
};
_Static_assert(sizeof(struct cv_vhdx_metadata_disk) == 32, "the metadata table header is 32 bytes");

struct cv_vhdx_item_disk {
	struct cv_guid_disk id;              /*   0 */
	cv_le32 offset, length, flags, reserved;   /* 16  relative to the region */
};
_Static_assert(sizeof(struct cv_vhdx_item_disk) == 32, "a metadata entry is 32 bytes");

#define CV_VHDX_REQUIRED 4u                  /* of an item's flags */

struct cv_vhdx_locator_disk {
	struct cv_guid_disk type;            /*   0 */
	cv_le16 reserved, count;             /*  16 */
};
_Static_assert(sizeof(struct cv_vhdx_locator_disk) == 20, "the parent locator header is 20 bytes");

struct cv_vhdx_locator_entry_disk {
	cv_le32 key_offset, value_offset;    /*   0  relative to the locator */
	cv_le16 key_length, value_length;    /*   8 */
};
_Static_assert(sizeof(struct cv_vhdx_locator_entry_disk) == 12, "a parent locator entry is 12 bytes");

#endif
