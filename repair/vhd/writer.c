/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A new VHD file from the front to the back. Where things lie is decided in encode.c; nothing here knows one
 * creator from another.
 */
#include "repair/vhd/writer.h"

bool cv_vhd_begin(struct cv_vhd_writer *w, const struct cv_file_out *out, const struct cv_vhd_image *image,
		  struct cv_err *err)
{
	*w = (struct cv_vhd_writer){ .out = out, .image = *image };
	if (!cv_vhd_plan_layout(image, &w->layout, err))
		return false;
	w->end = w->layout.data_off;
	w->bat = malloc((size_t)w->layout.entries * sizeof *w->bat);
	if (w->layout.map_len)
		w->map = calloc(1, w->layout.map_len);
	if (!w->bat || (w->layout.map_len && !w->map))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < w->layout.entries; i++)
		w->bat[i] = VHD_UNUSED;
	return true;
}

/* A place at the end of the file, with the bitmap right before data that are aligned as the creator does it. */
static bool allocate(struct cv_vhd_writer *w, uint32_t block, struct cv_err *err)
{
	uint64_t align = w->image.creator->data_align;
	uint64_t data = (w->end + w->layout.bitmap_len + align - 1) / align * align;
	uint64_t sector = (data - w->layout.bitmap_len) / VHD_SECTOR;

	if (sector >= VHD_UNUSED)
		return cv_fail(err, CV_ELIMIT, "a VHD file cannot be larger than 2 TiB");
	w->bat[block] = (uint32_t)sector;
	w->end = data + w->layout.block_size;
	return true;
}

bool cv_vhd_place(struct cv_vhd_writer *w, uint32_t block, uint64_t *data, bool *fresh, struct cv_err *err)
{
	if (block >= w->layout.entries)
		return cv_fail(err, CV_EUSAGE, "block %" PRIu32 " of %" PRIu32 ": not within the disk", block,
			       w->layout.entries);
	*fresh = w->bat[block] == VHD_UNUSED;
	if (*fresh && !allocate(w, block, err))
		return false;
	*data = (uint64_t)w->bat[block] * VHD_SECTOR + w->layout.bitmap_len;
	return true;
}

static void note_full(struct cv_vhd_writer *w, uint32_t block)
{
	if (w->map)
		w->map[block / 8] |= (uint8_t)(0x80 >> block % 8);
}

bool cv_vhd_fill_bitmap(struct cv_vhd_writer *w, uint32_t block, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *bitmap = calloc(1, w->layout.bitmap_len);
	uint32_t sectors = w->layout.block_size / VHD_SECTOR;

	if (!bitmap)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memset(bitmap, 0xff, sectors / 8);
	if (sectors % 8)
		bitmap[sectors / 8] = (uint8_t)(0xff00 >> sectors % 8);
	note_full(w, block);
	return cv_out_write(w->out, bitmap, w->layout.bitmap_len, (uint64_t)w->bat[block] * VHD_SECTOR, err);
}

bool cv_vhd_put_bitmap(struct cv_vhd_writer *w, uint32_t block, const uint8_t *bitmap, struct cv_err *err)
{
	uint32_t sectors = w->layout.block_size / VHD_SECTOR, set = 0;

	for (uint32_t i = 0; i < sectors; i++)
		set += bitmap[i / 8] >> (7 - i % 8) & 1;
	if (set == sectors)
		note_full(w, block);
	return cv_out_write(w->out, bitmap, w->layout.bitmap_len, (uint64_t)w->bat[block] * VHD_SECTOR, err);
}

static bool mark_sectors(struct cv_vhd_writer *w, uint32_t block, uint32_t first, uint32_t count, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *bitmap = malloc(w->layout.bitmap_len);
	uint64_t at = (uint64_t)w->bat[block] * VHD_SECTOR;

	if (!bitmap)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_out_read(w->out, bitmap, w->layout.bitmap_len, at, err))
		return false;
	for (uint32_t i = first; i < first + count; i++)
		bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return cv_vhd_put_bitmap(w, block, bitmap, err);
}

