/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHD structures as they lie in a file: all numbers big-endian. Layout only; decoding is in vhd_decode.c.
 * Facts from Microsoft's "Virtual Hard Disk Image Format Specification" 1.0 and, for the hidden byte and the
 * batmap, from what Xen's libvhd writes.
 */
#ifndef CV_INSPECT_VHD_DISK_H
#define CV_INSPECT_VHD_DISK_H

#include <chainview/bytes.h>

#define VHD_COOKIE "conectix"
#define VHD_POISON "v_poison"            /* in place of the cookie while vhd-util resizes */
#define VHD_HEADER_COOKIE "cxsparse"
#define VHD_BATMAP_COOKIE "tdbatmap"
#define VHD_KILLED_BYTE 0xc7             /* tapdisk fills the footer of an image that it has open with it */

#define VHD_SECTOR 512u
#define VHD_SHORT_FOOTER 511u            /* footers of early Virtual PC lack their last byte */
#define VHD_NO_OFFSET UINT64_MAX
#define VHD_EPOCH INT64_C(946684800)     /* 2000-01-01 00:00:00 UTC in Unix seconds */
#define VHD_LOCATORS 8u

#define VHD_VERSION(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

enum { VHD_TYPE_FIXED = 2, VHD_TYPE_DYNAMIC = 3, VHD_TYPE_DIFFERENCING = 4 };
enum { VHD_FEATURE_TEMPORARY = 1, VHD_FEATURE_RESERVED = 2 /* always set */ };

struct vhd_footer_disk {
	uint8_t cookie[8];                   /*   0 */
	cv_be32 features, version;           /*   8 */
	cv_be64 data_offset;                 /*  16  of the dynamic header; all ones when there is none */
	cv_be32 timestamp;                   /*  24  seconds since VHD_EPOCH */
	uint8_t app[4];                      /*  28  "tap\0", "win ", "qemu"... */
	cv_be32 app_version;                 /*  32 */
	uint8_t os[4];                       /*  36  "Wi2k", "Mac " */
	cv_be64 original_size, current_size; /*  40 */
	cv_be16 cylinders;                   /*  56 */
	uint8_t heads, sectors;              /*  58 */
	cv_be32 type, checksum;              /*  60 */
	uint8_t uuid[16];                    /*  68 */
	uint8_t saved;                       /*  84 */
	uint8_t hidden;                      /*  85  Xen only */
	uint8_t reserved[426];               /*  86 */
};
_Static_assert(sizeof(struct vhd_footer_disk) == VHD_SECTOR, "a footer is one sector");
_Static_assert(offsetof(struct vhd_footer_disk, data_offset) == 16, "footer: data offset");
_Static_assert(offsetof(struct vhd_footer_disk, app) == 28, "footer: creator");
_Static_assert(offsetof(struct vhd_footer_disk, original_size) == 40, "footer: sizes");
_Static_assert(offsetof(struct vhd_footer_disk, cylinders) == 56, "footer: geometry");
_Static_assert(offsetof(struct vhd_footer_disk, checksum) == 64, "footer: checksum");
_Static_assert(offsetof(struct vhd_footer_disk, uuid) == 68, "footer: identity");
_Static_assert(offsetof(struct vhd_footer_disk, hidden) == 85, "footer: hidden byte");
_Static_assert(offsetof(struct vhd_footer_disk, reserved) == 86, "footer: reserved bytes");

struct vhd_locator_disk {
	uint8_t code[4];                     /*   0  "MacX", "W2ku"...; zero: slot not used */
	cv_be32 space;                       /*   4  in sectors or in bytes, see cv_vhd_locator_space() */
	cv_be32 length;                      /*   8  bytes */
	cv_be32 reserved;                    /*  12 */
	cv_be64 offset;                      /*  16  of the name in the file */
};
_Static_assert(sizeof(struct vhd_locator_disk) == 24, "size of a parent locator entry");
_Static_assert(offsetof(struct vhd_locator_disk, offset) == 16, "locator: offset");

struct vhd_header_disk {
	uint8_t cookie[8];                   /*   0 */
	cv_be64 data_offset, table_offset;   /*   8  the first all ones; the second of the BAT */
	cv_be32 version, max_table_entries;  /*  24 */
	cv_be32 block_size, checksum;        /*  32 */
	uint8_t parent_uuid[16];             /*  40  all zero: the parent is raw (Xen) */
	cv_be32 parent_time;                 /*  56 */
	uint8_t reserved1[4];                /*  60 */
	uint8_t parent_name[512];            /*  64  UTF-16, big-endian */
	struct vhd_locator_disk locators[VHD_LOCATORS]; /* 576 */
	uint8_t reserved2[256];              /* 768 */
};
_Static_assert(sizeof(struct vhd_header_disk) == 1024, "a dynamic header is two sectors");
_Static_assert(offsetof(struct vhd_header_disk, version) == 24, "header: version");
_Static_assert(offsetof(struct vhd_header_disk, checksum) == 36, "header: checksum");
_Static_assert(offsetof(struct vhd_header_disk, parent_uuid) == 40, "header: parent identity");
_Static_assert(offsetof(struct vhd_header_disk, parent_name) == 64, "header: parent name");
_Static_assert(offsetof(struct vhd_header_disk, locators) == 576, "header: locators");
_Static_assert(offsetof(struct vhd_header_disk, reserved2) == 768, "header: reserved bytes");

/* Behind the BAT of images made by "tap" 1.2 and later: one bit for each block of which no sector is missing. */
struct vhd_batmap_disk {
	uint8_t cookie[8];                   /*   0 */
	cv_be64 map_offset;                  /*   8 */
	cv_be32 map_sectors, version;        /*  16 */
	cv_be32 checksum;                    /*  24  of the map */
	uint8_t marker;                      /*  28 */
	uint8_t key_set;                     /*  29  1: the guest data are encrypted */
	uint8_t key_nonce[32], key_hash[32]; /*  30 */
	uint8_t reserved[418];               /*  94 */
};
_Static_assert(sizeof(struct vhd_batmap_disk) == VHD_SECTOR, "a batmap header is one sector");
_Static_assert(offsetof(struct vhd_batmap_disk, map_sectors) == 16, "batmap: size");
_Static_assert(offsetof(struct vhd_batmap_disk, marker) == 28, "batmap: marker");
_Static_assert(offsetof(struct vhd_batmap_disk, key_hash) == 62, "batmap: key hash");

#endif
