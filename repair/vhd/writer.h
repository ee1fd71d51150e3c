/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes a new VHD file: blocks in any order, then everything that points to them. Until cv_vhd_end() has
 * succeeded the file has no footer, so that nothing can take it for an image.
 */
#ifndef CV_REPAIR_VHD_WRITER_H
#define CV_REPAIR_VHD_WRITER_H

#include "repair/io/io.h"
#include "repair/vhd/encode.h"

struct cv_vhd_writer {
	const struct cv_file_out *out;
	struct cv_vhd_image image;
	struct cv_vhd_layout layout;
	uint32_t *bat; /* host order */
	uint8_t *map;  /* the batmap's bits; NULL without batmap */
	uint64_t end;  /* where the next block or the footer goes */
};

/* Borrows everything it is given. */
bool cv_vhd_begin(struct cv_vhd_writer *w, const struct cv_file_out *out, const struct cv_vhd_image *image,
		  struct cv_err *err);
/* Where the data of a block lie in the file. A block that has no place gets one, at the end, and *fresh says so: its
 * bitmap is a hole and the file is not longer than before. Not for fixed disks. */
bool cv_vhd_place(struct cv_vhd_writer *w, uint32_t block, uint64_t *data, bool *fresh, struct cv_err *err);
/* Writes the bitmap of a block that has a place: all of its sectors are here. */
bool cv_vhd_fill_bitmap(struct cv_vhd_writer *w, uint32_t block, struct cv_err *err);
/* The same, of those sectors that are here by this bitmap (layout.bitmap_len bytes). */
bool cv_vhd_put_bitmap(struct cv_vhd_writer *w, uint32_t block, const uint8_t *bitmap, struct cv_err *err);
/*
 * Part of one block: len bytes of data (whole sectors) from byte first of the block on; zero pages stay holes.
 * The sectors from first/512 on, present of them, are marked as being here. May be called again for a block.
 */
bool cv_vhd_put(struct cv_vhd_writer *w, uint32_t block, uint32_t first, const void *data, size_t len, uint32_t present,
		struct cv_err *err);
/* Writes the tables, the header and, last, the footers. */
bool cv_vhd_end(struct cv_vhd_writer *w, struct cv_err *err);
void cv_vhd_fini(struct cv_vhd_writer *w);

#endif
