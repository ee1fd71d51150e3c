/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a VHD without a good footer can be read by: a footer whose checksum is wrong but whose fields can be true, or the
 * dynamic header, which says how large the blocks are and how many. Only for those who read what can be read of a
 * damaged image.
 */
#include "inspect/vhd/vhd_map.h"

#define LARGEST_DISK (UINT64_C(2040) << 30)
#define SMALLEST_BLOCK 4096u
#define LARGEST_BLOCK (256u << 20)

static bool is_plausible(const struct vhd_reader *r, const struct vhd_footer *f)
{
	if (!cv_vhd_has_cookie(f) || f->type < VHD_TYPE_FIXED || f->type > VHD_TYPE_DIFFERENCING || !f->current_size ||
	    f->current_size > LARGEST_DISK || f->current_size % VHD_SECTOR)
		return false;
	return f->type == VHD_TYPE_FIXED ? f == &r->end
					 : cv_range_inside((struct cv_range){ f->data_offset, sizeof(struct vhd_header_disk) },
							   r->source->size);
}

static bool has_parent(const struct vhd_header_disk *d)
{
	return !cv_uuid_is_null(d->parent_uuid) || cv_vhd_nonzero(d->parent_name, sizeof d->parent_name).len;
}

/* Where every program puts the header. The disk is as large as its table allows. */
static bool by_header(struct vhd_reader *r, struct cv_err *err)
{
	struct vhd_header h = { .where = { VHD_SECTOR, sizeof h.disk } };
	uint64_t size;

	if (!cv_range_inside(h.where, r->source->size))
		return cv_fail(err, CV_EFORMAT, "no VHD footer that could be used, and the file ends before the dynamic header does");
	if (!cv_source_read(r->source, &h.disk, sizeof h.disk, h.where.off, err))
		return cv_wrap(err, "while reading the dynamic header");
	cv_vhd_header_decode(&h);
	size = (uint64_t)h.entries * h.block_size;
	if (!h.present || h.block_size < SMALLEST_BLOCK || h.block_size > LARGEST_BLOCK ||
	    h.block_size & (h.block_size - 1) || !size || size > LARGEST_DISK)
		return cv_fail(err, CV_EFORMAT, "no VHD footer that could be used, and no dynamic header at offset 0x%x to go by",
			       VHD_SECTOR);
	r->copy = (struct vhd_footer){
		.state = VHD_FOOTER_PLAIN, .sums = true, .where = { 0, VHD_SECTOR }, .version = VHD_VERSION(1, 0),
		.type = has_parent(&h.disk) ? VHD_TYPE_DIFFERENCING : VHD_TYPE_DYNAMIC, .data_offset = VHD_SECTOR,
		.current_size = size,
	};
	r->used = &r->copy;
	return true;
}

bool cv_vhd_footer_imagine(struct vhd_reader *r, struct cv_err *err)
{
	struct vhd_footer *f = r->used == &r->end ? &r->end : &r->copy;

	if (r->used && cv_vhd_is_good(r->used))
		return true;
	if (r->used && is_plausible(r, f)) {
		f->sums = true;
		return true;
	}
	return by_header(r, err);
}

bool cv_vhd_table_cut(struct vhd_map *m, const struct vhd_reader *r)
{
	uint64_t least = r->header.where.off + r->header.where.len, there;

	if (m->bat_off < least || m->bat_off >= r->source->size)
		return false;
	there = (r->source->size - m->bat_off) / sizeof(cv_be32);
	if (there < m->bat_entries) {
		m->bat_lost = m->bat_entries - there;
		m->bat_entries = there;
	}
	return m->bat_entries > 0;
}
