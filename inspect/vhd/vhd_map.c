/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHD as a layer: from guest offsets by way of the BAT and the blocks' bitmaps to extents. What the headers
 * say was settled when it was opened (vhd_map_open.c). Facts from Microsoft's specification 1.0 and from libvhd.
 */
#include "inspect/vhd/vhd_map.h"
#include "inspect/vhd/vhd_map_block.h"

#define UNALLOCATED UINT32_MAX
/* Windows of the BAT and bitmaps that one call reads: enough for terabytes of a sane image. */
#define MOST_READS 4096u

extern const struct cv_layer_ops cv_layer_ops_vhd;

static bool open_map(struct cv_layer *layer, struct cv_err *err)
{
	struct vhd_map *m = malloc(sizeof *m);

	if (!m)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhd_map_init(m, layer, err)) {
		cv_vhd_map_fini(m);
		free(m);
		return false;
	}
	layer->state = m;
	return true;
}

static void close_map(struct cv_layer *layer)
{
	cv_vhd_map_fini(layer->state);
	free(layer->state);
}

/* Holds the window of the BAT with the entry of a block. */
static bool hold_entry(struct vhd_map *m, uint64_t block, struct cv_err *err)
{
	if (cv_bat_holds(&m->bat, block))
		return true;
	m->reads++;
	return cv_bat_hold(&m->bat, m->source, m->bat_off, m->bat_entries, block, err);
}

/* Of a block whose entry is held. */
static uint32_t entry_of(const struct vhd_map *m, uint64_t block)
{
	const cv_be32 *entries = m->bat.entries;

	return cv_be32_get(entries[block - m->bat.first]);
}

static bool hold_bitmap(struct vhd_map *m, uint64_t block, uint64_t off, struct cv_err *err)
{
	if (m->bitmap_of == block)
		return true;
	m->reads++;
	m->bitmap_of = UINT64_MAX;
	if (!cv_source_read(m->source, m->bitmap, m->bitmap_len, off, err))
		return cv_wrap(err, "while reading the bitmap of block %" PRIu64, block);
	m->bitmap_of = block;
	return true;
}

/* The blocks from this one on that have no place, as far as the BAT is held. */
static uint64_t unallocated_from(const struct vhd_map *m, uint64_t block)
{
	uint64_t n = 0;

	while (cv_bat_holds(&m->bat, block + n) && entry_of(m, block + n) == UNALLOCATED)
		n++;
	return n;
}

/* May a block with its bitmap lie there? Its data may be cut, its bitmap may not. */
static bool is_possible(const struct vhd_map *m, uint64_t off, uint64_t data_len)
{
	return cv_range_inside((struct cv_range){ off, m->bitmap_len }, m->limit) &&
	       !cv_places_touch(m->places, m->place_count, (struct cv_range){ off, m->bitmap_len + data_len });
}

static uint8_t lost_why(const struct vhd_map *m, uint64_t off)
{
	return cv_range_inside((struct cv_range){ off, m->bitmap_len }, m->limit) ? CV_LOST_ENTRY : CV_LOST_PAST_END;
}

static bool is_known_full(const struct vhd_map *m, uint64_t block)
{
	return block < m->full_blocks && (m->full[block / 8] >> (7 - block % 8) & 1);
}

/*
 * The bits of a dynamic image count too: a sector that was never written reads as zeros whatever lies in its
 * place. So says the specification and so does blktap; QEMU does not look at bitmaps.
 */
static bool add_block(struct vhd_map *m, uint64_t block, uint64_t end, struct cv_extents *list, struct cv_err *err)
{
	uint64_t off = (uint64_t)entry_of(m, block) * VHD_SECTOR;
	uint64_t pos = cv_extents_end(list), guest = block * m->block_size;
	struct cv_vhd_block b = {
		.at = { guest, cv_smaller(m->block_size, m->size - guest) },
		.host = off + m->bitmap_len,
		.limit = m->limit,
		.sector = VHD_SECTOR,
		.absent = m->differencing ? CV_EXTENT_PARENT : CV_EXTENT_ZERO,
	};
	struct cv_range part = { pos, cv_smaller(end, guest + b.at.len) - pos };

	if (!is_possible(m, off, b.at.len))
		return cv_extents_add(list, (struct cv_extent){ .at = part, .kind = CV_EXTENT_BAD, .host = off,
								.why = lost_why(m, off) }, err);
	if (!is_known_full(m, block)) {
		if (!hold_bitmap(m, block, off, err))
			return false;
		b.present = m->bitmap;
	}
	return cv_vhd_block_add(&b, part, list, err);
}

/* A BAT may be shorter than the disk: what lies behind it has never been written. */
static bool add_unallocated(const struct vhd_map *m, uint64_t block, uint64_t end, struct cv_extents *list,
			    struct cv_err *err)
{
	uint64_t pos = cv_extents_end(list);

	if (block < m->bat_entries)
		end = cv_smaller(end, (block + unallocated_from(m, block)) * m->block_size);
	else if (m->bat_lost)
		return cv_extents_add(list, (struct cv_extent){ .at = { pos, end - pos }, .kind = CV_EXTENT_BAD,
								.host = m->bat_off + block * sizeof(cv_be32) }, err);
	return cv_extents_add(list, (struct cv_extent){ .at = { pos, end - pos }, .kind = CV_EXTENT_PARENT }, err);
}

static bool add_next(struct vhd_map *m, uint64_t end, struct cv_extents *list, struct cv_err *err)
{
	uint64_t block = cv_extents_end(list) / m->block_size;

	if (block >= m->bat_entries)
		return add_unallocated(m, block, end, list, err);
	if (!hold_entry(m, block, err))
		return false;
	if (entry_of(m, block) == UNALLOCATED)
		return add_unallocated(m, block, end, list, err);
	return add_block(m, block, end, list, err);
}

/* Its data fill the file from the start up to the footer. */
static bool add_fixed(const struct vhd_map *m, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	const struct cv_vhd_block all = { .at = { 0, m->size }, .limit = m->limit, .sector = VHD_SECTOR };

	return cv_vhd_block_add(&all, range, list, err);
}

static bool map_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct vhd_map *m = layer->state;
	uint64_t end = range.off + range.len;

	if (m->fixed)
		return add_fixed(m, range, list, err);
	m->reads = 0;
	while (cv_extents_end(list) < end && !list->full) {
		if (!add_next(m, end, list, err))
			return false;
		/* Full early, so that whoever asks can stop an image that goes on for hours. */
		if (m->reads >= MOST_READS)
			list->full = true;
	}
	return true;
}

const struct cv_layer_ops cv_layer_ops_vhd = { open_map, map_extents, NULL, close_map, cv_vhd_map_describe };
