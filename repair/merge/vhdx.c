/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHDX parent. Sectors of blocks that have a place are written there, and get their bits where only some are the parent's
 * own; other blocks get places behind all there is, or those that blocks of zeros keep, and come into the BAT when
 * all of their pieces are written. Nothing here needs the format's log: what is in use changes by way of the journal.
 *
 * What those who stand on the image compare with, DataWriteGuid, stays as it is: the image itself compares with it until
 * nobody needs it any more, and reads the same at every moment; those that move onto the parent record it then; and should
 * the merge be taken back, the image finds the parent that it knows. Others that stand on the parent, which would have to
 * notice that its own disk changes, make that a merge is refused. FileWriteGuid changes.
 */
#include "repair/merge/vhdx.h"
#include "repair/vhdx/change.h"

uint64_t cv_merge_vhdx_blocks(const struct cv_merge_vhdx *v, uint64_t size)
{
	return size / v->map.block_size + (size % v->map.block_size != 0);
}

bool cv_merge_vhdx_is_beyond(const struct cv_merge_vhdx *v, uint64_t index)
{
	uint64_t chunk = index / (v->map.ratio + 1), in = index % (v->map.ratio + 1);

	return chunk * v->map.ratio + (in == v->map.ratio ? 0 : in) >= v->blocks;
}

bool cv_merge_vhdx_entry(struct cv_merge *m, uint64_t index, uint64_t *entry, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	cv_le64 disk;

	*entry = 0;
	if (cv_merge_vhdx_is_beyond(v, index) || index >= v->map.bat_entries)
		return true;
	if (!cv_merge_read(m, &disk, sizeof disk, v->map.bat_off + index * sizeof disk, err))
		return false;
	*entry = cv_le64_get(disk);
	return true;
}

bool cv_merge_vhdx_set_entry(struct cv_merge *m, unsigned layer, uint64_t index, uint64_t entry, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	cv_le64 disk = cv_le64_of(entry);

	return cv_merge_set(m, layer, v->map.bat_off + index * sizeof disk, &disk, sizeof disk, err);
}

bool cv_merge_vhdx_find(struct cv_merge *m, uint64_t number, struct cv_merge_vhdx_block *b, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	uint64_t entry, place;

	if (!cv_merge_vhdx_entry(m, cv_vhdx_entry_of_block(&v->map, number), &entry, err))
		return false;
	place = entry & VHDX_OFFSET_BITS;
	*b = (struct cv_merge_vhdx_block){ .held = true, .number = number, .bits = b->bits };
	switch (entry & VHDX_STATE_BITS) {
	case CV_VHDX_FULL:
	case CV_VHDX_PARTIAL:
		b->kind = (entry & VHDX_STATE_BITS) == CV_VHDX_FULL ? CV_MERGE_VHDX_HELD : CV_MERGE_VHDX_SHARED;
		b->place = place;
		return true;
	case CV_VHDX_NOT_PRESENT:
		b->kind = m->based ? CV_MERGE_VHDX_ABSENT : CV_MERGE_VHDX_EMPTY;
		return true;
	default:
		b->kind = CV_MERGE_VHDX_EMPTY;
		b->stale = v->reuse ? place : 0;
		return true;
	}
}

/* Bytes of the block that the larger of the two disks has. */
static uint64_t length_of(const struct cv_merge *m, uint64_t number)
{
	uint64_t size = m->child_size > m->size ? m->child_size : m->size, left = size - number * m->unit;

	return left < m->unit ? left : m->unit;
}

bool cv_merge_vhdx_is_whole(const struct cv_merge *m, const struct cv_merge_vhdx_block *b)
{
	return b->owned >= length_of(m, b->number);
}

/* --- bitmaps --------------------------------------------------------------------------------------------- */

/* Space at the end; all of it was set aside. */
static uint64_t take_space(struct cv_merge_vhdx *v, uint64_t len)
{
	uint64_t at = v->next;

	v->next += len;
	v->end = v->next;
	return at;
}

