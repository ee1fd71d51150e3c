/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The batmap against the BAT and the bitmaps of the blocks. A bit of the batmap says that no sector of the block is
 * missing, and tapdisk believes it: where it is wrong, a guest reads what nobody has written. Only the bitmaps of
 * blocks with such a bit are read, and that of a last block that the disk does not fill.
 */
#include "inspect/vhd/vhd_check.h"
#include <stdio.h>

#define MOST_BITS (8u << 20) /* blocks for which the batmap is held: of 2 MiB, eight times what a VHD can have */
#define NEAR      (64u << 10) /* bitmaps that lie no farther apart are read together */

bool cv_vhd_check_load_batmap(struct vhd_check *k, struct cv_err *err)
{
	const struct vhd_batmap *b = &k->r.batmap;
	uint64_t want = k->needed < b->vouched * 8 ? b->vouched * 8 : k->needed;

	if (!b->sound)
		return true;
	want = want < MOST_BITS ? want : MOST_BITS;
	k->full_bits = b->map.len * 8 < want ? b->map.len * 8 : want;
	k->full = malloc((size_t)((k->full_bits + 7) / 8));
	if (!k->full)
		return cv_fail(err, CV_ENOMEM, "out of memory for the batmap");
	return cv_source_read(k->c->source, k->full, (size_t)((k->full_bits + 7) / 8), b->map.off, err) ||
	       cv_wrap(err, "while reading the batmap");
}

bool cv_vhd_is_marked_full(const struct vhd_check *k, uint64_t block)
{
	return block < k->full_bits && k->full[block / 8] >> (7 - block % 8) & 1;
}

void cv_vhd_report_not_full(struct vhd_check *k, uint64_t block, uint64_t off, const char *why)
{
	struct cv_finding f = cv_finding_of(CV_VHD_BATMAP_INVALID);
	char text[CV_FEW_TEXT];

	snprintf(text, sizeof text, "block %" PRIu64 " is marked as complete, but %s", block, why);
	f.has_where = true;
	f.where = off ? (struct cv_range){ off, k->bitmap_len }
		      : (struct cv_range){ k->r.batmap.map.off + block / 8, 1 };
	f.arg[0] = cv_arg_text(text);
	cv_few_add(&k->not_full, f);
}

void cv_vhd_check_batmap_tail(struct vhd_check *k)
{
	for (uint64_t block = k->needed; block < k->full_bits; block++)
		if (cv_vhd_is_marked_full(k, block))
			cv_vhd_report_not_full(k, block, 0, "the disk has no such block");
}

/* The bitmap lies in w->at afterwards; *bits points to it. */
static bool hold(struct vhd_check *k, struct vhd_bitmap_window *w, uint64_t off, const uint8_t **bits, struct cv_err *err)
{
	struct cv_range want = { off, k->bitmap_len };

	if (!w->at)
		w->at = malloc(NEAR + k->bitmap_len);
	if (!w->at)
		return cv_fail(err, CV_ENOMEM, "out of memory for bitmaps");
	if (off < w->off || !cv_range_inside((struct cv_range){ off - w->off, want.len }, w->len)) {
		uint64_t left = k->c->source->size - off;

		w->off = off;
		w->len = k->whole < NEAR ? NEAR : want.len;
		w->len = w->len < left ? w->len : left;
		if (!cv_source_read(k->c->source, w->at, (size_t)w->len, off, err))
			return cv_wrap(err, "while reading a bitmap");
	}
	*bits = w->at + (off - w->off);
	return cv_vhd_check_tick(k, want.len, err);
}

/* The first of so many bits that is not like the wanted ones; count if all are. */
static uint64_t first_other(const uint8_t *bits, uint64_t from, uint64_t count, bool wanted)
{
	const uint8_t same = wanted ? 0xff : 0;

	for (uint64_t i = from; i < count; i++) {
		while (i % 8 == 0 && i + 8 <= count && bits[i / 8] == same)
			i += 8;
		if (i < count && (bits[i / 8] >> (7 - i % 8) & 1) != wanted)
			return i;
	}
	return count;
}

/* Most programs mark all sectors of a block when they make it; a stray mark behind the end of the disk is none of that. */
static void check_behind(struct vhd_check *k, uint64_t off, const uint8_t *bits, uint64_t sectors)
{
	uint64_t all = k->block_size / VHD_SECTOR, stray = first_other(bits, sectors, all, false);
	struct cv_finding f = cv_finding_of(CV_VHD_RESERVED_NONZERO);

	if (stray == all || first_other(bits, 0, all, true) == all)
		return;
	f.has_where = true;
	f.where = (struct cv_range){ off + stray / 8, 1 };
	f.arg[0] = cv_arg_text("bitmap of the last block, for sectors behind the end of the disk,");
	cv_facts_find(k->c->facts, f);
}

bool cv_vhd_check_bitmap(struct vhd_check *k, struct vhd_bitmap_window *w, uint64_t block, uint64_t off,
			 struct cv_err *err)
{
	uint64_t sectors = (cv_vhd_block_need(k, block) - k->bitmap_len + VHD_SECTOR - 1) / VHD_SECTOR, missing;
	bool cut = sectors < k->block_size / VHD_SECTOR, marked = cv_vhd_is_marked_full(k, block);
	const uint8_t *bits = NULL;
	char why[48];

	if (block >= k->needed || (!cut && !marked) ||
	    !cv_range_inside((struct cv_range){ off, k->bitmap_len }, k->limit))
		return true;
	if (!hold(k, w, off, &bits, err))
		return false;
	missing = first_other(bits, 0, sectors, true);
	if (marked && missing < sectors) {
		snprintf(why, sizeof why, "sector %" PRIu64 " of it is not there", missing);
		cv_vhd_report_not_full(k, block, off, why);
	}
	if (cut)
		check_behind(k, off, bits, sectors);
	return true;
}
