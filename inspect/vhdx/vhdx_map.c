/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHDX as a layer: from guest offsets by way of the BAT and, in differencing images, the sector bitmaps to
 * extents. What headers and metadata say was settled when it was opened (vhdx_map_open.c). Facts from [MS-VHDX] 2.5.
 */
#include "inspect/vhdx/vhdx_map.h"
#include "inspect/vhd/vhd_map_block.h"

/* Windows of the BAT and of bitmaps that one call reads: enough for tens of terabytes of a sane image. */
#define MOST_READS 4096u

extern const struct cv_layer_ops cv_layer_ops_vhdx;

/* What a payload block's state means; 5 is what drafts of the format had for 3. Reserved: cannot be true. */
enum meaning { MEANS_PARENT, MEANS_ZERO, MEANS_DATA, MEANS_PARTIAL, MEANS_NOTHING };
static const uint8_t meanings[VHDX_STATE_BITS + 1] = {
	MEANS_PARENT, MEANS_ZERO, MEANS_ZERO, MEANS_ZERO, MEANS_NOTHING, MEANS_ZERO, MEANS_DATA, MEANS_PARTIAL,
};

static bool open_map(struct cv_layer *layer, struct cv_err *err)
{
	struct vhdx_map *m = malloc(sizeof *m);

	if (!m)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhdx_map_init(m, layer, err)) {
		cv_vhdx_map_fini(m);
		free(m);
		return false;
	}
	layer->state = m;
	return true;
}

static void close_map(struct cv_layer *layer)
{
	cv_vhdx_map_fini(layer->state);
	free(layer->state);
}

/* Holds the window of the BAT with an entry, which must be one of the region. */
static bool hold_entry(struct vhdx_map *m, uint64_t entry, struct cv_err *err)
{
	if (cv_bat_holds(&m->bat, entry))
		return true;
	m->reads++;
	return cv_bat_hold(&m->bat, m->source, m->bat_off, m->bat_entries, entry, err);
}

/* One that is held. */
static const cv_le64 *entry_at(const struct vhdx_map *m, uint64_t entry)
{
	return (const cv_le64 *)m->bat.entries + (entry - m->bat.first);
}

/* May something of the file lie there? The end of a payload block may be cut off. */
static bool is_possible(const struct vhdx_map *m, uint64_t off, uint64_t len)
{
	return off < m->source->size && !cv_places_touch(m->places, m->place_count, (struct cv_range){ off, len });
}

/* Where a chunk's sector bitmap lies; *off 0 if there is none that can be read. */
static bool find_bitmap(struct vhdx_map *m, uint64_t chunk, uint64_t *off, struct cv_err *err)
{
	uint64_t index = cv_vhdx_entry_of_bitmap(m, chunk), entry = 0;
	cv_le64 disk;

	if (m->chunk != chunk && index < m->bat_entries) {
		m->reads++;
		if (!cv_source_read(m->source, &disk, sizeof disk, m->bat_off + index * sizeof disk, err))
			return cv_wrap(err, "while reading the BAT");
		entry = cv_le64_get(disk);
	}
	if (m->chunk != chunk) {
		m->chunk = chunk;
		m->chunk_bitmap = entry & VHDX_OFFSET_BITS;
		if ((entry & VHDX_STATE_BITS) != VHDX_BITMAP_PRESENT || cv_vhdx_has_reserved_bits(entry) ||
		    !cv_range_inside((struct cv_range){ m->chunk_bitmap, CV_VHDX_MIB }, m->source->size) ||
		    !is_possible(m, m->chunk_bitmap, CV_VHDX_MIB))
			m->chunk_bitmap = 0;
	}
	*off = m->chunk_bitmap;
	return true;
}

/* Holds the part of a chunk's bitmap with a block's bits; *bits NULL if there is none. */
static bool hold_bits(struct vhdx_map *m, uint64_t block, const uint8_t **bits, struct cv_err *err)
{
	uint64_t at = block % m->ratio * (m->block_size / m->sector / 8);
	uint64_t bitmap = 0, off;

	*bits = NULL;
	if (!find_bitmap(m, block / m->ratio, &bitmap, err))
		return false;
	if (!bitmap)
		return true;
	off = bitmap + at / VHDX_MAP_BITS * VHDX_MAP_BITS;
	if (m->bits_off != off) {
		m->reads++;
		m->bits_off = 0;
		if (!cv_source_read(m->source, m->bits, VHDX_MAP_BITS, off, err))
			return cv_wrap(err, "while reading a sector bitmap");
		m->bits_off = off;
	}
	*bits = m->bits + at % VHDX_MAP_BITS;
	return true;
}

