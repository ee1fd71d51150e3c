/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See vhd.h: where everything of a VHD lies. */
#include "repair/fix/vhd.h"

enum { PIECE = 16384 };

bool cv_fix_vhd_read(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_err *err)
{
	*v = (struct cv_fix_vhd){ .job = job, .r = { .source = job->source, .facts = cv_facts_new() }, .first = UINT64_MAX };
	if (!v->r.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_vhd_read(&v->r, err);
}

void cv_fix_vhd_fini(struct cv_fix_vhd *v)
{
	cv_facts_free(v->r.facts);
	v->r.facts = NULL;
}

static uint64_t whole_sectors(uint64_t bytes)
{
	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

/* What says nonsense about its place was found by the check, and ends nothing. */
static void extend(struct cv_fix_vhd *v, uint64_t off, uint64_t len)
{
	uint64_t end;

	if (!__builtin_add_overflow(off, whole_sectors(len), &end) && end <= v->r.source->size && end > v->end)
		v->end = end;
}

static void structures(struct cv_fix_vhd *v)
{
	const struct vhd_header *h = &v->r.header;

	extend(v, h->where.off, h->where.len);
	extend(v, h->table_offset, (uint64_t)h->entries * 4);
	if (v->r.batmap.present) {
		extend(v, v->r.batmap.where.off, v->r.batmap.where.len);
		extend(v, v->r.batmap.map.off, v->r.batmap.map.len);
	}
	for (unsigned i = 0; v->r.used->type == VHD_TYPE_DIFFERENCING && i < VHD_LOCATORS; i++)
		if (cv_vhd_nonzero(h->disk.locators[i].code, sizeof h->disk.locators[i].code).len)
			extend(v, cv_be64_get(h->disk.locators[i].offset), cv_be32_get(h->disk.locators[i].length));
}

/* The last block of the disk may be shorter. */
static uint64_t need_of(const struct cv_fix_vhd *v, uint64_t block)
{
	uint64_t size = v->r.facts->block_size, guest = block * size, disk = v->r.facts->virtual_size;
	uint64_t bitmap = whole_sectors((size / VHD_SECTOR + 7) / 8), left = guest < disk ? disk - guest : 0;

	return bitmap + whole_sectors(left && left < size ? left : size);
}

static void take_block(struct cv_fix_vhd *v, uint64_t block, uint32_t sector)
{
	struct cv_range at = { (uint64_t)sector * VHD_SECTOR, need_of(v, block) };

	if (sector == UINT32_MAX)
		return;
	v->first = at.off < v->first ? at.off : v->first;
	if (cv_range_inside(at, v->r.source->size)) {
		extend(v, at.off, at.len);
	} else if (!v->any_past) {
		v->any_past = true;
		v->past = (uint32_t)block;
	}
}

bool cv_fix_vhd_walk(struct cv_fix_vhd *v, struct cv_err *err)
{
	const struct vhd_header *h = &v->r.header;
	CV_AUTO(cv_auto_free) cv_be32 *bat = malloc(PIECE * sizeof *bat);

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	structures(v);
	for (uint64_t first = 0; first < h->entries; first += PIECE) {
		uint64_t n = h->entries - first < PIECE ? h->entries - first : PIECE;

		if (!cv_source_read(v->r.source, bat, (size_t)n * sizeof *bat, h->table_offset + first * 4, err))
			return cv_wrap(err, "while reading the BAT");
		for (uint64_t i = 0; i < n; i++)
			take_block(v, first + i, cv_be32_get(bat[i]));
	}
	return true;
}