/* Where the bits of a block begin in the file. A chunk without a bitmap gets one, of zeros. */
static bool find_bits(struct cv_merge *m, uint64_t number, uint64_t *off, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	uint64_t chunk = number / v->map.ratio, index = cv_vhdx_entry_of_bitmap(&v->map, chunk), entry;

	if (!cv_merge_vhdx_entry(m, index, &entry, err))
		return false;
	*off = entry & VHDX_OFFSET_BITS;
	if ((entry & VHDX_STATE_BITS) != VHDX_BITMAP_PRESENT) {
		*off = take_space(v, CV_VHDX_MIB);
		if (!cv_merge_zero_fresh(m, *off, CV_VHDX_MIB, err) ||
		    !cv_merge_vhdx_set_entry(m, CV_MERGE_VHDX_BITS, index, *off | VHDX_BITMAP_PRESENT, err))
			return false;
	}
	*off += number % v->map.ratio * (m->unit / v->map.sector / 8);
	return true;
}

/* Sectors of a block that has a place have become the parent's own. */
static bool set_bits(struct cv_merge *m, uint64_t number, struct cv_range in, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	uint64_t first = in.off / v->map.sector, end = (in.off + in.len + v->map.sector - 1) / v->map.sector, off;
	uint8_t bits[CV_MERGE_PIECE / CV_MERGE_SECTOR / 8 + 1];
	size_t from = (size_t)(first / 8), len = (size_t)((end + 7) / 8 - from);
	bool changed = false;

	if (!find_bits(m, number, &off, err) || !cv_merge_read(m, bits, len, off + from, err))
		return false;
	for (uint64_t i = first; i < end; i++) {
		changed |= !(bits[i / 8 - from] >> i % 8 & 1);
		bits[i / 8 - from] |= (uint8_t)(1u << i % 8);
	}
	v->block.changed |= changed;
	return !changed || cv_merge_set(m, CV_MERGE_VHDX_BITS, off + from, bits, len, err);
}

/* All bits of a new block: whatever stood there was nobody's. They may be more pages than a batch has room for; nobody looks at
 * bits before the block is in the BAT. */
static bool put_bits(struct cv_merge *m, const struct cv_merge_vhdx_block *b, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	size_t len = m->unit / v->map.sector / 8, part;
	uint64_t off;

	if (!find_bits(m, b->number, &off, err))
		return false;
	for (size_t done = 0; done < len; done += part) {
		part = len - done < CV_MERGE_PAGE ? len - done : CV_MERGE_PAGE;
		if ((cv_merge_is_full(m) && !cv_merge_flush(m, err)) ||
		    !cv_merge_set(m, CV_MERGE_VHDX_BITS, off + done, b->bits + done, part, err))
			return false;
	}
	return true;
}

/* Are all sectors that the disk has of a block the parent's own by now? Then nobody needs its bits. */
static bool is_filled(struct cv_merge *m, const struct cv_merge_vhdx_block *b, bool *filled, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	uint64_t sectors = length_of(m, b->number) / v->map.sector, off;

	*filled = false;
	if (!find_bits(m, b->number, &off, err) || !cv_merge_read(m, b->bits, (size_t)(sectors + 7) / 8, off, err))
		return false;
	for (uint64_t i = 0; i < sectors; i++)
		if (!(b->bits[i / 8] >> i % 8 & 1))
			return true;
	*filled = true;
	return true;
}

/* --- new blocks ------------------------------------------------------------------------------------------ */

/* What is not written of a new block reads as zeros. */
static bool fill_up(struct cv_merge *m, uint64_t upto, struct cv_err *err)
{
	struct cv_merge_vhdx_block *b = &((struct cv_merge_vhdx *)m->state)->block;
	uint64_t from = b->filled;

	if (upto <= from)
		return true;
	b->filled = upto;
	return cv_merge_zero_fresh(m, b->place + from, upto - from, err);
}

