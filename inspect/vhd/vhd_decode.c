/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Decoding of VHD structures: total functions from bytes to host structures. What the values mean for the
 * image, and whether they are right, is said elsewhere.
 */
#include "inspect/vhd/vhd.h"

uint32_t cv_vhd_sum(const void *bytes, size_t len, size_t checksum_at)
{
	const uint8_t *b = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		if (i < checksum_at || i >= checksum_at + 4)
			sum += b[i];
	return ~sum;
}

static enum vhd_footer_state footer_state(const struct vhd_footer_disk *d, size_t len)
{
	const uint8_t *b = d->cookie;

	if (!memcmp(d->cookie, VHD_COOKIE, sizeof d->cookie))
		return VHD_FOOTER_PLAIN;
	if (!memcmp(d->cookie, VHD_POISON, sizeof d->cookie))
		return VHD_FOOTER_POISONED;
	for (size_t i = 0; i < len; i++)
		if (b[i] != VHD_KILLED_BYTE)
			return VHD_FOOTER_ABSENT;
	return VHD_FOOTER_KILLED;
}

bool cv_vhd_made_by_tap(const struct vhd_footer *f)
{
	return !memcmp(f->disk.app, "tap", 3);
}

/* Tools of tap 0.1 and 1.1 set the hidden byte and left the checksum as it was. */
static bool sums_but_for_hidden(const struct vhd_footer *f)
{
	return f->disk.hidden && cv_vhd_made_by_tap(f) &&
	       (f->app_version == VHD_VERSION(0, 1) || f->app_version == VHD_VERSION(1, 1)) &&
	       f->sum_stored == f->sum_actual + f->disk.hidden;
}

void cv_vhd_footer_decode(struct vhd_footer *f)
{
	const struct vhd_footer_disk *d = &f->disk;

	f->state = footer_state(d, f->where.len);
	f->sum_stored = cv_be32_get(d->checksum);
	f->sum_actual = cv_vhd_sum(d, sizeof *d, offsetof(struct vhd_footer_disk, checksum));
	f->features = cv_be32_get(d->features);
	f->version = cv_be32_get(d->version);
	f->app_version = cv_be32_get(d->app_version);
	f->type = cv_be32_get(d->type);
	f->timestamp = cv_be32_get(d->timestamp);
	f->data_offset = cv_be64_get(d->data_offset);
	f->current_size = cv_be64_get(d->current_size);
	f->geometry_size = (uint64_t)cv_be16_get(d->cylinders) * d->heads * d->sectors * VHD_SECTOR;
	f->sums = f->sum_stored == f->sum_actual || sums_but_for_hidden(f);
}

void cv_vhd_header_decode(struct vhd_header *h)
{
	const struct vhd_header_disk *d = &h->disk;

	h->present = !memcmp(d->cookie, VHD_HEADER_COOKIE, sizeof d->cookie);
	h->sum_stored = cv_be32_get(d->checksum);
	h->sum_actual = cv_vhd_sum(d, sizeof *d, offsetof(struct vhd_header_disk, checksum));
	h->sums = h->present && h->sum_stored == h->sum_actual;
	h->table_offset = cv_be64_get(d->table_offset);
	h->version = cv_be32_get(d->version);
	h->entries = cv_be32_get(d->max_table_entries);
	h->block_size = cv_be32_get(d->block_size);
	h->parent_time = cv_be32_get(d->parent_time);
}

/* Meant to be sectors, but Virtual PC, Hyper-V and vhd-util write bytes: small numbers are taken as sectors. */
uint64_t cv_vhd_locator_space(uint32_t space)
{
	if (space < VHD_SECTOR)
		return (uint64_t)space * VHD_SECTOR;
	return space % VHD_SECTOR ? 0 : space;
}

struct cv_range cv_vhd_nonzero(const uint8_t *bytes, size_t len)
{
	struct cv_range r = { 0, 0 };

	for (size_t i = 0; i < len; i++) {
		if (!bytes[i])
			continue;
		if (!r.len)
			r.off = i;
		r.len = i - r.off + 1;
	}
	return r;
}
