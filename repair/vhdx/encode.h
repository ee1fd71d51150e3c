/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX structures as bytes, and where they lie in a new file: head of 1 MiB, log, BAT, metadata, payload blocks, each
 * at a whole MiB ([MS-VHDX]). The BAT's entries and the blocks are their owner's.
 */
#ifndef CV_REPAIR_VHDX_ENCODE_H
#define CV_REPAIR_VHDX_ENCODE_H

#include "inspect/vhdx/vhdx_disk.h"
#include "repair/io/io.h"
#include <chainview/text.h>

/* States of a block in the low bits of its BAT entry; the rest of the entry is its place. */
enum { CV_VHDX_NOT_PRESENT = 0, CV_VHDX_ZEROS = 2, CV_VHDX_UNMAPPED = 3, CV_VHDX_FULL = 6, CV_VHDX_PARTIAL = 7 };

/* Identities are in print order. */
struct cv_vhdx_image {
	uint64_t size;       /* bytes, whole sectors */
	uint32_t block_size; /* a power of two from 1 MiB to 256 MiB */
	uint32_t log_size;   /* whole MiB */
	uint32_t logical_sector, physical_sector;
	bool keep_blocks; /* LeaveBlocksAllocated: a fixed disk */
	bool has_parent;
	uint8_t file_write[16], data_write[16], disk_id[16];
	uint8_t log[16];         /* null: the log is empty */
	uint64_t sequence;       /* of the first header; the second has one more */
	const char *creator;     /* UTF-8, up to 255 characters */
	struct cv_bytes locator; /* with has_parent: of cv_vhdx_add_locator() */
};

struct cv_vhdx_layout {
	uint64_t blocks, entries; /* of the payload; of the BAT, with those of sector bitmaps */
	uint64_t ratio;           /* blocks that one sector bitmap is for: its entry comes behind theirs */
	uint64_t log_off, bat_off, bat_len, metadata_off, data_off; /* whole MiB */
};

bool cv_vhdx_plan_layout(const struct cv_vhdx_image *image, struct cv_vhdx_layout *layout, struct cv_err *err);

/* Where the entry of a payload block stands in the BAT. */
static inline uint64_t cv_vhdx_entry_of(const struct cv_vhdx_layout *layout, uint64_t block)
{
	return block + block / layout->ratio;
}

/* Writes all but log, BAT and blocks; the file's signature last. */
bool cv_vhdx_write_structures(const struct cv_file_out *out, const struct cv_vhdx_image *image,
			      const struct cv_vhdx_layout *layout, struct cv_err *err);

/* Appends a parent locator: the identity of the parent (print order) and the relative path to it, given with slashes. */
void cv_vhdx_add_locator(struct cv_text *out, const uint8_t parent[16], const char *path);

/* The first three fields of a GUID are little-endian numbers; it is printed as numbers. */
struct cv_guid_disk cv_vhdx_guid(const uint8_t uuid[16]);

#endif
