/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of a VHD: what its parts share. The BAT is gone through once to judge each entry, and once
 * more to put the blocks in the order in which they lie. Private to inspect/vhd/.
 */
#ifndef CV_INSPECT_VHD_CHECK_H
#define CV_INSPECT_VHD_CHECK_H

#include "inspect/block/few.h"
#include "inspect/block/leak.h"
#include "inspect/vhd/vhd.h"

#define VHD_CHECK_PLACES (5u + VHD_LOCATORS) /* copy, header, BAT, batmap and its map, locators */
#define VHD_UNALLOCATED  UINT32_MAX
#define VHD_CHECK_BIN    (UINT64_C(1) << 20) /* sectors: half a gigabyte */
#define VHD_CHECK_BINS   4096u               /* all that sector numbers reach */

/* Bytes of the file that belong to a structure other than a block. */
struct vhd_place {
	struct cv_range at;
	const char *what;            /* "the BAT" */
};

struct vhd_check {
	struct cv_checking *c;
	struct vhd_reader r;         /* as the metadata reader left it; its facts are only to look at */
	uint64_t size, limit;        /* of the disk; where data end in the file */
	uint32_t block_size, bitmap_len;
	uint64_t whole;              /* a block with its bitmap */
	uint64_t entries, needed;    /* of the BAT; as many as the disk has blocks. The others are nobody's to read */

	struct vhd_place places[VHD_CHECK_PLACES];   /* in the order of the file */
	size_t place_count;
	uint64_t places_end;

	uint8_t *full;               /* the batmap, if it is sound: bits of the blocks of which no sector is missing */
	uint64_t full_bits;
	struct cv_few out_of_range, overlap, past_end, not_full;
	struct cv_leak leak;
	uint64_t done, told, total;  /* bytes of tables */
	uint32_t bins[VHD_CHECK_BINS];       /* how many blocks that can be begin there */
};

/* What can be said of an entry by itself. */
enum vhd_entry_state { VHD_ENTRY_UNUSED, VHD_ENTRY_SOUND, VHD_ENTRY_PAST_END, VHD_ENTRY_ON_PLACE, VHD_ENTRY_BEHIND };

/* vhd_check_bat.c: judges all entries, reports the bad ones, counts the others in bins. */
enum vhd_entry_state cv_vhd_judge(const struct vhd_check *k, uint64_t block, uint32_t entry,
				  const struct vhd_place **place);
bool cv_vhd_check_bat(struct vhd_check *k, struct cv_err *err);
/* Entries in windows, in their order; count 0 at the end. */
struct vhd_bat_window {
	cv_be32 *at;
	uint64_t first, count;
	bool hole;                   /* these lie in a hole: all are zero, and at does not have them */
	bool second;                 /* set by the caller: leave out what lies in holes */
};
bool cv_vhd_bat_next(struct vhd_check *k, struct vhd_bat_window *w, struct cv_err *err);
/* Bytes that a block needs: the last one of the disk may be shorter. */
uint64_t cv_vhd_block_need(const struct vhd_check *k, uint64_t block);

/* vhd_check_order.c: blocks in the order in which they lie: overlaps, gaps, bitmaps. */
bool cv_vhd_check_order(struct vhd_check *k, struct cv_err *err);

/* vhd_check_bitmap.c */
bool cv_vhd_check_load_batmap(struct vhd_check *k, struct cv_err *err);
bool cv_vhd_is_marked_full(const struct vhd_check *k, uint64_t block);
/* Bits of the map without a block. */
void cv_vhd_check_batmap_tail(struct vhd_check *k);
void cv_vhd_report_not_full(struct vhd_check *k, uint64_t block, uint64_t off, const char *why);
struct vhd_bitmap_window {
	uint8_t *at;
	uint64_t off, len;
};
bool cv_vhd_check_bitmap(struct vhd_check *k, struct vhd_bitmap_window *w, uint64_t block, uint64_t off,
			 struct cv_err *err);

/* vhd_check.c: counts bytes of tables that were gone through, and asks now and then whether to go on. */
bool cv_vhd_check_tick(struct vhd_check *k, uint64_t bytes, struct cv_err *err);

#endif
