/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The blocks of a VHD in the order in which they lie in the file. All are of one size, so an array with a place for
 * each piece of the file of that size has them in order without sorting: two blocks that begin in the same piece
 * overlap, and any others can only overlap their neighbours. A file with very many small blocks is done in slices.
 */
#include "inspect/vhd/vhd_check.h"
#include <stdio.h>

/* What begins in one piece of the file: the first and the last block; sectors. */
struct piece {
	uint32_t first, first_block, last, last_block;
	bool taken;
};

struct order {
	struct vhd_check *k;
	struct cv_range slice;
	struct piece *pieces;
	size_t count;
	bool any;                    /* there was a block before */
	uint32_t before_block;
	uint64_t before, end;        /* where it began; the end of what blocks take up so far */
	struct vhd_bitmap_window bitmaps;
};

static void report_overlap(struct vhd_check *k, uint64_t a, uint64_t a_off, uint64_t b, uint64_t b_off)
{
	uint64_t low = a_off < b_off ? a_off : b_off, high = a_off < b_off ? b_off : a_off;
	uint64_t end = low + cv_vhd_block_need(k, a_off < b_off ? a : b);
	struct cv_finding f = cv_finding_of(CV_VHD_BAT_OVERLAP);
	char first[32], second[32];

	/* Blocks that the disk does not have are nobody's; and its last one may be cut short. */
	if (a >= k->needed || b >= k->needed || end <= high)
		return;
	snprintf(first, sizeof first, "block %" PRIu64, a < b ? a : b);
	snprintf(second, sizeof second, "block %" PRIu64, a < b ? b : a);
	f.has_where = true;
	f.where = (struct cv_range){ high, end - high };
	f.bytes = end - high;
	f.arg[0] = cv_arg_text(first);
	f.arg[1] = cv_arg_text(second);
	f.arg[2] = cv_arg_number(high);
	cv_few_add(&k->overlap, f);
}

static uint64_t bytes_of(uint32_t sector)
{
	return (uint64_t)sector * VHD_SECTOR;
}

static void put(struct order *o, uint32_t block, uint32_t entry)
{
	struct piece *p;

	if (bytes_of(entry) < o->slice.off || bytes_of(entry) - o->slice.off >= o->slice.len)
		return;
	p = &o->pieces[(bytes_of(entry) - o->slice.off) / o->k->whole];
	if (!p->taken) {
		*p = (struct piece){ entry, block, entry, block, true };
		return;
	}
	report_overlap(o->k, p->first_block, bytes_of(p->first), block, bytes_of(entry));
	if (entry < p->first) {
		p->first = entry;
		p->first_block = block;
	} else if (entry > p->last) {
		p->last = entry;
		p->last_block = block;
	}
}

static bool fill(struct order *o, struct cv_err *err)
{
	struct vhd_bat_window w = { .skip_holes = true };
	bool ok;

	memset(o->pieces, 0, o->count * sizeof *o->pieces);
	while ((ok = cv_vhd_bat_next(o->k, &w, err)) && w.count)
		for (uint64_t i = 0; i < w.count; i++) {
			uint32_t entry = cv_be32_get(w.at[i]);
			const struct vhd_place *place;
			enum vhd_entry_state state = cv_vhd_judge(o->k, w.first + i, entry, &place);

			if (state == VHD_ENTRY_SOUND || state == VHD_ENTRY_PAST_END)
				put(o, (uint32_t)(w.first + i), entry);
		}
	free(w.at);
	return ok;
}

/* The other structures may lie between blocks. */
static void see_between(struct order *o, uint64_t from, uint64_t to)
{
	struct vhd_check *k = o->k;

	for (size_t i = 0; i < k->place_count && from < to; i++) {
		struct cv_range at = k->places[i].at;

		if (at.off >= to)
			break;
		cv_leak_gap(&k->leak, from, at.off);
		if (at.off + at.len > from)
			from = at.off + at.len;
	}
	cv_leak_gap(&k->leak, from, to);
}

static bool see_piece(struct order *o, const struct piece *p, struct cv_err *err)
{
	struct vhd_check *k = o->k;
	uint64_t off = bytes_of(p->first), end = bytes_of(p->last) + k->whole;

	if (o->any && off < o->before + k->whole)
		report_overlap(k, o->before_block, o->before, p->first_block, off);
	see_between(o, o->end, off);
	o->any = true;
	o->before = bytes_of(p->last);
	o->before_block = p->last_block;
	o->end = end > o->end ? end : o->end;
	return cv_vhd_check_bitmap(k, &o->bitmaps, p->first_block, off, err);
}

static bool see_slice(struct order *o, struct cv_err *err)
{
	if (!fill(o, err))
		return false;
	for (size_t i = 0; i < o->count; i++)
		if (o->pieces[i].taken && !see_piece(o, &o->pieces[i], err))
			return false;
	return true;
}

static bool in_order(struct order *o, const bool *slices, uint64_t slice_len, struct cv_err *err)
{
	/* Sector numbers have 32 bits, so nothing begins beyond them. */
	uint64_t reach = bytes_of(UINT32_MAX), stop = o->k->limit < reach ? o->k->limit : reach;

	o->count = (size_t)((slice_len < stop ? slice_len : stop) / o->k->whole + 1);
	o->pieces = malloc(o->count * sizeof *o->pieces);
	if (!o->pieces)
		return cv_fail(err, CV_ENOMEM, "out of memory for the order of the blocks");
	for (uint64_t off = 0; off < stop; off += slice_len) {
		o->slice = (struct cv_range){ off, slice_len };
		if (slices[off / slice_len] && !see_slice(o, err))
			return false;
	}
	see_between(o, o->end, o->k->places_end);
	return true;
}

bool cv_vhd_check_order(struct vhd_check *k, const bool *slices, uint64_t slice_len, struct cv_err *err)
{
	struct order o = { .k = k };
	bool ok = in_order(&o, slices, slice_len, err);

	free(o.pieces);
	free(o.bitmaps.at);
	return ok;
}
