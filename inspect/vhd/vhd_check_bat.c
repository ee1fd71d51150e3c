/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The entries of the BAT one by one: does each block lie in the file, and on nothing else than blocks? Whether they
 * lie on each other is vhd_check_order.c's business.
 */
#include "inspect/vhd/vhd_check.h"
#include <stdio.h>

#define WINDOW 16384u /* entries: 64 KiB */

/* How many entries from this one on lie in a hole: a multiple of a window, or all that are left. */
static uint64_t hole_from(const struct vhd_check *k, uint64_t first)
{
	struct cv_source *s = k->c->source;
	uint64_t off = k->r.header.table_offset + first * 4, start, end, n;

	if (!s->ops->hole || !s->ops->hole(s, off, &start, &end))
		return 0;
	n = (start - off) / 4;
	return n >= k->entries - first ? k->entries - first : n / WINDOW * WINDOW;
}

bool cv_vhd_bat_next(struct vhd_check *k, struct vhd_bat_window *w, struct cv_err *err)
{
	w->first += w->count;
	w->count = 0;
	if (w->first < k->entries) {
		w->count = hole_from(k, w->first);
		w->hole = w->count > 0;
	}
	/* Nothing is said twice of what all is zero. */
	if (w->hole && w->second) {
		w->first += w->count;
		w->count = 0;
		w->hole = false;
	}
	if (w->first == k->entries || w->hole)
		return true;
	w->count = k->entries - w->first < WINDOW ? k->entries - w->first : WINDOW;
	if (!w->at)
		w->at = malloc(WINDOW * sizeof *w->at);
	if (!w->at)
		return cv_fail(err, CV_ENOMEM, "out of memory for the BAT");
	if (!cv_source_read(k->c->source, w->at, (size_t)w->count * sizeof *w->at,
			    k->r.header.table_offset + w->first * sizeof *w->at, err))
		return cv_wrap(err, "while reading the BAT");
	return cv_vhd_check_tick(k, w->count * sizeof *w->at, err);
}

uint64_t cv_vhd_block_need(const struct vhd_check *k, uint64_t block)
{
	uint64_t guest = block * k->block_size, left = guest < k->size ? k->size - guest : 0;

	return k->bitmap_len + (left && left < k->block_size ? left : k->block_size);
}

enum vhd_entry_state cv_vhd_judge(const struct vhd_check *k, uint64_t block, uint32_t entry,
				  const struct vhd_place **place)
{
	struct cv_range at = { (uint64_t)entry * VHD_SECTOR, cv_vhd_block_need(k, block) };

	if (entry == VHD_UNALLOCATED)
		return VHD_ENTRY_UNUSED;
	for (size_t i = 0; at.off < k->places_end && i < k->place_count; i++)
		if (cv_ranges_touch(at, k->places[i].at)) {
			*place = &k->places[i];
			return VHD_ENTRY_ON_PLACE;
		}
	if (at.off >= k->limit)
		return VHD_ENTRY_BEHIND;
	return cv_range_inside(at, k->limit) ? VHD_ENTRY_SOUND : VHD_ENTRY_PAST_END;
}

static struct cv_finding about(const struct vhd_check *k, enum cv_problem_id id, uint64_t block, uint64_t off)
{
	struct cv_finding f = cv_finding_of(id);

	f.has_where = true;
	f.where = (struct cv_range){ k->r.header.table_offset + block * 4, 4 };
	f.arg[0] = cv_arg_number(block);
	f.arg[1] = cv_arg_number(off);
	return f;
}

static void report_range(struct vhd_check *k, uint64_t block, uint32_t entry, const struct vhd_place *place)
{
	uint64_t bytes = cv_vhd_block_need(k, block) - k->bitmap_len;
	char text[CV_FEW_TEXT];
	struct cv_finding f;

	if (cv_few_counts(&k->out_of_range, bytes))
		return;
	if (place)
		snprintf(text, sizeof text, "lies on %s at 0x%" PRIx64, place->what, place->at.off);
	else
		snprintf(text, sizeof text, "begins behind the end of the data at 0x%" PRIx64, k->limit);
	f = about(k, CV_VHD_BAT_OUT_OF_RANGE, block, (uint64_t)entry * VHD_SECTOR);
	f.bytes = bytes;
	f.arg[2] = cv_arg_text(text);
	cv_few_add(&k->out_of_range, f);
}

/* The bytes that are missing are named; if the bitmap is cut too, all data are. */
static void report_past_end(struct vhd_check *k, uint64_t block, uint32_t entry)
{
	uint64_t off = (uint64_t)entry * VHD_SECTOR, need = cv_vhd_block_need(k, block), data = need - k->bitmap_len;
	struct cv_finding f = about(k, CV_VHD_BLOCK_PAST_END, block, off);

	f.bytes = off + need - k->limit < data ? off + need - k->limit : data;
	f.arg[2] = cv_arg_number(f.bytes);
	cv_few_add(&k->past_end, f);
}

static void see(struct vhd_check *k, uint64_t block, uint32_t entry)
{
	const struct vhd_place *place = NULL;
	enum vhd_entry_state state = cv_vhd_judge(k, block, entry, &place);

	if (state == VHD_ENTRY_SOUND || state == VHD_ENTRY_PAST_END)
		k->bins[entry / VHD_CHECK_BIN]++;
	if (block >= k->needed)
		return;
	if (state == VHD_ENTRY_ON_PLACE || state == VHD_ENTRY_BEHIND)
		report_range(k, block, entry, place);
	else if (state == VHD_ENTRY_PAST_END)
		report_past_end(k, block, entry);
	else if (state == VHD_ENTRY_UNUSED && cv_vhd_is_marked_full(k, block))
		cv_vhd_report_not_full(k, block, 0, "is not allocated");
}

/* A hole reads as zeros, and there the copy of the footer lies: so all of these are alike. */
static void see_hole(struct vhd_check *k, const struct vhd_bat_window *w)
{
	uint64_t end = w->first + w->count < k->needed ? w->first + w->count : k->needed;

	for (uint64_t block = w->first; block < end; block++) {
		if (k->out_of_range.count >= CV_FEW) {
			k->out_of_range.count += end - block;
			k->out_of_range.more_bytes += (end - block) * k->block_size;
			return;
		}
		see(k, block, 0);
	}
}

bool cv_vhd_check_bat(struct vhd_check *k, struct cv_err *err)
{
	struct vhd_bat_window w = { .at = NULL };
	bool ok;

	while ((ok = cv_vhd_bat_next(k, &w, err)) && w.count) {
		if (w.hole)
			see_hole(k, &w);
		for (uint64_t i = 0; i < w.count && !w.hole; i++)
			see(k, w.first + i, cv_be32_get(w.at[i]));
	}
	free(w.at);
	if (ok)
		cv_vhd_check_batmap_tail(k);
	return ok;
}