/* A place where something was before is made zeros first: no page of it may wait for what makes it part of the disk. One that was
 * kept all the time becomes a hole, unless the disk keeps all its room. */
static bool place_block(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	struct cv_merge_vhdx_block *b = &v->block;

	if (b->place)
		return true;
	b->place = b->stale ? b->stale : take_space(v, m->unit);
	if (b->place >= m->fresh)
		return true;
	b->filled = m->unit;
	return cv_merge_zero(m, b->place, m->unit, b->stale && !v->map.fixed, err);
}

/* Of pages of a place where something was before, all is written at once: nobody looks at them yet, and no part of them has to
 * go through the journal. */
static bool write_new(struct cv_merge *m, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	size_t lead = (size_t)(off % CV_MERGE_PAGE), whole = (lead + len + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;
	CV_AUTO(cv_auto_free) uint8_t *pages = NULL;

	if (off >= m->fresh || whole == len)
		return cv_merge_write_fresh(m, off, bytes, len, err);
	pages = malloc(whole);
	if (!pages)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_merge_load(m, bytes, len, err) || !cv_merge_read(m, pages, whole, off - lead, err))
		return false;
	memcpy(pages + lead, bytes, len);
	return cv_merge_write(m, off - lead, pages, whole, err);
}

/* The block's pieces have all come. */
static bool end_new(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	struct cv_merge_vhdx_block *b = &v->block;
	uint64_t index = cv_vhdx_entry_of_block(&v->map, b->number);
	bool whole = cv_merge_vhdx_is_whole(m, b), partial = b->kind == CV_MERGE_VHDX_ABSENT && !whole;

	/* Only zeros came. */
	if (!b->place && b->kind == CV_MERGE_VHDX_EMPTY)
		return true;
	if (!b->place && whole)
		return cv_merge_vhdx_set_entry(m, CV_MERGE_VHDX_BAT, index, CV_MERGE_VHDX_ZERO, err);
	return place_block(m, err) && fill_up(m, m->unit, err) && (!partial || put_bits(m, b, err)) &&
	       cv_merge_vhdx_set_entry(m, CV_MERGE_VHDX_BAT, index, b->place | (partial ? CV_VHDX_PARTIAL : CV_VHDX_FULL), err);
}

static bool end_shared(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	struct cv_merge_vhdx_block *b = &v->block;
	bool filled;

	return !b->changed || (is_filled(m, b, &filled, err) &&
	       (!filled || cv_merge_vhdx_set_entry(m, CV_MERGE_VHDX_BAT, cv_vhdx_entry_of_block(&v->map, b->number),
						   b->place | CV_VHDX_FULL, err)));
}

static bool put_down(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx_block *b = &((struct cv_merge_vhdx *)m->state)->block;

	if (!b->held)
		return true;
	b->held = false;
	return b->kind == CV_MERGE_VHDX_SHARED ? end_shared(m, err) : b->kind == CV_MERGE_VHDX_HELD || end_new(m, err);
}

static bool take_up(struct cv_merge *m, uint64_t number, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;

	if (v->block.held && v->block.number == number)
		return true;
	if (!put_down(m, err) || !cv_merge_vhdx_find(m, number, &v->block, err))
		return false;
	memset(v->block.bits, 0, m->unit / v->map.sector / 8);
	return true;
}

/* --- data ------------------------------------------------------------------------------------------------ */

/* Zeros are no reason to fill holes of a disk that does not keep all its room. */
static bool put_old(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	const struct cv_merge_vhdx_block *b = &v->block;
	uint64_t in = piece->at.off % m->unit;

	v->touched = true;
	if (piece->zero ? !cv_merge_zero(m, b->place + in, piece->at.len, !v->map.fixed, err)
			: !cv_merge_write(m, b->place + in, piece->data, (size_t)piece->at.len, err))
		return false;
	return b->kind != CV_MERGE_VHDX_SHARED || set_bits(m, b->number, (struct cv_range){ in, piece->at.len }, err);
}

