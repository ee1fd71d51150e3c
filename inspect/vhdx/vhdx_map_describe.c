/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tables of a VHDX for one guest offset, in words for people. What they mean for a guest is in vhdx_map.c. */
#include "inspect/vhdx/vhdx_map.h"
#include "inspect/vhd/vhd_map_block.h"

/* Of payload blocks; 5 is what drafts of the format had for 3. */
static const char *const states[VHDX_STATE_BITS + 1] = {
	"not present", "undefined", "zero", "unmapped", "reserved", "unmapped (of a draft)", "fully present",
	"partially present",
};

/* An entry with its place; false without an error if the table or the file does not have it. */
static bool read_entry(const struct vhdx_map *m, uint64_t index, uint64_t *entry, struct cv_text *lines,
		       struct cv_err *err)
{
	uint64_t at = m->bat_off + index * sizeof(cv_le64);
	cv_le64 raw;

	if (index >= m->bat_entries || !cv_range_inside((struct cv_range){ at, sizeof raw }, m->source->size)) {
		cv_text_addf(lines, "the BAT has no entry %" PRIu64 "\n", index);
		return false;
	}
	if (!cv_source_read(m->source, &raw, sizeof raw, at, err))
		return false;
	*entry = cv_le64_get(raw);
	cv_text_addf(lines, "BAT entry %" PRIu64 " at offset %" PRIu64 ": %016" PRIx64 ": ", index, at, *entry);
	return true;
}

static bool add_bitmap(const struct vhdx_map *m, uint64_t offset, struct cv_text *lines, struct cv_err *err)
{
	uint64_t block = offset / m->block_size, sectors = m->block_size / m->sector, entry, bitmap;

	if (!read_entry(m, cv_vhdx_entry_of_bitmap(m, block / m->ratio), &entry, lines, err))
		return err->code == CV_OK;
	bitmap = entry & VHDX_OFFSET_BITS;
	if ((entry & VHDX_STATE_BITS) != VHDX_BITMAP_PRESENT || cv_vhdx_has_reserved_bits(entry)) {
		cv_text_add(lines, "no sector bitmap\n");
		return true;
	}
	cv_text_addf(lines, "sector bitmap at offset %" PRIu64 "\n", bitmap);
	if (!cv_range_inside((struct cv_range){ bitmap, CV_VHDX_MIB }, m->source->size)) {
		cv_text_add(lines, "the bitmap does not lie in the file\n");
		return true;
	}
	return cv_vhd_describe_bits(m->source, &(struct cv_vhd_bits){
		.off = bitmap + block % m->ratio * (sectors / 8),
		.sector = offset % m->block_size / m->sector,
		.count = sectors,
		.low_bit_first = true,
	}, lines, err);
}

bool cv_vhdx_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err)
{
	const struct vhdx_map *m = layer->state;
	uint64_t entry;

	if (!read_entry(m, cv_vhdx_entry_of_block(m, offset / m->block_size), &entry, lines, err))
		return err->code == CV_OK;
	cv_text_add(lines, states[entry & VHDX_STATE_BITS]);
	if (entry & VHDX_OFFSET_BITS)
		cv_text_addf(lines, ", offset %" PRIu64, entry & VHDX_OFFSET_BITS);
	cv_text_add(lines, cv_vhdx_has_reserved_bits(entry) ? ", with reserved bits\n" : "\n");
	return (entry & VHDX_STATE_BITS) != VHDX_STATE_BITS || !m->differencing || add_bitmap(m, offset, lines, err);
}