static bool add(struct cv_extents *list, uint64_t end, enum cv_extent_kind kind, uint64_t host, struct cv_err *err)
{
	uint64_t pos = cv_extents_end(list);

	return cv_extents_add(list, (struct cv_extent){ .at = { pos, end - pos }, .kind = kind, .host = host }, err);
}

/* A block that has a place, or says so. */
static bool add_placed(struct vhdx_map *m, uint64_t block, uint64_t entry, uint64_t end, struct cv_extents *list,
		       struct cv_err *err)
{
	enum meaning meaning = meanings[entry & VHDX_STATE_BITS];
	uint64_t guest = block * m->block_size, pos = cv_extents_end(list);
	struct cv_vhd_block b = {
		.at = { guest, cv_smaller(m->block_size, m->size - guest) },
		.host = entry & VHDX_OFFSET_BITS,
		.limit = m->source->size,
		.sector = m->sector,
		.absent = meaning == MEANS_ZERO ? CV_EXTENT_ZERO : CV_EXTENT_PARENT,
		.low_bit_first = true,
		.none_present = meaning == MEANS_ZERO,
	};
	bool possible = is_possible(m, b.host, b.at.len);

	end = cv_smaller(end, guest + b.at.len);
	if (meaning == MEANS_ZERO && !possible)
		return add(list, end, CV_EXTENT_ZERO, 0, err);
	if (meaning == MEANS_PARTIAL && possible && !hold_bits(m, block, &b.present, err))
		return false;
	if (!possible || (meaning == MEANS_PARTIAL && !b.present))
		return add(list, end, CV_EXTENT_BAD, b.host, err);
	return cv_vhd_block_add(&b, (struct cv_range){ pos, end - pos }, list, err);
}

static bool cannot_be(const struct vhdx_map *m, uint64_t entry)
{
	enum meaning meaning = meanings[entry & VHDX_STATE_BITS];

	return cv_vhdx_has_reserved_bits(entry) || meaning == MEANS_NOTHING ||
	       (meaning == MEANS_PARTIAL && !m->differencing);
}

/* The blocks from this one on whose entries say the very same, as far as the BAT is held and the chunk goes. */
static uint64_t same_from(const struct vhdx_map *m, uint64_t block)
{
	uint64_t first = cv_vhdx_entry_of_block(m, block), most = m->ratio - block % m->ratio, n = 1;

	while (n < most && cv_bat_holds(&m->bat, first + n) &&
	       !memcmp(entry_at(m, first + n), entry_at(m, first), sizeof(cv_le64)))
		n++;
	return n;
}

/* The entry of the block is held. */
static bool add_held(struct vhdx_map *m, uint64_t block, uint64_t end, struct cv_extents *list, struct cv_err *err)
{
	static const enum cv_extent_kind kinds[] = { [MEANS_PARENT] = CV_EXTENT_PARENT, [MEANS_ZERO] = CV_EXTENT_ZERO };
	uint64_t entry = cv_le64_get(*entry_at(m, cv_vhdx_entry_of_block(m, block)));
	enum meaning meaning = meanings[entry & VHDX_STATE_BITS];
	bool bad = cannot_be(m, entry);

	if (!bad && (meaning > MEANS_ZERO || (meaning == MEANS_ZERO && entry & VHDX_OFFSET_BITS)))
		return add_placed(m, block, entry, end, list, err);
	end = cv_smaller(end, (block + same_from(m, block)) * m->block_size);
	return add(list, end, bad ? CV_EXTENT_BAD : kinds[meaning], entry & VHDX_OFFSET_BITS, err);
}

static bool map_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct vhdx_map *m = layer->state;
	uint64_t end = range.off + range.len, pos;

	m->reads = 0;
	while ((pos = cv_extents_end(list)) < end && !list->full) {
		uint64_t block = pos / m->block_size, entry = cv_vhdx_entry_of_block(m, block);

		/* The specification asks for a BAT that covers the disk, so nobody can say what is missing in it. */
		if (entry >= m->bat_entries)
			return add(list, end, CV_EXTENT_BAD, 0, err);
		if (!hold_entry(m, entry, err) || !add_held(m, block, end, list, err))
			return false;
		/* Full early, so that whoever asks can stop an image that goes on for hours. */
		if (m->reads >= MOST_READS)
			list->full = true;
	}
	return true;
}

const struct cv_layer_ops cv_layer_ops_vhdx = { open_map, map_extents, NULL, close_map, cv_vhdx_map_describe };