static bool put_new(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	struct cv_merge_vhdx_block *b = &((struct cv_merge_vhdx *)m->state)->block;
	uint64_t in = piece->at.off % m->unit, end = in + piece->at.len;

	b->owned += piece->at.len;
	for (uint64_t i = in / v->map.sector; i < (end + v->map.sector - 1) / v->map.sector; i++)
		b->bits[i / 8] |= (uint8_t)(1u << i % 8);
	/* They may be all there is. */
	if (piece->zero)
		return true;
	if (!place_block(m, err) || !fill_up(m, in, err))
		return false;
	if (b->filled < end)
		b->filled = end;
	return write_new(m, b->place + in, piece->data, (size_t)piece->at.len, err);
}

static bool put_vhdx(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;

	if (!take_up(m, piece->at.off / m->unit, err))
		return false;
	return v->block.kind == CV_MERGE_VHDX_HELD || v->block.kind == CV_MERGE_VHDX_SHARED ? put_old(m, piece, err)
											   : put_new(m, piece, err);
}

/* --- ends ------------------------------------------------------------------------------------------------ */

/* The first layer that there is in this batch: the header need not wait for anything, and nothing for it. */
static unsigned layer_of_header(const struct cv_merge *m)
{
	for (size_t i = 0; i < m->patches.len; i++)
		if (m->patches.at[i].layer == CV_MERGE_VHDX_BITS)
			return CV_MERGE_VHDX_BITS;
	return CV_MERGE_VHDX_BAT;
}

/* Whoever looks next sees that somebody has written. The same comes out when it is done already. */
static bool tell(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	struct cv_vhdx_header_disk h;
	uint64_t off;

	if (v->told || !(v->touched || m->patches.len))
		return true;
	v->told = true;
	if (!cv_vhdx_current_header(m->source, &h, &off, err))
		return false;
	if (memcmp(h.file_write.b, m->journal->op, sizeof h.file_write.b) != 0)
		cv_vhdx_renew_header(&h, &off, m->journal->op);
	return cv_merge_set(m, layer_of_header(m), off, &h, sizeof h, err);
}

/* From here on new space begins: that of a block whose pieces still come is in no entry yet. */
static bool settle_vhdx(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	const struct cv_merge_vhdx_block *b = &v->block;
	bool waits = b->held && b->place && (b->kind == CV_MERGE_VHDX_ABSENT || b->kind == CV_MERGE_VHDX_EMPTY);
	uint64_t fresh = waits && b->place >= m->fresh ? b->place : v->next;

	if (m->fresh < fresh)
		m->fresh = fresh;
	return tell(m, err);
}

static bool finish_vhdx(struct cv_merge *m, struct cv_err *err)
{
	return put_down(m, err) && tell(m, err);
}

static bool trim_vhdx(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_vhdx *v = m->state;
	uint64_t file = v->end > m->former ? v->end : m->former;

	return file >= m->file || cv_merge_resize(m, file, err);
}

static void close_vhdx(struct cv_merge *m)
{
	struct cv_merge_vhdx *v = m->state;

	cv_vhdx_map_fini(&v->map);
	cv_source_close(v->layer.source);
	free(v->block.bits);
	free(v);
}

const struct cv_merge_format cv_merge_vhdx = {
	.format = CV_FORMAT_VHDX, .name = "the VHDX", .open = cv_merge_vhdx_open, .count = cv_merge_vhdx_count,
	.reserve = cv_merge_vhdx_reserve, .grow = cv_merge_vhdx_grow, .may_grow = cv_merge_vhdx_may_grow, .put = put_vhdx,
	.settle = settle_vhdx, .finish = finish_vhdx, .trim = trim_vhdx, .close = close_vhdx,
};
