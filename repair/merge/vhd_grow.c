/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHD parent whose disk becomes larger. What would show at the end of the old disk reads as zeros first, and BAT entries that
 * were nobody's say that there is nothing. Only then the footers tell the new size. A BAT without entries to spare cannot
 * become longer in its place.
 */
#include "repair/merge/vhd.h"
#include "inspect/vhd/vhd.h"

enum { ENTRIES_OF_A_STEP = 8192 };           /* 32 KiB of the BAT */
#define LARGEST_DISK (UINT64_C(2040) << 30)

/* What the footers will say. */
static bool enlarge(const struct cv_merge *m, struct vhd_footer_disk *d, struct cv_err *err)
{
	struct cv_vhd_geometry g = cv_vhd_geometry_of(m->child_size);
	uint64_t told = (uint64_t)g.cylinders * g.heads * g.sectors * VHD_SECTOR;
	bool greatest = cv_be16_get(d->cylinders) == 65535 && d->heads == 16 && d->sectors == 255;

	d->current_size = cv_be64_of(m->child_size);
	if (!greatest) {
		d->cylinders = cv_be16_of((uint16_t)g.cylinders);
		d->heads = (uint8_t)g.heads;
		d->sectors = (uint8_t)g.sectors;
	}
	cv_vhd_seal_footer(d);
	return greatest || memcmp(d->app, "qemu", sizeof d->app) != 0 || told == m->child_size ||
	       cv_fail(err, CV_EREFUSED, "QEMU goes by the geometry of this VHD, and there is none for the larger disk; chainview "
		       "convert makes another VHD of it");
}

bool cv_merge_vhd_plan_growth(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	struct vhd_footer_disk trial = v->footer;

	if (m->child_size > LARGEST_DISK)
		return cv_fail(err, CV_EREFUSED, "a VHD cannot be as large as the image (%" PRIu64 " B)", m->child_size);
	if (cv_merge_vhd_blocks(v, m->child_size) > v->entries)
		return cv_fail(err, CV_EREFUSED, "the BAT of the VHD has no room for the larger disk: chainview convert makes a VHD with "
			       "a longer one");
	return enlarge(m, &trial, err);
}

/* The rest of the last block lies behind the end of the old disk: nobody has looked at it. */
static bool clear_tail(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;
	uint64_t at = m->size % v->block_size, block = m->size / v->block_size;
	uint32_t sector;

	if (!at)
		return true;
	if (!cv_merge_vhd_entry(m, block, &sector, err) || sector == VHD_UNUSED)
		return err->code == CV_OK;
	return cv_merge_zero(m, (uint64_t)sector * VHD_SECTOR + v->bitmap_len + at, v->block_size - at, false, err);
}

/* Entries of the BAT from one block on, so many that they fit into a batch. */
static bool clear_entries(struct cv_merge *m, uint64_t first, uint64_t end, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;
	CV_AUTO(cv_auto_free) uint8_t *unused = malloc(ENTRIES_OF_A_STEP * sizeof(cv_be32));

	if (!unused)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memset(unused, 0xff, ENTRIES_OF_A_STEP * sizeof(cv_be32));
	return first >= end || cv_merge_set(m, CV_MERGE_VHD_LAYER, v->bat + first * sizeof(cv_be32), unused,
					    (size_t)(end - first) * sizeof(cv_be32), err);
}

static bool set_footers(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;

	if (!enlarge(m, &v->footer, err) || !enlarge(m, &v->copy, err))
		return false;
	m->size = m->child_size;
	return cv_merge_set(m, CV_MERGE_VHD_LAYER, m->file - VHD_SECTOR, &v->footer, VHD_SECTOR, err) &&
	       cv_merge_set(m, CV_MERGE_VHD_LAYER, 0, &v->copy, VHD_SECTOR, err);
}

bool cv_merge_vhd_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;
	uint64_t first = cv_merge_vhd_blocks(v, m->size) + (uint64_t)step * ENTRIES_OF_A_STEP;
	uint64_t all = cv_merge_vhd_blocks(v, m->child_size), end = first + ENTRIES_OF_A_STEP;

	*more = step == 0 || first < all;
	if (!*more)
		return set_footers(m, err);
	return (step || clear_tail(m, err)) && clear_entries(m, first, end < all ? end : all, err);
}
