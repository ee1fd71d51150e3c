/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tables of a VHD for one guest offset, in words for people. What they mean for a guest is in vhd_map.c. */
#include "inspect/vhd/vhd_map.h"
#include "inspect/vhd/vhd_map_block.h"

/* Bits that are shown around the sector. */
#define SHOWN_BITS 64u

static int bit_of(const struct cv_vhd_bits *b, const uint8_t *bits, uint64_t n)
{
	return bits[n / 8] >> (b->low_bit_first ? n % 8 : 7 - n % 8) & 1;
}

bool cv_vhd_describe_bits(struct cv_source *source, const struct cv_vhd_bits *b, struct cv_text *lines, struct cv_err *err)
{
	uint64_t first = b->sector / SHOWN_BITS * SHOWN_BITS;
	uint64_t last = first + SHOWN_BITS < b->count ? first + SHOWN_BITS : b->count;
	uint8_t bits[SHOWN_BITS / 8];

	if (!cv_source_read(source, bits, sizeof bits, b->off + first / 8, err))
		return false;
	cv_text_addf(lines, "sector %" PRIu64 " of %" PRIu64 " in the block: %s in the bitmap at offset %" PRIu64 "\n",
		     b->sector, b->count, bit_of(b, bits, b->sector - first) ? "set" : "not set", b->off);
	cv_text_addf(lines, "bits of sectors %" PRIu64 " to %" PRIu64 ": ", first, last - 1);
	for (uint64_t i = 0; i < last - first; i++)
		cv_text_addf(lines, "%d%s", bit_of(b, bits, i), i % 8 == 7 && i + 1 < last - first ? " " : "");
	cv_text_add(lines, "\n");
	return true;
}

bool cv_vhd_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err)
{
	const struct vhd_map *m = layer->state;
	uint64_t block, at;
	uint32_t entry;
	cv_be32 raw;

	if (m->fixed)
		return true;
	block = offset / m->block_size;
	at = m->bat_off + block * sizeof raw;
	if (block >= m->bat_entries) {
		cv_text_addf(lines, "the BAT has no entry %" PRIu64 ", it ends before\n", block);
		return true;
	}
	if (!cv_source_read(m->source, &raw, sizeof raw, at, err))
		return false;
	entry = cv_be32_get(raw);
	cv_text_addf(lines, "BAT entry %" PRIu64 " at offset %" PRIu64 ": ", block, at);
	if (entry == UINT32_MAX) {
		cv_text_add(lines, "not allocated\n");
		return true;
	}
	cv_text_addf(lines, "sector %" PRIu32 ", offset %" PRIu64 "\n", entry, (uint64_t)entry * VHD_SECTOR);
	if (!cv_range_inside((struct cv_range){ (uint64_t)entry * VHD_SECTOR, m->bitmap_len }, m->limit)) {
		cv_text_add(lines, "the block does not lie in the file\n");
		return true;
	}
	/* The bitmap is in whole sectors, so that there are always as many bytes. */
	return cv_vhd_describe_bits(m->source, &(struct cv_vhd_bits){
		.off = (uint64_t)entry * VHD_SECTOR,
		.sector = offset % m->block_size / VHD_SECTOR,
		.count = m->block_size / VHD_SECTOR,
	}, lines, err);
}
