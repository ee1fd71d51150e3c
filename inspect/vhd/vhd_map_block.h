/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A block that has a place in the file, with one bit for each sector that is there: what VHD and VHDX have in
 * common. They differ in the order of the bits. Reads nothing.
 */
#ifndef CV_INSPECT_VHD_MAP_BLOCK_H
#define CV_INSPECT_VHD_MAP_BLOCK_H

#include <chainview/extent.h>

struct cv_vhd_block {
	struct cv_range at;          /* guest bytes; the last block ends where the disk does */
	uint64_t host;               /* where its data begin in the file */
	uint64_t limit;              /* no data lie in the file from here on */
	uint32_t sector;             /* bytes for which one bit stands */
	enum cv_extent_kind absent;  /* what a clear bit means: CV_EXTENT_PARENT or CV_EXTENT_ZERO */
	bool low_bit_first;          /* the first sector of a byte is its bit 0 (VHDX), not its bit 7 (VHD) */
	const uint8_t *present;      /* the bits, in whole groups of 64; NULL: all are set... */
	bool none_present;           /* ...or, with this, all are clear */
};

/* Adds what the block says of the part, which lies within it. Set bits whose data the file does not have are BAD. */
bool cv_vhd_block_add(const struct cv_vhd_block *b, struct cv_range part, struct cv_extents *list, struct cv_err *err);

/*
 * vhd_map_describe.c: lines about a sector of a block that has so many, and the bits around it; the bitmap of the
 * block begins at off and has bits for a multiple of 64 sectors.
 */
struct cv_vhd_bits {
	uint64_t off, sector, count;
	bool low_bit_first;
};
bool cv_vhd_describe_bits(struct cv_source *source, const struct cv_vhd_bits *b, struct cv_text *lines, struct cv_err *err);

#endif
