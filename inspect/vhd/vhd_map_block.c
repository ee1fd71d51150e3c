/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* From the bits of one block to extents, 64 bits at a time. Where blocks and bits lie is known to the callers. */
#include "inspect/vhd/vhd_map_block.h"
#include <endian.h>

/* 64 sectors, the first of them in bit 0. */
static uint64_t sectors_of(const struct cv_vhd_block *b, uint64_t group)
{
	uint64_t w;

	memcpy(&w, b->present + group * sizeof w, sizeof w);
	w = le64toh(w);
	if (b->low_bit_first)
		return w;
	w = (w >> 1 & UINT64_C(0x5555555555555555)) | (w & UINT64_C(0x5555555555555555)) << 1;
	w = (w >> 2 & UINT64_C(0x3333333333333333)) | (w & UINT64_C(0x3333333333333333)) << 2;
	return (w >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (w & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
}

/* The first sector at or behind from that is not like the wanted ones; end if all before it are. */
static uint64_t run_end(const struct cv_vhd_block *b, uint64_t from, uint64_t end, bool present)
{
	for (uint64_t group = from / 64; b->present && group * 64 < end; group++) {
		uint64_t others = sectors_of(b, group) ^ (present ? UINT64_MAX : 0), n;

		if (group == from / 64)
			others &= UINT64_MAX << from % 64;
		if (!others)
			continue;
		n = group * 64 + (uint64_t)__builtin_ctzll(others);
		return n < end ? n : end;
	}
	return end;
}

/* The guest offset up to which the file has the data: whole sectors, and the end of the disk in any case. */
static uint64_t held_until(const struct cv_vhd_block *b)
{
	uint64_t room = b->limit > b->host ? b->limit - b->host : 0;

	return b->at.off + (room >= b->at.len ? b->at.len : room / b->sector * b->sector);
}

static bool add(const struct cv_vhd_block *b, uint64_t from, uint64_t end, enum cv_extent_kind kind, bool placed,
		struct cv_extents *list, struct cv_err *err)
{
	struct cv_extent e = { .at = { from, end - from }, .kind = kind, .placed = placed,
			       .host = b->host + (from - b->at.off) };

	return from >= end || cv_extents_add(list, e, err);
}

/* Guest bytes that all have the same bit. */
static bool add_run(const struct cv_vhd_block *b, uint64_t from, uint64_t end, bool present, struct cv_extents *list,
		    struct cv_err *err)
{
	enum cv_extent_kind kind = present ? CV_EXTENT_DATA : b->absent;
	uint64_t held = held_until(b);

	if (kind == CV_EXTENT_PARENT)
		return add(b, from, end, kind, false, list, err);
	return add(b, from, end < held ? end : held, kind, true, list, err) &&
	       add(b, from > held ? from : held, end, present ? CV_EXTENT_BAD : kind, false, list, err);
}

bool cv_vhd_block_add(const struct cv_vhd_block *b, struct cv_range part, struct cv_extents *list, struct cv_err *err)
{
	uint64_t end = part.off + part.len;
	uint64_t sectors = (end - b->at.off + b->sector - 1) / b->sector;

	for (uint64_t pos = part.off; pos < end && !list->full;) {
		uint64_t sector = (pos - b->at.off) / b->sector, stop;
		bool present = b->present ? sectors_of(b, sector / 64) >> sector % 64 & 1 : !b->none_present;

		stop = b->at.off + run_end(b, sector, sectors, present) * b->sector;
		if (stop > end)
			stop = end;
		if (!add_run(b, pos, stop, present, list, err))
			return false;
		pos = stop;
	}
	return true;
}
