/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The blocks of a VHD in the order in which they lie in the file: sorted, as many as fit into a bounded array at a
 * time. That is all of them, unless there are millions of very small ones: then the BAT is gone through once for each
 * part of the file. How many begin where was counted when the entries were judged.
 */
#include "inspect/vhd/vhd_check.h"
#include <stdio.h>

#define MOST (4u << 20) /* blocks that are held: 32 MiB */

struct order {
	struct vhd_check *k;
	uint64_t *at;                /* sector << 32 | block */
	size_t count, room;
	uint64_t first, last;        /* sectors in which they begin, last excluded */
	bool any;                    /* there was a block before */
	uint64_t before_block, before; /* which, and where it began */
	uint64_t end;                /* of what blocks take up so far */
	struct vhd_bitmap_window bitmaps;
};

static void report_overlap(struct vhd_check *k, uint64_t a, uint64_t a_off, uint64_t b, uint64_t b_off)
{
	uint64_t end = a_off + cv_vhd_block_need(k, a);
	char first[32], second[32];
	struct cv_finding f;

	/* Blocks that the disk does not have are nobody's; and its last one may be cut short. */
	if (a >= k->needed || b >= k->needed || end <= b_off || cv_few_counts(&k->overlap, end - b_off))
		return;
	f = cv_finding_of(CV_VHD_BAT_OVERLAP);
	snprintf(first, sizeof first, "block %" PRIu64, a < b ? a : b);
	snprintf(second, sizeof second, "block %" PRIu64, a < b ? b : a);
	f.has_where = true;
	f.where = (struct cv_range){ b_off, end - b_off };
	f.bytes = end - b_off;
	f.arg[0] = cv_arg_text(first);
	f.arg[1] = cv_arg_text(second);
	f.arg[2] = cv_arg_number(b_off);
	cv_few_add(&k->overlap, f);
}

/* A part of the file has more blocks than it has room for without overlaps: what is not held is one more of these. */
static void put(struct order *o, uint64_t block, uint32_t entry)
{
	if (entry < o->first || entry >= o->last)
		return;
	if (o->count < o->room)
		o->at[o->count++] = (uint64_t)entry << 32 | block;
	else
		o->k->overlap.count += block < o->k->needed;
}

static bool fill(struct order *o, struct cv_err *err)
{
	struct vhd_bat_window w = { .second = true };
	bool ok;

	o->count = 0;
	while ((ok = cv_vhd_bat_next(o->k, &w, err)) && w.count)
		for (uint64_t i = 0; i < w.count; i++) {
			uint32_t entry = cv_be32_get(w.at[i]);
			const struct vhd_place *place;
			enum vhd_entry_state state = cv_vhd_judge(o->k, w.first + i, entry, &place);

			if (state == VHD_ENTRY_SOUND || state == VHD_ENTRY_PAST_END)
				put(o, w.first + i, entry);
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

static bool see(struct order *o, uint64_t block, uint64_t off, struct cv_err *err)
{
	struct vhd_check *k = o->k;

	if (o->any && off < o->before + k->whole)
		report_overlap(k, o->before_block, o->before, block, off);
	see_between(o, o->end, off);
	o->any = true;
	o->before = off;
	o->before_block = block;
	o->end = off + k->whole;
	return cv_vhd_check_bitmap(k, &o->bitmaps, block, off, err);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool see_part(struct order *o, struct cv_err *err)
{
	if (!fill(o, err))
		return false;
	if (o->count)
		qsort(o->at, o->count, sizeof *o->at, by_number);
	for (size_t i = 0; i < o->count; i++)
		if (!see(o, o->at[i] & UINT32_MAX, (o->at[i] >> 32) * VHD_SECTOR, err))
			return false;
	return true;
}

/* From one part of the file to the next: as many bins as there is room for, one at least. */
static bool in_order(struct order *o, struct cv_err *err)
{
	const struct vhd_check *k = o->k;

	for (size_t bin = 0, next; bin < VHD_CHECK_BINS; bin = next) {
		uint64_t held = k->bins[bin];

		for (next = bin + 1; next < VHD_CHECK_BINS && held + k->bins[next] <= o->room; next++)
			held += k->bins[next];
		o->first = bin * VHD_CHECK_BIN;
		o->last = next * VHD_CHECK_BIN;
		if (held && !see_part(o, err))
			return false;
	}
	see_between(o, o->end, k->places_end);
	return true;
}

bool cv_vhd_check_order(struct vhd_check *k, struct cv_err *err)
{
	struct order o = { .k = k };
	uint64_t all = 0;
	bool ok;

	for (size_t i = 0; i < VHD_CHECK_BINS; i++)
		all += k->bins[i];
	o.room = all < MOST ? (size_t)all : MOST;
	o.at = malloc((o.room + 1) * sizeof *o.at);
	ok = o.at ? in_order(&o, err) : cv_fail(err, CV_ENOMEM, "out of memory for the order of the blocks");
	free(o.at);
	free(o.bitmaps.at);
	return ok;
}