/* Fixed disks are their data. */
static bool put_fixed(struct cv_vhd_writer *w, uint32_t block, uint32_t first, const void *data, size_t len,
		      struct cv_err *err)
{
	uint64_t off = (uint64_t)block * w->layout.block_size + first;

	if (!cv_range_inside((struct cv_range){ off, len }, w->image.size))
		return cv_fail(err, CV_EUSAGE, "block %" PRIu32 " lies behind the end of the disk", block);
	return cv_out_write_sparse(w->out, data, len, off, err);
}

bool cv_vhd_put(struct cv_vhd_writer *w, uint32_t block, uint32_t first, const void *data, size_t len, uint32_t present,
		struct cv_err *err)
{
	const struct cv_vhd_layout *l = &w->layout;
	struct cv_range sectors = { first / VHD_SECTOR, present };
	uint64_t at;
	bool fresh;

	if (w->image.type == VHD_TYPE_FIXED)
		return put_fixed(w, block, first, data, len, err);
	if (first % VHD_SECTOR || !cv_range_inside((struct cv_range){ first, len }, l->block_size) ||
	    !cv_range_inside(sectors, l->block_size / VHD_SECTOR))
		return cv_fail(err, CV_EUSAGE, "block %" PRIu32 ": not within the block", block);
	if (!cv_vhd_place(w, block, &at, &fresh, err) || (fresh && !cv_out_resize(w->out, w->end, err)))
		return false;
	return cv_out_write_sparse(w->out, data, len, at + first, err) &&
	       mark_sectors(w, block, first / VHD_SECTOR, present, err);
}

static bool write_bat(const struct cv_vhd_writer *w, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) cv_be32 *buf = malloc(w->layout.bat_len);

	if (!buf)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memset(buf, w->image.creator->bat_tail, w->layout.bat_len);
	for (uint32_t i = 0; i < w->layout.entries; i++)
		buf[i] = cv_be32_of(w->bat[i]);
	return cv_out_write(w->out, buf, w->layout.bat_len, w->layout.bat_off, err);
}

static bool write_batmap(const struct cv_vhd_writer *w, struct cv_err *err)
{
	struct vhd_batmap_disk d;

	if (!w->map)
		return true;
	cv_vhd_encode_batmap(&w->image, &w->layout, w->map, &d);
	return cv_out_write(w->out, &d, sizeof d, w->layout.batmap_off, err) &&
	       cv_out_write(w->out, w->map, w->layout.map_len, w->layout.map_off, err);
}

static bool write_locators(const struct cv_vhd_writer *w, struct cv_err *err)
{
	for (unsigned i = 0; i < w->image.locator_count; i++) {
		struct cv_bytes payload = w->image.locators[i].payload;

		if (payload.len && !cv_out_write(w->out, payload.at, payload.len, w->layout.locator_off[i], err))
			return false;
	}
	return true;
}

bool cv_vhd_end(struct cv_vhd_writer *w, struct cv_err *err)
{
	struct vhd_footer_disk footer;
	struct vhd_header_disk header;

	cv_vhd_encode_footer(&w->image, &footer);
	if (w->image.type == VHD_TYPE_FIXED) {
		w->end = w->image.size;
		return cv_out_resize(w->out, w->end, err) && cv_out_write(w->out, &footer, sizeof footer, w->end, err);
	}
	return cv_vhd_encode_header(&w->image, &w->layout, &header, err) && cv_out_resize(w->out, w->end, err) &&
	       write_bat(w, err) && write_batmap(w, err) && write_locators(w, err) &&
	       cv_out_write(w->out, &header, sizeof header, sizeof footer, err) &&
	       cv_out_write(w->out, &footer, sizeof footer, w->end, err) &&
	       cv_out_write(w->out, &footer, sizeof footer, 0, err);
}

void cv_vhd_fini(struct cv_vhd_writer *w)
{
	free(w->bat);
	free(w->map);
	*w = (struct cv_vhd_writer){ 0 };
}
